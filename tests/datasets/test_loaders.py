"""The loaders on the real files; counts are those that the sets' own notes state."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import PIL.Image
import pytest
from bioconv.datasets import (
    bbbc038,
    chase_db1,
    chipseq,
    ddsm,
    drive,
    files,
    hocomoco,
    isbi2012,
    jaspar,
    lgg,
    lsgkm,
    mini_mias,
    rbp_clip,
    secondary_structure,
    splice_13k,
    uci_promoters,
    uci_splice,
)
from bioconv.datasets.loading import load, table_of
from bioconv.datasets.records import Images
from bioconv.datasets.registry import module_of, sources

from bioconv.errors import DownloadError, OptionError
from bioconv.sequence.labelled import read_labelled

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module", autouse=True)
def cache(shared_data: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that is the mirror itself: nothing is copied, and nothing may be written there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIOCONV_CACHE", str(shared_data("drive").parent))
        patch.delenv("BIOCONV_DATA_MIRROR", raising=False)
        yield shared_data("drive").parent


def test_chipseq(cache: Path) -> None:
    peaks = list(chipseq.load("REST_GM12878"))
    with gzip.open(cache / "deepbind-encode-chipseq/REST_GM12878_NRSF_HudsonAlpha_AC.seq.gz", "rt") as stream:
        lines = [line.split("\t") for line in stream][1:]
    assert [[one.name, one.sequence, one.label] for one in peaks] == [[*line[1:3], line[3].strip()] for line in lines]
    assert {one.split for one in peaks} == {"train"}
    tested = list(chipseq.load("CTCF_NH-A", part="B"))
    assert Counter(one.label for one in tested) == {"1": 500, "0": 500}
    with pytest.raises(OptionError, match=r"no 'NRSF'; choose one of ARID3A_HepG2, .*REST_GM12878"):
        chipseq.load("NRSF")
    with pytest.raises(OptionError, match="choose one of AC, B"):
        chipseq.load("REST_GM12878", part="C")


@pytest.mark.parametrize("part", ["AC", "B"])
def test_every_subset_of_chipseq_is_there(part: str) -> None:
    known = chipseq.SOURCE.subsets if part == "B" else chipseq.SOURCE.subsets[:12]
    names = [name for subset in known for name in [chipseq.load(subset, part=part).name]]
    assert len(set(names)) == (18 if part == "B" else 12)


def test_other_sequences() -> None:
    def labels(records: object) -> Counter[str]:
        found = list(records)
        assert len({one.name for one in found}) == len(found)
        return Counter(one.label for one in found)

    assert labels(uci_splice.load()) == {"EI": 767, "IE": 768, "N": 1655}
    assert labels(splice_13k.load()) == {"EI": 3470, "IE": 3550, "N": 6646}
    assert labels(uci_promoters.load()) == {"1": 53, "0": 53}
    assert labels(lsgkm.load()) == {"1": 644, "0": 644}
    assert labels(lsgkm.load(part="test")) == {"1": 69, "0": 69}
    assert labels(rbp_clip.load("PUM2", part="test")) == {"1": 2000, "0": 8000}
    assert len({one.group for one in uci_splice.load()}) == len({one.sequence for one in uci_splice.load()}) == 3005


def test_secondary_structure() -> None:
    train, test = list(secondary_structure.load()), list(secondary_structure.load(part="test"))
    assert (len(train), len(test)) == (111, 17)
    assert Counter("".join(one.labels for one in train)) == {"_": 9868, "e": 3636, "h": 4601}
    assert Counter("".join(one.labels for one in test)) == {"_": 1923, "e": 748, "h": 849}
    assert all(len(one.labels) == len(one.sequence) for one in train + test)
    assert train[0].sequence.startswith("GVGTVPMTDYGNDVEYYGQ")


def test_images(cache: Path) -> None:
    assert Counter(one.split for one in bbbc038.load())["test"] == 86
    nuclei = Counter((one.stratum, one.split) for one in bbbc038.load())
    for stratum in {stratum for stratum, _ in nuclei}:
        training = nuclei[stratum, "train"] + nuclei[stratum, "dev"]
        assert nuclei[stratum, "dev"] == training // 7
    eyes = list(chase_db1.load())
    assert Counter(one.split for one in eyes) == {"train": 16, "dev": 4, "test": 8}
    assert {one.group for one in eyes if one.split == "test"} == {"11", "12", "13", "14"}
    assert Counter(one.split for one in drive.load()) == {"train": 16, "dev": 4, "test": 20}
    assert Counter(one.split for one in isbi2012.load()) == {"train": 24, "dev": 6}
    slices = list(lgg.load())
    assert Counter(one.split for one in slices) == {"train": 150, "dev": 355}
    assert len({one.group for one in slices if one.split == "dev"}) == 10
    for one in (*eyes, *slices):
        assert one.image.stem == one.mask.stem


@pytest.mark.parametrize("module", [bbbc038, chase_db1, ddsm, drive, isbi2012, lgg])
def test_parts_that_are_not_there(module: ModuleType) -> None:
    """Said at once: an empty set would be found out much later."""
    with pytest.raises(OptionError, match=f"{module.SOURCE.name} has no 'val'; choose one of train, dev"):
        module.load(part="val")


def test_masks_of_two_classes_are_0_and_1_in_torch() -> None:
    with pytest.raises(OptionError, match="no '3rd'; choose one of 1st, 2nd"):
        chase_db1.load(annotator="3rd")
    for module in (chase_db1, drive, isbi2012):
        records = module.load(part="train")
        first = next(iter(records))
        mask = Images("one", lambda first=first: [first], records.classes).to_torch()[0][1]
        assert (mask.numpy() == (np.asarray(PIL.Image.open(first.mask)) > 0)).all()
        assert len(records.classes) == 2


def test_mammograms() -> None:
    views = list(ddsm.load(dark=True))
    assert (len(views), Counter(one.label for one in views)) == (3247, {"1": 1695, "0": 1552})
    women = {one.group: one.split for one in views}
    assert len(women) == 812
    assert all(one.split == women[one.group] for one in views)
    assert [round(count / 812, 2) for _, count in Counter(women.values()).most_common()] == [0.6, 0.2, 0.2]
    films = list(mini_mias.load())
    assert (len(films), Counter(one.label for one in films)["0"]) == (322, 207)
    assert len({one.group for one in films}) == 161
    assert {(one.laterality, one.view) for one in films} == {("L", "MLO"), ("R", "MLO")}


def test_motifs() -> None:
    assert [len(jaspar.load(release)) for release in jaspar.SOURCE.subsets] == [2346, 579]
    assert [len(hocomoco.load(release)) for release in hocomoco.SOURCE.subsets] == [1611, 401]


RECORDS = [source for source in sources().values() if source.loader and source.kind in {"sequences", "images"}]


@pytest.mark.parametrize("source", RECORDS, ids=lambda source: source.name)
def test_every_set_loads_by_name(source: object) -> None:
    records = load(source.name, subset=source.subsets[0] if source.subsets else "")
    first = next(iter(records))
    assert first == next(iter(records))
    if source.kind == "images":
        assert first.image.is_file()
        assert first.mask is None or first.mask.is_file()
    assert callable(import_module(module_of(source)).load)


def test_load_by_name_says_what_is_wrong() -> None:
    for name, options, match in (
        ("jaspar", {}, "holds motifs, no records"),
        ("motifs", {}, "several sets; name one of jaspar, hocomoco"),
        ("drive", {"subset": "x"}, "not divided by subset; leave 'x' out"),
        ("deepbind-encode-chipseq", {}, "name one: dataset:deepbind-encode-chipseq/SUBSET"),
    ):
        with pytest.raises(OptionError, match=match):
            load(name, **options)


def test_the_table_of_a_name_lies_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setenv("BIOCONV_DATA_MIRROR", str(cache))
    written = []
    for folder in ("a", "b"):
        monkeypatch.setenv("BIOCONV_CACHE", str(tmp_path / folder))
        table = Path(table_of("dataset:deepbind-encode-chipseq/ELK1_GM12878"))
        assert table == tmp_path / folder / "deepbind-encode-chipseq/tables/ELK1_GM12878.csv"
        assert len(read_labelled(table)) == 5084
        eyes = Path(table_of("dataset:chase-db1"))
        assert "../images/Image_01L.jpg,../vessels_1st/Image_01L.png" in eyes.read_text()
        written.append((table.read_bytes(), eyes.read_bytes()))
    assert written[0] == written[1]
    with pytest.raises(DownloadError, match="datasets get drive --accept-licence"):
        table_of("dataset:drive")
    assert [path.name for path in files.set_folder(chipseq.SOURCE).glob("*.gz")] == [
        "ELK1_GM12878_ELK1_(1277-1)_Stanford_AC.seq.gz"
    ]


def test_memory_does_not_grow_with_the_set() -> None:
    """42,614 sequences take no more than 5,084 do, beyond what Python's own memory varies by."""
    code = """
import resource, sys
from bioconv.datasets import chipseq
count = sum(len(one.sequence) == 101 for one in chipseq.load(sys.argv[1]))
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    peaks = {}
    for subset in ("ELK1_GM12878", "FOXA1_HepG2"):
        run = subprocess.run([sys.executable, "-c", code, subset], cwd=ROOT, capture_output=True, text=True, check=True)
        count, kilobytes = map(int, run.stdout.split())
        peaks[count] = kilobytes
    assert set(peaks) == {5084, 42614}
    assert peaks[42614] - peaks[5084] < 3000  # the sequences alone are 4.3 MB
