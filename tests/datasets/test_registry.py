from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from bioconv.datasets import registry
from bioconv.datasets.registry import KINDS, MODULES, find, search, sources

from bioconv.errors import InputError

ROOT = Path(__file__).parent.parent.parent
SOURCES = list(sources().values())


def test_every_module_with_a_source_is_registered_once() -> None:
    files = {path.stem for path in (ROOT / "datasets").glob("*.py") if "SOURCE = Source(" in path.read_text()}
    assert files == set(MODULES)
    assert len(MODULES) == len(sources())


def test_every_list_of_files_belongs_to_a_set() -> None:
    lists = {path.stem for path in (ROOT / "datasets/file_lists").iterdir()}
    assert lists <= {source.place for source in SOURCES}
    for name in lists:
        claimed = [one.name for source in SOURCES if source.place == name for one in source.files]
        assert sorted(claimed) == sorted(one.name for one in registry.listed_files(name))


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_set_is_described_in_full(source: registry.Source) -> None:
    for field in ("name", "title", "about", "citation", "licence", "terms", "weights", "address", "address_note"):
        assert getattr(source, field)
    assert source.kind in KINDS
    assert re.fullmatch(r"[a-z0-9-]+", source.name)
    assert source.address.startswith(("https://", "http://"))
    assert not source.doi or re.fullmatch(r"10\.\d{4,5}/\S+", source.doi)
    assert source.terms.endswith(".")
    assert source.citation_note.startswith("not verified") != bool(source.doi)
    for url in re.findall(r"\w+://[^\s;,]+", " ".join(map(str, vars(source).values()))):
        assert re.fullmatch(r"https?://([a-z0-9-]+\.)+[a-z]{2,}(/[\w.+~()%-]+)*/?", url.rstrip("'\"")), url
    for doi in re.findall(r"doi ([^\s,;'\"]+)", " ".join(one.source for one in source.results)):
        assert re.fullmatch(r"10\.\d{4,5}/[\w.()/-]+", doi), doi
    assert all(result.value and result.source for result in source.results)
    assert bool(source.files) != bool(source.expected), "either sums are known, or what to look for"
    assert source.files or source.registration
    assert source.loader == hasattr(import_module(registry.module_of(source)), "load")
    if not all(one.url for one in source.files):
        assert source.conversion or source.registration or source.kind in {"reader cases", "results"}, "where from?"


@pytest.mark.parametrize("source", [one for one in SOURCES if one.files], ids=lambda source: source.name)
def test_the_files_of_a_list_are_plain(source: registry.Source) -> None:
    for one in source.files:
        assert re.fullmatch("[0-9a-f]{64}", one.sha256)
        assert one.size > 0
        assert not one.url or re.fullmatch(
            r"https://raw\.githubusercontent\.com/[\w.-]+/[\w.-]+/[0-9a-f]{40}/\S+", one.url
        )
    assert len({one.name for one in source.files}) == len(source.files)
    assert source.size == sum(one.size for one in source.files)


@pytest.mark.parametrize("source", [one for one in SOURCES if one.conversion], ids=lambda source: source.name)
def test_a_conversion_names_code_that_is_there(source: registry.Source) -> None:
    for name in re.findall(r"bioconv\.datasets\.conversions\.(\w+)", source.conversion):
        assert callable(getattr(import_module("bioconv.datasets.conversions"), name))


def test_an_address_keeps_odd_letters() -> None:
    (one,) = (
        one for one in find("deepbind-encode-chipseq")[0].files if one.name.startswith("USF1") and "_AC" in one.name
    )
    assert one.url == (
        "https://raw.githubusercontent.com/jisraeli/DeepBind/a9bbf5ffcdf62f2832b0bbdede43a36f4dc19426/data/encode/"
        "USF1_HepG2_USF-1_HudsonAlpha_AC.seq.gz"
    )
    (odd,) = (one for one in find("deepbind-encode-chipseq")[0].files if "sc-8821)_Stanford_B" in one.name)
    assert "%28sc-8821%29" in odd.url


def test_find() -> None:
    assert [source.name for source in find("motifs")] == ["jaspar", "hocomoco", "motif-parser-cases"]
    with pytest.raises(InputError, match="no data set is called 'chase_db1'; near: chase-db1"):
        find("chase_db1")
    with pytest.raises(InputError, match="See: bioconv datasets list"):
        find("zzzz")
    with pytest.raises(InputError, match="the name of the data set is empty"):
        find("")


def test_search_reads_descriptions_whatever_their_case() -> None:
    assert {source.name for source in search("RETINAL")} == {"drive", "chase-db1"}
    assert {source.kind for source in search(kind="motifs")} == {"motifs"}
    assert search("nothing like it") == []


@pytest.mark.parametrize("source", [one for one in SOURCES if one.files], ids=lambda source: source.name)
def test_every_file_of_the_mirror_is_the_listed_one(
    source: registry.Source, shared_data: Callable[[str], Path]
) -> None:
    folder = shared_data(source.place)
    for one in source.files:
        content = (folder / one.name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (one.size, one.sha256)


def test_every_file_of_the_mirror_is_listed(shared_data: Callable[[str], Path]) -> None:
    mirror = shared_data("drive").parent
    known = {f"{one.set}/{one.name}" for source in SOURCES for one in source.files}
    known |= {f"deepbind-models-2015/{name}" for name in ("LICENSE.txt", "example.fa", "example.ids", "example.seq")}
    there = {path.relative_to(mirror).as_posix() for path in mirror.rglob("*") if path.is_file()}
    assert {name for name in there - known if not name.endswith("README.md")} == set()


def test_a_list_is_made_of_a_folder(tmp_path: Path) -> None:
    from bioconv.datasets.files import write_file_list

    (tmp_path / "set/deep").mkdir(parents=True)
    (tmp_path / "set/deep/a.txt").write_text("abc")
    (tmp_path / "set/README.md").write_text("not listed")
    write_file_list(tmp_path / "set", tmp_path / "list.json")
    # The digest is that of FIPS 180-2, appendix B.1.
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert json.loads((tmp_path / "list.json").read_text()) == [["deep/a.txt", 3, digest]]
