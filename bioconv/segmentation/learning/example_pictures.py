"""Pictures for a training's report: held-out images with the outlines of what is there and of what was found."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bioconv.images.pictures import to_jpeg
from bioconv.report.facts import Picture
from bioconv.segmentation.inference.overlay import Contrast, draw_overlay
from bioconv.segmentation.learning.data import LabelledImage
from bioconv.segmentation.learning.scoring import ImageScore, image_score, metric_name
from bioconv.segmentation.objective import Objective

_LARGEST = 384  # pixels of a side of a panel

Labels = NDArray[np.int32]


def example_pictures(
    examples: Sequence[tuple[LabelledImage, Labels, ImageScore]], objective: Objective
) -> list[Picture]:
    """Draw each image twice: with the outlines of its mask, and with those of the labels that were found.

    Parameters
    ----------
    examples
        Image, labels found (*spatial), and the image's score.
    """
    return [_picture(image, found, score, objective) for image, found, score in examples]


def _picture(image: LabelledImage, found: Labels, score: ImageScore, objective: Objective) -> Picture:
    pixels, truth = image.pixels, np.maximum(image.labels, 0)
    if truth.ndim == 3:  # of a volume the plane with the most foreground
        plane = int((truth > 0).sum(axis=(1, 2)).argmax())
        pixels, truth, found = pixels[:, plane], truth[plane], found[plane]
    contrast = Contrast.of(pixels, together=len(pixels) == 3)

    def panel(labels: Labels) -> NDArray[np.uint8]:
        height, width = labels.shape
        return draw_overlay(
            lambda rows: pixels[:, rows], lambda rows: labels[rows], (height, width), contrast, largest=_LARGEST
        )

    side_by_side = np.concatenate([panel(truth), panel(found)], axis=1)
    height, width = side_by_side.shape[:2]
    data = base64.b64encode(to_jpeg(side_by_side)).decode()
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">'
        f'<image width="{width}" height="{height}" href="data:image/jpeg;base64,{data}"/></svg>'
    )
    figure = f"{metric_name(objective)} {image_score(score, objective):.3f}"
    counts = f"{sum(score.found)} found, {sum(score.wrong)} wrong, {sum(score.missed)} missed"
    what = "objects" if objective.kind == "instances" else "pixels"
    caption = f"{image.name}: {figure} ({what}: {counts}); left the mask, right what was found"
    return Picture(svg, caption, f"Outlines of the mask and of the labels found in {image.name}")
