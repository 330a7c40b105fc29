from __future__ import annotations

import ast
import gzip
import hashlib
import json
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bioconv.download import RemoteFile
from bioconv.errors import DownloadError, ModelError
from bioconv.zoo import find, install, installed, location, registry, resolve, search, sets
from bioconv.zoo.registry import Model, ModelSet, models

SET = "deepbind-models-2015"
Locate = Callable[[str], Path]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BIOCONV_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BIOCONV_DATA_MIRROR", raising=False)
    return tmp_path / "cache" / SET


@pytest.fixture
def mirror(shared_data: Locate, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = shared_data(f"{SET}/params.tar.gz").parent.parent
    monkeypatch.setenv("BIOCONV_DATA_MIRROR", str(folder))
    return folder


@pytest.fixture(scope="module")
def published(shared_data: Locate) -> dict[str, bytes]:
    """The raw bytes of the members of the archive, by id."""
    with tarfile.open(shared_data(f"{SET}/params.tar.gz")) as archive:
        return {Path(m.name).stem: archive.extractfile(m).read() for m in archive.getmembers() if m.isreg()}


def test_the_set_says_what_it_is() -> None:
    known = sets()[SET]
    assert len(known.models) == 927
    assert Counter(model.experiment for model in known.models) == {
        "SELEX": 461, "RNAcompete": 244, "ChIP-seq": 137, "PBM": 85,
    }  # fmt: skip
    assert (known.doi, known.licence) == ("10.1038/nbt.3300", "BSD-3-Clause")
    assert "Redistributions in binary form" in known.notice
    assert known.address_checked is False


def test_one_address_per_model_pinned_by_commit() -> None:
    known = sets()[SET]
    urls = [known.remote(model).url for model in known.models]
    commit = "714d552fd9808a37a4445049ab4bbb235995f0bd"
    assert len(set(urls)) == 927
    assert known.remote(find("deepbind:D00328.003")).url == (
        f"https://raw.githubusercontent.com/kundajelab/deepbind/{commit}/db/params/D00328.003.txt"
    )


def test_files_are_those_of_the_distribution(shared_data: Locate) -> None:
    for file in sets()[SET].files:
        content = shared_data(f"{SET}/{file.name}").read_bytes()
        assert (file.size, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_every_model_is_a_member_by_its_raw_bytes(published: dict[str, bytes]) -> None:
    listed = {model.name: (model.size, model.sha256) for model in sets()[SET].models}
    assert listed == {
        f"deepbind:{name}": (len(content), hashlib.sha256(content).hexdigest()) for name, content in published.items()
    }


def test_descriptions_are_those_of_the_index(shared_data: Locate, published: dict[str, bytes]) -> None:
    text = gzip.decompress(shared_data(f"{SET}/db.tsv.gz").read_bytes()).decode()
    header, *rows = [line.split("\t") for line in text.splitlines() if line.strip() and line[0] != "#"]
    index = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
    assert len(index) == 2622
    for model in sets()[SET].models:
        row = index[model.name.removeprefix("deepbind:")]
        assert "deprecated" not in row["Labels"]
        expected = [row[key] for key in ("Protein", "Type", "Species", "Family", "Experiment", "Cite")]
        assert [
            model.protein, model.type, model.species, model.family, model.experiment, model.cite,
        ] == expected  # fmt: skip
        assert model.details.split(", ") == ast.literal_eval(row["Experiment Details"])


def test_all_models_installed_from_a_mirror_equal_the_published_ones(
    mirror: Path, cache: Path, published: dict[str, bytes]
) -> None:
    assert not installed(SET)
    assert install(SET) == cache
    assert {path.stem: path.read_bytes() for path in (cache / "params").iterdir()} == published
    assert installed(SET)
    assert {path.name for path in cache.iterdir()} == {"params", "params.tar.gz"}


def test_one_model_from_a_mirror(mirror: Path, cache: Path, published: dict[str, bytes]) -> None:
    path = install("deepbind:D00328.003")
    assert path == resolve("deepbind:D00328.003") == cache / "params" / "D00328.003.txt"
    assert path.read_bytes() == published["D00328.003"]
    assert len(list((cache / "params").iterdir())) == 1
    assert installed("deepbind:D00328.003")
    assert not installed("deepbind:D00120.001")


def test_an_archive_put_by_hand_needs_no_network(mirror: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.mkdir(parents=True)
    (cache / "params.tar.gz").write_bytes((mirror / SET / "params.tar.gz").read_bytes())
    monkeypatch.delenv("BIOCONV_DATA_MIRROR")
    assert install("deepbind:D00328.003").is_file()


def test_a_mirror_without_the_archive(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIOCONV_DATA_MIRROR", str(tmp_path))
    with pytest.raises(DownloadError, match=f"{tmp_path}/{SET}/params.tar.gz"):
        install("deepbind:D00328.003")
    assert not cache.exists() or not list(cache.iterdir())


def test_the_internet_serves_one_file_per_model(
    cache: Path, published: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[RemoteFile] = []

    def fetch(item: RemoteFile) -> Path:
        asked.append(item)
        path = cache / item.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(published[path.stem])
        return path

    monkeypatch.setattr("bioconv.zoo.files.fetch", fetch)
    known = sets()[SET]
    install("deepbind:D00328.003")
    assert [item.url for item in asked] == [known.url.format(id="D00328.003")]
    install(SET)
    assert len({item.url for item in asked}) == len(asked) == 927
    install(SET)
    assert len(asked) == 927


def test_resolve_never_downloads(mirror: Path) -> None:
    with pytest.raises(ModelError, match=f"has not been downloaded.*run: bioconv models get {SET}"):
        resolve("deepbind:D00328.003")


def test_resolve_notices_damage(mirror: Path) -> None:
    path = install("deepbind:D00328.003")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"1", b"2", 1))
    with pytest.raises(ModelError, match=f"is damaged.*run: bioconv models get {SET}"):
        resolve("deepbind:D00328.003")
    assert not installed("deepbind:D00328.003")
    install("deepbind:D00328.003")
    assert resolve("deepbind:D00328.003").read_bytes() == content


def test_resolve_returns_a_file_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").touch()
    assert resolve(str(tmp_path / "m.safetensors")) == tmp_path / "m.safetensors"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("deepbind:D0328.003", "deepbind:D00328.003 (CTCF)"),
        ("D00328.003", "deepbind:D00328.003 (CTCF)"),
        ("DeepBind:d00328.003", "deepbind:D00328.003 (CTCF)"),
        ("deepbind:ctcf", "deepbind:D00328.003 (CTCF)"),
        ("CTFC", "deepbind:D00328.003 (CTCF)"),
        ("deepbind-models", SET),
        ("splice-site", "near: splice-sites."),
    ],
)
@pytest.mark.parametrize("function", [resolve, installed, install, find])
def test_an_unknown_name_gets_near_ones(function: Callable[[str], object], name: str, near: str) -> None:
    with pytest.raises(ModelError) as caught:
        function(name)
    assert repr(name) in str(caught.value)
    assert near in str(caught.value)
    assert "bioconv models list" in str(caught.value)


def test_a_name_like_no_other() -> None:
    with pytest.raises(ModelError, match=r"is called '§§§§'\. See"):
        resolve("§§§§")


def test_a_set_is_not_a_model() -> None:
    with pytest.raises(ModelError, match=r"set of 927 models; name one, such as 'deepbind:D00001\.001'"):
        resolve(SET)


def test_search() -> None:
    assert [model.name for model in search("ctcf")] == [
        "encode-arid3a-k562", "encode-ctcfl-k562", "encode-myc-h1-hesc",
        "deepbind:D00328.003", "deepbind:D00328.018", "deepbind:D00753.001",
    ]  # fmt: skip
    assert {model.protein for model in search(protein="CTC?")} == {"CTCF"}
    assert len(search()) == len(models())
    mice = [model for model in sets()[SET].models if model.species.casefold() == "mus musculus"]
    assert search("deepbind", species="mus MUSCUL*") == mice
    assert len(search(experiment="chip-seq")) == 137 + 12
    assert search("ctcf", species="mus") == []
    assert [model.name for model in search("*D00328.003")] == ["deepbind:D00328.003"]


@pytest.fixture
def one_packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Make the registry read a table with one packaged model, and no published ones."""
    fields = {"file": "rest.safetensors", "protein": "REST", "about": "ENCODE"}
    (tmp_path / "packaged.json").write_text(json.dumps({"rest-gm12878": fields}))
    (tmp_path / "rest.safetensors").touch()
    tables = (registry.packaged, registry.models, registry.sets)
    with monkeypatch.context() as patch:
        patch.setattr(registry, "_FOLDER", tmp_path)
        patch.setattr(registry, "_SETS", ())
        patch.setattr("bioconv.zoo.files._PACKAGE", tmp_path)
        for table in tables:
            table.cache_clear()
        yield fields
    for table in tables:
        table.cache_clear()


def test_a_packaged_model_is_one_line(tmp_path: Path, one_packaged: dict[str, str]) -> None:
    assert search() == [find("rest-gm12878")] == [Model("rest-gm12878", **one_packaged)]
    assert resolve("rest-gm12878") == install("rest-gm12878") == tmp_path / "rest.safetensors"
    assert installed("rest-gm12878")
    assert location(search("rest-gm*")[0]) == tmp_path / "rest.safetensors"
    with pytest.raises(ModelError, match="near: rest-gm12878"):
        resolve("rest")


def test_every_packaged_file_is_there() -> None:
    assert all(installed(name) for name in registry.packaged())


def test_names_are_unambiguous() -> None:
    assert not set(models()) & set(sets())
    assert isinstance(find(SET), ModelSet)
