"""The mammograms of files, folders and tables."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bioconv.errors import BioconvError
from bioconv.images.finding import Found, find_images
from bioconv.mammography.tables import Row, is_view_table, read_view_table
from bioconv.mammography.views import View, read_view, view_of_line


@dataclass(frozen=True)
class Failure:
    """A file or a line of a table that is no mammogram that can be read.

    Parameters
    ----------
    path
        The file.
    name
        The path below the folder that was searched, or as the table has it; of several paths the one below the folder
        that holds them all.
    reason
        Why, starting with the path or the table's line.
    table
        The table whose line it is of.
    view
        What that line says it is, of a file that is not there or is no image; else None: nobody knows.
    """

    path: Path
    name: str
    reason: str
    table: Path | None = None
    view: View | None = None

    def renamed(self, name: str) -> Failure:
        """Return the same under another name."""
        view = None if self.view is None else replace(self.view, name=name)
        return replace(self, name=name, view=view)


def find_views(paths: Sequence[Path], *, force: bool = False) -> tuple[list[View], list[Failure]]:
    """Return the mammograms of files, folders and tables, and what could not be read.

    Folders are searched through; a folder that holds a manifest of ours is never read. A table (CSV or TSV) stands
    for the files it names. One bad file never takes the rest down. Files with the same SOPInstanceUID are one image:
    the first counts, the others are listed as its copies.

    Parameters
    ----------
    paths
        Files, folders, tables.
    force
        Take raw data (For Processing) too.

    Returns
    -------
    views : list of View
        Those of tables in their order, then the others by name. Not all can be scored: see `View.excluded`.
    failures : list of Failure
    """
    views: list[View] = []
    failures: list[Failure] = []
    seen: set[Path] = set()
    tables = [Path(path) for path in paths if is_view_table(Path(path))]
    images = find_images([Path(path) for path in paths if not is_view_table(Path(path))])
    entries: list[Row | Found] = [*_rows(tables, failures), *images]
    for entry in entries:
        reason = entry.reason
        if not reason and entry.path.resolve() in seen:
            if isinstance(entry, Found):
                continue
            reason = f"{entry.where}: {entry.name} is the file of an earlier line"
        seen.add(entry.path.resolve())
        if isinstance(entry, Found) and entry.files:
            reason = f"{len(entry.files)} slices of a volume, no mammogram; give files of modality MG"
        if not reason:
            try:
                views.append(_read(entry, force=force))
            except BioconvError as error:
                reason = str(error)
        if reason:
            failures.append(_failure(entry, reason))
    if len(paths) > 1:
        views, failures = _named_apart(views, failures, [Path(path) for path in paths])
    return mark_copies(views), failures


def mark_copies(views: Sequence[View]) -> list[View]:
    """Return the views with those that repeat a SOPInstanceUID marked as copies of the first."""
    first: dict[str, str] = {}
    marked = []
    for view in views:
        original = first.setdefault(view.sop_uid, view.name) if view.sop_uid else view.name
        marked.append(replace(view, copy_of=original) if original != view.name else view)
    return marked


def _named_apart(
    views: Sequence[View], failures: Sequence[Failure], paths: Sequence[Path]
) -> tuple[list[View], list[Failure]]:
    """Name everything below the folder that holds all paths: the same name in two of them would be taken for one."""
    folders = [path if path.is_dir() else path.parent for path in paths]
    above = os.path.commonpath([os.path.abspath(folder) for folder in folders])  # noqa: PTH100 - links stay links

    def below(path: Path) -> str:
        return Path(os.path.relpath(path, above)).as_posix()

    return (
        [replace(view, name=below(view.path)) for view in views],
        [failure.renamed(below(failure.path)) for failure in failures],
    )


def _failure(entry: Row | Found, reason: str) -> Failure:
    found = Failure(entry.path, entry.name, _placed(entry, reason))
    if isinstance(entry, Found):
        return found
    view = view_of_line(entry.path, entry.name, entry.given) if not entry.reason else None
    return replace(found, table=entry.table, view=view)


def _rows(tables: Sequence[Path], failures: list[Failure]) -> list[Row]:
    rows: list[Row] = []
    for table in tables:
        try:
            rows += read_view_table(table)
        except BioconvError as error:
            failures.append(Failure(table, table.name, str(error)))
    return rows


def _read(entry: Row | Found, *, force: bool) -> View:
    if isinstance(entry, Row):
        return read_view(entry.path, name=entry.name, given=entry.given, force=force)
    return read_view(entry.path, name=entry.name, force=force)


def _placed(entry: Row | Found, reason: str) -> str:
    """Return a reason that starts with the path, after the table's line where there is one."""
    if isinstance(entry, Row):
        return reason if reason.startswith(entry.where) else f"{entry.where}: {reason}"
    return reason if reason.startswith(str(entry.path)) else f"{entry.path}: {reason}"
