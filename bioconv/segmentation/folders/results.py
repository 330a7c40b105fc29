"""What one image leaves on the disk: mask, overlay, measurements, maps, outlines; all of it or nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.images.pictures import to_jpeg, to_png
from bioconv.images.writer import map_suffix, mask_suffix, open_map_writer, open_mask_writer
from bioconv.outputs import open_output
from bioconv.segmentation.folders.measuring import measure_image
from bioconv.segmentation.folders.naming import FOLDERS
from bioconv.segmentation.inference.overlay import LARGEST, draw_overlay
from bioconv.segmentation.inference.pipeline import strips
from bioconv.segmentation.inference.segmented import Segmented
from bioconv.segmentation.inference.stores import ArrayStore
from bioconv.segmentation.inference.views import strip_height
from bioconv.segmentation.objects.measurements import write_measurements
from bioconv.segmentation.objects.rois import write_geojson, write_imagej_rois

Written = list[tuple[Path, str]]
Maker = Callable[[Segmented, Path], object]
_IMAGEJ_MOST = 60_535
_THUMBNAIL = 320
_STRIP = 16 << 20


@dataclass(frozen=True)
class Wanted:
    """Which outputs are wanted beside the mask.

    Parameters
    ----------
    rois
        `imagej` or `geojson`.
    thumbnail
        A small overlay for the report.
    """

    overlay: bool = False
    measure: bool = False
    probabilities: bool = False
    uncertainty: bool = False
    rois: str | None = None
    thumbnail: bool = False

    def kinds(self) -> list[str]:
        """Return the kinds of output that each image has."""
        asked = {
            "mask": True, "overlay": self.overlay, "measurements": self.measure, "probabilities": self.probabilities,
            "uncertainty": self.uncertainty, "imagej": self.rois == "imagej", "geojson": self.rois == "geojson",
            "thumbnail": self.thumbnail,
        }  # fmt: skip
        return [kind for kind, wanted in asked.items() if wanted]


def write_results(result: Segmented, folder: Path, base: str, wanted: Wanted) -> Written:
    """Write the outputs of one image and return their paths with their kinds.

    Parameters
    ----------
    folder
        Of the results.
    base
        Name without suffix below it, with `/`.

    Raises
    ------
    OutputError
        If one cannot be written; none of them is left then.
    """
    written: Written = []
    with _all_or_nothing(written):
        for kind in wanted.kinds():
            suffix, make = _maker(kind, result)
            path = output_path(folder, base, kind, suffix)
            path.parent.mkdir(parents=True, exist_ok=True)
            make(result, path)
            written.append((path, kind))
    return written


def _maker(kind: str, result: Segmented) -> tuple[str, Maker]:
    """Return the suffix of an output and the function that writes it."""
    maps = map_suffix(result.info)
    makers: dict[str, tuple[str, Maker]] = {
        "mask": (mask_suffix(result.info, max_label=result.highest), write_mask),
        "overlay": (".png", lambda one, path: _write_bytes(path, to_png(draw(one, LARGEST)))),
        "measurements": (".csv", _write_measurements),
        "probabilities": (maps, lambda one, path: _write_map(one, one.probabilities, path)),
        "uncertainty": (maps, lambda one, path: _write_map(one, one.uncertainty, path)),
        "imagej": (".zip", _write_imagej),
        "geojson": (".geojson", lambda one, path: write_geojson(_planes(one), path)),
        "thumbnail": (".jpg", lambda one, path: _write_bytes(path, to_jpeg(_enlarged(draw(one, _THUMBNAIL))))),
    }
    return makers[kind]


def output_path(folder: Path, base: str, kind: str, suffix: str) -> Path:
    """Return where an output goes: masks mirror the input, everything else does so in a folder of its own."""
    inside = folder / FOLDERS[kind] if kind in FOLDERS else folder
    return inside / f"{base}{suffix}"


@contextmanager
def _all_or_nothing(written: Written) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for path, _ in written:
            path.unlink(missing_ok=True)
        raise


def write_mask(result: Segmented, path: Path) -> None:
    """Write the labels strip by strip, in the smallest type that holds them."""
    labels, across = result.labels, math.prod(result.labels.shape[1:-1])
    with open_mask_writer(path, result.info, result.highest) as writer:
        for rows in _strips(labels):
            writer.write(slice(rows.start * across, rows.stop * across), labels.rows(rows)[0])


def _write_map(result: Segmented, store: ArrayStore | None, path: Path) -> None:
    """Write maps, one after another, strip by strip, as numbers from 0 to 1."""
    assert store is not None
    names = tuple(result.maps) if store.channels == len(result.maps) > 1 else ()
    with open_map_writer(path, result.info, store.channels, names=names) as writer:
        count, across = store.shape[0], math.prod(store.shape[1:-1])
        for channel in range(store.channels):
            for rows in _strips(store):
                first = (channel * count + rows.start) * across
                values = store.rows(rows)[channel] / np.float32(255)
                writer.write(slice(first, first + (rows.stop - rows.start) * across), values)


def _strips(store: ArrayStore) -> list[slice]:
    return strips(store.shape, strip_height(store.channels * store.dtype.itemsize * math.prod(store.shape[1:]), _STRIP))


def draw(result: Segmented, largest: int) -> NDArray[np.uint8]:
    """Return a picture (y, x, 3) of the image with its outlines; of a stack the plane with the most foreground."""
    view, number, plane = result.view, result.shown, result.shown_volume_plane
    frame = view.frames[number]

    def pixels(rows: slice) -> NDArray[Any]:
        if plane is None:
            return view.rows(frame, rows)
        return view.read(frame, (slice(plane, plane + 1), rows, slice(0, view.shape[-1])))[:, 0]

    def labels(rows: slice) -> NDArray[Any]:
        if plane is None:
            return result.label_rows(number, rows)
        return result.label_rows(number, slice(plane, plane + 1))[0, rows]

    return draw_overlay(pixels, labels, (view.shape[-2], view.shape[-1]), result.contrast, largest=largest)


def _enlarged(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat the pixels of a small picture, which JPEG and the browser would blur."""
    times = max(1, _THUMBNAIL // max(picture.shape[:2]))
    return picture.repeat(times, axis=0).repeat(times, axis=1)


def _write_bytes(path: Path, data: bytes) -> None:
    with open_output(path) as stream:
        stream.write(data)


def _write_measurements(result: Segmented, path: Path) -> None:
    table = measure_image(result.view.source, result.label_rows, result.extent)
    write_measurements(path, table, image=result.info.path)


def _planes(result: Segmented) -> NDArray[Any]:
    """Return all labels, (Y, X) or (planes, Y, X): of a film the frames count as planes."""
    if result.facts["on_disk"]:
        message = f"{result.info.path}: --rois needs all labels in memory; raise --max-memory"
        raise InputError(message)
    labels = result.all_labels()
    return labels if labels.ndim == 2 else labels.reshape(-1, *labels.shape[-2:])


def _write_imagej(result: Segmented, path: Path) -> None:
    height, width = result.label_shape[-2:]
    if max(height, width) > _IMAGEJ_MOST:
        message = f"{result.info.path}: {height} x {width} pixels, and ImageJ's ROIs reach to {_IMAGEJ_MOST}; "
        message += "use --rois geojson"
        raise InputError(message)
    write_imagej_rois(_planes(result), path)
