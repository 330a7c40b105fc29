"""Images of cells whose every nucleus is known: outlines that wobble, clusters that touch, noise of a camera."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bioconv.datasets.synthetic_files import check_count, synthetic_folder, write_picture, write_table
from numpy.typing import NDArray
from scipy import ndimage

from bioconv.errors import OptionError

_TOUCHING = 0.5  # share of nuclei that are laid beside another
_FREE = 0.85  # share of its pixels that a nucleus must find free
_TRIES = 200
_PHOTONS = 160.0  # that make one unit of brightness: the fewer, the noisier
_ABOUT = """
images/synthetic-cells-*.png  grey, 8 bit: bright nuclei before a dark, uneven background.
masks/synthetic-cells-*.png   16 bit: 0 background, 1, 2, ... one number per nucleus.
synthetic-images.csv          image, mask and the number of nuclei of each.
synthetic-cells.csv           every nucleus: its number, pixels, centre of gravity.

Train:  bioconv train segment images masks --kind instances -o model.safetensors
"""


@dataclass(frozen=True, eq=False)
class SyntheticCells:
    """An image of nuclei and its truth.

    Parameters
    ----------
    pixels
        (Y, X) uint8.
    labels
        (Y, X) uint16: 0 background; 1 to n, each number one connected nucleus.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint16]

    @property
    def count(self) -> int:
        """Number of nuclei."""
        return int(self.labels.max())


def synthetic_cells(
    seed: int | tuple[int, ...] = 0, *, shape: tuple[int, int] = (256, 256), nuclei: int = 30, radius: float = 10.0
) -> SyntheticCells:
    """Return an image of nuclei, half of them touching another.

    Parameters
    ----------
    seed : int or tuple of int
        Same seed, same image.
    shape : (int, int)
        Rows and columns, at least 32 each.
    nuclei : int
        How many, exactly.
    radius : float
        Mean radius in pixels, at least 3.

    Raises
    ------
    OptionError
        If there is no room for so many.

    Examples
    --------
    >>> cells = synthetic_cells(1, shape=(96, 96), nuclei=7)
    >>> cells.count, sorted(set(cells.labels.ravel().tolist())) == list(range(8))
    (7, True)
    """
    if min(shape) < 32 or nuclei < 0 or radius < 3:
        message = f"shape {shape}, {nuclei} nuclei of radius {radius:g}; at least 32 x 32 pixels, none or more of 3"
        raise OptionError(message)
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.uint16)
    centres: list[tuple[float, float, float]] = []
    for number in range(1, nuclei + 1):
        outline, centre = _placed(rng, labels, centres, radius)
        if outline is None:
            message = f"no room for {nuclei} nuclei of radius {radius:g} in {shape[0]} x {shape[1]} pixels, only for "
            message += f"{number - 1}: give fewer or smaller ones, or larger images"
            raise OptionError(message)
        labels[outline] = number
        centres.append(centre)
    return SyntheticCells(_photographed(rng, labels, radius), labels)


def make_cells(
    output: str | Path, *, count: int = 20, size: int = 256, nuclei: int = 30, radius: float = 10.0, seed: int = 0
) -> Path:
    """Write a folder of images, instance masks and tables, and return it; the same settings give the same bytes.

    Parameters
    ----------
    output
        The folder.
    count
        Images.
    size
        Rows and columns of each.
    nuclei
        Of an image, on average: between half and one and a half times as many.
    radius
        Mean radius in pixels, at least 3.
    seed
        Same seed, same images.

    Raises
    ------
    OptionError, OutputError
        As `synthetic_cells` and `synthetic_folder`.
    """
    check_count(count)
    settings = {"count": count, "size": size, "nuclei": nuclei, "radius": radius, "seed": seed}
    images, cells = [], []
    with synthetic_folder(output, "cells", settings, _ABOUT) as folder:
        for name in ("images", "masks"):
            (folder / name).mkdir()
        for number in range(1, count + 1):
            wanted = round(nuclei * np.random.default_rng([seed, number, 1]).uniform(0.5, 1.5))
            made = synthetic_cells((seed, number), shape=(size, size), nuclei=wanted, radius=radius)
            name = f"synthetic-cells-{number:04d}.png"
            write_picture(folder / "images" / name, made.pixels, f"{made.count} nuclei")
            write_picture(folder / "masks" / name, made.labels, f"instance mask, {made.count} nuclei")
            images.append((f"images/{name}", f"masks/{name}", made.count))
            cells += _rows(f"images/{name}", made)
        write_table(folder / "synthetic-images.csv", ("image", "mask", "nuclei"), images)
        write_table(folder / "synthetic-cells.csv", ("image", "label", "pixels", "y", "x"), cells)
    return Path(output)


