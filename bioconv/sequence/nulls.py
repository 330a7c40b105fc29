"""How the scores of a detector network are distributed on random sequence.

Independent windows of random sequence are scored as real ones are, once for every model; the result is
cached.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv import runtime
from bioconv.conv.detectors import Detectors, batch_scores
from bioconv.download import cache_folder
from bioconv.errors import BioconvError, OptionError
from bioconv.models.model_file import ModelFile, read_model, write_model
from bioconv.sequence.null_distribution import NullDistribution, fit_null

Floats = NDArray[np.float64]

METHOD = 2  # goes up whenever the same model would get other p-values
WINDOWS = 1_000_000
SEED = 0
_BATCH = 1 << 15


def sample_windows(rng: np.random.Generator, background: Floats, count: int, window: int) -> NDArray[np.uint8]:
    """Draw (count, window) uint8 codes of independent random windows.

    Parameters
    ----------
    background
        (4,) letter frequencies, or (5, 4): the first letter's frequencies, then row by row those of the
        letter after A, C, G, T.

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
    """Return (count,) scores of random windows; arguments as in `null_distribution`."""
    rng = np.random.default_rng(seed)

    def score(windows: NDArray[np.uint8]) -> NDArray[np.float32]:
        return detectors.pool_strands(batch_scores(windows, detectors, padded=padded))

    threads = runtime.thread_count()
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[NDArray[np.float32]]] = deque()
        parts = []
        for first in range(0, count, _BATCH):
            if len(waiting) > threads:  # draws run ahead of scores by a few batches only
                parts.append(waiting.popleft().result())
            windows = sample_windows(rng, background, min(_BATCH, count - first), window)
            waiting.append(pool.submit(score, windows))
        return np.concatenate([*parts, *(each.result() for each in waiting)])


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
    facts = (
        detectors.average_pooling,
        detectors.reverse_complement,
        detectors.strand_pooling,
        float(detectors.bias2),
    )
    digest.update(repr(facts).encode())
    for name in ("filters", "thresholds", "weights1", "biases1", "weights2"):
        array = getattr(detectors, name)
        digest.update(f"{name} {None if array is None else array.shape}".encode())
        digest.update(b"" if array is None else array.tobytes())
    return digest.hexdigest()[:32]
