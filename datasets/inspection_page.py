"""An inspection as a page: pictures of images with their masks, of pairs of copies, distributions, tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from bioconv.datasets.inspection import Inspection
from bioconv.datasets.inspection_images import SeenImages
from bioconv.datasets.inspection_text import counts
from numpy.typing import NDArray

from bioconv.errors import BioconvError
from bioconv.images.finding import Found
from bioconv.images.image import ImageSource
from bioconv.images.masks import read_mask
from bioconv.images.pictures import to_jpeg
from bioconv.images.reader import open_image
from bioconv.report.facts import Picture, Table
from bioconv.report.histogram import draw_classes, draw_histogram, draw_steps
from bioconv.report.inspection_report import InspectionReport, Shown, inspection_report
from bioconv.segmentation.inference.overlay import Contrast, draw_overlay

MOST_PICTURES = 24
MOST_PAIRS = 8
_LARGEST = 320
_SAMPLED = 64  # rows by which contrast is chosen
_PLOTS = 12


def write_page(found: Inspection, path: str | Path) -> None:
    """Write an inspection as one HTML file; images that cannot be drawn are left out."""
    step = max(1, -(-len(found.shown) // MOST_PICTURES))
    chosen = found.shown[::step]
    by_name = {name: image for name, image, _ in found.shown}
    pairs = []
    for one, other, value in found.near_duplicates[:MOST_PAIRS]:
        drawn = [each for name in (one, other) if (each := _shown(name, by_name[name], None)) is not None]
        if len(drawn) == 2:
            pairs.append((drawn[0], drawn[1], f"correlation {value:.4f}"))
    pictures = [each for name, image, mask in chosen if (each := _shown(name, image, mask)) is not None]
    note = f"Every {step}th of the images" if step > 2 else "Every second of the images" if step == 2 else "All images"
    outlined = "; outlines are those of the masks" if any(mask for *_, mask in chosen) else ""
    facts = InspectionReport(
        title=Path(found.path).name or found.path,
        counts=_counts(found),
        leaks=found.leaks if found.parts else None,
        troubles={
            "Unreadable": found.unreadable,
            "Not there": [(table.file, f"names {path}") for table in found.tables for path in table.missing],
            "Same content": [(names[0], "is " + ", ".join(names[1:])) for names in found.duplicates],
            "Warnings": found.warnings,
        },
        tables=_tables(found),
        plots=_plots(found),
        pictures=pictures,
        pairs=pairs,
        note=f"{note}, contrast stretched{outlined}.",
    )
    inspection_report(path, facts)


def _counts(found: Inspection) -> dict[str, object]:
    said: dict[str, object] = {"files": counts(found.files), "bytes": found.size}
    if found.images:
        said |= _image_counts(found.images)
    if found.sequences:
        said["sequences"] = sum(one.records for one in found.sequences)
        said["letters"] = sum(one.letters for one in found.sequences)
    said |= {"unreadable": len(found.unreadable), "files of the same content": len(found.duplicates)}
    if found.images:
        said["pairs of copies"] = len(found.near_duplicates)
    if found.parts:
        said |= {"split": counts(found.parts), "of the split not found": found.unknown[0]}
        said["found, not in the split"] = found.unknown[1]
    return said


def _image_counts(images: SeenImages) -> dict[str, object]:
    said: dict[str, object] = {"images": images.count}
    if images.low is not None:
        said["values"] = f"{images.low:g} to {images.high:g}"
    if masks := images.masks:
        fewest, median, most = masks.values
        said |= {
            "masks": masks.count,
            "images with a mask": masks.paired,
            "empty masks": masks.empty,
            "foreground of a mask": f"{masks.foreground:.2%}",
            "values in a mask beside 0": f"{fewest} to {most}, median {median:g}",
        }
    return said


def _tables(found: Inspection) -> dict[str, Table]:
    tables = {}
    if found.images and found.images.count:
        own = found.images
        kinds = {
            "format": own.formats, "size": own.sizes, "depth": own.depths, "channels": own.channels,
            "spacing": own.spacings, "folder": own.folders,
        }  # fmt: skip
        rows = [(kind, value, number) for kind, values in kinds.items() for value, number in list(values.items())[:30]]
        tables["Images"] = Table(("what", "value", "images"), rows)
    if found.images and found.images.masks and found.images.masks.balance:
        balance = found.images.masks.balance
        tables["Masks"] = Table(("value", "share of pixels"), list(balance.items()))
    if found.sequences:
        columns = ("file", "records", "kind", "shortest", "median", "longest", "GC", "unknown", "copies", "labels")
        tables["Sequences"] = Table(
            columns,
            [
                (one.file, one.records, one.kind, one.shortest, one.median, one.longest, one.gc, one.unknown,
                 one.copies, counts(one.labels))
                for one in found.sequences
            ],
        )  # fmt: skip
    if found.tables:
        rows_of_tables = [(one.file, one.rows, ", ".join(one.columns)) for one in found.tables]
        tables["Tables"] = Table(("file", "rows", "columns"), rows_of_tables)
    return tables


def _plots(found: Inspection) -> list[Picture]:
    plots: list[Picture] = []
    for one in found.sequences[:_PLOTS]:
        if one.shortest < one.longest:
            lengths = {float(length): number for length, number in one.lengths.items()}
            plots.append(draw_histogram(lengths, "length", "records", of=one.file))
        if sum(one.gc_shares) > 1:
            edges = np.linspace(0, 1, len(one.gc_shares) + 1).tolist()
            plots.append(draw_steps(one.gc_shares, edges, "GC", "records", of=one.file))
    for table in found.tables:
        for column, classes in table.classes.items():
            plots.append(draw_classes(classes, column, "rows", of=table.file))
    return plots[: 2 * _PLOTS]


def _shown(name: str, image: Found, mask: Path | None) -> Shown | None:
    try:
        with open_image(image.source) as source:
            labels = None if mask is None else _mask_plane(mask)
            sizes = source.info.sizes
            if labels is not None and labels.shape != (sizes["Y"], sizes["X"]):
                labels = None
                said = f"its mask is of another size: {mask}"
            else:
                said = " x ".join(str(size) for axis, size in sizes.items() if axis != "C")
                said += "" if labels is None else f", {len(np.unique(labels[labels > 0]))} values in its mask"
            return Shown(name, said, to_jpeg(_picture(source, labels)))
    except BioconvError:
        return None


def _mask_plane(path: Path) -> NDArray[Any]:
    labels = read_mask(path)
    while labels.ndim > 2:
        labels = labels[len(labels) // 2]
    return labels


def _picture(source: ImageSource, labels: NDArray[Any] | None) -> NDArray[np.uint8]:
    """Draw the middle plane with the outlines of its labels."""
    sizes = source.info.sizes
    shape = (sizes["Y"], sizes["X"])

    def read(rows: slice) -> NDArray[Any]:
        place = {axis: slice(size // 2, size // 2 + 1) for axis, size in sizes.items() if axis in "TZ"} | {"Y": rows}
        block = source.read(tuple(place.get(axis, slice(0, size)) for axis, size in sizes.items()))
        return np.nan_to_num(block.reshape(-1, *block.shape[-2:]), posinf=0, neginf=0)

    step = max(1, shape[0] // _SAMPLED)
    sample = np.concatenate([read(slice(row, row + 1)) for row in range(0, shape[0], step)], axis=1)
    contrast = Contrast.of(sample, together=source.info.rgb)
    none = np.zeros((1, shape[1]), np.uint8)
    return draw_overlay(
        read,
        lambda rows: np.broadcast_to(none, (rows.stop - rows.start, shape[1])) if labels is None else labels[rows],
        shape,
        contrast,
        largest=_LARGEST,
    )
