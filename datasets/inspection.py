"""What anybody's folder of data holds: counts, sizes, balance, copies, unreadable files, leaks of a split."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from bioconv.datasets.inspection_images import ImageReader, SeenImages, pair_by_name
from bioconv.datasets.inspection_sequences import SeenSequences, SequenceReader
from bioconv.datasets.listing import GROUPS, IMAGES, Listing
from bioconv.datasets.splitting import find_leaks

from bioconv.errors import BioconvError, InputError
from bioconv.images.copies import copies
from bioconv.images.finding import Found, find_images
from bioconv.images.formats import image_stem, image_suffix
from bioconv.manifest import file_hash
from bioconv.sequence.labelled import NAMES, SEQUENCES, is_fasta
from bioconv.tables import Table, read_table
from bioconv.training.splits import Split, read_split
from bioconv.version import __version__
from bioconv.wording import unreadable

FASTA = (".fa", ".fasta", ".fna", ".ffn", ".faa", ".fas")
TABLES = (".csv", ".tsv", ".seq")
MOST_PAIRS = 1000
"""Pairs of copies that are listed."""
_MOST_CLASSES = 20
_MASKS = ("mask", "label_image")


@dataclass(frozen=True)
class SeenTable:
    """A table of samples.

    Parameters
    ----------
    file
        Its path below the folder.
    rows, columns
        How many, and what they are called.
    classes
        Column to class to rows, of columns with few values.
    missing
        Files it names that are not there.
    """

    file: str
    rows: int
    columns: tuple[str, ...]
    classes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inspection:
    """What a folder holds.

    Parameters
    ----------
    path
        The folder, or the one file.
    files, size
        Files by suffix, and bytes in all.
    images
        What the images are; None: there are none.
    sequences, tables
        Each of the sequence files and tables.
    unreadable, warnings
        (file, reason).
    duplicates
        Files of the same content, masks left out.
    near_duplicates
        (one, other, correlation) of images that are copies by their thumbnails, turned or mirrored ones too; the
        first thousand.
    parts
        Samples in each part of the split, where one was given.
    leaks
        What crosses its parts, a sentence each.
    unknown
        (in the split but not found, found but not in the split).
    shown
        For pictures: (name, image, mask or None), evenly spread over the images.
    """

    path: str
    files: Mapping[str, int]
    size: int
    images: SeenImages | None = None
    sequences: tuple[SeenSequences, ...] = ()
    tables: tuple[SeenTable, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()
    duplicates: tuple[tuple[str, ...], ...] = ()
    near_duplicates: tuple[tuple[str, str, float], ...] = ()
    parts: Mapping[str, int] = field(default_factory=dict)
    leaks: tuple[str, ...] = ()
    unknown: tuple[int, int] = (0, 0)
    shown: tuple[tuple[str, Found, Path | None], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return everything but the pictures, for JSON."""
        facts = {name: value for name, value in vars(self).items() if name != "shown"}
        facts["images"] = None if self.images is None else asdict(self.images)
        facts["sequences"] = [asdict(one) for one in self.sequences]
        facts["tables"] = [asdict(one) for one in self.tables]
        return {"bioconv": __version__, **facts}

    def to_text(self) -> str:
        """Return it for people to read."""
        from bioconv.datasets.inspection_text import inspection_text

        return inspection_text(self)

    def write_page(self, path: str | Path) -> None:
        """Write it as one HTML file with pictures; the images are opened again for these.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        from bioconv.datasets.inspection_page import write_page

        write_page(self, path)


def inspect_folder(path: str | Path, *, split: str | Path | Split | None = None) -> Inspection:
    """Return what the sequences and images of a folder are; a file that cannot be read is listed and stops nothing.

    Of images a thumbnail is kept, of sequences a digest, so memory grows by 4 kB and about 100 bytes for each.

    Parameters
    ----------
    path
        A folder, searched through, or one file.
    split
        A split file of these data, to be looked at for leaks.

    Raises
    ------
    InputError
        If there is no such folder, or the split cannot be read.
    """
    root = Path(path)
    if not root.exists():
        raise InputError(unreadable(path, FileNotFoundError()))
    given = split if isinstance(split, Split) or split is None else read_split(split)
    files = _files(root)
    own = {file.resolve() for file in files} - ({Path(split).resolve()} if isinstance(split, str | Path) else set())
    texts = _Texts(root, SequenceReader(keep=given is not None))
    for file in files:
        if file.resolve() in own and is_text(file):
            texts.read(file)
    tables = texts.tables
    reader = ImageReader(frozenset(mask.resolve() for table in tables for mask in _paths(table, _MASKS)))
    reader.read([each for each in find_images([root]) if each.files or not is_text(each.path)])
    pairs = _mask_pairs(reader, tables)
    thumbnails = np.stack(reader.thumbnails) if reader.thumbnails else np.zeros((0, 1024), np.float32)
    found = [
        (reader.images[one].name, reader.images[other].name, round(value, 5))
        for one, other, value in islice(copies(thumbnails, turned=True), MOST_PAIRS)
    ]
    parts: dict[str, Any] = {}
    if given is not None:
        parts = _split_facts(given, reader, thumbnails, texts.sequences.digests, tables)
    return Inspection(
        path=str(path),
        files=dict(Counter(image_suffix(file) or "(none)" for file in files).most_common()),
        size=sum(file.stat().st_size for file in files),
        images=reader.seen(len(pairs)),
        sequences=tuple(texts.seen),
        tables=tuple(texts.seen_tables),
        unreadable=tuple(texts.unreadable + reader.unreadable),
        warnings=tuple(reader.warnings),
        duplicates=_duplicates(files, {each.path for each in reader.masks}, root),
        near_duplicates=tuple(found),
        shown=tuple((each.name, each, pairs.get(each.name)) for each in reader.images),
        **parts,
    )


def _files(root: Path) -> list[Path]:
    if root.is_file():
        return [root]
    found: list[Path] = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(folder) / name for name in sorted(names) if not name.startswith(".")]
    return [path for path in found if path.is_file()]


def is_text(path: Path) -> bool:
    """Return whether a file is looked at as FASTA or a table, by its name."""
    return path.name.lower().removesuffix(".gz").endswith((*FASTA, *TABLES)) and path.is_file()


@dataclass
class _Texts:
    """FASTA files and tables; of tables only what images and groups need is kept."""

    root: Path
    sequences: SequenceReader
    seen: list[SeenSequences] = field(default_factory=list)
    seen_tables: list[SeenTable] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)

    def read(self, path: Path) -> None:
        """Look at one file; what is wrong with it is noted."""
        name = _below(path, self.root)
        try:
            if is_fasta(path) or path.name.lower().removesuffix(".gz").endswith(FASTA):
                self.seen.append(self.sequences.fasta(path, name))
                return
            table = read_table(path)
            if (found := self.sequences.table(table, name)) is not None:
                self.seen.append(found)
            self.seen_tables.append(_seen_table(table, self.root))
            if table.find((*IMAGES, *GROUPS)):
                self.tables.append(_without(table, SEQUENCES))
        except BioconvError as error:
            self.unreadable.append((name, str(error).removeprefix(f"{path}: ").removeprefix(f"{path}, ")))


def _without(table: Table, columns: tuple[str, ...]) -> Table:
    kept = [place for place, name in enumerate(table.columns) if name.casefold() not in columns]
    names, cells = (tuple(own[place] for place in kept) for own in (table.columns, table.cells))
    return Table(table.source, names, cells, table.lines)  # type: ignore[arg-type]


def _seen_table(table: Table, root: Path) -> SeenTable:
    classes: dict[str, dict[str, int]] = {}
    for column, cells in zip(table.columns, table.cells, strict=True):
        counts = Counter(cells)
        if 1 < len(counts) <= min(_MOST_CLASSES, len(cells) // 3):
            classes[column] = dict(counts.most_common())
    missing = [str(path) for path in _paths(table, (*IMAGES, *_MASKS)) if not path.exists()]
    return SeenTable(_below(Path(table.source), root), len(table), table.columns, classes, tuple(missing))


def _paths(table: Table, columns: tuple[str, ...]) -> list[Path]:
    """Return the files that columns name; of an image's only if it looks like a file's name."""
    folder = Path(table.source).parent
    names = [table.find((column,)) for column in columns]
    cells = [cell for name in names if name for cell in table.column(name) if cell]
    return [folder / cell for cell in cells if image_suffix(Path(cell))]


def _mask_pairs(reader: ImageReader, tables: Iterable[Table]) -> dict[str, Path]:
    """Return the mask of each image, by its name: as a table says, or else by the files' names."""
    listed: dict[Path, Path] = {}
    for table in tables:
        image, mask = table.find(IMAGES), table.find(_MASKS)
        if image and mask:
            folder = Path(table.source).parent
            rows = zip(table.column(image), table.column(mask), strict=True)
            listed |= {(folder / one).resolve(): folder / other for one, other in rows if one and other}
    said = {each.name: listed[each.path.resolve()] for each in reader.images if each.path.resolve() in listed}
    return pair_by_name(reader.images, reader.masks) | said


