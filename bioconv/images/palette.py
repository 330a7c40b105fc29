"""Pictures that store numbers of colours, and the table of the colours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.images.axes import Window

Fetch = Callable[[Window], NDArray[Any]]


def coloured(
    axes: str, shape: tuple[int, ...], fetch: Fetch, table: NDArray[Any]
) -> tuple[str, tuple[int, ...], Fetch]:
    """Return the axes, shape and fetch of the colours, given those of the numbers.

    Parameters
    ----------
    axes, shape, fetch
        Of the numbers; without C.
    table
        (colours, 3); numbers past its end take its last colour. A table of greys gives one channel.
    """
    if (table == table[:, :1]).all():
        ramp = np.ascontiguousarray(table[:, 0])
        return axes, shape, lambda window: ramp[np.minimum(fetch(window), len(ramp) - 1)]
    at = 1 if axes.startswith("T") else 0

    def fetch_colours(window: Window) -> NDArray[Any]:
        numbers = fetch(window[:at] + window[at + 1 :])
        columns = np.ascontiguousarray(table[:, window[at]])
        return np.moveaxis(columns[np.minimum(numbers, len(table) - 1)], -1, at)

    return axes[:at] + "C" + axes[at:], (*shape[:at], 3, *shape[at:]), fetch_colours
