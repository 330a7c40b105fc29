"""The labels of an image while they are worked on: in memory or on the disk, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.images.image import ImageInfo
from bioconv.segmentation.folders.measuring import Extent
from bioconv.segmentation.inference.overlay import Contrast
from bioconv.segmentation.inference.stores import ArrayStore
from bioconv.segmentation.inference.views import View

Labels = NDArray[np.integer[Any]]


@dataclass(eq=False)
class Segmented:
    """Labels of an image, and what else was asked for; to be closed.

    Attributes
    ----------
    info : ImageInfo
        Of the image; its spacing may come from `pixel_size`.
    labels : ArrayStore
        (1, frames * rows, ...): the frames of `view` below each other.
    maps : tuple of str
        Names of the model's maps.
    objects : int or None
        Number of objects, of a model that finds them.
    highest : int
        Largest label there may be.
    covered : list of int
        Pixels of each frame that are not background.
    probabilities, uncertainty : ArrayStore or None
        Bytes, 255 for 1, laid out like the labels.
    review : dict
        What ranks the image for labelling.
    joined : bool
        Whether objects were joined through the planes of a stack.
    """

    info: ImageInfo
    view: View
    contrast: Contrast
    labels: ArrayStore
    maps: tuple[str, ...] = ()
    objects: int | None = None
    highest: int = 0
    covered: list[int] = field(default_factory=list)
    probabilities: ArrayStore | None = None
    uncertainty: ArrayStore | None = None
    review: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    joined: bool = False

    @property
    def label_axes(self) -> str:
        """Axes of the labels: those of the image without C."""
        return self.info.axes.replace("C", "")

    @property
    def label_shape(self) -> tuple[int, ...]:
        """Sizes along them."""
        return tuple(self.info.sizes[axis] for axis in self.label_axes)

    def label_rows(self, frame: int, rows: slice) -> Labels:
        """Return some rows of a frame's labels."""
        start = frame * self.view.shape[0]
        found: Labels = self.labels.rows(slice(start + rows.start, start + rows.stop))[0]
        return found

    @property
    def shown(self) -> int:
        """The frame that an overlay shows: the one with the most foreground."""
        return int(np.argmax(self.covered))

    @property
    def shown_volume_plane(self) -> int | None:
        """Of a frame that is a volume, the plane that an overlay shows."""
        if len(self.view.shape) == 2:
            return None
        planes = range(self.view.shape[0])
        covered = [np.count_nonzero(self.label_rows(self.shown, slice(at, at + 1))) for at in planes]
        return int(np.argmax(covered))

    def shown_plane(self) -> dict[str, int]:
        """Return the number, along each axis, of the plane that an overlay shows."""
        found = dict(zip(self.view.lead, self.view.frames[self.shown], strict=True))
        plane = self.shown_volume_plane
        return found if plane is None else {**found, "Z": plane}

    def all_labels(self) -> Labels:
        """Return all labels, shape `label_shape`."""
        found: Labels = self.labels.read()[0].reshape(self.label_shape)
        return found

    def all_maps(self, store: ArrayStore) -> NDArray[np.float32]:
        """Return a store of maps as float32 0..1, (K, *label_shape)."""
        found = np.asarray(store.read() / np.float32(255), np.float32)
        return found.reshape(store.channels, *self.label_shape)

    @property
    def extent(self) -> Extent:
        """What one of its objects may extend over."""
        return Extent(len(self.view.shape), self.joined, self.info.spacing, self.info.unit)

    def close(self) -> None:
        """Forget everything."""
        for store in (self.labels, self.probabilities, self.uncertainty):
            if store is not None:
                store.close()
