"""Random changes of training images, as numbers: their ranges, and a draw from them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from bioconv.errors import OptionError

LARGEST_SLOPE = 1 / 3
"""Of `elastic_pixels` / `elastic_scale`: an elastic field steeper than this would fold the image onto itself."""


@dataclass(frozen=True)
class Augmentation:
    """How much an image may be changed; the defaults change nothing.

    Parameters
    ----------
    flips
        Whether each axis is flipped in half of the draws; never where labels have sides (left, right).
    quarter_turns
        Whether the Y-X plane is turned by a multiple of 90 degrees.
    rotation_degrees
        Largest rotation of the Y-X plane, either way; in degrees, uniform.
    tilt_degrees
        The same of the Z-X and Z-Y planes of a volume; pixels count as cubes.
    zoom
        Smallest and largest factor of an object's size, log-uniform; (0.5, 2) is half to twice as large.
    shear
        Largest shift along X per pixel of Y, either way; uniform.
    elastic_pixels
        Standard deviation of the elastic displacement along each axis; in pixels.
    elastic_scale
        Distance over which the displacement stays alike (its correlation is exp(-d^2 / (2 scale^2))); in pixels.
    gain, channel_gain
        Standard deviation of the logarithm of a factor on all values, and of one on each channel.
    offset, channel_offset
        Standard deviation of a number added to all values, and of one added to each channel; in units of the
        values, which are expected to span about 0 to 1.
    gamma
        Standard deviation of the logarithm of the exponent g in sign(x) |x|^g.
    blur_pixels
        Largest standard deviation of a Gaussian blur; in pixels, uniform from 0.
    noise
        Largest standard deviation of Gaussian noise; in units of the values, uniform from 0.
    stain
        Standard deviation of the log-gain and of the shift (in natural optical density) of haematoxylin, eosin
        and DAB; for red, green and blue only.
    probability
        Of each of the intensity effects (gain, offset, gamma, blur, noise, stain); 0 to 1.

    Raises
    ------
    OptionError
        If a value is out of its range.
    """

    flips: bool = False
    quarter_turns: bool = False
    rotation_degrees: float = 0.0
    tilt_degrees: float = 0.0
    zoom: tuple[float, float] = (1.0, 1.0)
    shear: float = 0.0
    elastic_pixels: float = 0.0
    elastic_scale: float = 32.0
    gain: float = 0.0
    channel_gain: float = 0.0
    offset: float = 0.0
    channel_offset: float = 0.0
    gamma: float = 0.0
    blur_pixels: float = 0.0
    noise: float = 0.0
    stain: float = 0.0
    probability: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "zoom", tuple(self.zoom))
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "zoom" and not (math.isfinite(value) and value >= 0):
                message = f"augmentation: {field.name} is {value!r}; expected a number from 0"
                raise OptionError(message)
        if len(self.zoom) != 2 or not 0 < self.zoom[0] <= self.zoom[1] < math.inf:
            message = f"augmentation: zoom is {self.zoom}; expected the smallest and the largest factor, above 0"
            raise OptionError(message)
        if self.elastic_pixels > LARGEST_SLOPE * self.elastic_scale:
            message = (
                f"augmentation: elastic_pixels {self.elastic_pixels} folds the image at elastic_scale "
                f"{self.elastic_scale}; expected at most a third of it"
            )
            raise OptionError(message)
        if self.probability > 1:
            message = f"augmentation: probability is {self.probability}; expected 0 to 1"
            raise OptionError(message)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        return asdict(self) | {"zoom": list(self.zoom)}

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Augmentation:
        """Build it from `to_json`'s fields, or some of them.

        Raises
        ------
        OptionError
            If a field is not known, or a value makes no sense.
        """
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(facts) - set(known)):
            message = f"augmentation: {', '.join(unknown)} is not known; known are {', '.join(known)}"
            raise OptionError(message)
        try:
            return cls(**facts)
        except TypeError as error:
            message = f"augmentation: {dict(facts)} holds something that is no number"
            raise OptionError(message) from error


@dataclass(frozen=True)
class Draw:
    """The numbers of one random change; the defaults change nothing.

    Applied to the crop in this order: zoom, shear, rotation, quarter turns, flips, then elastic displacement;
    stain, blur, gamma, gains, offsets, noise.

    Parameters
    ----------
    flips
        One per axis, or none.
    quarter_turns
        Of the Y-X plane, counter-clockwise with Y pointing down, as `numpy.rot90`.
    rotation_degrees
        The same in degrees.
    tilt_degrees
        Of the Z-X and the Z-Y plane; 0 in 2-D.
    zoom
        Factor of an object's size.
    shear
        Shift along X per pixel of Y.
    elastic_pixels, elastic_scale, elastic_seed
        Of the displacement: standard deviation and smoothness in pixels, and the seed that gives the field.
    gains, offsets
        One factor and one summand per channel, or none.
    gamma
        Exponent.
    blur_pixels
        Standard deviation in pixels.
    noise, noise_seed
        Standard deviation, and the seed that gives the noise.
    stain_gains, stain_shifts
        Of haematoxylin, eosin and DAB, or none.
    """

    flips: tuple[bool, ...] = ()
    quarter_turns: int = 0
    rotation_degrees: float = 0.0
    tilt_degrees: tuple[float, float] = (0.0, 0.0)
    zoom: float = 1.0
    shear: float = 0.0
    elastic_pixels: float = 0.0
    elastic_scale: float = 32.0
    elastic_seed: int = 0
    gains: tuple[float, ...] = ()
    offsets: tuple[float, ...] = ()
    gamma: float = 1.0
    blur_pixels: float = 0.0
    noise: float = 0.0
    noise_seed: int = 0
    stain_gains: tuple[float, ...] = ()
    stain_shifts: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list):
                object.__setattr__(self, field.name, tuple(value))

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them; `Draw(**facts)` is the way back."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def draw(augmentation: Augmentation, rng: np.random.Generator, *, ndim: int, channels: int) -> Draw:
    """Draw the numbers of one change.

    Parameters
    ----------
    augmentation
        The ranges.
    rng
        All randomness comes from here.
    ndim
        2 or 3 spatial axes.
    channels
        Of the images.

    Raises
    ------
    OptionError
        If `stain` is asked for images that have not three channels, or `ndim` is neither 2 nor 3.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> draw(Augmentation(flips=True, zoom=(0.5, 2)), rng, ndim=2, channels=1).flips
    (True, True)
    """
    if ndim not in (2, 3):
        message = f"augmentation of {ndim} spatial axes; expected 2 or 3"
        raise OptionError(message)
    if augmentation.stain and channels != 3:
        message = f"augmentation: stain needs red, green and blue; these images have {channels} channel(s)"
        raise OptionError(message)
    return Draw(**_draw_space(augmentation, rng, ndim), **_draw_intensity(augmentation, rng, channels))


def _draw_space(augmentation: Augmentation, rng: np.random.Generator, ndim: int) -> dict[str, Any]:
    low, high = np.log(augmentation.zoom)
    turn, tilt, shear = augmentation.rotation_degrees, augmentation.tilt_degrees, augmentation.shear
    tilts = (float(rng.uniform(-tilt, tilt)), float(rng.uniform(-tilt, tilt))) if ndim == 3 else (0.0, 0.0)
    return {
        "flips": tuple(bool(flip) for flip in rng.integers(2, size=ndim)) if augmentation.flips else (),
        "quarter_turns": int(rng.integers(4)) if augmentation.quarter_turns else 0,
        "rotation_degrees": float(rng.uniform(-turn, turn)),
        "tilt_degrees": tilts,
        "zoom": float(np.exp(rng.uniform(low, high))),
        "shear": float(rng.uniform(-shear, shear)),
        "elastic_pixels": augmentation.elastic_pixels,
        "elastic_scale": augmentation.elastic_scale,
        "elastic_seed": int(rng.integers(2**32)),
    }


def _draw_intensity(augmentation: Augmentation, rng: np.random.Generator, channels: int) -> dict[str, Any]:
    def happens(*sizes: float) -> bool:
        return any(sizes) and bool(rng.random() < augmentation.probability)

    def normal(deviation: float, count: int) -> list[float]:
        return [float(value) for value in rng.normal(0, deviation, count)] if deviation else [0.0] * count

    found: dict[str, Any] = {}
    if happens(augmentation.gain, augmentation.channel_gain):
        whole = normal(augmentation.gain, 1)[0]
        found["gains"] = tuple(math.exp(whole + own) for own in normal(augmentation.channel_gain, channels))
    if happens(augmentation.offset, augmentation.channel_offset):
        whole = normal(augmentation.offset, 1)[0]
        found["offsets"] = tuple(whole + own for own in normal(augmentation.channel_offset, channels))
    if happens(augmentation.gamma):
        found["gamma"] = math.exp(normal(augmentation.gamma, 1)[0])
    if happens(augmentation.blur_pixels):
        found["blur_pixels"] = float(rng.uniform(0, augmentation.blur_pixels))
    if happens(augmentation.noise):
        found["noise"] = float(rng.uniform(0, augmentation.noise))
        found["noise_seed"] = int(rng.integers(2**32))
    if happens(augmentation.stain):
        found["stain_gains"] = tuple(math.exp(value) for value in normal(augmentation.stain, 3))
        found["stain_shifts"] = tuple(normal(augmentation.stain, 3))
    return found
