"""How sure a model is, pixel by pixel, and which images a person should label next.

The spread over passes comes from turned and mirrored copies of the image, or from Monte Carlo dropout of whole
feature maps, as in Soleimany, Suresh, Ortiz, Shanmugam, Gural, Guttag & Bhatia, arXiv:1912.00262 (2019). That whole
maps are dropped, not single pixels, also keeps the result the same at any size of tile.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bioconv.errors import ModelError
from bioconv.segmentation.inference.stores import Window

Floats = NDArray[np.float32]
KINDS = ("entropy", "tta", "mc-dropout")
DROPOUT_PASSES = 10
RIM = 5.0
_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
_SIDED = re.compile(r"(?:^|[\W_])(?:left|right|l|r|lh|rh|links|rechts)(?:$|[\W_])", re.IGNORECASE)


def normalised_entropy(maps: NDArray[Any], *, exclusive: bool) -> Floats:
    """Return the entropy of each pixel's probabilities, 0 (sure) to 1 (nothing known).

    Parameters
    ----------
    maps : ndarray, (K, ...)
        Probabilities 0..1.
    exclusive : bool
        Whether the K exclude each other (sum 1): their entropy by log K. Else each is a yes or no of its own: the
        largest of their entropies by log 2.

    Examples
    --------
    >>> normalised_entropy(np.array([[0.5, 1.0], [0.5, 0.0]]), exclusive=True).tolist()
    [1.0, 0.0]
    """
    maps = np.asarray(maps, np.float32)
    if exclusive and len(maps) > 1:
        return np.asarray(0 - _plogp(maps).sum(axis=0) / np.float32(np.log(len(maps))), np.float32)
    both = 0 - (_plogp(maps) + _plogp(1 - maps)) / np.float32(np.log(2))
    return np.asarray(both.max(axis=0), np.float32)


def _plogp(maps: Floats) -> Floats:
    return np.asarray(maps * np.log(np.where(maps > 0, maps, 1)), np.float32)


@dataclass(frozen=True)
class Turn:
    """One of the eight ways to lay a picture on itself: its last two axes exchanged or not, then mirrored or not."""

    exchange: bool = False
    flip_y: bool = False
    flip_x: bool = False

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the turned picture."""
        return (*shape[:-2], shape[-1], shape[-2]) if self.exchange else shape

    def window(self, window: Window, shape: tuple[int, ...]) -> Window:
        """Return where a window of the turned picture lies in the picture itself, which has this shape."""
        turned = self.shape(shape)
        y, x = window[-2:]
        y = slice(turned[-2] - y.stop, turned[-2] - y.start) if self.flip_y else y
        x = slice(turned[-1] - x.stop, turned[-1] - x.start) if self.flip_x else x
        return (*window[:-2], x, y) if self.exchange else (*window[:-2], y, x)

    def apply(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Turn pixels."""
        pixels = np.swapaxes(pixels, -1, -2) if self.exchange else pixels
        axes = tuple(axis for axis, flip in ((-2, self.flip_y), (-1, self.flip_x)) if flip)
        return np.ascontiguousarray(np.flip(pixels, axes) if axes else pixels)

    def undo(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Turn pixels back."""
        axes = tuple(axis for axis, flip in ((-2, self.flip_y), (-1, self.flip_x)) if flip)
        pixels = np.flip(pixels, axes) if axes else pixels
        return np.ascontiguousarray(np.swapaxes(pixels, -1, -2) if self.exchange else pixels)


TURNS = tuple(Turn(exchange, y, x) for exchange in (False, True) for y in (False, True) for x in (False, True))
"""All eight, the picture as it is first."""


def check_turns(labels: Sequence[str]) -> None:
    """Refuse to mirror images whose labels have sides.

    Raises
    ------
    ModelError
    """
    sided = [label for label in labels if _SIDED.search(label)]
    if sided:
        message = (
            f"the model tells sides apart ({', '.join(sided)}), which turned and mirrored images exchange; "
            "use --uncertainty entropy or mc-dropout"
        )
        raise ModelError(message)


def dropout_layers(network: nn.Module) -> list[nn.Module]:
    """Return the network's dropout layers that drop anything."""
    return [layer for layer in network.modules() if isinstance(layer, _DROPOUTS) and layer.p > 0]


@contextmanager
def spatial_dropout(network: nn.Module, *, seed: int) -> Iterator[None]:
    """Let the dropout layers drop feature maps, the same ones in every tile, while the block runs.

    Raises
    ------
    ModelError
        If the network has no dropout layer.
    """
    layers = dropout_layers(network)
    if not layers:
        message = "the model has no dropout layer to sample from; use --uncertainty entropy or tta"
        raise ModelError(message)
    handles = [
        layer.register_forward_hook(_Drop(float(layer.p), seed=seed, layer=number))  # type: ignore[arg-type]
        for number, layer in enumerate(layers)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Drop:
    """Zeroes the feature maps of a layer that a seed picks, and scales up the others."""

    def __init__(self, share: float, *, seed: int, layer: int) -> None:
        self._share, self._key = share, [seed, layer]

    def __call__(self, layer: nn.Module, given: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        count = output.shape[1]
        kept = np.random.default_rng(self._key).random(count) >= self._share
        scale = torch.from_numpy(kept.astype(np.float32) / (1 - self._share)) if self._share < 1 else torch.zeros(count)
        # The layer may drop by itself in training mode: start from what it was given.
        return given[0] * scale.to(output).view(1, count, *(1 for _ in output.shape[2:]))


def rim_weights(labels: NDArray[Any], *, rim: float = RIM) -> Floats:
    """Return the weight of each pixel's uncertainty: 0 on the outlines of the labels, rising to 1 at `rim` pixels.

    Every outline is uncertain by a pixel or two, however good the model; counted in full, many small objects would
    look worth labelling for their outlines' length alone. Weighting by distance: Gorriz, Carlier, Faure & Giro-i-Nieto,
    arXiv:1711.09168 (2017).

    Parameters
    ----------
    labels : ndarray, (Y, X)
    rim : float
        Pixels.

    Returns
    -------
    ndarray of float32, (Y, X)
    """
    from scipy.ndimage import distance_transform_edt

    outline = outlines(labels)
    if not outline.any():
        return np.ones(labels.shape, np.float32)
    return np.asarray(np.minimum(distance_transform_edt(~outline) / rim, 1), np.float32)


def outlines(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the pixels of an image of labels (Y, X) that have a neighbour of another label, beside or below."""
    edge = np.zeros(labels.shape, np.bool_)
    down, across = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    return edge


@dataclass
class ReviewSum:
    """Sums, over the strips of an image, of what ranks it for labelling."""

    pixels: int = 0
    plain: float = 0.0
    weighted: float = 0.0
    spread: float = 0.0

    def add(self, entropy: Floats, weights: Floats, information: Floats | None) -> None:
        """Count some pixels: entropy 0..1, weight, and mutual information of the passes where there are several."""
        self.pixels += entropy.size
        self.plain += float(entropy.sum(dtype=np.float64))
        self.weighted += float((entropy * weights).sum(dtype=np.float64))
        if information is not None:
            self.spread += float(information.sum(dtype=np.float64))

    def figures(self, *, several: bool) -> dict[str, float]:
        """Return means over the pixels: `score` ranks the images."""
        count = max(self.pixels, 1)
        found = {"score": self.weighted / count, "mean_uncertainty": self.plain / count}
        return {**found, "mutual_information": self.spread / count} if several else found
