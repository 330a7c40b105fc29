"""Summaries as text."""

from __future__ import annotations

from typing import Any

from bioconv.wording import counted

Figures = dict[str, Any]
_SIZES = {
    "samples": ("sample", "samples"), "positives": ("positive", "positives"), "negatives": ("negative", "negatives"),
    "groups": ("group", "groups"), "lesions": ("lesion", "lesions"),
    "images_with_lesions": ("image with lesions", "images with lesions"),
    "false_positives": ("false positive", "false positives"),
}  # fmt: skip
"""What was counted, of one and of several."""


def figures_table(figures: Figures) -> str:
    """Lay a summary's figures out in aligned columns, for people; JSON is for programs."""
    sizes = [f"{figures[key]} {words[figures[key] != 1]}" for key, words in _SIZES.items() if key in figures]
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
    if "readers" in figures:
        blocks += _readers_blocks(figures["readers"])
    if "strata" in figures:
        blocks.append(_strata_block(figures["strata"]))
    return "\n\n".join(blocks) + "\n"


def _readers_blocks(readers: Figures) -> list[str]:
    """Return what each reader did, and the models' differences from them."""
    rows = [["reader", "cases", "positives", "sensitivity", "specificity"]]
    rows += [[_shown(one[key]) for key in rows[0]] for one in readers["readers"]]
    asked = readers["margin"] is not None
    head = ["model", "less reader", "figure", "model's", "reader's", "difference", "low", "high", "p"]
    table = [[*head, *(["non-inferior"] if asked else []), "method"]]
    for one in readers["differences"]:
        cells = [one["model"], one["reader"], one["metric"]]
        cells += [_shown(one[key]) for key in ("model_value", "reader_value", "value", "low", "high")]
        cells.append(f"{one['p']:.2g}")
        cells += ["yes" if one["noninferior"] else "no"] if asked else []
        table.append([*cells, one["method"]])
    return [_aligned(rows), _aligned(table)]


def _strata_block(strata: list[Figures]) -> str:
    """Return one row per stratum, model and figure; counts of the operating point are in JSON alone."""
    rows = [["stratum", "samples", "positives", "model", "figure", "value", "low", "high", "method"]]
    for one in strata:
        head = [f"{one['column']} {one['stratum']}", str(one["samples"]), str(one["positives"])]
        if "too_few" in one:
            rows.append([*head, "-", "-", "-", "-", "-", one["too_few"]])
            continue
        rows += [
            [*head, name, key, *(_shown(entry[part]) for part in ("value", "low", "high")), entry["method"]]
            for name, entries in one["models"].items()
            for key, entry in entries.items()
            if entry["method"] != "count" and key != "threshold"
        ]
    return _aligned(rows)


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
                f"# {label} {key} {_shown(entry['value'])}{interval}, {counted(entries['images']['value'], 'image')}, "
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
    count = f"{counted(figures['samples'], 'image')}, {figures['empty_images']} without any object"
    lines.append(f"# {count}: such an image counts as {figures['empties']}")
    return "\n".join(lines) + "\n"


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _shown(value: object) -> str:
    return "-" if value is None else f"{round(value, 10):.4f}" if isinstance(value, float) else str(value)
