"""Summaries as text."""

from __future__ import annotations

from typing import Any

Figures = dict[str, Any]


def figures_table(figures: Figures) -> str:
    """Lay a summary's figures out in aligned columns, for people; JSON is for programs."""
    sizes = [f"{figures[key]} {key}" for key in ("samples", "positives", "negatives", "groups") if key in figures]
    sizes += [f"{count} {name}" for name, count in figures.get("classes", {}).items()]
    blocks = [", ".join(sizes)]
    rows = [["model", "figure", "value", "low", "high", "method"]]
    rows += [
        [name, key, *(_shown(entry[part]) for part in ("value", "low", "high")), entry["method"]]
        for name, entries in figures["models"].items()
        for key, entry in entries.items()
    ]
    blocks.append(_aligned(rows))
    if figures.get("comparisons"):
        rows = [["difference", "figure", "value", "low", "high", "p", "method"]]
        for one in figures["comparisons"]:
            shown = [_shown(one[part]) for part in ("value", "low", "high")]
            rows.append([f"{one['a']} - {one['b']}", one["metric"], *shown, f"{one['p']:.2g}", one["method"]])
        blocks.append(_aligned(rows))
    if "confusion_matrix" in figures:
        names = list(figures["classes"])
        rows = [["truth \\ predicted", *names]]
        rows += [[name, *map(str, row)] for name, row in zip(names, figures["confusion_matrix"], strict=True)]
        blocks.append(_aligned(rows))
    return "\n\n".join(blocks) + "\n"


def masks_table(rows: list[Figures], figures: Figures) -> str:
    """Return one TSV row per image and class, and the means as comments."""
    columns = ("name", "class", "dice", "iou", "predicted_pixels", "true_pixels")
    lines = ["\t".join(columns), *("\t".join(_shown(row[column]) for column in columns) for row in rows)]
    for name, entries in figures["models"].items():
        for key in ("dice", "iou"):
            entry = entries[key]
            interval = "" if entry["low"] is None else f" ({_shown(entry['low'])} to {_shown(entry['high'])})"
            label = "mean" if name == "mean" else f"class {name}"
            lines.append(
                f"# {label} {key} {_shown(entry['value'])}{interval}, {entries['images']['value']} images, "
                f"{entry['method']}"
            )
    return "\n".join(lines) + "\n"


def objects_table(rows: list[Figures], figures: Figures) -> str:
    """Return one TSV row per image, and the figures of all images as comments."""
    lines = ["\t".join(rows[0]), *("\t".join(_shown(cell) for cell in row.values()) for row in rows)]
    for name, entries in figures["models"].items():
        for key, entry in entries.items():
            interval = "" if entry["low"] is None else f" ({_shown(entry['low'])} to {_shown(entry['high'])})"
            lines.append(f"# {name} {key} {_shown(entry['value'])}{interval}, {entry['method']}")
    count = f"{figures['samples']} images, {figures['empty_images']} without any object"
    lines.append(f"# {count}: such an image counts as {figures['empties']}")
    return "\n".join(lines) + "\n"


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _shown(value: object) -> str:
    return "-" if value is None else f"{round(value, 10):.4f}" if isinstance(value, float) else str(value)
