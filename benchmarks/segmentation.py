"""What the segmentation benchmarks share: tables for `bioconv train segment`, maps of images, intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.images.masks import read_mask
from bioconv.images.reader import read_image
from bioconv.models.model_file import read_model, write_model
from bioconv.segmentation.inference.uncertainty import TURNS
from bioconv.segmentation.model import SegmentationModel

Floats = NDArray[np.float32]


def channels_first(path: Path) -> NDArray[Any]:
    """Read an image as (C, Y, X)."""
    image = read_image(path)
    return image.pixels if "C" in image.info.axes else image.pixels[None]


def maps_of(model: SegmentationModel, path: Path) -> Floats:
    """Return the probabilities (K, Y, X) of an image file, whole."""
    pixels = channels_first(path)
    return model.maps(model.prepare(pixels, model.intensity(pixels)))


def turned_maps_of(model: SegmentationModel, path: Path) -> Floats:
    """Return the mean over the eight ways to turn and mirror the image, as `--uncertainty tta` has it."""
    pixels = channels_first(path)
    prepared = model.prepare(pixels, model.intensity(pixels))
    turned = [turn.undo(model.maps(turn.apply(prepared))) for turn in TURNS]
    return np.asarray(np.mean(turned, axis=0), np.float32)


def scaled_maps_of(model: SegmentationModel, path: Path, zoom: float) -> Floats:
    """Return the probabilities of an image scaled down by `zoom`, on its original grid."""
    from skimage.transform import resize

    pixels = channels_first(path).astype(np.float32)
    size = [round(zoom * side) for side in pixels.shape[1:]]
    small = np.stack([resize(channel, size, anti_aliasing=True) for channel in pixels])
    maps = model.maps(model.prepare(small, model.intensity(small)))
    return np.stack([resize(one, pixels.shape[1:]) for one in maps]).astype(np.float32)


def truth_of(path: Path) -> NDArray[np.bool_]:
    """Read a binary mask."""
    return np.asarray(read_mask(path) > 0)


def write_rows(target: Path, columns: str, rows: Iterable[Iterable[object]]) -> None:
    """Write a table as `bioconv train segment` takes it."""
    lines = [columns, *(",".join(map(str, row)) for row in rows)]
    target.write_text("\n".join(lines) + "\n")


def image_interval(
    figure: Callable[[NDArray[np.int64]], float], count: int, *, draws: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """Return a figure of images and its 95 % interval: images are drawn again with replacement.

    `figure` gets the numbers of the images it is of.
    """
    rng = np.random.default_rng(seed)
    again = [figure(rng.integers(count, size=count)) for _ in range(draws)]
    low, high = np.quantile(again, [0.025, 0.975])
    return figure(np.arange(count)), float(low), float(high)


def said(interval: tuple[float, float, float]) -> str:
    """Return a figure with its interval, to three places."""
    return f"{interval[0]:.3f} ({interval[1]:.3f} to {interval[2]:.3f})"


def ship(model: Path, target: Path, name: str, metrics: Mapping[str, tuple[float, float, float]]) -> None:
    """Write a model with its name and the figures of its test images on its card."""
    file = read_model(model)
    found = {key: [round(value, 5) for value in values] for key, values in metrics.items()}
    about = {"name": name, "metrics": {**file.metadata["metrics"], **found}}
    write_model(target, replace(file, metadata={**file.metadata, **about}))