def _duplicates(files: list[Path], masks: set[Path], root: Path) -> tuple[tuple[str, ...], ...]:
    """Return files of the same bytes; only those of one size are read."""
    by_size: dict[int, list[Path]] = {}
    for path in files:
        if path not in masks:
            by_size.setdefault(path.stat().st_size, []).append(path)
    by_content: dict[str, list[str]] = {}
    for size, same in by_size.items():
        for path in same if len(same) > 1 and size else ():
            try:
                by_content.setdefault(file_hash(path), []).append(_below(path, root))
            except OSError:  # reading it as data has said so already
                continue
    return tuple(tuple(names) for names in by_content.values() if len(names) > 1)


def _split_facts(
    split: Split, reader: ImageReader, thumbnails: np.ndarray[Any, Any], digests: Mapping[str, str], tables: list[Table]
) -> dict[str, Any]:
    """Return parts, leaks and unknown samples of a split."""
    names = _image_names(split, reader, tables)
    places = [place for place, name in enumerate(names) if name in split.parts]
    groups = _table_groups(split, tables)
    pictured = Listing("the folder", [names[place] for place in places], thumbnails=thumbnails[places])
    known = [name for name in digests if name in split.parts]
    read = Listing("the folder", known, fingerprints=[digests[name] for name in known])
    leaks: list[str] = []
    for listing in (pictured, read):
        if listing.names:
            inside = set(listing.names)
            part = Split(
                {name: own_part for name, own_part in split.parts.items() if name in inside},
                {name: group for name, group in split.groups.items() if name in inside},
            )
            told = [groups.get(name, name) for name in listing.names] if groups else None
            leaks += find_leaks(part, listing, groups=told)[0]
    found = {*pictured.names, *known}
    outside = len(names) - len(places) + len(digests) - len(known)
    counts = dict(sorted(Counter(split.parts.values()).items()))
    return {"parts": counts, "leaks": tuple(leaks), "unknown": (len(set(split.parts) - found), outside)}


