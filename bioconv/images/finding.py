"""Which images a list of files and folders holds."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from bioconv.images.failures import listening
from bioconv.images.formats import SUFFIXES, image_suffix, is_zarr, refusal
from bioconv.images.reader import ImagePath
from bioconv.wording import NO_SUCH_FILE

MANIFEST = "manifest.jsonl"
"""A folder that holds it holds our results, and is never read as input."""
_PROJECTIONS = {"MG", "CR", "DX", "RF", "XA", "IO", "PX", "US", "ES", "XC", "OT"}


@dataclass(frozen=True)
class Found:
    """An image, or a file that is none and why.

    Parameters
    ----------
    path
        The file, the folder of an OME-Zarr, or the folder of a DICOM series.
    root
        The folder that was searched (of a named file: its folder): outputs mirror what lies below it.
    name
        The path below the root; of a series that of its folder, with its number where there are several.
    reason
        Why it cannot be read, where that is known from its name.
    files
        The slices of a DICOM series.
    """

    path: Path
    root: Path
    name: str
    reason: str | None = None
    files: tuple[Path, ...] = ()

    @property
    def source(self) -> ImagePath:
        """What :func:`bioconv.images.reader.open_image` opens."""
        return self.files or self.path


def find_images(paths: Sequence[Path], *, pattern: str | None = None, exclude: Sequence[str] = ()) -> list[Found]:
    """Return the images of files and folders, sorted by root and name.

    Folders are searched through. Hidden files, files of other kinds and folders that hold our results are left
    alone; files of image formats that are not read are listed with a reason, and so is whatever was named itself.
    DICOM slices of one folder and one SeriesInstanceUID are one image.

    Parameters
    ----------
    pattern
        Shell pattern that the name below the root, or its last part, must match.
    exclude
        Shell patterns of names to leave out.
    """
    found: list[Found] = []
    dicom: list[tuple[Path, Path]] = []
    seen: set[Path] = set()
    for given in paths:
        for path, root, named in _walk(Path(given)):
            name = _below(path, root)
            if path.resolve() in seen or not _wanted(name, pattern, exclude):
                continue
            seen.add(path.resolve())
            if path.is_file() and _is_dicom(path):
                dicom.append((path, root))
            elif named or path.is_dir() or image_suffix(path) in SUFFIXES or refusal(path):
                found.append(Found(path, root, name, _reason(path)))
    return sorted(found + _series(dicom), key=lambda each: (str(each.root), each.name))


def _walk(given: Path) -> Iterator[tuple[Path, Path, bool]]:
    """Return (path, root, whether it was named) of files and OME-Zarr folders."""
    if not given.is_dir() or is_zarr(given):
        yield given, given.parent, True
        return
    if (given / MANIFEST).is_file():
        yield given, given.parent, True
        return
    for folder, folders, files in os.walk(given):
        here = Path(folder)
        if (here / MANIFEST).is_file():
            folders.clear()
            continue
        stores = [name for name in folders if is_zarr(here / name)]
        yield from ((here / name, given, False) for name in sorted(stores))
        folders[:] = sorted(n for n in folders if n not in stores and not n.startswith(".") and n != "__MACOSX")
        yield from ((here / name, given, False) for name in sorted(files) if not name.startswith("."))


def _reason(path: Path) -> str | None:
    if not path.exists():
        return NO_SUCH_FILE
    if path.is_dir() and (path / MANIFEST).is_file():
        return f"a folder of results ({MANIFEST}); give the images"
    return refusal(path) if path.is_file() else None


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _wanted(name: str, pattern: str | None, exclude: Sequence[str]) -> bool:
    last = name.rsplit("/", 1)[-1]
    if any(fnmatch(name, each) or fnmatch(last, each) for each in exclude):
        return False
    return pattern is None or fnmatch(name, pattern) or fnmatch(last, pattern)


def _is_dicom(path: Path) -> bool:
    if path.name.upper() == "DICOMDIR":
        return False
    if image_suffix(path) in (".dcm", ".dicom", ".ima"):
        return True
    try:
        with path.open("rb") as stream:
            return stream.read(132)[128:] == b"DICM"
    except OSError:  # opening it again will say why
        return False


def _series(files: list[tuple[Path, Path]]) -> list[Found]:
    """Return DICOM files grouped to series; what is no slice of a volume stays an image of its own."""
    groups: dict[tuple[Path, Path, str], list[tuple[Path, Any]]] = defaultdict(list)
    alone: list[Found] = []
    for path, root in files:
        header = _slice_header(path)
        if header is None:
            alone.append(Found(path, root, _below(path, root)))
        else:
            groups[path.parent, root, str(header.SeriesInstanceUID)].append((path, header))
    found = []
    count: dict[tuple[Path, Path], int] = defaultdict(int)
    for (folder, root, _), slices in groups.items():
        count[folder, root] += len(slices) > 1
    taken: set[tuple[Path, str]] = set()
    for (folder, root, _), slices in groups.items():
        if len(slices) == 1:
            alone += [Found(path, root, _below(path, root)) for path, _ in slices]
            continue
        base = _below(folder, root)
        base = folder.name if base == "." else base
        name = base
        if count[folder, root] > 1:
            name = base = f"{base}/series-{slices[0][1].get('SeriesNumber') or 0}"
        while (root, name) in taken:
            name = f"{base}-{len([entry for entry in taken if entry[1].startswith(base)]) + 1}"
        taken.add((root, name))
        found.append(Found(folder, root, name, None, tuple(path for path, _ in slices)))
    return found + alone


def _slice_header(path: Path) -> Any | None:
    """Return the header of a slice of a volume; None for everything else, broken files too."""
    import pydicom

    tags = ["SeriesInstanceUID", "SeriesNumber", "Modality", "NumberOfFrames", "ImagePositionPatient"]
    try:
        with listening("pydicom"):
            header = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=tags)
            flat = int(header.get("NumberOfFrames", 1) or 1) == 1
            placed = header.get("SeriesInstanceUID") and header.get("ImagePositionPatient")
            return header if flat and placed and header.get("Modality") not in _PROJECTIONS else None
    except Exception:  # whatever is wrong with it, opening it as an image will say so by name
        return None
