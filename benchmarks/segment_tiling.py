"""Exact tiling beside MONAI's sliding windows: difference to the whole image, seconds, memory; and a huge file.

Claimed: tiled logits differ from the whole image's by at most 1e-5 of the largest, at any tile; at windows of 1024
pixels at least 1.4 times as fast as MONAI's Gaussian windows with overlap 0.5, and no slower than with 0.25.

One network for all: the compact U-Net (reach 92, stride 16), its weights drawn at random, batch norm calibrated on the
image and folded. The image is a mosaic of photographs. A window is what the network sees at once, for both.

Run: python benchmarks/segment_tiling.py [--size 4096] [--rounds 3] [--large 20000 [--model NAME|FILE]]
(see README.md; the images are those of dsb2018-bbbc038 in the folder BIOCONV_DATA_MIRROR names, else scikit-image's)
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import timing
from numpy.typing import NDArray

HERE = Path(__file__).parent
CROP = 256
TILES = (256, 512, 1024, 2048)
WINDOW = 1024
OVERLAPS = (0.25, 0.5)
OUTPUTS = 3
Image = NDArray[np.uint8]
Logits = NDArray[np.float32]


def photographs() -> Iterator[Image]:
    """Yield grey pictures of at least CROP pixels a side, over and over."""
    folder = Path(os.environ.get("BIOCONV_DATA_MIRROR", ".")) / "dsb2018-bbbc038"
    if (folder / "index.csv").is_file():
        from PIL import Image as pictures

        with (folder / "index.csv").open() as stream:
            rows = [row for row in csv.DictReader(stream) if row["modality_guess"] == "fluorescence"]
        names = [row["id"] for row in rows if min(int(row["height"]), int(row["width"])) >= CROP]
        while True:
            for name in names:
                yield np.asarray(pictures.open(folder / f"images/{name}.png").convert("L"))
    from skimage import data

    while True:
        yield from (data.camera(), data.coins(), data.brick())


def mosaic(size: int) -> Iterator[Image]:
    """Yield the crops of a square mosaic in row-major order, each turned its own way, its grey levels stretched."""
    random = np.random.default_rng(0)
    for _, picture in zip(range((-(-size // CROP)) ** 2), photographs(), strict=False):
        top, left = (random.integers(0, side - CROP + 1) for side in picture.shape)
        crop = np.rot90(picture[top : top + CROP, left : left + CROP], random.integers(4)).astype(np.float32)
        yield (255 * (crop - crop.min()) / max(1, np.ptp(crop))).astype(np.uint8)


def write_mosaic(path: Path, size: int) -> None:
    """Write the mosaic as (size, size) uint8 NPY."""
    across = -(-size // CROP)
    whole = np.empty((across * CROP, across * CROP), np.uint8)
    for number, crop in enumerate(mosaic(size)):
        top, left = (CROP * place for place in divmod(number, across))
        whole[top : top + CROP, left : left + CROP] = crop
    np.save(path, whole[:size, :size])


@cache
def network_of(path: Path) -> Any:
    """Return the network and its geometry; the same on every call in every process."""
    import torch

    from bioconv.conv.geometry import network_geometry
    from bioconv.models.folding import fold_batch_norm
    from bioconv.models.unet import UNet, UNetConfig

    torch.manual_seed(0)
    network = UNet(UNetConfig(channels_in=1, outputs=OUTPUTS))
    sample = torch.from_numpy(scaled(np.load(path, mmap_mode="r")[:512, :512]))[None]
    with torch.no_grad():
        for _ in range(20):
            network(sample)  # in training mode: the running statistics
    network = fold_batch_norm(network)
    return network, network_geometry(network, ndim=2, channels=1)


def scaled(pixels: NDArray[Any]) -> Logits:
    """Return (1, Y, X) float32 from 0 to 1."""
    return np.asarray(pixels, np.float32)[None] / 255


def whole(path: Path, target: Path | None) -> Logits | None:
    import torch

    network, _ = network_of(path)
    with torch.inference_mode():
        logits = network(torch.from_numpy(scaled(np.load(path, mmap_mode="r")))[None])[0].numpy()
    return saved(logits, target)


def tiled(path: Path, target: Path | None, *, tile: int) -> Logits | None:
    """Return the logits; with a target write them there tile by tile, none of them kept."""
    import torch

    from bioconv.conv.tiling import run_tiled

    network, geometry = network_of(path)
    image = np.load(path, mmap_mode="r")
    out = np.empty((OUTPUTS, *image.shape), np.float32) if target is None else None
    stream = None if target is None else target.open("wb")

    def function(pixels: Logits) -> Logits:
        with torch.inference_mode():
            result: Logits = network(torch.from_numpy(pixels)[None])[0].numpy()
        return result

    def write(window: tuple[slice, ...], values: NDArray[Any]) -> None:
        if out is not None:
            out[:, *window] = values
            return
        assert stream is not None
        rows, columns = window
        for channel, plane in enumerate(values):
            for row, line in zip(range(rows.start, rows.stop), plane, strict=True):
                stream.seek(4 * ((channel * image.shape[0] + row) * image.shape[1] + columns.start))
                stream.write(line.tobytes())

    run_tiled(
        function,
        lambda window: scaled(image[window]),
        write,
        shape=image.shape,
        geometry=geometry,
        tile=(tile, tile),
    )
    if stream is not None:
        stream.close()
    return out


def windows(path: Path, target: Path | None, *, overlap: float) -> Logits | None:
    import torch
    from monai.inferers import sliding_window_inference

    network, _ = network_of(path)
    image = torch.from_numpy(scaled(np.load(path, mmap_mode="r")))[None]
    with torch.inference_mode():
        logits = sliding_window_inference(image, (WINDOW, WINDOW), 1, network, overlap=overlap, mode="gaussian")
    return saved(logits[0].numpy(), target)


def imports(path: Path, target: Path | None) -> None:
    """Do what every way does before it begins: how much of the memory is not the image's."""
    import monai.inferers  # noqa: F401

    network_of(path)


