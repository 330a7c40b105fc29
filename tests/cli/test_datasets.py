from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from bioconv.datasets.registry import sources
from PIL import Image

ROOT = Path(__file__).parent.parent.parent
COMMAND = [sys.executable, "-W", "error", "-m", "bioconv", "datasets"]
SMALL = "uci-ecoli-promoters"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BIOCONV_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BIOCONV_DATA_MIRROR", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def mirror(shared_data: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = shared_data(f"{SMALL}/promoters.data").parent.parent
    monkeypatch.setenv("BIOCONV_DATA_MIRROR", str(folder))
    return folder


def datasets(*words: object, status: int = 0) -> tuple[str, str]:
    """Run `bioconv datasets ...` as a user does; return stdout and stderr."""
    run = subprocess.run([*COMMAND, *map(str, words)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == status, run.stderr
    assert "Traceback" not in run.stderr
    return run.stdout, run.stderr


def test_list() -> None:
    out, err = datasets("list")
    header, *rows = [line.split("\t") for line in out.splitlines()]
    assert header == ["name", "kind", "files", "bytes", "licence", "terms", "verified_by", "installed", "title"]
    assert [row[0] for row in rows] == list(sources())
    assert err == f"{len(rows)} of {len(rows)} data sets\n"


def test_list_as_json_and_filtered() -> None:
    rows = json.loads(datasets("list", "--json", "vessels", "--kind", "images", "--quiet")[0])
    assert [(row["name"], row["terms"], row["installed"]) for row in rows] == [
        ("drive", "registration", "no"), ("chase-db1", "", "no")
    ]  # fmt: skip
    assert datasets("list", "nothing like it")[0] == ""
    assert "--kind 'image' is none of sequences, images" in datasets("list", "--kind", "image", status=1)[1]


def test_info() -> None:
    facts = json.loads(datasets("info", "drive", "--json")[0])
    assert (facts["accept_licence"], facts["doi"], len(facts["files"])) == (True, "10.1109/TMI.2004.825627", 180)
    assert facts["loader"] == "bioconv.datasets.drive.load"
    assert {"who", "measure", "value", "source"} == set(facts["results"][0])
    text = datasets("info", "drive")[0]
    assert "accept_licence: yes\n" in text
    assert "published: U-Net, F1: 0.825 (" in text
    assert "subsets: ELAVL1A, FUS, HNRNPC, PUM2, TIA1" in datasets("info", "rbp-clip-ideeps")[0]
    assert [one["name"] for one in json.loads(datasets("info", "motifs", "--json")[0])][:2] == ["jaspar", "hocomoco"]


def test_info_does_not_write_over_what_it_reads(tmp_path: Path) -> None:
    (tmp_path / "a.fa").write_text(">a\nACGT\n")
    (tmp_path / "s.tsv").write_text("name\tpart\na\ttrain\n")
    for name in ("a.fa", "s.tsv"):
        err = datasets("info", tmp_path / "a.fa", "--split", tmp_path / "s.tsv", "-o", tmp_path / name, status=1)[1]
        assert f"{name} is one of the inputs" in err
    assert (tmp_path / "a.fa").read_text() == ">a\nACGT\n"


def test_a_page_goes_over_no_file_that_is_none(tmp_path: Path) -> None:
    """Not over an image of the folder that is looked at, nor over another page."""
    (tmp_path / "a.fa").write_text(">a\nACGT\n")
    Image.new("L", (4, 4)).save(tmp_path / "x.png")
    (tmp_path / "mine.html").write_text("<!DOCTYPE html><title>mine</title>")
    kept = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert "the page is HTML; give a name" in datasets("info", tmp_path, "-o", tmp_path / "x.png", status=1)[1]
    err = datasets("info", tmp_path, "-o", tmp_path / "mine.html", status=1)[1]
    assert "mine.html is there and is no page of this command" in err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == kept
    for _ in range(2):  # over its own page
        datasets("info", tmp_path / "a.fa", "-o", tmp_path / "page.html")
    out, err = datasets("info", tmp_path, "-o", tmp_path / "none/page.html", status=1)
    assert (out, "there is no folder" in err) == ("", True)
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")


def test_sets_without_sums_say_so() -> None:
    rows = {row["name"]: row for row in json.loads(datasets("list", "--json", "--quiet")[0])}
    assert {name for name, row in rows.items() if row["verified_by"] == "names only"} == {"monuseg", "cbis-ddsm"}
    assert json.loads(datasets("info", "monuseg", "--json")[0])["sums_note"].startswith("none are known")
    text = datasets("info", "cbis-ddsm")[0]
    assert (
        "files: not fetched by bioconv; a copy is looked through for 1 or more of mass_case_description_train" in text
    )
    assert "sums_note: none are known" in text


def test_info_on_nothing() -> None:
    for name in ("nothing.csv", "./nothing", "no/thing"):
        assert datasets("info", name, "--json", status=4) == ("", f"error: {name}: no such file; check the path\n")
    for words in (("info", ""), ("get", ""), ("verify", "")):
        assert "the name of the data set is empty" in datasets(*words, status=1)[1]
    assert datasets("info", "drvie", status=1)[1].startswith("error: no data set is called 'drvie'; near: drive")
    assert "folder of your own" in datasets("info", "drive", "-o", "x.html", status=1)[1]


def test_get_shows_the_terms_and_then_verifies(mirror: Path, cache: Path) -> None:
    out, err = datasets("get", SMALL, "motifs")
    assert out == f"{cache / SMALL}\n{cache / 'motifs'}\n"
    assert err.index("CC-BY-4.0") < err.index("Cite:") < err.index("fetching 1 file, 7,089 bytes")
    assert err.index("jaspar: CC-BY-4.0") < err.index("fetching")
    assert (cache / SMALL / "promoters.data").read_bytes() == (mirror / SMALL / "promoters.data").read_bytes()
    assert datasets("get", SMALL, "--quiet") == (f"{cache / SMALL}\n", "")
    checked = json.loads(datasets("verify", "--json")[0])
    assert [(one["name"], one["complete"]) for one in checked] == [
        (SMALL, True), ("jaspar", True), ("hocomoco", True), ("motif-parser-cases", True)
    ]  # fmt: skip


def test_get_asks_for_acceptance_before_anything_is_fetched(mirror: Path, cache: Path) -> None:
    name = "uci-protein-secondary-structure"
    out, err = datasets("get", SMALL, name, status=1)
    assert out == ""
    assert err.index("non-commercial research") < err.index(f"error: {name}: its terms have to be accepted")
    assert f"run: bioconv datasets get {name} --accept-licence" in err
    assert not cache.exists()
    assert datasets("get", name, "--accept-licence")[0] == f"{cache / name}\n"
    assert datasets("get", name)[0] == f"{cache / name}\n"


@pytest.mark.parametrize(
    ("name", "match"),
    [("monuseg", "https://monuseg.grand-challenge.org/Data/"), ("cbis-ddsm", "NBIA"), ("drive", "https://drive.grand")],
)
def test_get_says_where_to_register(name: str, match: str) -> None:
    err = datasets("get", name, "--accept-licence", status=1)[1]
    assert match in err.split("error: ")[1]
    assert f"bioconv datasets verify {name}" in err


def test_get_never_looks_past_a_wrong_mirror(
    mirror: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own" / SMALL
    shutil.copytree(mirror / SMALL, own)
    own.chmod(0o755)
    (own / "promoters.data").chmod(0o644)
    content = (own / "promoters.data").read_bytes()
    (own / "promoters.data").write_bytes(content[:-2] + b"a\n")
    monkeypatch.setenv("BIOCONV_DATA_MIRROR", str(own.parent))
    err = datasets("get", SMALL, status=1)[1]
    assert "is not the file that bioconv knows" in err
    assert [path for path in cache.rglob("*") if path.is_file()] == []
    assert "wrong sha256: promoters.data" in datasets("verify", "--mirror", SMALL, status=4)[0]


def test_get_writes_tables(mirror: Path, tmp_path: Path) -> None:
    arguments = ("--table", tmp_path / "b.tsv", "--subset", "ELK1_GM12878", "--part", "B")
    datasets("get", "deepbind-encode-chipseq", *arguments)
    header, *rows = (tmp_path / "b.tsv").read_text().splitlines()
    assert header == "name\tsequence\tlabel\tsplit"
    assert len(rows) == 1000
    for words, match in (
        ((SMALL, "--part", "x"), "say what --table writes"),
        ((SMALL, "drive", "--table", "x.csv"), "takes one data set, not 2"),
        ((SMALL, "--table", tmp_path / "x.csv", "--part", "x"), "is not divided by part"),
        ((SMALL, "--table", tmp_path / "x.txt"), "ends in .csv or .tsv"),
        ((SMALL, "--table", tmp_path / "none/x.csv"), "there is no folder"),
        (("chase-db1", "--table", tmp_path / "x.csv", "--part", "val"), "no 'val'; choose one of train, dev, test"),
    ):
        err = datasets("get", *words, status=1)[1]
        assert match in err
        assert "fetching" not in err


class TestVerify:
    def test_a_copy_of_ones_own(self, mirror: Path, tmp_path: Path) -> None:
        own = tmp_path / "mine"
        shutil.copytree(mirror / "uci-protein-secondary-structure", own)
        out, _ = datasets("verify", "uci-protein-secondary-structure", "--folder", own)
        assert out == f"uci-protein-secondary-structure: 2 of 2 as they should be in {own}\n"
        own.chmod(0o755)
        (own / "protein-secondary-structure.test").unlink()
        out, _ = datasets("verify", "uci-protein-secondary-structure", "--folder", own, status=3)
        assert "1 of 2" in out
        assert "missing: protein-secondary-structure.test" in out

    def test_a_registered_set_is_looked_at(self, tmp_path: Path) -> None:
        """As the two archives are unpacked: folders of tiles and outlines to train on, both side by side to test."""
        tifffile.imwrite(tmp_path / "tile", np.zeros((1000, 1000), np.uint8), compression="zlib")
        tile = (tmp_path / "tile").read_bytes()
        for number in range(44):
            tiles, outlines = ("Tissue Images", "Annotations") if number < 30 else (".", ".")
            for folder, name, data in (
                (tiles, f"{number}.tif", tile), (outlines, f"{number}.xml", b'<Annotations MicronsPerPixel="0.25">'),
                (tiles, f"._{number}.tif", b"Mac"),
            ):  # fmt: skip
                (tmp_path / folder).mkdir(exist_ok=True)
                (tmp_path / folder / name).write_bytes(data)
        out, _ = datasets("verify", "monuseg", "--folder", tmp_path)
        assert "2 of 2" in out
        assert "only names, numbers, formats and sizes of images were looked at" in out
        (tmp_path / "41.xml").write_text("<html>")
        tifffile.imwrite(tmp_path / "42.tif", np.zeros((999, 1000), np.uint8))
        out, _ = datasets("verify", "monuseg", "--folder", tmp_path, status=4)
        assert "wrong content: *.tif (1 of 44 files: 42.tif has 999 x 1000 pixels, not 1000 x 1000)" in out
        assert "wrong content: *.xml (1 of 44 files: 41.xml does not begin as such a file does" in out
        (tmp_path / "Annotations" / "0.xml").unlink()
        out, _ = datasets("verify", "monuseg", "--folder", tmp_path, status=4)
        assert "43 files, at least 44 expected" in out
        assert "0.tif has no 0.xml in the folder or below it" in out

    def test_a_folder_that_is_not_there(self, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing could be read, as everywhere; of several sets the others are told of."""
        out, err = datasets("verify", "drive", "--folder", tmp_path / "none", status=4)
        assert f"{tmp_path / 'none'}: no such folder; expected the one that holds drive" in err
        assert json.loads(datasets("verify", "drive", "--folder", tmp_path / "none", "--json", status=4)[0]) == []
        own = tmp_path / "mirror"
        shutil.copytree(mirror / SMALL, own / SMALL)
        monkeypatch.setenv("BIOCONV_DATA_MIRROR", str(own))
        out, err = datasets("verify", "--mirror", SMALL, "drive", status=3)
        assert f"{SMALL}: 1 of 1 as they should be" in out
        assert f"{own / 'drive'}: no such folder" in err
        assert datasets("verify", "--mirror", "drive", status=4)[0].strip() == ""

    def test_the_mirror(self, mirror: Path) -> None:
        out, _ = datasets("verify", "--mirror", SMALL, "drive", "--json")
        assert [(one["name"], one["good"]) for one in json.loads(out)] == [(SMALL, 1), ("drive", 180)]

    def test_wrong_options(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert f"there is no data set to check in {tmp_path / 'cache'}" in datasets("verify", status=1)[1]
        out, err = datasets("verify", "--json", status=1)
        assert (json.loads(out), "there is no data set to check" in err) == ([], True)
        assert "give one NAME" in datasets("verify", "--folder", tmp_path, status=1)[1]
        monkeypatch.setenv("BIOCONV_DATA_MIRROR", "https://example.org")
        assert "--mirror checks a folder" in datasets("verify", "--mirror", status=1)[1]


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_get_ends_right_however_often_it_is_killed(mirror: Path, cache: Path, kills: int) -> None:
    name, rng = "chase-db1", random.Random(kills)
    for _ in range(kills):
        run = subprocess.Popen([*COMMAND, "get", name], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while not cache.exists() and run.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.8))
        run.kill()
        run.communicate()
        for one in sources()[name].files:
            path = cache / name / one.name
            assert not path.exists() or path.read_bytes() == (mirror / name / one.name).read_bytes()
        if rng.random() < 0.5:
            shutil.rmtree(cache, ignore_errors=True)
    datasets("get", name)
    datasets("verify", name)
    assert [path.name for path in cache.rglob("*.part")] == []


def test_help_is_light() -> None:
    heavy = {"torch", "numpy", "pooch", "requests", "tqdm", "scipy"}
    for words in ((), ("list",), ("info",), ("get",), ("verify",)):
        code = f"""
import sys
sys.argv = ["bioconv", "datasets", *{words!r}, "--help"]
from bioconv.cli.main import main
try:
    main()
finally:
    print("heavy:", sorted({heavy!r} & set(sys.modules)))
"""
        run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=os.environ)
        assert run.stdout.endswith("heavy: []\n"), run.stderr
