"""The probability maps of one plane or volume: one model or several, once or several times, on the image's grid.

Maps are kept as bytes, 255 for 1, wherever they are kept: an image that fits into memory gives the same mask as one
that does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import OptionError
from bioconv.segmentation.inference.rescaling import Rescaled
from bioconv.segmentation.inference.running import Runner
from bioconv.segmentation.inference.stores import ArrayStore, Window
from bioconv.segmentation.inference.uncertainty import (
    DROPOUT_PASSES,
    TURNS,
    Turn,
    check_turns,
    dropout_layers,
    normalised_entropy,
    spatial_dropout,
)
from bioconv.segmentation.preprocessing import Intensity

Floats = NDArray[np.float32]
Read = Callable[[Window], NDArray[Any]]


@dataclass(frozen=True)
class Pass:
    """One run over an image: turned or not, with feature maps dropped by a seed or none."""

    turn: Turn = TURNS[0]
    dropout: int | None = None


def passes_of(uncertainty: str | None, runners: Sequence[Runner], *, seed: int = 0) -> list[Pass]:
    """Return the runs over an image that a kind of uncertainty takes, of each model.

    Raises
    ------
    ModelError
        If a model cannot be run so: its labels have sides, or it has no dropout layers.
    """
    if uncertainty == "tta":
        for runner in runners:
            check_turns(runner.model.labels)
        return [Pass(turn) for turn in TURNS]
    if uncertainty == "mc-dropout":
        for runner in runners:
            if not dropout_layers(runner.model.network):
                with spatial_dropout(runner.model.network, seed=seed):  # says what is missing
                    pass
        return [Pass(dropout=seed * DROPOUT_PASSES + number) for number in range(DROPOUT_PASSES)]
    return [Pass()]


@dataclass(frozen=True, eq=False)
class Member:
    """One model of an ensemble, with what it makes of this image.

    Parameters
    ----------
    intensity
        Of the image as a whole.
    scaled
        Shape of the grid the model sees, that of the image scaled to its size of objects.
    tile
        Largest tile.
    batch_pixels
        Most pixels of tiles that go through the network together; 0: each goes alone.
    """

    runner: Runner
    intensity: Intensity
    scaled: tuple[int, ...]
    tile: tuple[int, ...]
    batch_pixels: int = 0


class Maps:
    """Mean probabilities (K, *shape) of all members and passes.

    Parameters
    ----------
    shape : tuple of int
        Of the image's grid.
    folder : path, optional
        Where maps that do not fit into memory are kept; None: in memory.
    """

    def __init__(self, members: Sequence[Member], passes: Sequence[Pass], shape: tuple[int, ...], folder: Path | None):
        self.members, self.passes, self.shape = list(members), list(passes), shape
        model = members[0].runner.model
        self.channels = len(model.labels)
        self.exclusive = model.kind == "classes"
        self.several = len(self.members) * len(self.passes) > 1
        # Of several passes the sum, and the sum of their entropies behind the maps.
        kind = np.uint16 if self.several else np.uint8
        depth = self.channels + self.several
        self._stores = [ArrayStore(depth, member.scaled, kind, folder=folder) for member in members]

    def fill(self, read: Read, progress: Callable[[], object] = lambda: None) -> None:
        """Run every member over the image that `read` gives, as stored, by windows of its own grid."""
        for member, store in zip(self.members, self._stores, strict=True):
            source = Rescaled(partial(_floats, read), self.shape, member.scaled)
            for one in self.passes:
                self._run(member, one, source, store)
                progress()

    def _run(self, member: Member, one: Pass, source: Rescaled, store: ArrayStore) -> None:
        model, turn, scaled = member.runner.model, one.turn, member.scaled

        def seen(window: Window) -> Floats:
            pixels = source.read(turn.window(window, scaled))
            return model.prepare(turn.apply(pixels), member.intensity)

        def keep(window: Window, maps: Floats) -> None:
            back = turn.undo(maps)
            place = turn.window(window, scaled)
            if not self.several:
                store.write(place, to_bytes(back))
                return
            entropy = normalised_entropy(back, exclusive=self.exclusive)
            store.add(place, np.concatenate([to_bytes(back), to_bytes(entropy[None])]))

        shape, tile = turn.shape(scaled), turn.shape(member.tile)
        with _dropped(member.runner, one):
            member.runner.run(seen, keep, shape=shape, tile=tile, batch_pixels=member.batch_pixels)

    def _mean(self, rows: slice) -> Floats:
        """Return the means of everything that is kept, float32 0..1."""
        window = (rows, *(slice(0, size) for size in self.shape[1:]))
        total = np.zeros(1, np.float32)
        for store in self._stores:
            scale = np.float32(1 / (255 * len(self.passes)))
            reader = Rescaled(partial(_floats, store.read), store.shape, self.shape)
            total = total + reader.read(window) * scale
        return np.asarray(total / len(self._stores), np.float32)

    def rows(self, rows: slice) -> NDArray[np.uint8]:
        """Return the probabilities of some rows of the first axis, (K, rows, ...) bytes, 255 for 1."""
        if not self.several and self._stores[0].shape == self.shape:
            return self._stores[0].rows(rows)
        return to_bytes(self._mean(rows)[: self.channels])

    def uncertainty(self, rows: slice) -> tuple[Floats, Floats | None]:
        """Return the normalised entropy of some rows, and of several passes the part that they disagree on.

        The second is the mutual information: the entropy of the mean less the mean of the entropies.
        """
        if not self.several:
            return normalised_entropy(self.rows(rows) / np.float32(255), exclusive=self.exclusive), None
        mean = self._mean(rows)
        entropy = normalised_entropy(np.clip(mean[: self.channels], 0, 1), exclusive=self.exclusive)
        return entropy, np.maximum(entropy - mean[self.channels], 0)

    def close(self) -> None:
        """Forget the maps."""
        for store in self._stores:
            store.close()


def to_bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return numbers from 0 to 1 as bytes, 255 for 1."""
    return np.asarray(np.rint(np.clip(values, 0, 1) * np.float32(255)), np.uint8)


def _floats(read: Read, window: Window) -> Floats:
    return read(window).astype(np.float32)


@contextmanager
def _dropped(runner: Runner, one: Pass) -> Iterator[None]:
    made = nullcontext() if one.dropout is None else spatial_dropout(runner.model.network, seed=one.dropout)
    with made:
        yield


def check_ensemble(runners: Sequence[Runner]) -> None:
    """Refuse models whose maps cannot be averaged.

    Raises
    ------
    OptionError
        If they differ in what they find, what they read, or in their axes.
    """
    first = runners[0].model
    for runner in runners[1:]:
        model = runner.model
        for what, one, other in (
            ("find", (first.kind, first.labels), (model.kind, model.labels)),
            ("read", first.inputs, model.inputs),
            ("have axes", first.ndim, model.ndim),
        ):
            if one != other:
                message = f"models {first.name} and {model.name} cannot be averaged: they {what} {one} and {other}"
                raise OptionError(message)
