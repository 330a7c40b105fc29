"""`bioconv evaluate --masks`: two folders of masks, as foreground, classes or objects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bioconv.cli.evaluate_options import Request
from bioconv.cli.evaluate_result import Figures, heading, write_result
from bioconv.cli.options import Failures

from bioconv import runtime
from bioconv.errors import InputError, OptionError
from bioconv.tables import listed
from bioconv.wording import counted

if TYPE_CHECKING:
    from bioconv.evaluation.overlap import ClassOverlap


def evaluate_masks(folders: tuple[str, str], classes: str | None, request: Request, allowed: int) -> int:
    """Compare every pair of masks; return the exit code."""
    from bioconv.evaluation.mask_summary import summarise_masks
    from bioconv.images.masks import pair_masks
    from bioconv.report.tables import masks_table

    wanted = _classes(classes)
    try:
        pairs = pair_masks(*folders)
    except InputError as error:
        runtime.logger.error("%s", error)
        return 4
    failures, images = Failures(len(pairs), allowed), {}
    valued: list[str] = []
    for pair in pairs:
        with failures.guard(pair.name):
            images[pair.name], several = _overlap(*pair.files(), wanted)
            valued += [pair.name] if several else []
    if valued:
        runtime.logger.warning(
            "several values above 0, all taken as foreground, in %s: %s; --classes tells them apart",
            counted(len(valued), "image"), listed(valued, 3),
        )  # fmt: skip
    if images:
        figures = summarise_masks(images, request.settings)
        rows = [row for name, overlap in images.items() for row in _mask_rows(name, overlap, wanted is not None)]
        inputs = {"predicted": folders[0], "truth": folders[1], "failed": len(pairs) - len(images)}
        result = heading("masks", inputs, request.settings) | figures
        write_result(result | {"images": rows}, request, masks_table(rows, figures))
    return failures.exit_code


def evaluate_instances(folders: tuple[str, str], request: Request, allowed: int) -> int:
    """Match the objects of every pair of label images; return the exit code."""
    from bioconv.evaluation.object_summary import object_rows, summarise_objects
    from bioconv.evaluation.objects import ap_table, join_tables
    from bioconv.images.masks import pair_masks, read_mask
    from bioconv.report.tables import objects_table

    try:
        pairs = pair_masks(*folders)
    except InputError as error:
        runtime.logger.error("%s", error)
        return 4
    failures, tables = Failures(len(pairs), allowed), {}
    for pair in pairs:
        with failures.guard(pair.name):
            predicted, truth = pair.files()
            try:
                tables[pair.name] = ap_table([(read_mask(predicted), read_mask(truth))])
            except InputError as error:
                message = f"{predicted}, {truth}: {error}"
                raise InputError(message) from error
    if tables:
        table = join_tables(list(tables.values()))
        figures = summarise_objects(table, request.settings)
        rows = list(object_rows(list(tables), table))
        inputs = {"predicted": folders[0], "truth": folders[1], "failed": len(pairs) - len(tables)}
        result = heading("instances", inputs, request.settings) | figures
        write_result(result | {"images": rows}, request, objects_table(rows, figures))
    return failures.exit_code


def _classes(given: str | None) -> list[int] | str | None:
    if given is None or given == "all":
        return given
    try:
        values = [int(word) for word in given.split(",")]
    except ValueError:
        values = []
    if not values or len(set(values)) < len(values):
        message = f"--classes is {given!r}; give all, or different whole numbers such as 1,2"
        raise OptionError(message)
    return values


def _overlap(predicted: Path, truth: Path, classes: list[int] | str | None) -> tuple[ClassOverlap, bool]:
    """Return the overlap of two masks, and whether several values were taken as one foreground."""
    import numpy as np

    from bioconv.evaluation.overlap import class_overlap
    from bioconv.images.masks import read_mask

    masks = [read_mask(path) for path in (predicted, truth)]
    try:
        if classes is not None:
            return class_overlap(*masks, classes=None if classes == "all" else [int(one) for one in classes]), False
        several = any(len(np.unique(mask[mask != 0])) > 1 for mask in masks)
        found, true = ((mask != 0).astype(np.uint8) for mask in masks)
        return class_overlap(found, true, classes=[1]), several
    except InputError as error:
        message = f"{predicted}, {truth}: {error}"
        raise InputError(message) from error


def _mask_rows(name: str, overlap: ClassOverlap, by_class: bool) -> Iterator[Figures]:
    for number, value in enumerate(overlap.classes):
        yield {
            "name": name,
            "class": str(value) if by_class else "foreground",
            "dice": float(overlap.dice[number]),
            "iou": float(overlap.iou[number]),
            "predicted_pixels": int(overlap.predicted[number]),
            "true_pixels": int(overlap.truth[number]),
        }