def saved(logits: Logits, target: Path | None) -> Logits | None:
    if target is None:
        return logits
    logits.tofile(target)
    return None


WAYS: dict[str, Callable[[Path, Path | None], Logits | None]] = {
    "whole image": whole,
    **{f"tiles of {tile}": partial(tiled, tile=tile) for tile in TILES},
    **{f"MONAI, overlap {overlap}": partial(windows, overlap=overlap) for overlap in OVERLAPS},
}
OURS = f"tiles of {WINDOW}"
SLOW = f"tiles of {TILES[0]}"


def exactness(path: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Return every way's largest difference to the whole image's logits, in units of the largest logit, and its flips.

    Flips: the share of logits whose sign is another.
    """
    truth = whole(path, None)
    assert truth is not None
    largest = float(np.abs(truth).max())
    differences, flips = {}, {}
    for name, way in WAYS.items():
        if way is not whole:
            logits = way(path, None)
            assert logits is not None
            differences[name] = max(float(np.abs(a - b).max()) for a, b in zip(logits, truth, strict=True)) / largest
            flips[name] = float(np.mean((logits > 0) != (truth > 0)))
    return differences, flips


def peak(folder: Path, name: str) -> float:
    """Return the largest resident set (MB) of a process that does nothing else."""
    command = [sys.executable, __file__, "--only", name, str(folder)]
    paths = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH", "")]))
    return timing.run_program(command, {"PYTHONPATH": paths}).peak


def compare(folder: Path, rounds: int) -> list[str]:
    """Return the report's table."""
    path = folder / "image.npy"
    differences, flips = exactness(path)
    timed = {name: partial(way, path, None) for name, way in WAYS.items() if name != SLOW}
    seconds = timing.interleave(timed, rounds)
    seconds[SLOW] = timing.interleave({SLOW: partial(WAYS[SLOW], path, None)}, 1)[SLOW]
    rows = []
    for name in WAYS:
        beside = timing.shown_ratio(seconds[name], seconds[OURS]) if name != SLOW else "–"
        rows.append(
            [
                name,
                f"{differences[name]:.1e}" if name in differences else "–",
                f"{flips[name]:.1e}" if name in flips else "–",
                timing.shown_seconds(seconds[name]),
                beside,
                f"{peak(folder, name):,.0f}",
            ]
        )
    head = ["", "largest difference", "logits of other sign", "s", f"s / s of {OURS}", "peak MB"]
    return [
        timing.table(head, rows),
        f"Largest difference: to the whole image's logits, in units of the largest of them. Peak: resident set of a "
        f"process that reads the image and writes the logits ({OUTPUTS} per pixel, float32) to a file; before it "
        f"begins that is {peak(folder, 'imports'):,.0f} MB. {SLOW.capitalize()} were timed once, the others in "
        f"{rounds} alternating rounds.\n",
    ]


def write_tiff(path: Path, size: int) -> None:
    """Write the mosaic as a tiled, compressed TIFF without holding it."""
    import tifffile

    tifffile.imwrite(
        path,
        mosaic(size),
        shape=(size, size),
        dtype=np.uint8,
        tile=(CROP, CROP),
        compression="zlib",
        photometric="minisblack",
    )


def huge_file(folder: Path, size: int, model: str | None, memory: str = "2GB") -> list[str]:
    """Return what `bioconv segment` takes for a TIFF of size x size pixels under `--max-memory`."""
    path, output = folder / "huge.tif", folder / "segmented"
    size = -(-size // CROP) * CROP
    write_tiff(path, size)
    command = [sys.executable, "-m", "bioconv", "segment", "--quiet", "--max-memory", memory, "-o", str(output)]
    command += [*(["--model", model] if model else []), str(path)]
    paths = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH", "")]))
    took = timing.run_program(command, {"PYTHONPATH": paths, "TMPDIR": str(folder)})
    written = sum(file.stat().st_size for file in output.rglob("*") if file.is_file())
    return [
        f"## {size:,} x {size:,} pixels\n",
        f"`bioconv segment --max-memory {memory}` on a tiled, compressed TIFF of {path.stat().st_size / 1e6:,.0f} MB "
        f"({size**2 / 1e6:,.0f} MB unpacked), model {model or 'nuclei'}: peak {took.peak:,.0f} MB, {took.wall:,.0f} s "
        f"({took.cpu:,.0f} s of processor time), {written / 1e6:,.1f} MB written.\n",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=4096, help="pixels a side")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", type=int, default=0, metavar="SIZE", help="also segment a TIFF of that size")
    parser.add_argument("--model", help="for --large; default: the command's")
    parser.add_argument("--only", nargs=2, metavar=("WAY", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.only:
        name, folder = given.only
        ({"imports": imports} | WAYS)[name](Path(folder) / "image.npy", Path(folder) / "logits.bin")
        return
    if given.size % 16:
        parser.error("--size: give a multiple of 16, the network's stride, so that the whole image can be run")
    import monai
    import torch

    with tempfile.TemporaryDirectory() as temporary:
        write_mosaic(Path(temporary) / "image.npy", given.size)
        _, geometry = network_of(Path(temporary) / "image.npy")
        parts = compare(Path(temporary), given.rounds)
        parts += huge_file(Path(temporary), given.large, given.model) if given.large else []
    timing.write_report(
        __file__,
        [
            "# Exact tiling\n",
            f"A U-Net (widths 16 to 192, stride {geometry.stride[0]}, reach {geometry.reach[0]}, margin at a cut "
            f"{geometry.margin[0][0]} pixels; batch norm folded, float32) on an image of {given.size} x {given.size} "
            f"pixels, torch {torch.__version__} with {torch.get_num_threads()} threads, MONAI {monai.__version__} "
            f"(sliding_window_inference, windows of {WINDOW}, Gaussian). {timing.machine()}.\n",
            *parts,
        ],
    )


if __name__ == "__main__":
    main()
