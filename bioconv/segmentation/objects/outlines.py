"""Outlines of objects along the sides of their pixels: filled again, they give the same pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ring = list[tuple[int, int]]
# Right, down, left, up; the object lies to the right of the way, so that outer rings go right, then down.
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))


@dataclass(frozen=True)
class Outline:
    """An object in a plane.

    Parameters
    ----------
    label
        Of the object.
    plane
        Index of the plane, 0 in an image of one.
    polygons
        One per connected part (pixels connect by their sides): the outer ring, then those of the holes. A ring is its
        corners (x, y), pixel (0, 0) reaching from (0, 0) to (1, 1); the first is not repeated at the end.
    """

    label: int
    plane: int
    polygons: tuple[tuple[Ring, ...], ...]


def outlines(labels: NDArray[Any]) -> Iterator[Outline]:
    """Yield the outline of every object in every plane of (Y, X) or (Z, Y, X) labels.

    Examples
    --------
    >>> [one.polygons for one in outlines(np.array([[0, 3, 3]]))]
    [(([(1, 0), (3, 0), (3, 1), (1, 1)],),)]
    """
    from scipy import ndimage

    for plane, picture in enumerate(labels if labels.ndim == 3 else labels[None]):
        values, numbered = np.unique(picture, return_inverse=True)
        numbered = numbered.reshape(picture.shape) + int(len(values) > 0 and values[0] > 0)
        values = values[values > 0]
        for number, box in enumerate(ndimage.find_objects(numbered), start=1):
            mask = numbered[box] == number
            yield Outline(int(values[number - 1]), plane, _polygons(mask, box[1].start, box[0].start))


def _polygons(mask: NDArray[np.bool_], left: int, top: int) -> tuple[tuple[Ring, ...], ...]:
    """Return the polygons of a mask whose first pixel lies at (left, top)."""
    from scipy import ndimage

    parts, count = ndimage.label(mask)
    outer: list[list[Ring]] = [[] for _ in range(count + 1)]
    holes: list[list[Ring]] = [[] for _ in range(count + 1)]
    for ring, (x, y) in _rings(mask):
        corners = _corners(ring)
        home = outer if _area(corners) > 0 else holes
        home[parts[y, x]].append([(x + left, y + top) for x, y in corners])
    return tuple((*outer[part], *holes[part]) for part in range(1, count + 1))


def _rings(mask: NDArray[np.bool_]) -> Iterator[tuple[Ring, tuple[int, int]]]:
    """Yield the rings around a mask, each with one pixel of the mask on it; no ring meets itself."""
    ways = _ways(mask)
    while ways:
        start = next(iter(ways))
        ring, at, heading = [start], start, min(ways[start])
        x, y = start
        # The pixel to the right of the first step.
        pixel = ((x, y), (x - 1, y), (x - 1, y - 1), (x, y - 1))[heading]
        while True:
            ways[at].remove(heading)
            if not ways[at]:
                del ways[at]
            at = (at[0] + _STEPS[heading][0], at[1] + _STEPS[heading][1])
            if at == start:
                break
            ring.append(at)
            # Where two pixels meet at a corner the way turns right, which stays with the pixel.
            heading = next(turn for turn in ((heading + 1) % 4, heading, (heading - 1) % 4) if turn in ways[at])
        yield from ((one, pixel) for one in _apart(ring))


def _ways(mask: NDArray[np.bool_]) -> dict[tuple[int, int], set[int]]:
    """Return, for every corner of a pixel on the border, in which directions the border goes on from it."""
    wide = np.pad(mask, 1)
    inner = wide[1:-1, 1:-1]
    found: dict[tuple[int, int], set[int]] = {}
    for heading, (beside, dx, dy) in enumerate(
        (
            (wide[:-2, 1:-1], 0, 0),  # above: from the upper left corner to the right
            (wide[1:-1, 2:], 1, 0),
            (wide[2:, 1:-1], 1, 1),
            (wide[1:-1, :-2], 0, 1),
        )
    ):
        for y, x in np.argwhere(inner & ~beside).tolist():
            found.setdefault((x + dx, y + dy), set()).add(heading)
    return dict(sorted(found.items(), key=lambda item: (item[0][1], item[0][0])))


def _apart(ring: Ring) -> Iterator[Ring]:
    """Yield the rings that a ring which meets itself at corners consists of."""
    path: Ring = []
    where: dict[tuple[int, int], int] = {}
    for corner in ring:
        if corner in where:
            first = where[corner]
            yield path[first:]
            for gone in path[first + 1 :]:
                del where[gone]
            del path[first + 1 :]
        else:
            where[corner] = len(path)
            path.append(corner)
    yield path


def _corners(ring: Ring) -> Ring:
    """Return a ring without the points on its straight sides."""
    before, after = [ring[-1], *ring[:-1]], [*ring[1:], ring[0]]
    return [
        here
        for last, here, then in zip(before, ring, after, strict=True)
        if not (last[0] == here[0] == then[0] or last[1] == here[1] == then[1])
    ]


def _area(ring: Ring) -> float:
    """Return the area of a ring, above 0 if it goes right, then down."""
    after = [*ring[1:], ring[0]]
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, after, strict=True)) / 2
