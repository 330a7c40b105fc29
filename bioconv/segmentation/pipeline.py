"""One image from its file to its labels: in memory where it fits, else in strips; the labels are the same."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError, OptionError
from bioconv.images.image import ImageInfo, ImageSource
from bioconv.segmentation.channels import choose_channels
from bioconv.segmentation.instances import InstanceSettings, split_instances, split_large
from bioconv.segmentation.labelling import drop_small_parts, renumber, stitch_stacks
from bioconv.segmentation.maps import Maps, Member, check_ensemble, passes_of, to_bytes
from bioconv.segmentation.measuring import Extent
from bioconv.segmentation.memory import MemoryPlan, left_over, plan_memory, resident_bytes
from bioconv.segmentation.overlay import Contrast
from bioconv.segmentation.rescaling import scaled_shape
from bioconv.segmentation.running import Runner
from bioconv.segmentation.stores import ArrayStore
from bioconv.segmentation.uncertainty import RIM, ReviewSum, rim_weights
from bioconv.segmentation.views import View, model_scale, strip_height

Labels = NDArray[np.integer[Any]]
_STRIP = 16 << 20  # bytes


@dataclass(frozen=True)
class Choices:
    """What the labels depend on, beside the image and the models.

    Parameters
    ----------
    channel
        Number from 0, or name.
    axes
        Of files that do not say which axis is which.
    pixel_size
        Micrometres, for images that do not say it.
    diameter
        Pixels, of the objects in the images.
    stitch_z
        Overlap (IoU) from which on labels of neighbouring planes are one object.
    threshold
        Probability of the foreground; None: the model's.
    min_size
        Pixels; None: the model's.
    drop_border
        Leave out objects that touch the border of the image.
    uncertainty
        One of `uncertainty.KINDS`.
    seed
        Of Monte Carlo dropout.
    """

    channel: str | None = None
    axes: str | None = None
    pixel_size: float | None = None
    diameter: float | None = None
    stitch_z: float | None = None
    threshold: float | None = None
    min_size: int | None = None
    drop_border: bool = False
    uncertainty: str | None = None
    seed: int = 0


@dataclass(frozen=True)
class Resources:
    """What the labels do not depend on.

    Parameters
    ----------
    max_memory
        Bytes.
    tile
        Side of a tile, pixels; None: as large as fits.
    folder
        Where what does not fit into memory is kept for the time being.
    """

    max_memory: int = 2 * 10**9
    tile: int | None = None
    folder: Path | None = None


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
        return self.labels.rows(slice(start + rows.start, start + rows.stop))[0]

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
        return self.labels.read()[0].reshape(self.label_shape)

    def all_maps(self, store: ArrayStore) -> NDArray[np.float32]:
        """Return a store of maps as float32 0..1, (K, *label_shape)."""
        return (store.read() / np.float32(255)).reshape(store.channels, *self.label_shape)

    @property
    def extent(self) -> Extent:
        """What one of its objects may extend over."""
        return Extent(len(self.view.shape), self.joined, self.info.spacing, self.info.unit)

    def close(self) -> None:
        """Forget everything."""
        for store in (self.labels, self.probabilities, self.uncertainty):
            if store is not None:
                store.close()


class Segmenter:
    """Models that were opened once, and what is wanted of them.

    Parameters
    ----------
    runners : sequence of Runner
        Several are averaged.
    choices : Choices
    resources : Resources
    keep_probabilities : bool

    Raises
    ------
    OptionError
        If models cannot be averaged, or an option does not go with them.
    ModelError
        If a model cannot tell its uncertainty in the way that is asked for.
    """

    def __init__(
        self, runners: Sequence[Runner], choices: Choices, resources: Resources, *, keep_probabilities: bool = False
    ) -> None:
        self.runners, self.choices, self.resources = list(runners), choices, resources
        self.keep_probabilities = keep_probabilities
        check_ensemble(runners)
        self.model = runners[0].model
        self.kind = self.model.kind
        self.passes = passes_of(choices.uncertainty, runners, seed=choices.seed)
        _check_choices(choices, self.kind, self.model.ndim)
        left_over(resources.max_memory, resident_bytes())

    @property
    def runs(self) -> int:
        """Runs of a network over each frame."""
        return len(self.runners) * len(self.passes)

    def plan(self, source: ImageSource) -> tuple[View, MemoryPlan, list[tuple[float, ...]], list[str]]:
        """Return how an image would be gone about: view, memory, scale for each model, warnings.

        Raises
        ------
        InputError
            If the models cannot read this image.
        OptionError
            If the memory is too little.
        """
        info = source.info
        channels, _ = choose_channels(info, self.choices.channel, wanted=self.model.inputs)
        view = View(source, channels, self.model.ndim)
        scales, warnings = [], list(info.warnings)
        for runner in self.runners:
            trained = (runner.model.diameter, runner.model.spacing)
            plane, warning = model_scale(
                info, plane_spacing(info, self.choices.pixel_size), diameter=self.choices.diameter, trained=trained
            )
            scales.append((1.0,) * (view.info.axes.count("Z") if self.model.ndim == 3 else 0) + plane)
            warnings += [warning] if warning and warning not in warnings else []
        labels = 4 if self.kind == "instances" else 1
        kept = len(self.model.labels) * self.keep_probabilities + (self.choices.uncertainty is not None)
        memory = plan_memory(
            self.resources.max_memory, taken=resident_bytes(), shape=view.shape, frames=len(view.frames),
            result_bytes=labels + kept, channels=len(channels),
        )  # fmt: skip
        if memory.results_on_disk and self.choices.stitch_z is not None:
            message = f"{info.path}: --stitch-z needs the labels of a whole stack in memory; raise --max-memory"
            raise InputError(message)
        return view, memory, scales, warnings

    def segment(self, source: ImageSource, progress: Callable[[], object] = lambda: None) -> Segmented:
        """Segment an image.

        Raises
        ------
        InputError
            If it cannot be read, or the models cannot read it.
        OptionError
            If the memory is too little.
        """
        view, memory, scales, warnings = self.plan(source)
        sample = view.sample()
        members = [
            self._member(runner, sample, view, scale, memory)
            for runner, scale in zip(self.runners, scales, strict=True)
        ]
        result = self._result(view, memory, Contrast.of(sample, together=source.info.rgb), warnings)
        try:
            frame_folder = self.resources.folder if memory.frame_on_disk else None
            review, highest = ReviewSum(), 0
            for number in range(len(view.frames)):
                maps = Maps(members, self.passes, view.shape, frame_folder)
                try:
                    maps.fill(lambda window, frame=view.frames[number]: view.read(frame, window), progress)
                    highest = self._label(result, number, maps, highest, (memory, scales[0]))
                    self._keep(result, number, maps, review)
                finally:
                    maps.close()
            self._finish(result, highest)
        except BaseException:
            result.close()
            raise
        if self.choices.uncertainty is not None:
            result.review = review.figures(several=self.runs > 1)
        result.facts |= _facts(result, members, memory)
        return result

    def _member(
        self, runner: Runner, sample: NDArray[Any], view: View, scale: tuple[float, ...], memory: MemoryPlan
    ) -> Member:
        scaled = scaled_shape(view.shape, scale)
        # A tile of a coarser grid reads more pixels of the image than it has itself.
        reading = 8 * len(view.channels) / math.prod(scale)
        tile_bytes = int(memory.tile_bytes / (1 + reading / runner.bytes_per_pixel))
        tile = runner.tile(scaled, max_bytes=tile_bytes, side=self.resources.tile)
        return Member(runner, runner.model.intensity(sample), scaled, tile)

    def _result(self, view: View, memory: MemoryPlan, contrast: Contrast, warnings: list[str]) -> Segmented:
        folder = self.resources.folder if memory.results_on_disk else None
        shape = (len(view.frames) * view.shape[0], *view.shape[1:])
        info = with_pixel_size(view.info, self.choices.pixel_size)
        kind = np.int32 if self.kind == "instances" else np.uint8
        result = Segmented(info, view, contrast, ArrayStore(1, shape, kind, folder=folder), self.model.labels)
        result.warnings = warnings
        if self.keep_probabilities:
            result.probabilities = ArrayStore(len(self.model.labels), shape, np.uint8, folder=folder)
        if self.choices.uncertainty is not None:
            result.uncertainty = ArrayStore(1, shape, np.uint8, folder=folder)
        return result

    def _label(
        self, result: Segmented, number: int, maps: Maps, highest: int, plan: tuple[MemoryPlan, tuple[float, ...]]
    ) -> int:
        """Turn the maps of a frame into labels above `highest`; return the highest now."""
        memory, scale = plan
        first, shape = number * maps.shape[0], maps.shape
        if self.kind != "instances":
            self._label_classes(result, number, maps, memory)
            return 0
        settings = self._settings(scale)
        if memory.frame_on_disk:
            top = highest

            def write(rows: slice, labels: Labels) -> None:
                nonlocal top
                labels = np.where(labels > 0, labels + highest, 0)
                top = max(top, int(labels.max(initial=0)))
                result.labels.write(_below(first, rows, shape), labels[None])

            split_large(maps.rows, write, shape, settings, max_bytes=memory.budget // 2)
            return top
        labels = split_instances(maps.rows(slice(0, shape[0])), settings)
        top = highest + int(labels.max(initial=0))
        result.labels.write(_below(first, slice(0, shape[0]), shape), np.where(labels > 0, labels + highest, 0)[None])
        return top

    def _label_classes(self, result: Segmented, number: int, maps: Maps, memory: MemoryPlan) -> None:
        choices, shape, first = self.choices, maps.shape, number * maps.shape[0]
        parts = bool(choices.min_size) or choices.drop_border
        if parts and memory.frame_on_disk:
            message = (
                f"{result.info.path}: --min-size and --drop-border of a model that finds no single objects need a "
                "whole plane in memory; raise --max-memory"
            )
            raise InputError(message)
        threshold = self.model.threshold if choices.threshold is None else choices.threshold
        for rows in strips(shape, _STRIP // math.prod(shape[1:]) if not parts else shape[0]):
            found = maps.rows(rows)
            labels = (found[0] >= threshold * 255).astype(np.uint8) if self.kind == "binary" else found.argmax(0)
            if parts:
                labels = drop_small_parts(labels, choices.min_size or 0, drop_border=choices.drop_border)
            result.labels.write(_below(first, rows, shape), labels[None])

    def _settings(self, scale: tuple[float, ...]) -> InstanceSettings:
        """Return how maps become objects: the model's, its smallest size on the grid of the image."""
        own, choices = self.model.settings, self.choices
        smallest = max(1, round(own.min_size / math.prod(scale))) if choices.min_size is None else choices.min_size
        foreground = own.foreground if choices.threshold is None else choices.threshold
        return replace(own, min_size=smallest, foreground=foreground, drop_border=False)  # planes are joined first

    def _keep(self, result: Segmented, number: int, maps: Maps, review: ReviewSum) -> None:
        """Copy what is wanted of a frame's maps, and count its uncertainty."""
        shape, first = maps.shape, number * maps.shape[0]
        halo = math.ceil(RIM) + 1
        for rows in strips(shape, strip_height(math.prod(shape[1:]) * 16, _STRIP)):
            place = _below(first, rows, shape)
            if result.probabilities is not None:
                result.probabilities.write(place, maps.rows(rows))
            if result.uncertainty is None:
                continue
            entropy, information = maps.uncertainty(rows)
            result.uncertainty.write(place, to_bytes(entropy)[None])
            if len(shape) == 3:  # a person labels plane by plane
                weights = np.stack([rim_weights(plane) for plane in result.label_rows(number, rows)])
            else:
                wide = slice(max(0, rows.start - halo), min(shape[0], rows.stop + halo))
                weights = rim_weights(result.label_rows(number, wide))[rows.start - wide.start :][: len(entropy)]
            review.add(entropy, weights, information)

    def _finish(self, result: Segmented, highest: int) -> None:
        """Join planes, leave out what touches the border, number objects from 1, count."""
        view, choices = result.view, self.choices
        if choices.stitch_z is not None and "Z" in view.lead:
            result.joined = True
            highest = stitch_stacks(result.labels, result.info.sizes["Z"], view.shape, choices.stitch_z)
        result.highest = max(1, len(self.model.labels) - 1)
        if self.kind == "instances":
            result.objects = renumber(result.labels, view.shape, highest, drop_border=choices.drop_border)
            result.highest = result.objects
        for number in range(len(view.frames)):
            result.covered.append(
                sum(int(np.count_nonzero(result.label_rows(number, rows))) for rows in _label_strips(view.shape))
            )
        if not any(result.covered):
            result.warnings.append("nothing was found in it")


