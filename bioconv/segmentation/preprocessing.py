"""From stored pixels to what a network reads: one window of intensities per image, never per tile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import ModelError

POLARITIES = ("as-is", "dark-background")
Floats = NDArray[np.float32]
_BRIGHT = 0.5  # of the window: a median above it is a bright background


@dataclass(frozen=True)
class Preprocessing:
    """How a model wants its pixels; part of the model file.

    Parameters
    ----------
    inputs
        What the channels are: `("gray",)`, `("red", "green", "blue")`, or names.
    low, high
        Percentiles of an image's pixels that become 0 and 1; what lies outside is clipped.
    per_channel
        Whether each channel has a window of its own; else all share one.
    polarity
        `as-is`, or `dark-background`: an image whose median lies in the upper half of its window is inverted.
    gamma
        Power of the scaled values, after inversion; below 1 it lifts faint structures beside bright ones.
    """

    inputs: tuple[str, ...] = ("gray",)
    low: float = 1.0
    high: float = 99.8
    per_channel: bool = False
    polarity: str = "as-is"
    gamma: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", tuple(self.inputs))
        ranges = 0 <= self.low < self.high <= 100 and 0 < self.gamma <= 10
        if not self.inputs or not ranges or self.polarity not in POLARITIES:
            message = f"{self} makes no sense: channels, 0 <= low < high <= 100, 0 < gamma <= 10, polarity "
            message += " or ".join(POLARITIES)
            raise ValueError(message)

    @property
    def colour(self) -> bool:
        """Whether the model reads colour pictures."""
        return self.inputs == COLOUR

    def intensity(self, pixels: NDArray[Any]) -> Intensity:
        """Measure an image's window.

        Parameters
        ----------
        pixels
            (C, ...) pixels of the whole image, or an even sample of them. Numbers that are not finite do not count.

        Returns
        -------
        Intensity
            An image of one grey has a window of width 1: it becomes 0.
        """
        rows = pixels.reshape(len(pixels), -1) if self.per_channel else pixels.reshape(1, -1)
        bounds = [_percentiles(row, self.low, self.high) for row in rows]
        low, high = (np.array(side, np.float32) for side in zip(*bounds, strict=True))
        high = np.where(high > low, high, low + 1)
        upside = False
        if self.polarity == "dark-background":
            middle = np.array([np.median(row[np.isfinite(row)]) if np.isfinite(row).any() else 0.0 for row in rows])
            upside = bool(np.mean((middle - low) / (high - low)) > _BRIGHT)
        return Intensity(low, np.asarray(high, np.float32), upside)

    def prepare(self, window: NDArray[Any], intensity: Intensity) -> Floats:
        """Return pixels (C, *spatial) as float32 from 0 to 1, grey repeated for a model of colour pictures."""
        shape = (-1, *(1,) * (window.ndim - 1))
        low, high = intensity.low.reshape(shape), intensity.high.reshape(shape)
        scaled = np.clip((window.astype(np.float32) - low) / (high - low), 0, 1)
        scaled = np.nan_to_num(scaled, copy=False)
        if intensity.inverted:
            scaled = 1 - scaled
        if self.gamma != 1:
            scaled **= np.float32(self.gamma)
        if len(scaled) == 1 and len(self.inputs) > 1:
            scaled = np.repeat(scaled, len(self.inputs), axis=0)
        return np.ascontiguousarray(scaled, np.float32)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as values JSON can hold."""
        return asdict(self) | {"inputs": list(self.inputs)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Preprocessing:
        """Build it from such values.

        Raises
        ------
        ModelError
            If a key is unknown or a value makes no sense.
        """
        known = {field.name for field in fields(cls)}
        if odd := sorted(set(values) - known):
            message = f"preprocessing: unknown keys {odd}; known are {sorted(known)}"
            raise ModelError(message)
        try:
            return cls(**values)
        except (TypeError, ValueError) as error:
            message = f"preprocessing: {error}"
            raise ModelError(message) from error


COLOUR = ("red", "green", "blue")


@dataclass(frozen=True, eq=False)
class Intensity:
    """The window of one image.

    Parameters
    ----------
    low, high
        (1,) or (C,) float32 pixel values that become 0 and 1.
    inverted
        Whether 0 and 1 change places after it.
    """

    low: Floats
    high: Floats
    inverted: bool


def _percentiles(values: NDArray[Any], low: float, high: float) -> tuple[float, float]:
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    first, last = np.percentile(values, [low, high])
    return float(first), float(last)
