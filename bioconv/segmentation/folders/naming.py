"""Where the results of a batch go: the default folder, a name for each input, no two alike."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

FOLDERS = {
    "overlay": "overlays",
    "measurements": "measurements",
    "probabilities": "probabilities",
    "uncertainty": "uncertainty",
    "imagej": "rois",
    "geojson": "rois",
    "thumbnail": "thumbnails",
}
"""Kind of output -> folder of the results that holds it, mirrored like the masks, which lie on top."""

_DOUBLE = {".ome", ".nii", ".tar"}


@dataclass(frozen=True)
class Item:
    """One input of a batch.

    Parameters
    ----------
    name
        Its path below what was given, with `/`: what the manifest calls it.
    base
        Name of its outputs, without suffix, below the folder of results.
    files
        The files it is made of: one, or those of a DICOM series.
    reason
        Why it cannot be read at all; empty: it may be.
    given
        The files as they were given, where `files` are absolute; empty: `files`.
    """

    name: str
    base: str
    files: tuple[Path, ...]
    reason: str = ""
    given: tuple[Path, ...] = ()

    @property
    def source(self) -> str:
        """What messages call it: the path, of a series that of its folder."""
        files = self.given or self.files
        return str(files[0] if len(files) == 1 else files[0].parent)

    def absolute(self) -> Item:
        """Return the same item, whose files are found from any folder; it is still called what it was."""
        files = tuple(Path(os.path.abspath(path)) for path in self.files)  # noqa: PTH100 - a link stays a link
        return replace(self, files=files, given=self.given or self.files)

    def said(self, text: str) -> str:
        """Return a text in which files go by the paths that were given."""
        for path, given in zip(self.files, self.given, strict=False):
            text = text.replace(str(path), str(given)).replace(str(path.parent), str(given.parent))
        return text


def default_output(paths: Sequence[Path]) -> Path:
    """Return the folder for results where none was given: beside the input.

    `scans/` gives `scans-segmented/`, `x.tif` gives `x-segmented/`, several inputs `segmented/` in the folder that
    holds them all.

    Examples
    --------
    >>> default_output([Path("/data/scans")]).as_posix()
    '/data/scans-segmented'
    """
    absolute = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100 - a link stays beside its own folder
    if len(absolute) > 1:
        return _above(absolute) / "segmented"
    (path,) = absolute
    return path.with_name((path.name if path.is_dir() else stem(path.name)) + "-segmented")


def _above(paths: Sequence[Path]) -> Path:
    """Return the folder that holds all paths."""
    return Path(os.path.commonpath([path.parent for path in paths]))


def stem(name: str) -> str:
    """Return a file's name without its suffix, `.nii.gz` and `.ome.tif` taken as one.

    Examples
    --------
    >>> stem("brain.nii.gz"), stem("a.b.png"), stem(".png"), stem("IM0001")
    ('brain', 'a.b', '.png', 'IM0001')
    """
    path = PurePosixPath(name)
    first = PurePosixPath(path.stem)
    return first.stem if path.suffix and first.suffix.lower() in _DOUBLE else path.stem


def relative_names(found: Iterable[Path], given: Sequence[Path]) -> list[str]:
    """Return the paths below the one folder that was given, else below the folder that holds all that was given."""
    absolute = [Path(os.path.abspath(path)) for path in given]  # noqa: PTH100
    base = absolute[0] if len(absolute) == 1 and absolute[0].is_dir() else _above(absolute)
    return [Path(os.path.relpath(os.path.abspath(path), base)).as_posix() for path in found]  # noqa: PTH100


def output_bases(names: Sequence[str]) -> list[str]:
    """Return a name for the outputs of each input, all different whatever the case of letters.

    It is the input's without suffix; inputs of one folder that differ in the suffix only keep it (`a-png`, `a-tif`).
    Names of the folders that results are sorted into, and those of an input below them, are told apart too.

    Examples
    --------
    >>> output_bases(["a.png", "a.tif", "sub/a.png"])
    ['a-png', 'a-tif', 'sub/a']
    """
    plain = [(PurePosixPath(name).parent / stem(PurePosixPath(name).name)).as_posix() for name in names]
    count = Counter(base.casefold() for base in plain)
    taken: set[str] = set()
    bases = []
    for name, base in zip(names, plain, strict=True):
        path = PurePosixPath(name)
        wanted = base if count[base.casefold()] == 1 else (path.parent / path.name.replace(".", "-")).as_posix()
        unique, number = wanted, 1
        while taken & (claims := _claims(unique)):
            number += 1
            unique = f"{wanted}-{number}"
        taken |= claims
        bases.append(unique)
    return bases


def _claims(base: str) -> set[str]:
    """Return the places, without suffix, that the outputs of one base may take."""
    folded = base.casefold()
    return {folded} | {f"{folder}/{folded}" for folder in FOLDERS.values()}