def _rows(name: str, made: SyntheticCells) -> list[tuple[object, ...]]:
    numbers = np.arange(1, made.count + 1)
    areas = np.bincount(made.labels.ravel(), minlength=made.count + 1)[1:]
    centres = ndimage.center_of_mass(np.ones(made.labels.shape), made.labels, numbers)
    return [
        (name, number, area, f"{y:.2f}", f"{x:.2f}")
        for number, area, (y, x) in zip(numbers.tolist(), areas.tolist(), centres, strict=True)
    ]


def _placed(
    rng: np.random.Generator, labels: NDArray[np.uint16], centres: list[tuple[float, float, float]], radius: float
) -> tuple[NDArray[np.bool_] | None, tuple[float, float, float]]:
    """Find a place for one more nucleus: its pixels, and its centre and radius."""
    y, x = np.ogrid[: labels.shape[0], : labels.shape[1]]
    for _ in range(_TRIES):
        own = radius * rng.uniform(0.75, 1.25)
        if 2 * own > min(labels.shape):
            continue
        centre = rng.uniform(own, np.array(labels.shape) - own)
        if centres and rng.random() < _TOUCHING:
            row, column, near = centres[int(rng.integers(len(centres)))]
            angle = rng.uniform(0, 2 * math.pi)
            centre = np.array([row, column]) + (near + own) * 0.92 * np.array([math.sin(angle), math.cos(angle)])
        shape = _outline(rng, y - centre[0], x - centre[1], own)
        free = shape & (labels == 0)
        inside = bool(((centre >= own) & (centre <= np.array(labels.shape) - own)).all())
        if inside and free.sum() >= _FREE * shape.sum() and ndimage.label(free)[1] == 1:
            return free, (float(centre[0]), float(centre[1]), own)
    return None, (0.0, 0.0, 0.0)


def _outline(
    rng: np.random.Generator, y: NDArray[np.float64], x: NDArray[np.float64], radius: float
) -> NDArray[np.bool_]:
    """Return an ellipse whose edge wobbles a little."""
    turn, long = rng.uniform(0, math.pi), rng.uniform(1.0, 1.35)
    along, across = math.cos(turn) * x + math.sin(turn) * y, math.cos(turn) * y - math.sin(turn) * x
    angle = np.arctan2(across, along)
    wobble = sum(rng.normal(0, 0.03) * np.cos(k * angle + rng.uniform(0, 2 * math.pi)) for k in (2, 3, 4))
    return np.asarray(np.hypot(along / long, across * long) <= radius * (1 + wobble))


def _photographed(rng: np.random.Generator, labels: NDArray[np.uint16], radius: float) -> NDArray[np.uint8]:
    """Return what a camera sees of stained nuclei: chromatin, blur, uneven light, photons, electronics."""
    number = int(labels.max())
    brightness = np.concatenate([[0], rng.uniform(0.35, 1.0, number)])[labels]
    chromatin = ndimage.gaussian_filter(rng.standard_normal(labels.shape), radius / 6)
    depth = np.minimum(ndimage.distance_transform_edt(labels > 0) / (radius / 2), 1)
    light = brightness * (0.7 + 0.3 * depth) * np.clip(1 + 0.18 * chromatin / chromatin.std(), 0.3, None)
    light = ndimage.gaussian_filter(light, 1.0)
    y, x = (np.linspace(-1, 1, size) for size in labels.shape)
    slope = rng.uniform(-0.02, 0.02, 2)
    light = light + 0.06 + slope[0] * y[:, None] + slope[1] * x
    seen = rng.poisson(np.clip(light, 0, None) * _PHOTONS) / _PHOTONS + rng.normal(0, 0.01, labels.shape)
    return np.asarray(np.clip(np.rint(seen * 170), 0, 255), np.uint8)
