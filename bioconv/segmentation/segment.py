"""`bioconv.segment`: what the command does, from Python."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv import runtime
from bioconv.errors import InputError, ModelError, OptionError, OutputError
from bioconv.images.image import ImageSource, image_from_array
from bioconv.images.reader import open_image
from bioconv.images.stains import separate_stain
from bioconv.segmentation.folders.batch import failure_reason
from bioconv.segmentation.folders.inputs import find_items, is_image_folder
from bioconv.segmentation.folders.measuring import Extent, measure_image
from bioconv.segmentation.folders.naming import Item
from bioconv.segmentation.inference.choices import Choices, Resources
from bioconv.segmentation.inference.memory import DEFAULT, parse_memory
from bioconv.segmentation.inference.pipeline import Segmenter
from bioconv.segmentation.inference.running import Runner
from bioconv.segmentation.inference.segmented import Segmented
from bioconv.segmentation.model import SegmentationModel, load_segmentation_model
from bioconv.segmentation.objects.measurements import Measurements
from bioconv.zoo import resolve

Image = str | PathLike[str] | NDArray[Any]
Model = str | PathLike[str] | SegmentationModel
_RESOURCES = {"max_memory", "tile"}
_SEARCH = {"pattern", "exclude"}


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Labels of one image.

    Parameters
    ----------
    path
        Of the image; empty for an array.
    labels
        Integers, one per pixel, 0 is background; axes `axes`.
    axes
        Of the labels: those of the image without C.
    probabilities
        float32 0..1, (K, *labels.shape), in steps of 1/255.
    maps
        What the K are.
    objects
        Number of objects, of a model that finds them.
    uncertainty
        float32 0..1 of the labels' shape, where it was asked for.
    review
        What ranks images for labelling, where uncertainty was asked for: `score` and its parts.
    spacing, unit
        Distance of pixels along each spatial axis; None and "" where unknown.
    warnings
        What should be known of the result.
    """

    path: str
    labels: NDArray[np.integer[Any]]
    axes: str
    probabilities: NDArray[np.float32]
    maps: tuple[str, ...]
    objects: int | None = None
    uncertainty: NDArray[np.float32] | None = None
    review: dict[str, float] = field(default_factory=dict)
    spacing: tuple[float, ...] | None = None
    unit: str = ""
    warnings: tuple[str, ...] = ()
    _open: Callable[[], ImageSource] | None = field(default=None, repr=False)
    _extent: Extent = field(default=Extent(2), repr=False)

    def measure(self) -> Measurements:
        """Measure the objects: size, place, shape, intensity of every channel; in physical units too where known.

        Returns
        -------
        Measurements
            One row per object.

        Raises
        ------
        InputError
            If the image, which is read again, is no longer there.
        """
        assert self._open is not None
        lead = self.labels.ndim - self._extent.ndim
        frames = self.labels.reshape(-1, *self.labels.shape[lead:])
        with self._open() as source:
            return measure_image(source, lambda number, rows: frames[number, rows], self._extent)


@dataclass(frozen=True)
class Failure:
    """An image of a folder that could not be segmented, and why.

    Parameters
    ----------
    path
        What was given for it, or found in the folder.
    reason
        Why; it names the file.
    """

    path: str
    reason: str


