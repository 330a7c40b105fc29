"""What the images of a folder are: formats, sizes, channels, depth, spacing, masks, copies."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv import runtime
from bioconv.errors import BioconvError
from bioconv.images.copies import thumbnail_of
from bioconv.images.finding import Found
from bioconv.images.formats import image_stem
from bioconv.images.image import ImageInfo, ImageSource
from bioconv.images.masks import read_mask
from bioconv.images.reader import open_image

_MASK_FOLDERS = re.compile(
    r"(?i)(^|[_-])(masks?|labels?|instances?|segmentations?|annotations?|truth|gt|manual|fov)([_-]|$)"
)
_MASK_ENDS = re.compile(r"(?i)[_-](masks?|labels?|seg|segmentation|gt)$")
_MOST_VALUES = 16  # of masks that are taken for classes


@dataclass(frozen=True)
class SeenMasks:
    """Label masks among the images.

    Parameters
    ----------
    count, empty
        How many, and how many of them are 0 everywhere.
    foreground
        Mean share of pixels that are not 0.
    values
        Fewest, median and most different values beside 0 in a mask: of instance masks the number of objects.
    balance
        Share of all pixels by value, where there are few values.
    paired
        Masks that have an image of the same name.
    """

    count: int
    empty: int
    foreground: float
    values: tuple[int, float, int]
    balance: Mapping[str, float] = field(default_factory=dict)
    paired: int = 0


@dataclass(frozen=True)
class SeenImages:
    """Images that are no masks.

    Parameters
    ----------
    formats, sizes, depths, channels, spacings, folders
        Value to number of images.
    low, high
        Lowest and highest finite value of the pixels looked at, those of the middle planes; None: there is none.
    """

    count: int
    formats: Mapping[str, int]
    sizes: Mapping[str, int]
    depths: Mapping[str, int]
    channels: Mapping[str, int]
    spacings: Mapping[str, int]
    folders: Mapping[str, int]
    low: float | None = None
    high: float | None = None
    masks: SeenMasks | None = None


@dataclass
class ImageReader:
    """Looks at images one after another; keeps of each a thumbnail of 4 kB and its name.

    Parameters
    ----------
    listed
        Masks that a table names; others are known by their folder (`masks`), their name (`..._mask`), or because
        they hold no more than two values.
    """

    listed: frozenset[Path] = frozenset()
    images: list[Found] = field(default_factory=list)
    masks: list[Found] = field(default_factory=list)
    thumbnails: list[NDArray[np.float32]] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {name: Counter() for name in _COUNTED}
        self._range = [np.inf, -np.inf]
        self._foreground: list[float] = []
        self._values: list[int] = []
        self._balance: Counter[int] | None = Counter()

    def read(self, found: list[Found]) -> None:
        """Look at images; what is wrong with one is noted."""
        with runtime.progress(len(found), "looking", unit="image") as bar:
            for each in found:
                try:
                    if each.reason:
                        self.unreadable.append((each.name, each.reason))
                    else:
                        self._look(each)
                except BioconvError as error:
                    self.unreadable.append((each.name, str(error).removeprefix(f"{each.path}: ")))
                bar.update()

    def seen(self, paired: int) -> SeenImages | None:
        """Return what was seen; None: no image."""
        if not self.images and not self.masks:
            return None
        counts = {name: dict(own.most_common()) for name, own in self._counts.items()}
        low, high = self._range if np.isfinite(self._range).all() else (None, None)
        return SeenImages(count=len(self.images), low=low, high=high, masks=self._seen_masks(paired), **counts)

    def _look(self, each: Found) -> None:
        with open_image(each.source) as source:
            sample = _middle(source)
            _last(source)
            is_mask = self._is_mask(each, source.info, sample)
            if not is_mask:
                own = thumbnail_of(source)
            info = source.info
        if is_mask:
            self._add_mask(each)
            return
        self.thumbnails.append(own)
        self.images.append(each)
        if (known := sample[np.isfinite(sample)]).size:
            self._range = [min(self._range[0], float(known.min())), max(self._range[1], float(known.max()))]
        self.warnings += [(each.name, text) for text in info.warnings]
        for name, value in _facts(each, info).items():
            self._counts[name][value] += 1

    def _is_mask(self, each: Found, info: ImageInfo, sample: NDArray[Any]) -> bool:
        if not each.files and each.path.resolve() in self.listed:
            return True
        if info.format == "jpeg" or info.dtype.kind == "f" or ("C" in info.axes and not info.rgb):
            return False
        *folders, name = each.name.split("/")
        if any(_MASK_FOLDERS.search(folder) for folder in folders) or _MASK_ENDS.search(image_stem(Path(name))):
            return True
        return not info.rgb and len(np.unique(sample)) <= 2 and 0 in sample

    def _add_mask(self, each: Found) -> None:
        labels = read_mask(each.path)
        values, numbers = np.unique(labels, return_counts=True)
        self.masks.append(each)
        self._foreground.append(float(numbers[values != 0].sum() / labels.size))
        self._values.append(int((values != 0).sum()))
        if self._balance is not None:
            self._balance.update(dict(zip(values.tolist(), numbers.tolist(), strict=True)))
            if len(self._balance) > _MOST_VALUES:
                self._balance = None

    def _seen_masks(self, paired: int) -> SeenMasks | None:
        if not self.masks:
            return None
        own = self._balance or Counter()
        total = sum(own.values())
        values = min(self._values), float(np.median(self._values)), max(self._values)
        return SeenMasks(
            count=len(self.masks),
            empty=self._values.count(0),
            foreground=float(np.mean(self._foreground)),
            values=values,
            balance={str(value): number / total for value, number in sorted(own.items())},
            paired=paired,
        )


def pair_by_name(images: list[Found], masks: list[Found]) -> dict[str, Path]:
    """Return the mask of each image, by the image's name, where one mask alone has the same stem.

    What a mask's name ends with beside that of its image (`_mask`) is left out.
    """
    by_stem: dict[str, list[Path]] = {}
    for each in masks:
        by_stem.setdefault(_MASK_ENDS.sub("", image_stem(Path(each.name))), []).append(each.path)
    found = {each.name: by_stem.get(image_stem(Path(each.name)), []) for each in images}
    return {name: paths[0] for name, paths in found.items() if len(paths) == 1}


_COUNTED = ("formats", "sizes", "depths", "channels", "spacings", "folders")


def _facts(each: Found, info: ImageInfo) -> dict[str, str]:
    sizes = {axis: size for axis, size in info.sizes.items() if axis != "C"}
    spacing = "none"
    if info.spacing is not None:
        spacing = " x ".join(f"{step:.4g}" for step in info.spacing) + f" {info.unit}"
    return {
        "formats": info.format,
        "sizes": f"{' x '.join(map(str, sizes.values()))} ({', '.join(sizes)})",
        "depths": f"{info.dtype}, {info.bit_depth} bits",
        "channels": "red, green, blue" if info.rgb else str(info.sizes.get("C", 1)),
        "spacings": spacing,
        "folders": each.name.rpartition("/")[0] or ".",
    }


def _middle(source: ImageSource) -> NDArray[Any]:
    """Return rows of the middle plane, all its channels, evenly spread where the plane is large."""
    sizes = source.info.sizes
    rows = max(1, (1 << 22) // (sizes["X"] * sizes.get("C", 1)))
    start = max(0, (sizes["Y"] - rows) // 2)
    part = {"Y": slice(start, min(start + rows, sizes["Y"]))}
    part |= {axis: slice(size // 2, size // 2 + 1) for axis, size in sizes.items() if axis in "TZ"}
    return source.read(tuple(part.get(axis, slice(0, size)) for axis, size in sizes.items()))


def _last(source: ImageSource) -> None:
    """Read the last row: of a file that was cut short it is not there."""
    source.read(
        tuple(slice(size - 1, size) if axis != "X" else slice(0, size) for axis, size in source.info.sizes.items())
    )
