"""Mean and standard deviation of the inputs, fitted on the training part and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.training.splits import Split

_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Normalisation:
    """What inputs are made comparable with: minus mean, divided by standard deviation.

    Parameters
    ----------
    mean, deviation
        (C,) float64, one number per channel, or (1,) for all alike. A deviation of 0 (a constant channel)
        divides by 1.
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    def apply(self, values: NDArray[Any], channel_axis: int = 0) -> NDArray[np.float32]:
        """Return normalised values, float32, of the shape given.

        Raises
        ------
        InputError
            If the number of channels is another than in training.
        """
        shape = [1] * values.ndim
        if len(self.mean) > 1:
            if values.shape[channel_axis] != len(self.mean):
                message = f"input {values.shape} has {values.shape[channel_axis]} channels on axis {channel_axis}; "
                raise InputError(message + f"the model was trained on {len(self.mean)}")
            shape[channel_axis] = -1
        divisor = np.where(self.deviation > 0, self.deviation, 1.0)
        return np.asarray((values - self.mean.reshape(shape)) / divisor.reshape(shape), np.float32)

    def to_json(self) -> dict[str, Any]:
        """Return it as values JSON can hold."""
        return {"mean": self.mean.tolist(), "deviation": self.deviation.tolist()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Normalisation:
        """Build it from such values.

        Raises
        ------
        InputError
            If they are no two lists of as many finite numbers, or a deviation is negative.
        """
        try:
            mean, deviation = (np.array(values[key], np.float64) for key in ("mean", "deviation"))
        except (KeyError, TypeError, ValueError) as error:
            message = f"normalisation {values}: mean and deviation expected, lists of numbers"
            raise InputError(message) from error
        fits = mean.ndim == 1 and mean.shape == deviation.shape and len(mean) > 0
        if not fits or not np.isfinite([mean, deviation]).all() or (deviation < 0).any():
            message = f"normalisation {values}: as many finite means as deviations of 0 or more expected"
            raise InputError(message)
        return cls(mean, deviation)


def fit_normalisation(
    split: Split, samples: Iterable[tuple[str, NDArray[Any]]], *, channel_axis: int | None = 0
) -> Normalisation:
    """Fit mean and standard deviation on training samples, one at a time, in bounded memory.

    Sums are merged as by Chan, Golub & LeVeque (doi 10.1080/00031305.1983.10483115): exact to rounding also
    where the mean is far larger than the deviation.

    Parameters
    ----------
    samples
        Name and values of each; all of the part `train`.
    channel_axis
        Axis of the channels; None: one mean and deviation for all values.

    Raises
    ------
    InputError
        If a sample is not of the training part, holds a number that is not finite, or has other channels
        than those before; or if there are none.

    Examples
    --------
    >>> split = Split({"a": "train", "b": "test"}, {})
    >>> fit_normalisation(split, [("a", np.array([[1.0, 3.0], [5.0, 5.0]]))]).to_json()
    {'mean': [2.0, 5.0], 'deviation': [1.0, 0.0]}
    """
    count, mean, squares = 0, np.zeros(1), np.zeros(1)
    for name, values in samples:
        part = split.parts.get(name, "no part")
        if part != "train":
            message = (
                f"normalisation was to be fitted on {name}, which is in {part} of the split; only train may be used"
            )
            raise InputError(message)
        rows = _rows(name, values, channel_axis)
        if count and len(rows) != len(mean):
            message = f"{name} has {len(rows)} channels, the samples before it {len(mean)}; the same number expected"
            raise InputError(message)
        added, centre = rows.shape[1], rows.mean(1)
        apart = centre - mean if count else np.zeros(len(rows))
        total = count + added
        squares = squares + ((rows - centre[:, None]) ** 2).sum(1) + apart**2 * (count * added / total)
        mean = centre if not count else mean + apart * (added / total)
        count = total
    if not count:
        message = "normalisation was to be fitted on no values; training samples expected"
        raise InputError(message)
    deviation = np.sqrt(squares / count)
    deviation[deviation <= _ROUNDING * np.abs(mean)] = 0  # a constant's mean need not be that constant to the bit
    return Normalisation(mean, deviation)


def _rows(name: str, values: NDArray[Any], channel_axis: int | None) -> NDArray[np.float64]:
    """Return values as (C, n) float64."""
    moved = values[None] if channel_axis is None else np.moveaxis(values, channel_axis, 0)
    rows = np.asarray(moved, np.float64).reshape(len(moved), -1)
    if rows.size == 0 or not np.isfinite(rows).all():
        message = f"{name} {values.shape} holds {'no values' if rows.size == 0 else 'numbers that are not finite'}; "
        raise InputError(message + "mend or leave out this sample")
    return rows