def segment(
    image: Image | Sequence[str | PathLike[str]],
    *,
    model: Model | Sequence[Model] = "nuclei",
    channel: int | str | None = None,
    spacing: tuple[float, float] | None = None,
    device: str = "auto",
    **choices: Any,
) -> Segmentation | Iterator[Segmentation | Failure]:
    """Segment an image, or the images of a folder.

    Parameters
    ----------
    image : path, array, or list of paths
        A file, a folder, several of them, or pixels.
    model : name, path or SegmentationModel, or a list of them
        Several are averaged.
    channel : int or str, optional
        The channel to segment, by number from 0 or by name.
    spacing : (float, float), optional
        Micrometres per pixel along Y and X, of an image that does not say it.
    device : str
        `auto`, `cpu`, `cuda` or `cuda:N`.
    **choices
        `axes` (of an array: needed unless it is a plane), `diameter`, `stitch_z`, `threshold`, `min_size`,
        `drop_border`, `uncertainty` (`entropy`, `tta`, `mc-dropout`), `seed`, `max_memory` ("2GB"), `tile`; of
        folders `pattern` and `exclude`. They are those of `bioconv segment`.

    Returns
    -------
    Segmentation, or iterator of Segmentation and Failure
        The latter for a folder or a list: images as they are done, in the order of their names.

    Raises
    ------
    InputError
        If an image that was given by itself cannot be read or segmented.
    ModelError, OptionError
    MissingDependencyError
        If a package that reads this file is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from bioconv import segment
    >>> from bioconv.models.unet import UNet, UNetConfig
    >>> from bioconv.segmentation.model import from_model_file, to_model_file
    >>> from bioconv.segmentation.objective import Objective
    >>> from bioconv.segmentation.preprocessing import Preprocessing
    >>> network = UNet(UNetConfig(1, 1, widths=(4, 8))).eval()
    >>> file = to_model_file(network, "unet", Objective("binary", ("cell",)), Preprocessing(), {})
    >>> found = segment(np.zeros((64, 50), np.uint8), model=from_model_file(file))
    >>> found.labels.shape, found.axes, found.probabilities.shape
    ((64, 50), 'YX', (1, 64, 50))
    """
    known = {one.name for one in fields(Choices)} | _RESOURCES | _SEARCH
    if odd := sorted(set(choices) - known - {"channel", "pixel_size"}):
        message = f"choices {', '.join(odd)} are not known here; known are {', '.join(sorted(known))}"
        raise OptionError(message)
    search = {name: choices.pop(name) for name in _SEARCH if name in choices}
    wanted = Choices(
        channel=None if channel is None else str(channel),
        pixel_size=None if spacing is None else _square(spacing),
        **{name: value for name, value in choices.items() if name not in _RESOURCES},
    )
    models = [model] if isinstance(model, str | PathLike | SegmentationModel) else list(model)
    runners = [Runner.of(_open_model(one, device)) for one in models]
    memory = parse_memory(str(choices.get("max_memory", DEFAULT)))
    resources = Resources(memory, choices.get("tile"), Path(tempfile.gettempdir()))
    segmenter = Segmenter(runners, wanted, resources, keep_probabilities=True)
    if isinstance(image, np.ndarray):
        return _segment_array(segmenter, image, spacing)
    if isinstance(image, str | PathLike) and not _is_folder(Path(fspath(image))):
        return _segment_file(segmenter, Path(fspath(image)))
    paths = [Path(fspath(image))] if isinstance(image, str | PathLike) else [Path(fspath(one)) for one in image]
    return _each(segmenter, find_items(paths, **search))


def _square(spacing: tuple[float, float]) -> float:
    if len(set(spacing)) > 1:
        message = f"spacing {spacing} of a file: its pixels must be square; give an array with its spacing instead"
        raise OptionError(message)
    return float(spacing[0])


def _open_model(model: Model, device: str) -> SegmentationModel:
    if isinstance(model, SegmentationModel):
        return model
    return load_segmentation_model(resolve(fspath(model)), device=runtime.device_name(device))


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not is_image_folder(path)


def _segment_array(segmenter: Segmenter, pixels: NDArray[Any], spacing: tuple[float, float] | None) -> Segmentation:
    axes = segmenter.choices.axes or ("YX" if pixels.ndim == 2 else None)
    if axes is None:
        message = f"an array of shape {pixels.shape}: say which axis is which with axes, such as 'ZYX' or 'YXC'"
        raise InputError(message)

    def opened() -> ImageSource:
        return image_from_array(pixels, axes=axes, spacing=spacing, unit="" if spacing is None else "um")

    return _segment(segmenter, opened, "")


def _segment_file(segmenter: Segmenter, path: Path | list[Path]) -> Segmentation:
    name = str(path if isinstance(path, Path) else path[0].parent)
    return _segment(segmenter, lambda: open_image(path, axes=segmenter.choices.axes), name)


def _segment(segmenter: Segmenter, opened: Callable[[], ImageSource], path: str) -> Segmentation:
    with opened() as source:
        result = segmenter.segment(source)

    def seen() -> ImageSource:  # what is measured is what was segmented
        return separate_stain(opened(), next(iter(result.info.channels), None))

    try:
        return _in_memory(segmenter, result, path, seen)
    finally:
        result.close()


def _in_memory(segmenter: Segmenter, result: Segmented, path: str, opened: Callable[[], ImageSource]) -> Segmentation:
    assert result.probabilities is not None
    uncertainty = None if result.uncertainty is None else result.all_maps(result.uncertainty)[0]
    return Segmentation(
        path, result.all_labels(), result.label_axes, result.all_maps(result.probabilities), segmenter.model.labels,
        objects=result.objects, uncertainty=uncertainty, review=result.review, spacing=result.info.spacing,
        unit=result.info.unit, warnings=tuple(result.warnings), _open=opened, _extent=result.extent,
    )  # fmt: skip


def _each(segmenter: Segmenter, items: Sequence[Item]) -> Iterator[Segmentation | Failure]:
    for item in items:
        try:
            if item.reason:
                raise InputError(item.reason)
            yield _segment_file(segmenter, item.files[0] if len(item.files) == 1 else list(item.files))
        except (OptionError, ModelError, OutputError):
            raise
        except Exception as error:
            yield Failure(item.source, failure_reason(item, error))
