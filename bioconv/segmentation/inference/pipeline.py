"""One image from its file to its labels: in memory where it fits, else in strips; the labels are the same."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.conv.device_memory import DeviceFullError
from bioconv.errors import InputError
from bioconv.images.image import ImageInfo, ImageSource
from bioconv.images.stains import COUNTERSTAIN, brown_share, separate_stain
from bioconv.segmentation.channels import choose_channels
from bioconv.segmentation.inference.choices import Choices, Resources, check_choices, plane_spacing, with_pixel_size
from bioconv.segmentation.inference.labelling import drop_small_parts, renumber, stitch_stacks
from bioconv.segmentation.inference.maps import Maps, Member, check_ensemble, passes_of, to_bytes
from bioconv.segmentation.inference.memory import MemoryPlan, left_over, plan_memory, resident_bytes
from bioconv.segmentation.inference.overlay import Contrast
from bioconv.segmentation.inference.rescaling import scaled_shape
from bioconv.segmentation.inference.running import Runner
from bioconv.segmentation.inference.segmented import Labels, Segmented
from bioconv.segmentation.inference.stores import ArrayStore
from bioconv.segmentation.inference.uncertainty import RIM, ReviewSum, rim_weights
from bioconv.segmentation.inference.views import View, model_scale, strip_height
from bioconv.segmentation.objects.instances import InstanceSettings, split_instances, split_large

_STRIP = 16 << 20  # bytes
_BROWN = 0.1  # share of brown among stained tissue from which on it counts


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
        If models cannot be averaged, an option does not go with them, or tiles are too small for them.
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
        check_choices(choices, self.kind, self.model.ndim)
        for runner in self.runners:
            runner.check_tile(resources.tile)
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
        view, brown = self._view(source)
        info, channels = view.info, view.channels
        scales, warnings = [], [*info.warnings, *brown]
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
        source = view.source
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
                    _fill(maps, partial(view.read, view.frames[number]), progress, view.info)
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

    def _view(self, source: ImageSource) -> tuple[View, list[str]]:
        """Return the channels that are read, and what is to be said of tissue with DAB.

        Networks of haematoxylin and eosin misread brown. One that is known to have met none reads the counterstain.
        """
        channel = None if self.choices.channel == "rgb" and source.info.rgb else self.choices.channel
        view = self._chosen(source, channel)
        if self.choices.channel is not None or not view.info.rgb or self.kind != "instances":
            return view, []
        if view.info.dtype.kind != "u" or (share := brown_share(view.sample())) < _BROWN:
            return view, []
        text = f"{share:.0%} of the stained tissue is brown (DAB?)"
        met = self.model.facts.get("training", {}).get("brown")
        if met is None:
            advice = "if the model was not trained on such, segment the nuclei's stain alone with --channel"
            return view, [f"{text}: {advice} {COUNTERSTAIN}"]
        if met >= _BROWN:
            return view, []
        said = f"{text}, which the model has not met: the blue {COUNTERSTAIN} is read (--channel rgb: all colours)"
        return self._chosen(source, COUNTERSTAIN), [said]

    def _chosen(self, source: ImageSource, channel: str | None) -> View:
        source = separate_stain(source, channel)
        channels, _ = choose_channels(source.info, channel, wanted=self.model.inputs)
        return View(source, channels, self.model.ndim)

    def _member(
        self, runner: Runner, sample: NDArray[Any], view: View, scale: tuple[float, ...], memory: MemoryPlan
    ) -> Member:
        scaled = scaled_shape(view.shape, scale)
        # A tile of a coarser grid reads more pixels of the image than it has itself.
        reading = 8 * len(view.channels) / math.prod(scale)
        reading = reading * (1 + runner.overlapped) + runner.streamed_bytes
        tile_bytes = int(memory.tile_bytes / (1 + reading / runner.bytes_per_pixel))
        tile = runner.tile(scaled, max_bytes=tile_bytes, side=self.resources.tile)
        return Member(runner, runner.model.intensity(sample), scaled, tile, runner.batch_pixels(tile_bytes))

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


def _fill(
    maps: Maps, read: Callable[[tuple[slice, ...]], NDArray[Any]], progress: Callable[[], object], info: ImageInfo
) -> None:
    """Run the models; an image that is too much for the device fails by name, and others may go on."""
    try:
        maps.fill(read, progress)
    except DeviceFullError as error:
        message = f"{info.path or 'array'}: {error}"
        raise InputError(message) from error


def strips(shape: tuple[int, ...], height: int) -> list[slice]:
    """Return slices of the first axis that cover it."""
    height = max(1, height)
    return [slice(start, min(start + height, shape[0])) for start in range(0, shape[0], height)]


def _label_strips(shape: tuple[int, ...]) -> list[slice]:
    return strips(shape, strip_height(4 * math.prod(shape[1:]), _STRIP))


def _below(first: int, rows: slice, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the window of some rows of a frame whose first row is `first`."""
    return (slice(first + rows.start, first + rows.stop), *(slice(0, size) for size in shape[1:]))


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
        "tile": list(members[0].runner.fitting(members[0].tile, members[0].scaled)),
        "on_disk": memory.frame_on_disk or memory.results_on_disk,
        "objects": result.objects,
        "foreground": round(sum(result.covered) / max(1, math.prod(result.label_shape)), 6),
        **{name: round(value, 6) for name, value in result.review.items()},
    }
