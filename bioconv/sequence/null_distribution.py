"""P-values and thresholds from a sample of scores.

The empirical distribution down to p = 0.001, and beyond it a generalised Pareto tail fitted to the
exceedances by maximum likelihood.

References
----------
Pickands, Ann Statist 3:119-131 (1975), doi 10.1214/aos/1176343003: why the tail is generalised Pareto.
Grimshaw, Technometrics 35:185-191 (1993), doi 10.1080/00401706.1993.10485040: its likelihood in one
dimension. Knijnenburg, Wessels, Reinders & Shmulevich, Bioinformatics 25:i161-i168 (2009), doi
10.1093/bioinformatics/btp211: such tails for p-values of genomic scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import ModelError, OptionError

Floats = NDArray[np.float64]

_TAIL = 1e-3
_KNOTS = 500


@dataclass(frozen=True, eq=False)
class NullDistribution:
    """Distribution of the better strand's score of a random window.

    Parameters
    ----------
    knots
        (K,) float64, ascending scores.
    at, above
        (K,) float64: P(score >= knot) and P(score > knot); they differ where many windows share a score.
    scale, shape
        Of the generalised Pareto tail above the last knot; scale 0 where there is no tail to fit.
    description
        How it was made: sequence model, windows, seed, mode.
    """

    knots: Floats
    at: Floats
    above: Floats
    scale: float
    shape: float
    description: dict[str, Any]

    def p_values(self, scores: NDArray[np.floating[Any]]) -> Floats:
        """Return P(random window's score >= score) for scores of any shape; NaN stays NaN."""
        scores = np.asarray(scores, np.float64)
        left = np.clip(np.searchsorted(self.knots, scores, side="right") - 1, 0, len(self.knots) - 1)
        right = np.minimum(left + 1, len(self.knots) - 1)
        gap = self.knots[right] - self.knots[left]
        share = (scores - self.knots[left]) / np.where(gap > 0, gap, 1)
        between = self.above[left] + share * (self.at[right] - self.above[left])
        p = np.where(scores == self.knots[left], self.at[left], between)
        p = np.where(scores < self.knots[0], 1.0, p)
        p = np.where(scores > self.knots[-1], self._tail(np.asarray(scores, np.float64)), p)
        return np.where(np.isnan(scores), np.nan, p)

    def _tail(self, scores: NDArray[np.floating[Any]]) -> Floats:
        excess = np.asarray(np.maximum(scores - self.knots[-1], 0), np.float64)
        if self.scale == 0:  # no window scored more: no smaller p can be claimed
            return np.full_like(excess, self.above[-1])
        if self.shape == 0:
            return np.asarray(self.above[-1] * np.exp(-excess / self.scale))
        return np.asarray(self.above[-1] * (1 + self.shape * excess / self.scale) ** (-1 / self.shape))

    def threshold(self, p: float) -> float:
        """Return the lowest float32 score whose p-value is at most `p`; infinity where there is none.

        Raises
        ------
        OptionError
            If `p` is not between 0 and 1.
        """
        if not 0 < p <= 1:
            message = f"p-value threshold is {p}; expected more than 0, at most 1"
            raise OptionError(message)
        guess = np.float32(self._inverse(p))
        up, down = np.float32(np.inf), np.float32(-np.inf)
        # Rounding to float32 may have put it a step off, either way.
        while np.isfinite(guess) and self.p_values(np.array(guess)) > p:
            guess = np.nextafter(guess, up)
        while np.isfinite(guess) and self.p_values(np.array(np.nextafter(guess, down))) <= p:
            guess = np.nextafter(guess, down)
        return float(guess)

    def _inverse(self, p: float) -> float:
        if p >= 1:
            return -np.inf
        if p < self.above[-1]:
            if self.scale == 0:
                return np.inf
            ratio = np.log(self.above[-1] / p)
            stretch = np.expm1(self.shape * ratio) / self.shape if self.shape else ratio
            return float(self.knots[-1] + self.scale * stretch)
        reached = int(np.argmax(self.at <= p)) if self.at[-1] <= p else len(self.knots)
        if reached == 0:
            return float(self.knots[0])
        before = reached - 1
        if reached == len(self.knots) or self.above[before] <= p:
            return float(np.nextafter(np.float32(self.knots[before]), np.float32(np.inf)))
        share = (self.above[before] - p) / (self.above[before] - self.at[reached])
        return float(self.knots[before] + share * (self.knots[reached] - self.knots[before]))

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays a model file keeps."""
        tail = np.array([self.scale, self.shape])
        return {"knots": self.knots, "at": self.at, "above": self.above, "tail": tail}

    @classmethod
    def from_tensors(cls, tensors: dict[str, NDArray[Any]], description: dict[str, Any]) -> NullDistribution:
        """Build it from what `tensors` gave.

        Raises
        ------
        ModelError
            If arrays are missing, do not fit, or are no distribution.
        """
        arrays = [tensors.get(name, np.zeros(0)) for name in ("knots", "at", "above", "tail")]
        knots, at, above, tail = arrays
        fits = len(knots) > 0 and knots.shape == at.shape == above.shape == (len(knots),) and tail.shape == (2,)
        if fits:
            chain = np.stack([at, above], axis=1).ravel()
            fits = bool((np.diff(knots) > 0).all() and (np.diff(chain) <= 0).all() and (tail >= 0).all())
            fits = fits and chain[-1] > 0 and chain[0] <= 1
        if not fits or any(array.dtype != np.float64 for array in arrays):
            message = "null distribution: expected float64 knots, at, above of one length, monotonic, and tail (2,)"
            raise ModelError(message)
        return cls(knots, at, above, float(tail[0]), float(tail[1]), description)


def fit_null(scores: NDArray[np.floating[Any]], description: dict[str, Any]) -> NullDistribution:
    """Fit a null distribution to (N,) scores of independent windows."""
    ordered = np.sort(np.asarray(scores, np.float64))
    count = len(ordered)
    ranks = count * np.concatenate([np.linspace(1, 0.01, _KNOTS // 2), np.geomspace(0.01, _TAIL, _KNOTS // 2)])
    knots = np.unique(ordered[np.clip(count - ranks.astype(np.int64), 0, count - 1)])
    at = (count - np.searchsorted(ordered, knots, side="left")) / count
    above = (count - np.searchsorted(ordered, knots, side="right")) / count
    excess = ordered[ordered > knots[-1]] - knots[-1]
    scale, shape = pareto_tail(excess)
    # Nothing seen above the last knot is no proof that nothing is there.
    above[-1] = max(above[-1], min(1 / (count + 1), at[-1]))
    return NullDistribution(knots, at, above, scale, shape, description)


def pareto_tail(excess: Floats) -> tuple[float, float]:
    """Fit a generalised Pareto distribution with shape >= 0 to positive exceedances by maximum likelihood.

    With theta = shape / scale the likelihood has one free parameter (Grimshaw, doi
    10.1080/00401706.1993.10485040); theta = 0 is the exponential distribution, which is also what bounded
    scores (shape below 0) get: no score, however high, is then called impossible. The price, at the worst
    (uniform exceedances), is p-values up to a third too low just above the last knot; from a fifth of its p
    on they are too high.

    Returns
    -------
    tuple of float
        scale, shape; (0, 0) where there is nothing to fit.
    """
    if len(excess) == 0:
        return 0.0, 0.0
    mean = float(excess.mean())

    def shapes(theta: Floats) -> Floats:
        return np.asarray(np.log1p(theta[:, None] * excess).mean(axis=1))

    best, reach = 1e-3 / mean, 1e3
    for _ in range(4):  # a grid, refined around its best point
        theta = np.geomspace(best / reach, best * reach, 100)
        shape = shapes(theta)
        likelihood = -np.log(shape / theta) - shape - 1
        at = int(np.argmax(likelihood))
        best, reach = float(theta[at]), float(theta[1] / theta[0]) ** 2
    shape = shapes(np.array([best]))
    if -np.log(shape[0] / best) - shape[0] - 1 <= -np.log(mean) - 1 + 1e-9:
        return mean, 0.0
    return float(shape[0] / best), float(shape[0])
