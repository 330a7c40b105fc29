"""Objects from a network's maps: foreground, distance to the border, contact; touching objects come apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.segmentation.objects.basins import PixelGraph
from bioconv.segmentation.objects.instance_strips import Strips
from bioconv.segmentation.objects.splitting import (
    USUAL,
    InstanceSettings,
    Labels,
    numbered,
    on_edge,
    split_graph,
    to_levels,
)

__all__ = ["USUAL", "InstanceSettings", "split_instances", "split_large"]


def split_instances(maps: NDArray[Any], settings: InstanceSettings = USUAL) -> Labels:
    """Return the objects of an image.

    Parameters
    ----------
    maps
        (3, Y, X) or (3, Z, Y, X): foreground, distance and contact as `targets.instance_targets` makes them;
        float in 0..1, or uint8 in 0..255.
    settings
        Thresholds.

    Returns
    -------
    ndarray
        int32 labels of the image's shape: 0 is background, the objects are 1, 2, ... by their first pixel, row by row.

    Raises
    ------
    InputError
        If the maps have another shape or values that are no probabilities.

    Examples
    --------
    >>> from bioconv.segmentation.objects.targets import instance_targets
    >>> labels = np.repeat([[0, 4, 4, 4, 4, 9, 9, 9, 9, 0]], 4, axis=0)
    >>> split_instances(instance_targets(labels))[1].tolist()
    [0, 1, 1, 1, 1, 2, 2, 2, 2, 0]
    """
    rounded = to_levels(maps)
    mask = rounded[0] >= settings.foreground_level
    labels = np.zeros(mask.shape, np.int32)
    graph = PixelGraph.of(mask)
    groups = split_graph(graph, rounded[1][mask], rounded[2][mask], settings)
    edge = on_edge(graph.pixels, mask.shape) if settings.drop_border else None
    labels.ravel()[graph.pixels] = numbered(groups, settings.min_size, drop=edge)
    return labels


def split_large(
    read_rows: Callable[[slice], NDArray[Any]],
    write_rows: Callable[[slice, Labels], None],
    shape: tuple[int, ...],
    settings: InstanceSettings = USUAL,
    *,
    max_bytes: int = 1 << 30,
) -> int:
    """Split an image into objects as `split_instances` does, a few rows in memory at a time.

    Parameters
    ----------
    read_rows
        Called with a slice of rows (of planes, if the image has three axes), each row once and in order; returns the
        maps there as `split_instances` takes them, (3, rows, ...).
    write_rows
        Called with a slice of rows and their int32 labels, each row once and in order.
    shape
        Of the image, (Y, X) or (Z, Y, X).
    settings
        Thresholds.
    max_bytes
        About what this may take, besides what the two functions take.

    Returns
    -------
    int
        How many objects there are.

    Raises
    ------
    InputError
        If a row does not fit, or a connected part of the foreground; the message says where that lies.

    Examples
    --------
    >>> from bioconv.segmentation.objects.targets import instance_targets
    >>> labels = np.repeat(np.repeat([[0, 1, 0], [2, 0, 3]], 4, axis=0), 4, axis=1)
    >>> maps, found = instance_targets(labels), np.zeros_like(labels)
    >>> split_large(lambda rows: maps[:, rows], found.__setitem__, labels.shape)
    3
    >>> bool((found == labels).all())
    True
    """
    strips = Strips(shape, settings, max_bytes)
    while strips.stop < shape[0]:
        strips.add(to_levels(read_rows(strips.wanted())))
        done = strips.take()
        if len(done):
            write_rows(slice(strips.start - len(done), strips.start), done)
    return strips.objects
