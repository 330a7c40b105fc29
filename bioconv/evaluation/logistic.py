"""Logistic curves fitted to scores by Newton's method, and the temperature of logits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioconv.errors import InputError
from bioconv.evaluation.inputs import Floats, ranked
from bioconv.evaluation.multiclass import class_scores

_STEPS = 200


class Logistic(NamedTuple):
    """The curve 1 / (1 + exp(-(slope * score + intercept)))."""

    slope: float
    intercept: float

    def probabilities(self, scores: ArrayLike) -> Floats:
        """Return the probability of each of the `scores`, float64 of their shape."""
        return sigmoid(self.slope * np.asarray(scores, dtype=np.float64) + self.intercept)


def sigmoid(x: Floats) -> Floats:
    """Return 1 / (1 + exp(-x)) without overflow."""
    decay = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1.0, decay) / (1 + decay), dtype=np.float64)


def fit_logistic(scores: ArrayLike, labels: ArrayLike, *, smoothed: bool = False) -> Logistic:
    """Return the probability of a score, fitted by maximum likelihood (Platt scaling).

    Parameters
    ----------
    scores
        (n,) finite numbers, such as a model's raw scores of validation samples.
    labels
        (n,) 0 or 1, both present.
    smoothed
        Fit Platt's targets (m + 1) / (m + 2) and 1 / (n + 2) in place of 1 and 0, for m positives and n
        negatives: less sure of itself on few samples, and finite where the classes are separated.

    Raises
    ------
    InputError
        If labels or scores are unfit, all scores are equal, or the classes are separated by a threshold (the
        likelihood then has no maximum; see `smoothed`).

    References
    ----------
    Platt, in Advances in Large Margin Classifiers, 61-74 (1999); Lin, Lin & Weng, Mach Learn 68:267-276
    (2007), doi 10.1007/s10994-007-5018-6.

    Examples
    --------
    >>> slope, intercept = fit_logistic([-2, -1, 0, 1, 2, 3], [0, 0, 1, 0, 1, 1])
    >>> round(slope, 3), round(intercept, 3)
    (1.214, -0.607)
    """
    values, positive = ranked(scores, labels)
    if not np.isfinite(values).all() or values.min() == values.max():
        message = "scores must be finite and not all equal to fit a curve"
        raise InputError(message)
    targets = positive.astype(np.float64)
    if smoothed:
        count, others = int(positive.sum()), int((~positive).sum())
        targets = np.where(positive, (count + 1) / (count + 2), 1 / (others + 2))
    elif separated(values, positive):
        message = "a threshold separates the classes, so the best slope is infinite; use smoothed=True or more samples"
        raise InputError(message)
    centre, scale = values.mean(), values.std()
    design = np.stack([(values - centre) / scale, np.ones(len(values))], axis=1)
    slope, intercept = fit_newton(design, targets)[0]
    return Logistic(float(slope / scale), float(intercept - slope * centre / scale))


def separated(values: Floats, positive: NDArray[np.bool_]) -> bool:
    """Say whether a threshold separates the classes, all but samples that lie on it."""
    ones, zeros = values[positive], values[~positive]
    return bool(ones.min() >= zeros.max() or zeros.min() >= ones.max())


def fit_newton(design: Floats, targets: Floats, offset: Floats | float = 0.0) -> tuple[Floats, Floats]:
    """Maximise the logistic likelihood by Newton's method with step halving.

    Parameters
    ----------
    design
        (n, k) columns, of sizes near 1.
    targets
        (n,) between 0 and 1.
    offset
        Added to the linear predictor.

    Returns
    -------
    tuple
        Coefficients (k,) and their covariance (k, k), the inverse of the information.

    Raises
    ------
    InputError
        If there is no finite maximum.
    """
    coefficients = np.zeros(design.shape[1])
    loss = _negative_likelihood(design @ coefficients + offset, targets)
    for _ in range(_STEPS):
        fitted = sigmoid(design @ coefficients + offset)
        gradient = design.T @ (targets - fitted)
        information = (design * (fitted * (1 - fitted))[:, None]).T @ design
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            break
        size = 1.0
        while (trial := _negative_likelihood(design @ (coefficients + size * step) + offset, targets)) > loss:
            size /= 2
            if size < 1e-10:
                break
        if size < 1e-10 or np.abs(size * step).max() < 1e-10:
            return coefficients, np.asarray(np.linalg.inv(information), dtype=np.float64)
        coefficients, loss = coefficients + size * step, trial
    message = "the fit of a logistic curve does not converge; the classes may be separated"
    raise InputError(message)


def _negative_likelihood(x: Floats, targets: Floats) -> float:
    return float((np.logaddexp(0.0, x) - targets * x).sum())


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """Return the temperature T for which softmax(logits / T) has the largest likelihood.

    Parameters
    ----------
    logits
        (n, C) for classes, or (n,) for the logit of class 1.
    labels
        (n,) whole numbers from 0 to C - 1.

    Raises
    ------
    InputError
        If shapes or labels do not fit, or the likelihood has no maximum at a positive, finite temperature:
        every sample is right (T would be 0), or the logits are no better than chance.

    References
    ----------
    Guo, Pleiss, Sun & Weinberger, Proc. ICML 70:1321-1330 (2017), arXiv 1706.04599.

    Examples
    --------
    >>> round(fit_temperature([2.0, 2.0, 2.0, -2.0], [1, 1, 0, 0]), 3)
    1.82
    """
    given = np.asarray(logits, dtype=np.float64)
    if given.ndim == 1:
        given = np.stack([np.zeros(len(given)), given], axis=1)
    values, truth = class_scores(given, labels)
    # Relative to the true class; the likelihood is concave in 1 / T, so that its slope falls.
    values = values - values[np.arange(len(truth)), truth][:, None]
    if values.max() <= 0:
        message = "every sample is right: the best temperature is 0; use more validation samples"
        raise InputError(message)
    scale = float(np.abs(values).max())
    values = values / scale
    if _slope(values, 0.0)[0] <= 0:
        message = "the logits are no better than chance, so that no temperature mends them"
        raise InputError(message)
    low, high = 0.0, 1.0
    while _slope(values, high)[0] > 0:
        low, high = high, 2 * high
    inverse = (low + high) / 2
    for _ in range(_STEPS):
        slope, curvature = _slope(values, inverse)
        low, high = (inverse, high) if slope > 0 else (low, inverse)
        trial = inverse + slope / curvature if curvature > 0 else low
        step = (trial if low < trial < high else (low + high) / 2) - inverse
        inverse += step
        if abs(step) < 1e-12 * inverse:
            break
    return scale / inverse


def _slope(values: Floats, inverse: float) -> tuple[float, float]:
    """Return slope and curvature (its sign turned) of the log likelihood as a function of 1 / T."""
    weights = np.exp(inverse * (values - values.max(axis=1, keepdims=True)))
    weights /= weights.sum(axis=1, keepdims=True)
    mean = (weights * values).sum(axis=1)
    return -float(mean.sum()), float(((weights * values**2).sum(axis=1) - mean**2).sum())