def strips(shape: tuple[int, ...], height: int) -> list[slice]:
    """Return slices of the first axis that cover it."""
    height = max(1, height)
    return [slice(start, min(start + height, shape[0])) for start in range(0, shape[0], height)]


def _label_strips(shape: tuple[int, ...]) -> list[slice]:
    return strips(shape, strip_height(4 * math.prod(shape[1:]), _STRIP))


def _below(first: int, rows: slice, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the window of some rows of a frame whose first row is `first`."""
    return (slice(first + rows.start, first + rows.stop), *(slice(0, size) for size in shape[1:]))


def plane_spacing(info: ImageInfo, pixel_size: float | None) -> tuple[float, float] | None:
    """Return micrometres per pixel along Y and X: those of the image, else those given, else None."""
    if info.spacing is not None:
        factor = 1000.0 if info.unit == "mm" else 1.0
        return info.spacing[-2] * factor, info.spacing[-1] * factor
    return None if pixel_size is None else (pixel_size, pixel_size)


def with_pixel_size(info: ImageInfo, pixel_size: float | None) -> ImageInfo:
    """Return an image's description with the spacing that was given, where it has none and is a plane."""
    if info.spacing is not None or pixel_size is None or len(info.spatial) != 2:
        return info
    return replace(info, spacing=(pixel_size, pixel_size), unit="um")


def _facts(result: Segmented, members: Sequence[Member], memory: MemoryPlan) -> dict[str, Any]:
    info = result.info
    scales = [member.scaled[-1] / result.view.shape[-1] for member in members]
    return {
        "axes": info.axes,
        "shape": list(info.shape),
        "dtype": str(info.dtype),
        "channels": [info.channels[number] or str(number) for number in result.view.channels],
        "spacing": None if info.spacing is None else list(info.spacing),
        "unit": info.unit,
        "scale": [round(scale, 4) for scale in scales],
        "tile": list(members[0].tile),
        "on_disk": memory.frame_on_disk or memory.results_on_disk,
        "objects": result.objects,
        "foreground": round(sum(result.covered) / max(1, math.prod(result.label_shape)), 6),
        **{name: round(value, 6) for name, value in result.review.items()},
    }


def _check_choices(choices: Choices, kind: str, ndim: int) -> None:
    problems = {
        "--stitch-z": (choices.stitch_z is not None and kind != "instances", "a model that finds single objects"),
        "--stitch-z with this model": (choices.stitch_z is not None and ndim == 3, "planes, and it reads volumes"),
        "--threshold": (choices.threshold is not None and kind == "classes", "a model with one foreground"),
    }
    for option, (wrong, needs) in problems.items():
        if wrong:
            message = f"{option} needs {needs}"
            raise OptionError(message)
    for option, value, fits in (
        ("--threshold", choices.threshold, lambda number: 0 < number < 1),
        ("--stitch-z", choices.stitch_z, lambda number: 0 < number <= 1),
        ("--diameter", choices.diameter, lambda number: 0 < number < math.inf),
        ("--pixel-size", choices.pixel_size, lambda number: 0 < number < math.inf),
    ):
        if value is not None and not fits(value):
            message = f"{option} {value} makes no sense"
            raise OptionError(message)
