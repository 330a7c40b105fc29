"""What a table, a FASTA file or a folder lists: names, what is known of each, and where it lies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bioconv import runtime
from bioconv.errors import BioconvError, InputError
from bioconv.images.copies import thumbnail_of
from bioconv.images.finding import find_images
from bioconv.images.formats import image_stem
from bioconv.images.reader import ImagePath, open_image
from bioconv.sequence.labelled import NAMES, SEQUENCES, is_fasta
from bioconv.sequence.letters import Identity, fasta_letters, letters_fingerprint
from bioconv.tables import Table, read_table
from bioconv.wording import counted

IMAGES = ("image", "path", "file")
GROUPS = ("group", "patient", "patient_id")
FOLDER = "folder"
"""Of a folder's images: the column that says in which folder below it each lies."""
_SHOWN = 10


@dataclass(frozen=True, eq=False)
class Listing:
    """Samples by name.

    Parameters
    ----------
    source
        The file or folder.
    names
        As the trainers call them: of sequences their own, of a table's images the column `name` or the path, of a
        folder's the path below it without suffix.
    columns
        What a table says of each.
    fingerprints
        Of sequences: one digest each, that of the reverse complement too; None: these are no sequences.
    images
        Of images: where each is; None: these are no images.
    thumbnails
        (n, 1024) float32, one of each image; None: not read yet.
    """

    source: str
    names: list[str]
    columns: Mapping[str, list[str]] = field(default_factory=dict)
    fingerprints: list[str] | None = None
    images: list[ImagePath] | None = None
    thumbnails: NDArray[np.float32] | None = None

    def column(self, name: str) -> list[str]:
        """Return what the column of a `name` says of each sample.

        Raises
        ------
        InputError
            If there is none of that name.
        """
        if name not in self.columns:
            known = f"there are {', '.join(self.columns)}" if self.columns else "it has none"
            message = f"{self.source}: no column {name!r}; {known}"
            raise InputError(message)
        return self.columns[name]

    def group_column(self) -> str | None:
        """Return the column that says what belongs together: `group`, or else `patient`; None: there is none."""
        known = {column.casefold(): column for column in [*self.columns][::-1]}
        return next((known[name] for name in GROUPS if name in known), None)


def read_listing(path: str | Path) -> Listing:
    """Read which samples there are.

    Parameters
    ----------
    path
        A folder of images, searched through; a FASTA file; or a table (CSV, TSV, plain or gzip) with a column
        `sequence`, or with a column `image` (or `path`, `file`) of paths relative to it, or with names alone.

    Raises
    ------
    InputError
        If it cannot be read, lists nothing, or a name twice.
    """
    path = Path(path)
    if path.is_dir():
        listing = _of_folder(path)
    elif is_fasta(path):
        listing = _of_fasta(path)
    else:
        listing = _of_table(read_table(path), path.parent)
    if not listing.names:
        message = f"{path} lists nothing"
        raise InputError(message)
    twice = [name for name, count in Counter(listing.names).items() if count > 1]
    if twice:
        message = f"{path}: {_some(twice)} more than once; a split needs names that differ"
        raise InputError(message)
    return listing


def with_thumbnails(listing: Listing) -> Listing:
    """Read the thumbnails of a listing's images, unless they are there or these are no images.

    Raises
    ------
    InputError
        If images cannot be read: names the first ten with what is wrong with each.
    """
    if listing.images is None or listing.thumbnails is not None:
        return listing
    found: list[NDArray[np.float32]] = []
    faults: list[str] = []
    with runtime.progress(len(listing.images), "reading", unit="image") as bar:
        for path in listing.images:
            try:
                with open_image(path) as source:
                    found.append(thumbnail_of(source))
            except BioconvError as error:
                faults.append(str(error))
            bar.update()
    if faults:
        more = f"\n  and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        listed = "\n  ".join(faults[:_SHOWN])
        message = f"{len(faults)} of {counted(len(listing.images), 'image')} of {listing.source} cannot be read; "
        message += f"mend them or take them away:\n  {listed}{more}"
        raise InputError(message)
    return replace(listing, thumbnails=np.stack(found))


def _of_folder(folder: Path) -> Listing:
    found = find_images([folder])
    faults = [f"{each.path}: {each.reason}" for each in found if each.reason]
    if faults:
        message = f"{_some(faults)}; take them away"
        raise InputError(message)
    if not found:
        message = f"{folder} holds no images; of sequences give the FASTA file or the table"
        raise InputError(message)
    names = [each.name.rpartition("/")[0] + "/" * ("/" in each.name) + image_stem(Path(each.name)) for each in found]
    folders = [each.name.rpartition("/")[0] or "." for each in found]
    return Listing(str(folder), names, {FOLDER: folders}, images=[each.source for each in found])


def _of_fasta(path: Path) -> Listing:
    names: list[str] = []
    digests: list[str] = []
    identity = Identity()
    for piece in fasta_letters(path):
        digest = identity.add(piece)
        if digest is not None:
            names.append(piece.name)
            digests.append(digest)
    return Listing(str(path), names, fingerprints=digests)


def _of_table(table: Table, folder: Path) -> Listing:
    columns = dict(zip(table.columns, table.cells, strict=True))
    sequence, image, name = (table.find(known) for known in (SEQUENCES, IMAGES, NAMES))
    names = None if name is None else table.column(name)
    if sequence is not None:
        if names is None:
            message = f"{table.source}: no column {' or '.join(NAMES)}; every sequence needs a name"
            raise InputError(message)
        digests = [letters_fingerprint(letters.encode()) for letters in table.column(sequence)]
        return Listing(table.source, names, columns, fingerprints=digests)
    if image is not None:
        paths = table.column(image)
        named = paths if names is None else [own or path for own, path in zip(names, paths, strict=True)]
        return Listing(table.source, named, columns, images=[folder / each for each in paths])
    if names is None:
        message = f"{table.source}: the header has {', '.join(table.columns)}; expected sequence, image or name"
        raise InputError(message)
    return Listing(table.source, names, columns)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