def _image_names(split: Split, reader: ImageReader, tables: list[Table]) -> list[str]:
    """Return what the split calls each image: the path, the path or the name without suffix, or a table's name."""
    paths = [each.name for each in reader.images]
    bare = [name[: len(name) - len(Path(name).name)] + image_stem(Path(name)) for name in paths]
    ways = [bare, paths, [image_stem(Path(name)) for name in paths]]
    for table in tables:
        image, name = table.find(IMAGES), table.find(NAMES)
        if image:
            folder = Path(table.source).parent
            called = table.column(name) if name else table.column(image)
            rows = zip(table.column(image), called, strict=True)
            told = {(folder / one).resolve(): own or one for one, own in rows}
            ways.append([told.get(each.path.resolve(), each.name) for each in reader.images])
    return max(ways, key=lambda way: len(set(way) & set(split.parts)))


def _table_groups(split: Split, tables: list[Table]) -> dict[str, str]:
    """Return the groups that tables give to the samples of a split."""
    groups: dict[str, str] = {}
    for table in tables:
        column = table.find(GROUPS)
        for names in (table.find(NAMES), table.find(IMAGES)):
            if column and names:
                rows = zip(table.column(names), table.column(column), strict=True)
                groups |= {name: group for name, group in rows if group and name in split.parts}
    return groups


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path != root and path.is_relative_to(root) else path.name
