"""An inspection as text: what a terminal shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from bioconv.wording import counted

if TYPE_CHECKING:
    from bioconv.datasets.inspection import Inspection
    from bioconv.datasets.inspection_images import SeenImages
    from bioconv.datasets.inspection_sequences import SeenSequences

_SHOWN = 10


def inspection_text(found: Inspection) -> str:
    """Lay an inspection out, a fact a line; the first ten of what may be many."""
    files, size = counted(sum(found.files.values()), "file"), counted(found.size, "byte")
    lines = [f"{found.path}: {files}, {size}" + (f" ({counts(found.files)})" if found.files else "")]
    lines += _image_lines(found.images) if found.images else []
    for one in found.sequences:
        lines += _sequence_lines(one)
    for table in found.tables:
        lines.append(f"table {table.file}: {counted(table.rows, 'row')}; columns {', '.join(table.columns)}")
        lines += [f"  {column}: {counts(classes)}" for column, classes in table.classes.items()]
        lines += _some("files it names that are not there", table.missing, indent="  ")
    lines += _some("unreadable", [f"{name}: {reason}" for name, reason in found.unreadable])
    lines += _some("warnings", [f"{name}: {reason}" for name, reason in found.warnings])
    lines += _some("files of the same content", [" = ".join(names) for names in found.duplicates])
    pairs = [f"{one} ~ {other} ({value:.4f})" for one, other, value in found.near_duplicates]
    lines += _some("pairs of images that are copies", pairs)
    if found.parts:
        lines.append(f"split: {counts(found.parts)}")
        missing, outside = found.unknown
        lines += [f"  not found here: {counted(missing, 'sample')} of it"] if missing else []
        lines += [f"  not in it: {counted(outside, 'sample')} found here"] if outside else []
        lines += [f"  LEAK: {leak}" for leak in found.leaks] or ["  no leaks"]
    return "\n".join(lines) + "\n"


def counts(values: Mapping[str, int]) -> str:
    """Return values and how often they come, the most frequent ten.

    Examples
    --------
    >>> counts({"png": 3, "tiff": 1})
    'png 3, tiff 1'
    """
    own = sorted(values.items(), key=lambda pair: -pair[1])
    more = f" and {len(own) - _SHOWN} more" if len(own) > _SHOWN else ""
    return ", ".join(f"{name or '(empty)'} {number}" for name, number in own[:_SHOWN]) + more


def _image_lines(images: SeenImages) -> list[str]:
    lines = []
    if images.count:
        values = "no finite value" if images.low is None else f"values {images.low:g} to {images.high:g}"
        lines = [
            f"images: {images.count} ({counts(images.formats)}), {values}",
            f"  sizes: {counts(images.sizes)}",
            f"  depth: {counts(images.depths)}; channels: {counts(images.channels)}",
            f"  spacing: {counts(images.spacings)}",
        ]
        lines += [f"  folders: {counts(images.folders)}"] if len(images.folders) > 1 else []
    if masks := images.masks:
        fewest, median, most = masks.values
        lines += [
            f"masks: {masks.count}, {masks.empty} of them empty, {masks.paired} images have one",
            f"  foreground: {masks.foreground:.2%} of a mask; values beside 0: {fewest} to {most}, median {median:g}",
        ]
        balance = ", ".join(f"{value} {share:.2%}" for value, share in masks.balance.items())
        lines += [f"  pixels by value: {balance}"] if balance else []
    return lines


def _sequence_lines(one: SeenSequences) -> list[str]:
    gc = "" if one.gc is None else f", GC {one.gc:.1%}, unknown letters {one.unknown:.2%}"
    lines = [
        f"sequences {one.file}: {one.records} ({one.kind}), {counted(one.letters, 'letter')}{gc}",
        f"  lengths: {one.shortest} to {one.longest}, median {one.median:g}",
    ]
    lines += [f"  labels: {counts(one.labels)}"] if one.labels else []
    lines += [f"  copies or reverse complements of: {counts(one.copied_from)}"] if one.copies else []
    lines += [f"  names used again: {one.repeated_names}"] if one.repeated_names else []
    lines += [f"  characters that are no letters: {counts(one.odd)}"] if one.odd else []
    return lines


def _some(what: str, texts: Sequence[str] | Iterable[str], *, indent: str = "") -> list[str]:
    listed = list(texts)
    if not listed:
        return []
    lines = [f"{indent}{what}: {len(listed)}", *(f"{indent}  {text}" for text in listed[:_SHOWN])]
    return lines + ([f"{indent}  and {len(listed) - _SHOWN} more"] if len(listed) > _SHOWN else [])
