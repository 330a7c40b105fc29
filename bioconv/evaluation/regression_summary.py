"""Every figure that fits predicted numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

from bioconv.evaluation import regression
from bioconv.evaluation.figures import Figures, Settings, comparison, resampled
from bioconv.evaluation.inputs import Floats
from bioconv.evaluation.resampling import paired_bootstrap


def summarise_regression(models: Mapping[str, Floats], observed: Floats, settings: Settings) -> Figures:
    """Judge predicted numbers of one or more models against measured ones, (n,) each.

    Returns
    -------
    dict
        `samples`, `models` (name -> figure -> value, low, high, error, method), `comparisons`, `notes`.

    Raises
    ------
    InputError
        As `bioconv.evaluation.regression.pearson`.
    """
    metrics: dict[str, Callable[[Any, Any], float]] = {
        "pearson": regression.pearson,
        "spearman": regression.spearman,
        "mse": regression.mse,
        "mae": regression.mae,
        "r2": regression.r2,
    }
    method = settings.drawn(stratified=False)

    def figures(name: str) -> Figures:
        return {key: resampled(metric, models[name], observed, settings) for key, metric in metrics.items()}

    def compared(a: str, b: str, key: str) -> Figures:
        found = paired_bootstrap(
            metrics[key],
            models[a],
            models[b],
            observed,
            count=settings.resamples,
            level=settings.level,
            seed=settings.seed,
            groups=range(len(observed)) if settings.groups is None else settings.groups,
        )
        return comparison(a, b, key, found, f"paired {method}")

    return {
        "samples": len(observed),
        "models": {name: figures(name) for name in models},
        "comparisons": [compared(a, b, key) for a, b in combinations(models, 2) for key in metrics],
        "notes": [],
    }
