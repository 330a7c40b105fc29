"""Nuclei of the 2018 Data Science Bowl: models trained on its training part, scored once on the test part.

python benchmarks/segment_nuclei.py table DATA nuclei.csv             # what `bioconv train segment` is given
python benchmarks/segment_nuclei.py score DATA MODEL... > benchmarks/segment_nuclei.md

DATA is the prepared BBBC038 set (`images/`, `labels/`, `index.csv` with the split). The models differ in their seed.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from timing import machine

from bioconv.evaluation.objects import ApTable, ap_table
from bioconv.images.masks import read_mask
from bioconv.images.reader import read_image
from bioconv.segmentation.model import SegmentationModel, load_segmentation_model
from bioconv.segmentation.instances import split_instances
from bioconv.version import __version__

STRATA = {
    "fluorescence": "fluorescence",
    "rgb_histology_or_brightfield": "RGB",
    "brightfield_gray": "grey bright-field",
}
Labels = NDArray[Any]


def rows_of(folder: Path, part: str) -> list[dict[str, str]]:
    with (folder / "index.csv").open() as stream:
        return [row for row in csv.DictReader(stream) if row["split"] == part]


def write_table(folder: Path, target: Path, keep: Callable[[dict[str, str]], bool] = lambda row: True) -> None:
    """Write the training part as `bioconv train segment` takes it; paths are relative to the table."""
    lines = ["name,image,mask,stratum"]
    place = folder.resolve()
    for row in rows_of(folder, "train"):
        if keep(row):
            name = row["id"]
            lines.append(f"{name[:12]},{place}/images/{name}.png,{place}/labels/{name}.png,{row['modality_guess']}")
    target.write_text("\n".join(lines) + "\n")


def channels_first(path: Path) -> NDArray[Any]:
    """Read an image as (C, Y, X)."""
    image = read_image(path)
    return image.pixels if "C" in image.info.axes else image.pixels[None]


def by_model(model: SegmentationModel) -> Callable[[Path], Labels]:
    def segment(path: Path) -> Labels:
        pixels = channels_first(path)
        maps = model.maps(model.prepare(pixels, model.intensity(pixels)))
        return split_instances(maps, model.settings)

    return segment


def by_otsu(path: Path) -> Labels:
    """Otsu's threshold, smoothed distances, watershed: the textbook's way, told the right polarity."""
    from scipy import ndimage
    from skimage.feature import peak_local_max
    from skimage.filters import gaussian, threshold_otsu
    from skimage.morphology import remove_small_objects
    from skimage.segmentation import watershed

    pixels = channels_first(path).astype(float)
    grey = pixels[0] if len(pixels) == 1 or np.ptp(pixels, axis=0).max() == 0 else -pixels[0]
    if np.median(grey) > (grey.min() + grey.max()) / 2:
        grey = -grey
    smooth = gaussian(grey, 1)
    inside = ndimage.binary_fill_holes(remove_small_objects(smooth > threshold_otsu(smooth), max_size=14))
    depth = gaussian(ndimage.distance_transform_edt(inside), 1)
    peaks = peak_local_max(depth, min_distance=5, labels=inside.astype(int), exclude_border=False)
    seeds = np.zeros(grey.shape, int)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return np.asarray(watershed(-depth, seeds, mask=inside))


def score(folder: Path, segment: Callable[[Path], Labels]) -> ApTable:
    return ap_table(
        (segment(folder / "images" / f"{row['id']}.png"), read_mask(folder / "labels" / f"{row['id']}.png"))
        for row in rows_of(folder, "test")
    )
