"""Copies of an image on both sides of a split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.images.copies import ALIKE, copies
from bioconv.training.splits import Split
from bioconv.wording import counted

_SHOWN = 5


def check_copies(
    split: Split,
    names: Sequence[str],
    thumbnails: NDArray[np.float32],
    *,
    alike: float = ALIKE,
    turned: bool = False,
) -> list[str]:
    """Refuse a split with copies of an image in different parts.

    Parameters
    ----------
    thumbnails
        (n, 1024), of `bioconv.images.copies.thumbnail`.
    alike, turned
        As `bioconv.images.copies.copies` takes them.

    Returns
    -------
    list of str
        What was found within one part: a line each.

    Raises
    ------
    InputError
        If copies are in different parts; it names the first five pairs.
    """
    across: list[str] = []
    within: list[str] = []
    for one, other, value in copies(thumbnails, alike=alike, turned=turned):
        parts = split.parts[names[one]], split.parts[names[other]]
        said = f"{names[one]} ({parts[0]}) and {names[other]} ({parts[1]}), correlation {value:.4f}"
        (within if parts[0] == parts[1] else across).append(said)
    if across:
        more = f" and {len(across) - _SHOWN} more" if len(across) > _SHOWN else ""
        pairs = counted(len(across), "pair")
        message = f"{pairs} of images that are copies, but in different parts of the split: "
        message += f"{'; '.join(across[:_SHOWN])}{more}. Give them one group, or leave one out"
        raise InputError(message)
    return within
