"""Patches of mammograms: around lesions, and of the same images away from them.

The first step of Shen et al. 2019, doi 10.1038/s41598-019-48995-4: a network that tells patches apart becomes the body
of one that reads whole images. Patches are cut from images that were prepared as whole ones are, so that both networks
see the same pixels, at the same scale and in the same greys.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bioconv import runtime
from bioconv.errors import BioconvError, InputError, OptionError
from bioconv.mammography.learning.data import (
    ClassificationData,
    LabelledView,
    Reading,
    divided_women,
    kept,
    parts_of,
    prepared_row,
    refuse,
)
from bioconv.mammography.objective import Head, Objective
from bioconv.mammography.preparation import Preparation, Prepared
from bioconv.mammography.tables import COLUMNS, Row, read_view_table
from bioconv.tables import Table, read_table

FINDING = "lesion"
BACKGROUND = "background"
_SHAPES = (("x0", "y0", "x1", "y1"), ("x", "y", "size"), ("x", "y", "radius"))
Boxes = NDArray[np.float64]


@dataclass(frozen=True)
class Patching:
    """How patches are cut.

    Parameters
    ----------
    boxes
        Table of lesions: `image` (the path as the table of images has it), and in pixels of the original image
        `x0, y0, x1, y1` (0-based, half-open), or `x, y` of the centre with `size` or `radius`.
    size
        Side of a patch, in pixels of the prepared image.
    count
        Patches of each lesion: one in its middle, the others moved by up to an eighth of the side. As many are cut
        away from all lesions of the image, as far as there is room.
    seed
        Places are drawn from it and the image's name alone.
    """

    boxes: Path
    size: int = 64
    count: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        if self.size < 8 or self.count < 1:
            message = f"patches of {self.size} pixels, {self.count} of each lesion; expected 8 pixels and 1 or more"
            raise OptionError(message)


def read_patches(table: Path, reading: Reading, preparation: Preparation, patching: Patching) -> ClassificationData:
    """Prepare the images that have lesions, and cut patches.

    The finding is `lesion` against `background`. Columns of `reading.also` are those of the table of lesions: what kind
    they are, with `background` as one more kind.

    Parameters
    ----------
    table
        CSV or TSV of images, as for `read_data`; labels are not asked for. Images without a lesion are not read.

    Raises
    ------
    InputError
        If columns are missing, lesions are not in their image or on images that are not listed, or images cannot be
        read; all are listed.
    OptionError
        If a patch is larger than a prepared image.
    """
    if patching.size > min(preparation.size):
        message = f"patches of {patching.size} pixels in prepared images of {preparation.size}; give a smaller size"
        raise OptionError(message)
    cells, rows = read_table(table), read_view_table(table)
    lesions, boxes = read_table(patching.boxes), read_boxes(patching.boxes)
    own: dict[str, list[int]] = {}
    for number, name in enumerate(_images(lesions)):
        own.setdefault(name, []).append(number)
    faults = [f"{patching.boxes}: {name} is not in {table}" for name in sorted(set(own) - {row.name for row in rows})]
    heads = (Head(FINDING, (BACKGROUND, FINDING)), *(_kinds(lesions, name, weight) for name, weight in reading.also))
    patches: list[LabelledView] = []
    whole: list[LabelledView] = []
    chosen = [(row, part) for row, part in zip(rows, parts_of(cells), strict=True) if row.name in own]
    with runtime.progress(len(chosen), "reading", unit="image") as bar:
        for row, part in chosen:
            answers = [{head.name: lesions.column(head.name)[n] for head in heads[1:]} for n in own[row.name]]
            try:
                image, found = _patches_of(row, part, preparation, (patching, boxes[own[row.name]], answers))
            except BioconvError as error:
                faults.append(str(error))
            else:
                whole.append(image)
                patches += found
            bar.update()
    refuse([*faults, *divided_women(whole)], len(chosen), table)
    return ClassificationData(tuple(patches), Objective(heads), preparation, patching.size, tuple(whole))


def read_boxes(path: Path) -> Boxes:
    """Read boxes of lesions.

    Returns
    -------
    Boxes
        (n, 4): y0, x0, y1, x1 of each, half-open.

    Raises
    ------
    InputError
        If columns are missing, a number is none, or a box holds nothing.
    """
    table = read_table(path)
    shape = next((names for names in _SHAPES if set(names) <= set(table.columns)), None)
    if shape is None:
        forms = "; or ".join(", ".join(names) for names in _SHAPES)
        message = f"{path}: the header has {', '.join(table.columns)}; expected image and {forms}"
        raise InputError(message)
    values = [table.numbers(name) for name in shape]
    if len(shape) == 4:
        x0, y0, x1, y1 = values
    else:
        # A centre is a pixel's: a size of 1 is that pixel alone.
        half = values[2] / 2 if shape[2] == "size" else values[2] + 0.5
        x0, y0, x1, y1 = (middle + 0.5 + sign * half for sign in (-1, 1) for middle in values[:2])
    odd = np.flatnonzero((x1 <= x0) | (y1 <= y0))
    if len(odd):
        message = (
            f"{path}, line {table.lines[odd[0]]}: a box that holds no pixel; its end must lie behind its beginning"
        )
        raise InputError(message)
    return np.stack([y0, x0, y1, x1], axis=1)


def place_patches(prepared: Prepared, boxes: Boxes, patching: Patching, rng: np.random.Generator) -> list[list[int]]:
    """Choose where patches lie.

    Parameters
    ----------
    boxes
        (n, 4) of the original image, as of `read_boxes`.

    Returns
    -------
    list of list of int
        top, left in the prepared image, and the box, -1 of background. Patches lie inside the image; those of
        background have their middle in the breast, and no pixel in a box.

    Raises
    ------
    InputError
        If the middle of a box is not in the prepared image.
    """
    height, width = prepared.placement.size
    side = patching.size
    corners = prepared.placement.to_prepared(boxes.reshape(-1, 2, 2) - 0.5) + 0.5  # edges of pixels, not centres
    low, high = corners.min(1), corners.max(1)
    most = np.array([height - side, width - side])
    found = []
    for number, middle in enumerate((low + high) / 2):
        if not (0 <= middle[0] <= height and 0 <= middle[1] <= width):
            y0, x0, y1, x1 = boxes[number]
            message = f"the box {x0:g},{y0:g},{x1:g},{y1:g} (x0,y0,x1,y1) is not in what was cut out as the breast"
            raise InputError(message)
        moves = rng.uniform(-side / 8, side / 8, (patching.count, 2))
        moves[0] = 0
        for move in moves:
            top, left = np.clip(np.rint(middle + move - side / 2), 0, most).astype(int)
            found.append([int(top), int(left), number])
    free = prepared.mask[side // 2 :, side // 2 :][: most[0] + 1, : most[1] + 1].copy()
    tops, lefts = np.ogrid[: most[0] + 1, : most[1] + 1]
    for (y0, x0), (y1, x1) in zip(low, high, strict=True):
        free &= (tops + side <= y0) | (tops >= y1) | (lefts + side <= x0) | (lefts >= x1)
    places = np.argwhere(free)
    drawn = rng.permutation(len(places))[: patching.count * len(boxes)]
    return found + [[int(top), int(left), -1] for top, left in places[drawn]]


def _patches_of(
    row: Row, part: str, preparation: Preparation, what: tuple[Patching, Boxes, list[dict[str, str]]]
) -> tuple[LabelledView, list[LabelledView]]:
    """Return a whole image, by which copies are found, and its patches."""
    patching, boxes, answers = what
    view, prepared = prepared_row(row, preparation)
    whole = LabelledView(view, {}, view.group or view.patient, part, kept(prepared))
    rng = np.random.default_rng([patching.seed, zlib.crc32(view.name.encode())])
    try:
        places = place_patches(prepared, boxes, patching, rng)
    except InputError as error:
        message = f"{row.where}: {view.name}: {error}"
        raise InputError(message) from error
    found = []
    for top, left, box in places:
        bottom, right = top + patching.size, left + patching.size
        kinds = answers[box] if box >= 0 else dict.fromkeys(answers[0], BACKGROUND)
        said = {FINDING: FINDING if box >= 0 else BACKGROUND, **kinds}
        named = replace(view, name=f"{view.name}[{top}:{bottom},{left}:{right}]")
        found.append(replace(whole, view=named, answers=said, pixels=whole.pixels[top:bottom, left:right].copy()))
    unique = {patch.name: patch for patch in reversed(found)}  # two draws of one place are one patch
    return whole, list(reversed(unique.values()))


def _images(lesions: Table) -> Sequence[str]:
    name = lesions.find(("image", *COLUMNS["path"]))
    if name is None:
        message = f"{lesions.source}: no column image; the header has {', '.join(lesions.columns)}"
        raise InputError(message)
    return lesions.column(name)


def _kinds(lesions: Table, name: str, weight: float) -> Head:
    kinds = sorted(set(lesions.column(name)) - {"", BACKGROUND})
    if name == FINDING or not kinds:
        message = f"{lesions.source}: column {name!r} says no kinds of lesions, or is called as the finding is"
        raise InputError(message)
    return Head(name, (BACKGROUND, *kinds), weight)
