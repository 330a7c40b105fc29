"""What a batch reads: images found in files and folders, each with a name for its results."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from bioconv.images.finding import find_images
from bioconv.images.formats import is_zarr
from bioconv.segmentation.folders.naming import Item, output_bases, relative_names


def find_items(paths: Sequence[Path], *, pattern: str | None = None, exclude: Sequence[str] = ()) -> list[Item]:
    """Return the images of files and folders in the order of their names, and what is none, with the reason.

    Parameters
    ----------
    paths : sequence of Path
        Files and folders.
    pattern, exclude
        As of `find_images`.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.png").write_bytes(b"x"), (folder / "b.czi").write_bytes(b"y")
    >>> [(item.name, item.base, bool(item.reason)) for item in find_items([folder])]
    [('a.png', 'a', False), ('b.czi', 'b', True)]
    """
    found = find_images(paths, pattern=pattern, exclude=exclude)
    names = relative_names([Path(os.path.abspath(one.root)) / one.name for one in found], paths)  # noqa: PTH100
    order = sorted(range(len(found)), key=lambda place: names[place])
    ordered = [names[place] for place in order]
    items = []
    for place, name, base in zip(order, ordered, output_bases(ordered), strict=True):
        one = found[place]
        reason = f"{one.path}: {one.reason}" if one.reason else ""
        items.append(Item(name, base, one.files or (one.path,), reason))
    return items


def is_image_folder(path: Path) -> bool:
    """Say whether a folder is one image: an OME-Zarr, or one series of DICOM slices and nothing else."""
    if is_zarr(path):
        return True
    found = find_images([path])
    return len(found) == 1 and bool(found[0].files)
