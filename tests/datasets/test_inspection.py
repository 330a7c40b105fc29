"""A folder of a user's own, with everything wrong that can be: each thing is found, and nothing else."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections import Counter
from statistics import median

import numpy as np
import pytest
from bioconv.datasets.inspection import inspect_folder
from bioconv.datasets.synthetic_cells import make_cells
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bioconv.errors import InputError
from bioconv.images.image import ImageInfo
from bioconv.images.writer import write_mask
from bioconv.training.splits import Split


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("user")
    cells = make_cells(root / "cells", count=4, size=96, nuclei=8)
    first = cells / "images" / "synthetic-cells-0001.png"
    Image.open(first).rotate(180).resize((70, 70)).save(root / "turned.jpg", quality=85)
    shutil.copy(cells / "images" / "synthetic-cells-0002.png", root / "again.png")
    (root / "cut.png").write_bytes(first.read_bytes()[:900])
    (root / "film.czi").write_bytes(b"ZISRAWFILE")
    info = ImageInfo("", "array", "YX", (50, 60), np.dtype(np.uint16), spacing=(0.5, 0.25), unit="um")
    write_mask(root / "spaced.tif", np.random.default_rng(0).integers(0, 900, (50, 60)), info)
    (root / "bound.fa").write_text(">a\nACGGT\n>b\nACCGTNN\n>c\nAAAA\n>c\nGGGG\n")
    (root / "peptides.fa.gz").write_bytes(gzip.compress(b">x\nMKVLW\n>y\nMKVLW*\n"))
    (root / "rows.csv").write_text("name,sequence,label\nr1,ACCGT,1\nr2,ccccc,0\nr3,CATTA,0\n")
    (root / "list.csv").write_text("image,mask\ngone.png,\nagain.png,\n")
    (root / "broken.csv").write_bytes(b"a,b\n1\n")
    (root / ".hidden.png").write_bytes(b"")
    return root


@pytest.fixture(scope="module")
def found(folder):
    return inspect_folder(folder)


def test_files_and_what_is_wrong_with_them(found):
    assert found.files == {".png": 10, ".csv": 5, ".jpg": 1, ".tif": 1, ".czi": 1, ".fa": 1, ".gz": 1, ".txt": 1}
    reasons = dict(found.unreadable)
    assert set(reasons) == {"cut.png", "film.czi", "broken.csv"}
    assert "cut short" in reasons["cut.png"]
    assert "bfconvert" in reasons["film.czi"]
    assert reasons["broken.csv"].startswith("line 2: 1 cell")
    (table,) = [table for table in found.tables if table.missing]
    assert (table.file, [path.rsplit("/", 1)[-1] for path in table.missing]) == ("list.csv", ["gone.png"])


def test_images(found):
    images = found.images
    assert images.count == 7
    assert images.formats == {"png": 5, "jpeg": 1, "tiff": 1}
    assert images.sizes == {"96 x 96 (Y, X)": 5, "70 x 70 (Y, X)": 1, "50 x 60 (Y, X)": 1}
    assert images.spacings == {"none": 6, "0.5 x 0.25 um": 1}
    assert images.depths == {"uint8, 8 bits": 6, "uint16, 16 bits": 1}
    assert (images.low, images.high) == (0, 899)


def test_masks_are_told_from_images_and_counted(found, folder):
    masks = found.images.masks
    arrays = [np.asarray(Image.open(path)) for path in sorted((folder / "cells" / "masks").iterdir())]
    numbers = [int(own.max()) for own in arrays]
    assert (masks.count, masks.empty, masks.paired) == (4, 0, 4)
    assert masks.values == (min(numbers), median(numbers), max(numbers))
    assert masks.foreground == pytest.approx(np.mean([(own > 0).mean() for own in arrays]))
    assert {name.rsplit("/", 1)[-1] for name, _, mask in found.shown if mask} == {
        path.name for path in (folder / "cells" / "masks").iterdir()
    }


def test_few_values_are_classes(tmp_path):
    """A black and white picture is a mask; empty ones are no copies of each other."""
    for number, share in enumerate((0.0, 0.0, 0.25)):
        pixels = np.zeros((40, 40), np.uint8)
        pixels[: int(40 * share)] = 255
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    found = inspect_folder(tmp_path)
    assert (found.images.count, found.images.masks.count, found.images.masks.empty) == (0, 3, 2)
    assert found.images.masks.balance == pytest.approx({"0": 11 / 12, "255": 1 / 12})
    assert not found.duplicates
    assert not found.near_duplicates


def test_copies(found):
    again, first = "cells/images/synthetic-cells-0002.png", "cells/images/synthetic-cells-0001.png"
    assert found.duplicates == (("again.png", again),)
    assert {(one, other) for one, other, _ in found.near_duplicates} == {("again.png", again), (first, "turned.jpg")}


def test_sequences(found):
    seen = {one.file: one for one in found.sequences}
    assert set(seen) == {"bound.fa", "peptides.fa.gz", "rows.csv"}
    bound = seen["bound.fa"]
    assert (bound.records, bound.letters, bound.shortest, bound.median, bound.longest) == (4, 20, 4, 4.5, 7)
    assert bound.gc == pytest.approx(10 / 18)
    assert bound.unknown == pytest.approx(2 / 20)
    assert (bound.kind, bound.repeated_names, bound.copies) == ("nucleotides", 1, 0)
    assert seen["peptides.fa.gz"].odd == {"*": 1}
    assert seen["peptides.fa.gz"].kind == "protein"
    rows = seen["rows.csv"]
    assert rows.labels == {"1": 1, "0": 2}
    assert rows.copied_from == {"bound.fa": 1}  # r1 is the other strand of a


@settings(max_examples=30)
@given(st.lists(st.text("ACGTN", min_size=1, max_size=30), min_size=1, max_size=12))
def test_sums_of_sequences(tmp_path_factory, letters):
    path = tmp_path_factory.mktemp("s") / "s.fa"
    path.write_text("".join(f">s{n}\n{own}\n" for n, own in enumerate(letters)))
    (seen,) = inspect_folder(path).sequences
    joined, lengths = "".join(letters), [len(own) for own in letters]
    counts = Counter(joined)
    known = sum(counts[letter] for letter in "ACGT")
    assert (seen.records, seen.letters, seen.median) == (len(letters), len(joined), median(lengths))
    assert seen.lengths == dict(sorted(Counter(lengths).items()))
    assert seen.gc == (pytest.approx((counts["G"] + counts["C"]) / known) if known else None)
    assert seen.unknown == pytest.approx(counts["N"] / len(joined))
    other = str.maketrans("ACGT", "TGCA")
    distinct = {min(own, own[::-1].translate(other)) for own in letters}
    assert seen.copies == len(letters) - len(distinct)
    assert sum(seen.gc_shares) == sum(bool(set(own) & set("ACGT")) for own in letters)


def test_a_split_is_looked_at(folder):
    first, second = "cells/images/synthetic-cells-0001", "cells/images/synthetic-cells-0002"
    parts = {
        first: "train",
        second: "train",
        "again": "train",
        "turned": "test",
        "a": "train",
        "r1": "test",
        "lost": "dev",
    }
    found = inspect_folder(folder, split=Split(parts, {}))
    assert found.parts == {"dev": 1, "test": 2, "train": 4}
    images, sequences = found.leaks
    assert f"{first} (train) and turned (test)" in images
    assert "1 identical input cross its parts: the same input in test (r1) and train (a)" in sequences
    assert found.unknown[0] == 1
    assert "  LEAK: the split lets 1 identical input" in found.to_text()
    clean = inspect_folder(folder, split=Split({"a": "train", "b": "test", "again": "train"}, {}))
    assert clean.leaks == ()
    assert "no leaks" in clean.to_text()


def test_groups_of_a_table_may_not_cross(tmp_path):
    for number in range(4):
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (40, 40), np.uint8)).save(
            tmp_path / f"{number}.png"
        )
    rows = "".join(f"{number}.png,p{number // 2}\n" for number in range(4))
    (tmp_path / "exams.csv").write_text(f"path,patient\n{rows}")
    (tmp_path / "s.tsv").write_text("name\tpart\n0.png\ttrain\n1.png\ttest\n2.png\ttrain\n3.png\ttrain\n")
    found = inspect_folder(tmp_path, split=tmp_path / "s.tsv")
    (leak,) = found.leaks
    assert "p0 in test (1.png) and train (0.png)" in leak
    assert found.unknown == (0, 0)


def test_json_holds_everything_but_pictures(found):
    facts = json.loads(json.dumps(found.to_json()))
    assert facts["images"]["masks"]["count"] == 4
    assert {one["file"] for one in facts["sequences"]} == {"bound.fa", "peptides.fa.gz", "rows.csv"}
    assert "shown" not in facts


def test_text_says_what_there_is(found):
    text = found.to_text()
    for said in (
        "images: 7 (png 5, ",
        "masks: 4",
        "sequences bound.fa: 4",
        "unreadable: 3",
        "cut.png: not a readable image",
        "again.png = cells/",
        "pairs of images that are copies: 2",
    ):
        assert said in text, said


def test_the_page_shows_pictures_and_fetches_nothing(found, tmp_path):
    found.write_page(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert text.count("<img ") == 7 + 2 * 2
    assert "values in its mask" in text
    assert "cut short" in text
    assert not re.search(r"(?:src|href)=\"(?:https?:|//)", text)
    assert "<script" not in text
    assert "Histogram of records by GC" in text


def test_pixels_that_are_no_numbers_stop_nothing(tmp_path):
    pixels = np.random.default_rng(1).normal(size=(64, 64)).astype(np.float32)
    pixels[:8], pixels[40, 3] = np.nan, np.inf
    low, high = pixels[np.isfinite(pixels)].min(), pixels[np.isfinite(pixels)].max()
    np.save(tmp_path / "none.npy", np.full((40, 40), np.nan, np.float32))
    empty = inspect_folder(tmp_path)
    assert (empty.images.low, empty.images.high) == (None, None)
    assert "no finite value" in empty.to_text()
    np.save(tmp_path / "one.npy", pixels)
    np.save(tmp_path / "other.npy", np.ascontiguousarray(pixels[:, ::-1]))
    found = inspect_folder(tmp_path)
    assert [pair[:2] for pair in found.near_duplicates] == [("one.npy", "other.npy")]
    assert (found.images.low, found.images.high) == (low, high)
    json.dumps([found.to_json(), empty.to_json()], allow_nan=False)
    found.write_page(tmp_path / "page.html")
    empty.write_page(tmp_path / "empty.html")


def test_nothing_and_no_folder(tmp_path):
    empty = inspect_folder(tmp_path)
    assert empty.files == {}
    assert empty.images is None
    empty.write_page(tmp_path / "page.html")
    with pytest.raises(InputError, match="no such file; check the path"):
        inspect_folder(tmp_path / "none")


@settings(max_examples=25)
@given(
    st.binary(max_size=400), st.sampled_from(["a.png", "a.tif", "a.fa", "a.csv.gz", "a.tsv", "a.nii.gz", "a.dcm", "a"])
)
def test_no_bytes_stop_it(tmp_path_factory, data, name):
    root = tmp_path_factory.mktemp("fuzz")
    (root / name).write_bytes(data)
    found = inspect_folder(root)
    assert sum(found.files.values()) == 1
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))
