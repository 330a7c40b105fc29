"""What one image leaves on the disk: mask, overlay, measurements, maps, outlines; all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bioconv.images.pictures import to_jpeg, to_png
from bioconv.images.writer import mask_suffix, open_map_writer, open_mask_writer, write_map, write_mask
from bioconv.outputs import open_output
from bioconv.segmentation.measurements import write_measurements
from bioconv.segmentation.naming import FOLDERS
from bioconv.segmentation.overlay import draw_overlay
from bioconv.segmentation.pipeline import Segmented, strips
from bioconv.segmentation.rois import write_rois
from bioconv.segmentation.stores import ArrayStore
from bioconv.segmentation.views import strip_height

Written = list[tuple[Path, str]]
ROIS = {"imagej": ".zip", "geojson": ".geojson"}
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
            "uncertainty": self.uncertainty, "rois": self.rois is not None, "thumbnail": self.thumbnail,
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
    suffix = mask_suffix(result.info)
    map_suffix = ".nii.gz" if suffix == ".nii.gz" else ".tif"
    makers: dict[str, tuple[str, Callable[[Path], object]]] = {
        "mask": (suffix, lambda path: _write_mask(result, path)),
        "overlay": (".png", lambda path: _write_picture(result, path, 2048)),
        "measurements": (".csv", lambda path: write_measurements(path, result)),
        "probabilities": (map_suffix, lambda path: _write_map(result, result.probabilities, path)),
        "uncertainty": (map_suffix, lambda path: _write_map(result, result.uncertainty, path)),
        "rois": (ROIS.get(wanted.rois or "", ""), lambda path: write_rois(path, result, wanted.rois)),
        "thumbnail": (".jpg", lambda path: _write_picture(result, path, _THUMBNAIL)),
    }
    written: Written = []
    with _all_or_nothing(written):
        for kind in wanted.kinds():
            ending, make = makers[kind]
            path = output_path(folder, base, kind, ending)
            path.parent.mkdir(parents=True, exist_ok=True)
            make(path)
            written.append((path, kind))
    return written


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
