"""What the user of a model may choose: what the labels depend on, and what they do not."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

from bioconv.errors import OptionError
from bioconv.images.image import ImageInfo


@dataclass(frozen=True)
class Choices:
    """What the labels depend on, beside the image and the models.

    Parameters
    ----------
    channel
        Number from 0, or name.
    axes
        Of files that do not say which axis is which.
    pixel_size
        Micrometres, for images that do not say it.
    diameter
        Pixels, of the objects in the images.
    stitch_z
        Overlap (IoU) from which on labels of neighbouring planes are one object.
    threshold
        Probability of the foreground; None: the model's.
    min_size
        Pixels; None: the model's.
    drop_border
        Leave out objects that touch the border of the image.
    uncertainty
        One of `uncertainty.KINDS`.
    seed
        Of Monte Carlo dropout.
    """

    channel: str | None = None
    axes: str | None = None
    pixel_size: float | None = None
    diameter: float | None = None
    stitch_z: float | None = None
    threshold: float | None = None
    min_size: int | None = None
    drop_border: bool = False
    uncertainty: str | None = None
    seed: int = 0


@dataclass(frozen=True)
class Resources:
    """What the labels do not depend on.

    Parameters
    ----------
    max_memory
        Bytes.
    tile
        Side of a tile, pixels; None: as large as fits.
    folder
        Where what does not fit into memory is kept for the time being.
    """

    max_memory: int = 2 * 10**9
    tile: int | None = None
    folder: Path | None = None


def check_choices(choices: Choices, kind: str, ndim: int) -> None:
    """Refuse choices that make no sense, or do not go with a kind of model.

    Raises
    ------
    OptionError
    """
    problems = {
        "--stitch-z": (choices.stitch_z is not None and kind != "instances", "a model that finds single objects"),
        "--stitch-z with this model": (choices.stitch_z is not None and ndim == 3, "planes, and it reads volumes"),
        "--threshold": (choices.threshold is not None and kind == "classes", "a model with one foreground"),
    }
    for option, (wrong, needs) in problems.items():
        if wrong:
            message = f"{option} needs {needs}"
            raise OptionError(message)
    limits = {
        "--threshold": (choices.threshold, 1.0),
        "--stitch-z": (choices.stitch_z, 1.0),
        "--diameter": (choices.diameter, math.inf),
        "--pixel-size": (choices.pixel_size, math.inf),
    }
    for option, (value, most) in limits.items():
        if value is not None and not (0 < value <= most and math.isfinite(value)):
            message = f"{option} {value} makes no sense; give more than 0{f', up to {most:g}' if most == 1 else ''}"
            raise OptionError(message)


def plane_spacing(info: ImageInfo, pixel_size: float | None) -> tuple[float, float] | None:
    """Return micrometres per pixel along Y and X: those of the image, else those given, else None."""
    if info.spacing is not None:
        factor = 1000.0 if info.unit == "mm" else 1.0
        return info.spacing[-2] * factor, info.spacing[-1] * factor
    return None if pixel_size is None else (pixel_size, pixel_size)


def with_pixel_size(info: ImageInfo, pixel_size: float | None) -> ImageInfo:
    """Return an image's description with the spacing that was given, where it has none and is a plane."""
    if info.spacing is not None or pixel_size is None or len(info.spatial) != 2:
        return info
    return replace(info, spacing=(pixel_size, pixel_size), unit="um")
