"""How the score of a detector network is distributed on random sequence: p-values and thresholds of its hits.

Scores of independent random windows: their empirical distribution down to p = 0.001, and beyond it a generalised
Pareto tail fitted to the exceedances by maximum likelihood.

References
----------
Pickands, Ann Statist 3:119-131 (1975), doi 10.1214/aos/1176343003: why the tail is generalised Pareto.
Grimshaw, Technometrics 35:185-191 (1993), doi 10.1080/00401706.1993.10485040: its likelihood in one dimension.
Knijnenburg, Wessels, Reinders & Shmulevich, Bioinformatics 25:i161-i168 (2009), doi 10.1093/bioinformatics/btp211:
such tails for p-values of genomic scores.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv import runtime
from bioconv.conv.detectors import Detectors, batch_scores
from bioconv.download import cache_folder
from bioconv.errors import BioconvError, ModelError, OptionError
from bioconv.models.model_file import ModelFile, read_model, write_model

Floats = NDArray[np.float64]

METHOD = 1  # goes up whenever the same model would get other p-values
WINDOWS = 1_000_000
SEED = 0
_TAIL = 1e-3
_KNOTS = 4000
_BATCH = 1 << 15


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

    def _tail(self, scores: Floats) -> Floats:
        excess = np.maximum(scores - self.knots[-1], 0)
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
            fits = fits and bool(chain[-1] > 0 and chain[0] <= 1)
        if not fits or any(array.dtype != np.float64 for array in arrays):
            message = "null distribution: expected float64 knots, at and above of one length, monotonic, and tail (2,)"
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
    10.1080/00401706.1993.10485040); theta = 0 is the exponential distribution, which is also what bounded scores
    (shape below 0) get: no score, however high, is then called impossible. The price, at the worst (uniform
    exceedances), is p-values up to a third too low just above the last knot; from a fifth of its p on they are
    too high.

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


def sample_windows(rng: np.random.Generator, background: Floats, count: int, window: int) -> NDArray[np.uint8]:
    """Draw (count, window) uint8 codes of independent random windows.

    Parameters
    ----------
    background
        (4,) letter frequencies, or (5, 4): the first letter's frequencies, then row by row those of the letter
        after A, C, G, T.

    Raises
    ------
    OptionError
        If it is neither.
    """
    background = np.asarray(background, np.float64)
    fits = background.shape in {(4,), (5, 4)} and (background >= 0).all()
    if not fits or not np.allclose(background.sum(axis=-1), 1, atol=1e-6):
        message = f"background has shape {background.shape}; expected (4,) or (5, 4) frequencies, each row of sum 1"
        raise OptionError(message)
    limits = np.cumsum(background, axis=-1)[..., :3].astype(np.float32)
    if background.ndim == 1:
        draw = rng.random((count, window), dtype=np.float32)
        return sum(((draw >= limit).view(np.uint8) for limit in limits), np.zeros((count, window), np.uint8))
    codes = np.zeros((window, count), np.uint8)  # position by position: a column is a window
    for i in range(window):
        draw = rng.random(count, dtype=np.float32)
        row = limits[0] if i == 0 else limits[1:][codes[i - 1]].T
        for limit in row:
            codes[i] += draw >= limit
    return np.ascontiguousarray(codes.T)


def sample_scores(
    detectors: Detectors,
    background: Floats,
    *,
    window: int,
    padded: bool,
    count: int,
    seed: int = SEED,
) -> NDArray[np.float32]:
    """Return (count,) better-strand scores of independent random windows; arguments as in `null_distribution`."""
    rng = np.random.default_rng(seed)
    parts = []
    for first in range(0, count, _BATCH):
        windows = sample_windows(rng, background, min(_BATCH, count - first), window)
        parts.append(batch_scores(windows, detectors, padded=padded).max(axis=1))
    return np.concatenate(parts)


def null_distribution(
    detectors: Detectors,
    background: Floats,
    *,
    window: int,
    padded: bool,
    count: int = WINDOWS,
    cached: bool = True,
) -> NullDistribution:
    """Return the null distribution of a network's window scores under a sequence model.

    Parameters
    ----------
    background
        (4,) or (5, 4), as in `sample_windows`.
    window, padded
        The mode windows are scored in (`bioconv.conv.detectors.window_scores`).
    count
        Random windows to score.
    cached
        Keep it in the cache folder, and take it from there the next time.
    """
    background = np.asarray(background, np.float64)
    description = {
        "method": METHOD,
        "windows": count,
        "seed": SEED,
        "window": window,
        "padded": padded,
        "background": background.tolist(),
    }
    path = cache_folder() / "nulls" / f"{_key(detectors, description)}.safetensors"
    if cached and path.is_file():
        try:
            file = read_model(path)
            return NullDistribution.from_tensors(file.tensors, file.config)
        except BioconvError as error:
            runtime.logger.warning("%s; computed anew", error)
    scores = sample_scores(detectors, background, window=window, padded=padded, count=count)
    null = fit_null(scores, description)
    if cached:
        _keep(path, null)
    return null


def _keep(path: Path, null: NullDistribution) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_model(path, ModelFile("null-distribution", null.description, null.tensors()))
    except (OSError, BioconvError) as error:
        runtime.warn_once("null-cache", f"null distributions are not cached: {error}; set BIOCONV_CACHE")


def _key(detectors: Detectors, description: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    facts = (detectors.average_pooling, detectors.reverse_complement, float(detectors.bias2))
    digest.update(repr(facts).encode())
    for name in ("filters", "thresholds", "weights1", "biases1", "weights2"):
        array = getattr(detectors, name)
        digest.update(f"{name} {None if array is None else array.shape}".encode())
        digest.update(b"" if array is None else array.tobytes())
    return digest.hexdigest()[:32]
