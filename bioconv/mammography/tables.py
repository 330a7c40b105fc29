"""A CSV that says which picture shows whose breast: path, patient, laterality, view."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from bioconv.errors import InputError
from bioconv.mammography.view_codes import MODIFIERS, SPECIMEN, VIEWS, view_of_text
from bioconv.mammography.views import Given
from bioconv.tables import read_table

SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
COLUMNS = {
    "path": ("path", "file", "image"),
    "patient": ("patient", "patient_id"),
    "laterality": ("laterality", "side"),
    "view": ("view", "view_position"),
}
OPTIONAL = {
    "study": ("study", "exam", "study_id"),
    "label": ("label",),
    "group": ("group",),
    "modifiers": ("modifiers",),
}
_SIDES = {"L": "L", "LEFT": "L", "R": "R", "RIGHT": "R", "": ""}


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Parameters
    ----------
    where
        File and line, for messages.
    path
        The image; relative paths start at the table's folder.
    name
        The path as the table has it.
    given
        What the line says of it.
    reason
        Why the line cannot be used; empty where it can.
    table
        The file.
    """

    where: str
    path: Path
    name: str
    given: Given = field(default_factory=Given)
    reason: str = ""
    table: Path | None = None


def is_view_table(path: Path) -> bool:
    """Say whether a file is read as a table, by its name."""
    return path.name.lower().endswith(SUFFIXES)


def read_view_table(path: Path) -> list[Row]:
    r"""Read a table of mammograms.

    Columns are found whatever their case: path (or file, image), patient (patient_id), laterality (side), view
    (view_position), and if there are study (exam, study_id), label, group and modifiers. Cells of patient, laterality
    and view may be empty for DICOM files, whose tags are asked then. Laterality is L, R, left or right; a view is one
    of CID 4014's, with modifiers before or after it (MCC) or in their own column (`M S`).

    Returns
    -------
    list of Row
        One per line; of a line that makes no sense its `reason`.

    Raises
    ------
    InputError
        If the file cannot be read or lacks a column; the message says which.

    Examples
    --------
    >>> import tempfile
    >>> table = Path(tempfile.mkdtemp()) / "exams.csv"
    >>> _ = table.write_text("path,patient,laterality,view\na.png,p1,left,MLO\nb.png,p1,X,CC\n")
    >>> [(row.name, row.given.laterality, bool(row.reason)) for row in read_view_table(table)]
    [('a.png', 'L', False), ('b.png', '', True)]
    """
    table = read_table(path)
    found = {key: table.find(names) for key, names in (COLUMNS | OPTIONAL).items()}
    if missing := [key for key in COLUMNS if found[key] is None]:
        message = (
            f"{path}: no column {', '.join(missing)}; the header has {', '.join(table.columns)}. "
            f"Expected {', '.join(COLUMNS)}, and if you like {', '.join(OPTIONAL)}"
        )
        raise InputError(message)
    columns = {key: table.column(name) for key, name in found.items() if name is not None}
    rows = []
    first: dict[Path, int] = {}
    for number, line in enumerate(table.lines):
        cells = {key: cells[number] for key, cells in columns.items()}
        where = f"{path}, line {line}"
        place = path.parent / cells["path"]
        before = first.setdefault(place, line)
        if not cells["path"]:
            rows.append(Row(where, path, "", reason=f"{where}: no path; every row needs one"))
        elif before != line:
            rows.append(Row(where, place, cells["path"], reason=f"{where}: {cells['path']} is in line {before} too"))
        else:
            rows.append(_row(where, place, cells))
    return [replace(row, table=path) for row in rows]


def _row(where: str, place: Path, cells: dict[str, str]) -> Row:
    side = _SIDES.get(cells["laterality"].upper())
    if side is None:
        reason = f"{where}: laterality {cells['laterality']!r}; expected L, R, left or right"
        return Row(where, place, cells["path"], reason=reason)
    named = view_of_text(cells["view"]) if cells["view"] else None
    if cells["view"] and (named is None or named.view == SPECIMEN):
        known = ", ".join(name for name in VIEWS if name != SPECIMEN)
        reason = f"{where}: view {cells['view']!r}; expected one of {known}"
        return Row(where, place, cells["path"], reason=reason)
    short = cells.get("modifiers", "").replace("+", " ").upper().split()
    if odd := [word for word in short if word not in MODIFIERS]:
        reason = f"{where}: modifier {odd[0]!r}; expected some of {', '.join(MODIFIERS)}, with spaces between"
        return Row(where, place, cells["path"], reason=reason)
    modifiers = (named.modifiers if named else ()) + tuple(MODIFIERS[word][0] for word in short)
    given = Given(
        cells["patient"], cells.get("study", ""), side, named.view if named else "", tuple(dict.fromkeys(modifiers)),
        cells.get("label", ""), cells.get("group", ""),
    )  # fmt: skip
    return Row(where, place, cells["path"], given)
