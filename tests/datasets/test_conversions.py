from __future__ import annotations

import csv
import gzip
import hashlib
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bioconv.datasets import conversions, registry
from PIL import Image

from bioconv.errors import InputError


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_pack_is_the_same_each_time(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"text" * 100)
    conversions.pack(tmp_path / "a", tmp_path / "a.gz")
    first = (tmp_path / "a.gz").read_bytes()
    conversions.pack(tmp_path / "a", tmp_path / "a.gz")
    assert (tmp_path / "a.gz").read_bytes() == first
    assert gzip.decompress(first) == b"text" * 100


@pytest.mark.skipif("ng" in zlib.ZLIB_RUNTIME_VERSION, reason="zlib-ng compresses to other bytes")
@pytest.mark.parametrize("path", ["motifs/H13CORE_meme_format.meme.gz", "genomes/refget_I.fa.gz"])
def test_pack_makes_the_listed_files(path: str, shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    listed = shared_data(path)
    (tmp_path / "unpacked").write_bytes(gzip.decompress(listed.read_bytes()))
    conversions.pack(tmp_path / "unpacked", tmp_path / "packed.gz")
    assert (tmp_path / "packed.gz").read_bytes() == listed.read_bytes()


def test_pictures_keep_their_pixels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for shape, suffix in (((5, 7), "tif"), ((5, 7, 3), "tif"), ((5, 7), "gif")):
        drawn = rng.integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(drawn).save(tmp_path / f"a.{suffix}")
        conversions.to_png(tmp_path / f"a.{suffix}", tmp_path / "a.png")
        assert (pixels(tmp_path / "a.png") == drawn).all()
    Image.fromarray(np.array([[0, 1, 128, 255]], np.uint8)).save(tmp_path / "m.gif")
    conversions.to_png(tmp_path / "m.gif", tmp_path / "m.png", mask=True)
    assert pixels(tmp_path / "m.png").tolist() == [[0, 255, 255, 255]]
    Image.fromarray(np.zeros((2, 2), np.uint16)).save(tmp_path / "deep.tif")
    with pytest.raises(InputError, match="expected 8 bits"):
        conversions.to_png(tmp_path / "deep.tif", tmp_path / "deep.png")


def test_merge_masks_undoes_a_division(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    """An image of the prepared set is taken apart as the original is stored, and put together again."""
    folder = shared_data("dsb2018-bbbc038")
    name = "00071198d059ba7f5914a526d124d28e6d010c92466da21d4a04cd5413362552.png"
    image, labels = pixels(folder / "images" / name), pixels(folder / "labels" / name)
    assert image.ndim == 2
    Image.fromarray(np.dstack([image] * 3 + [np.full_like(image, 255)])).save(tmp_path / "image.png")
    masks = []
    for number in range(1, labels.max() + 1):
        masks.append(tmp_path / f"mask-{number:03d}.png")
        Image.fromarray(np.where(labels == number, 255, 0).astype(np.uint8)).save(masks[-1])
    count = conversions.merge_masks(tmp_path / "image.png", masks, tmp_path / "i.png", tmp_path / "l.png")
    assert count == labels.max()
    assert (pixels(tmp_path / "i.png") == image).all()
    assert (pixels(tmp_path / "l.png") == labels).all()
    assert (tmp_path / "i.png").read_bytes() == (folder / "images" / name).read_bytes()
    assert (tmp_path / "l.png").read_bytes() == (folder / "labels" / name).read_bytes()


def test_merge_masks_keeps_colour_and_refuses_other_sizes(tmp_path: Path) -> None:
    colour = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(colour).save(tmp_path / "image.png")
    conversions.merge_masks(tmp_path / "image.png", [], tmp_path / "i.png", tmp_path / "l.png")
    assert (pixels(tmp_path / "i.png") == colour).all()
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(tmp_path / "m.png")
    with pytest.raises(InputError, match=r"m\.png has \(3, 4\) pixels, its image \(4, 4\)"):
        conversions.merge_masks(tmp_path / "image.png", [tmp_path / "m.png"], tmp_path / "i.png", tmp_path / "l.png")


def test_halve(tmp_path: Path) -> None:
    drawn = np.random.default_rng(0).integers(0, 256, (6, 8), dtype=np.uint8)
    Image.fromarray(drawn).save(tmp_path / "a.pgm")
    conversions.halve(tmp_path / "a.pgm", tmp_path / "a.png")
    half = pixels(tmp_path / "a.png")
    for row, column in np.ndindex(half.shape):
        total = sum(int(drawn[2 * row + dy, 2 * column + dx]) for dy in (0, 1) for dx in (0, 1))
        assert half[row, column] == round(total / 4)
    (tmp_path / "short.pgm").write_bytes((tmp_path / "a.pgm").read_bytes()[:-1])
    (tmp_path / "odd.pgm").write_bytes(b"P5\n1 2\n255\n\0\0")
    for name in ("short.pgm", "odd.pgm", "a.png"):
        with pytest.raises(InputError, match="no binary PGM"):
            conversions.halve(tmp_path / name, tmp_path / "b.png")


def test_shrink(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 299).round().astype(np.uint8)
    Image.fromarray(np.tile(ramp, (299, 1))).save(tmp_path / "a.png")
    conversions.shrink(tmp_path / "a.png", tmp_path / "a.jpg")
    small = pixels(tmp_path / "a.jpg").astype(float)
    assert small.shape == (192, 192)
    assert np.abs(small - np.linspace(0, 255, 192)).max() < 4


def sums(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file below a folder."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def known(name: str) -> dict[str, str]:
    return {one.name: one.sha256 for one in registry.sources()[name].files}


def test_drive_as_it_is_offered_becomes_the_listed_files(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    """TIFF and GIF under the names of the archive are made of pixels of the prepared set."""
    prepared, original = shared_data("drive"), tmp_path / "DRIVE"
    names = {
        "training/images/21": "training/images/21_training.tif",
        "training/vessels/21": "training/1st_manual/21_manual1.gif",
        "training/fov/21": "training/mask/21_training_mask.gif",
        "test/images/01": "test/images/01_test.tif",
        "test/vessels_2nd_observer/01": "test/2nd_manual/01_manual2.gif",
    }
    for ours, theirs in names.items():
        (original / theirs).parent.mkdir(parents=True, exist_ok=True)
        Image.open(prepared / f"{ours}.png").save(original / theirs)
    assert conversions.drive(original, tmp_path / "made") == 5
    made = sums(tmp_path / "made")
    assert set(made) == {f"{ours}.png" for ours in names}
    assert made.items() <= known("drive").items()
    with pytest.raises(InputError, match="holds no training/images"):
        conversions.drive(tmp_path / "made" / "test", tmp_path / "none")


def test_mini_mias_as_it_is_offered_becomes_the_listed_files(
    shared_data: Callable[[str], Path], tmp_path: Path
) -> None:
    """Notes as the archive has them; images that halve to the prepared ones."""
    prepared, original = shared_data("mini-mias-512"), tmp_path / "all-mias"
    original.mkdir()
    with (prepared / "labels.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    columns = ("image", "tissue", "abnormality", "severity", "x_1024", "y_1024_from_bottom", "radius_1024")
    notes = [" ".join(row[column] for column in columns).rstrip() for row in rows]
    notes = [f"{line} *NOTE 3*" if line.startswith("mdb216") else line for line in notes]
    head = ["1st column:", "mdb is the name of the database", ""]
    (original / "Info.txt").write_text("\r\n".join([*head, *notes, ""]))
    kept = ("mdb001", "mdb322")
    blank = b"P5\n2 2\n255\n" + bytes(4)
    for name in {row["image"] for row in rows}:
        (original / f"{name}.pgm").write_bytes(blank)
    for name in kept:
        doubled = pixels(prepared / f"images/{name}.png").repeat(2, 0).repeat(2, 1)
        (original / f"{name}.pgm").write_bytes(b"P5\n1024 1024\n255\n" + doubled.tobytes())
    assert conversions.mini_mias(original, tmp_path / "made") == 322
    made, listed = sums(tmp_path / "made"), known("mini-mias-512")
    assert set(made) == set(listed)
    assert all(made[name] == listed[name] for name in ("labels.csv", *(f"images/{name}.png" for name in kept)))
    (original / "mdb002.pgm").unlink()
    with pytest.raises(InputError, match=r"lacks mdb002\.pgm"):
        conversions.mini_mias(original, tmp_path / "again")
    with pytest.raises(InputError, match=r"Info\.txt: no such file"):
        conversions.mini_mias(tmp_path, tmp_path / "again")
