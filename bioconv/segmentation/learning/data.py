"""Images and their masks: paired, read, and refused together with what is wrong with each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.images.masks import SUFFIXES as MASK_SUFFIXES
from bioconv.images.masks import read_mask
from bioconv.images.reader import open_image
from bioconv.images.stains import separate_stain
from bioconv.segmentation.channels import choose_channels
from bioconv.segmentation.objective import INSTANCE_MAPS, Objective
from bioconv.segmentation.preprocessing import COLOUR
from bioconv.tables import read_table
from bioconv.wording import NO_SUCH_FILE, counted

_SHOWN = 10
_OWN_SUFFIXES = (*MASK_SUFFIXES, ".nii", ".nii.gz", ".jpg", ".jpeg", ".dcm")
_MOST_CLASSES = 64


@dataclass(frozen=True)
class Pair:
    """An image and its mask on the disk.

    Parameters
    ----------
    name
        What the pair is called in splits and messages.
    stratum
        Kind of image, for even sampling and reporting; empty: one kind.
    group
        What must not be divided between parts (a patient, an experiment); empty: the pair itself.
    part
        Part of the split it was given to; empty: not said.
    """

    name: str
    image: Path
    mask: Path
    stratum: str = ""
    group: str = ""
    part: str = ""


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """An image and its mask in memory.

    Parameters
    ----------
    pixels
        (C, *spatial) as stored.
    labels
        (*spatial) whole numbers: numbers of objects, 0 or 1, or class indices; -1 is not known.
    """

    pair: Pair
    pixels: NDArray[Any]
    labels: NDArray[np.int32]

    @property
    def name(self) -> str:
        """Name of the pair; of a plane of a stack with its number."""
        return self.pair.name


@dataclass(frozen=True, eq=False)
class SegmentationData:
    """What a segmenter is trained on.

    Parameters
    ----------
    inputs
        Names of the channels a model of these data reads.
    """

    images: tuple[LabelledImage, ...]
    objective: Objective
    inputs: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """Names of the images."""
        return [image.name for image in self.images]

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return self.images[0].labels.ndim


@dataclass(frozen=True)
class Reading:
    """How images and masks are read.

    Parameters
    ----------
    kind
        `instances` (every object its own number), `classes` (every value a class), `binary`, or `auto`: binary if
        the masks hold no more than two values, else refused.
    classes
        Values of the masks in the order of the classes, the background first; None: those found.
    class_names
        Their names; None: the values.
    ignore
        Value of pixels that are not known.
    channel
        Channel to read, by number from 0 or name; None: all.
    axes
        Axes of the images where the files do not say.
    allow_empty
        Whether masks without foreground may take part.
    ndim
        3: stacks are volumes; 2: every plane is an image.
    """

    kind: str = "auto"
    classes: tuple[int, ...] | None = None
    class_names: tuple[str, ...] | None = None
    ignore: int | None = None
    channel: str | None = None
    axes: str | None = None
    allow_empty: bool = False
    ndim: int = 2


def find_pairs(images: str | Path, masks: str | Path | None = None, *, mask_suffix: str = "") -> list[Pair]:
    """Find the images and masks of two folders by name without suffix, or those a table lists.

    Parameters
    ----------
    images
        A folder, or a CSV or TSV with columns `image`, `mask` and, optional, `name`, `stratum`, `group`, `split`;
        its paths are relative to it.
    mask_suffix
        What the name of a mask has after that of its image, e.g. `_mask`.

    Raises
    ------
    InputError
        If something is not there, an image has no mask or several, or a mask no image.
    """
    images = Path(images)
    if images.is_dir():
        if masks is None:
            message = f"{images} is a folder: give the folder of masks too, or a CSV with columns image,mask"
            raise InputError(message)
        return _pairs_of_folders(images, Path(masks), mask_suffix)
    if masks is not None:
        message = f"{images} is no folder; give two folders, or a CSV alone"
        raise InputError(message)
    return _pairs_of_table(images)


def _pairs_of_folders(images: Path, masks: Path, suffix: str) -> list[Pair]:
    if not masks.is_dir():
        message = f"{masks} is no folder; give the folder of masks"
        raise InputError(message)
    pictures, truths = _by_stem(images), _by_stem(masks)
    own = {stem.removesuffix(suffix): found for stem, found in truths.items() if stem.endswith(suffix)}
    if images.resolve() == masks.resolve():
        pictures = {stem: found for stem, found in pictures.items() if not stem.endswith(suffix)}
    trouble = [f"{pictures[stem][0]}: no mask {stem}{suffix}.* in {masks}" for stem in pictures if stem not in own]
    trouble += [f"{own[stem][0]}: no image {stem}.* in {images}" for stem in own if stem not in pictures]
    for found in (pictures, own):
        trouble += [f"{files[0]}: {len(files)} files of this name; keep one" for files in found.values() if files[1:]]
    refuse_all(trouble, "images and masks that do not pair; mend them, or name the pairs in a CSV")
    if not pictures:
        message = f"{images} holds no images ({', '.join(_OWN_SUFFIXES)})"
        raise InputError(message)
    return [Pair(stem, pictures[stem][0], own[stem][0]) for stem in sorted(pictures)]


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        suffix = next((one for one in _OWN_SUFFIXES if path.name.lower().endswith(one)), None)
        if suffix and not path.name.startswith(".") and path.is_file():
            found.setdefault(path.name[: -len(suffix)].removesuffix(".nii"), []).append(path)
    return found


def _pairs_of_table(path: Path) -> list[Pair]:
    table = read_table(path)
    images, masks = table.column("image"), table.column("mask")
    empty = [""] * len(table)
    names, strata, groups, parts = (
        table.column(name) if name in table.columns else empty for name in ("name", "stratum", "group", "split")
    )
    pairs = [
        Pair(name or image, path.parent / image, path.parent / mask, stratum, group, part)
        for name, image, mask, stratum, group, part in zip(names, images, masks, strata, groups, parts, strict=True)
    ]
    twice = [name for name, count in Counter(pair.name for pair in pairs).items() if count > 1]
    missing = [str(file) for pair in pairs for file in (pair.image, pair.mask) if not file.exists()]
    refuse_all([f"{name}: listed more than once" for name in twice], f"names in {path}; give each once")
    refuse_all(
        [f"{file}: {NO_SUCH_FILE}" for file in missing], f"files that {path} names; its paths are relative to it"
    )
    return pairs


def read_data(pairs: Sequence[Pair], reading: Reading | None = None) -> SegmentationData:
    """Read images and masks into memory.

    Raises
    ------
    InputError
        If files cannot be read, sizes differ, masks are empty or hold unknown values: one message that lists the
        files.
    """
    reading = reading or Reading()
    images: list[LabelledImage] = []
    trouble: list[str] = []
    inputs: set[tuple[str, ...]] = set()
    for pair in pairs:
        try:
            pixels, names, axes = _read_pixels(pair, reading)
            labels = read_mask(pair.mask)
            if labels.shape != pixels.shape[1:]:
                trouble.append(f"{pair.mask}: size {labels.shape}, but the image {pair.image} has {pixels.shape[1:]}")
                continue
        except InputError as error:
            trouble.append(str(error))
            continue
        inputs.add(names)
        images += _planes(LabelledImage(pair, pixels, labels.astype(np.int64)), axes, reading)
    refuse_all(trouble, "images and masks that cannot be trained on; mend them or take them away")
    objective, labelled = _understood(images, reading)
    return SegmentationData(tuple(labelled), objective, _joint_inputs(inputs))


def _read_pixels(pair: Pair, reading: Reading) -> tuple[NDArray[Any], tuple[str, ...], str]:
    with separate_stain(open_image(pair.image, axes=reading.axes), reading.channel) as source:
        chosen, names = choose_channels(source.info, reading.channel)
        axes = source.info.axes
        pixels = source.read()
    if "C" in axes:
        pixels = np.moveaxis(pixels, axes.index("C"), 0)[list(chosen)]
        axes = axes.replace("C", "")
    else:
        pixels = pixels[None]
    return pixels, names, axes


def _planes(image: LabelledImage, axes: str, reading: Reading) -> Iterable[LabelledImage]:
    """Yield an image's parts with as many axes as the model has: itself, its time points, its planes."""
    if image.labels.ndim == reading.ndim:
        yield image
        return
    if image.labels.ndim < reading.ndim:
        message = f"{image.pair.image}: axes {axes}; a model of volumes needs Z; train in 2-D"
        raise InputError(message)
    for number in range(len(image.labels)):
        pair = replace(image.pair, name=f"{image.name}:{number}", group=image.pair.group or image.name)
        yield from _planes(LabelledImage(pair, image.pixels[:, number], image.labels[number]), axes[1:], reading)


def _joint_inputs(found: set[tuple[str, ...]]) -> tuple[str, ...]:
    if len(found) == 1:
        return next(iter(found))
    if found <= {("gray",), COLOUR}:
        return COLOUR
    listed = "; ".join(sorted(", ".join(names) for names in found))
    message = f"the images have different channels: {listed}; choose one that all have with --channel"
    raise InputError(message)


def _understood(images: list[LabelledImage], reading: Reading) -> tuple[Objective, list[LabelledImage]]:
    """Return what the masks hold, and the images with labels that say so."""
    values = [np.unique(image.labels) for image in images]
    if reading.ignore is not None:
        values = [own[own != reading.ignore] for own in values]
    trouble = [f"{image.pair.mask}: negative values" for image, own in zip(images, values, strict=True) if min(own) < 0]
    if not reading.allow_empty:
        by_file: dict[Path, bool] = {}
        for image, own in zip(images, values, strict=True):
            by_file[image.pair.mask] = by_file.get(image.pair.mask, False) or bool((own > 0).any())
        trouble += [f"{mask}: empty, no foreground" for mask, filled in by_file.items() if not filled]
    refuse_all(trouble, "masks that cannot be trained on; mend them, or let empty ones take part with --allow-empty")
    kinds = sorted({int(value) for own in values for value in own})
    kind = _kind(kinds, reading)
    if kind == "instances":
        return Objective(kind, INSTANCE_MAPS), [_relabelled(image, None, reading.ignore) for image in images]
    classes = reading.classes or tuple(kinds if 0 in kinds else [0, *kinds])
    unknown = [
        f"{image.pair.mask}: values {sorted(set(own.tolist()) - set(classes))[:5]}"
        for image, own in zip(images, values, strict=True)
        if set(own.tolist()) - set(classes)
    ]
    refuse_all(unknown, f"masks with values other than the classes {list(classes)}")
    if len(classes) > _MOST_CLASSES:
        message = f"the masks hold {len(classes)} values; if they number objects, say --kind instances"
        raise InputError(message)
    names = reading.class_names or tuple("background" if value == 0 else str(value) for value in classes)
    if len(names) != len(classes):
        message = f"{len(names)} class names for {len(classes)} classes {list(classes)}; give one each"
        raise InputError(message)
    labels = (names[1] if reading.class_names else "foreground",) if kind == "binary" else names
    return Objective(kind, labels), [_relabelled(image, classes, reading.ignore) for image in images]


def _kind(values: list[int], reading: Reading) -> str:
    if reading.kind == "binary" and len(values) > 2 and reading.classes is None:
        message = f"the masks hold the values {values[:8]}; binary masks hold two; say --kind classes or instances"
        raise InputError(message)
    if reading.kind != "auto":
        return reading.kind
    if len(reading.classes or values) <= 2:
        return "binary"
    if reading.classes:
        return "classes"
    message = f"the masks hold {len(values)} values ({values[:5]}...): say --kind instances if every object has a "
    message += "number of its own, --kind classes if every value is a class"
    raise InputError(message)


def _relabelled(image: LabelledImage, classes: tuple[int, ...] | None, ignore: int | None) -> LabelledImage:
    unknown = None if ignore is None else image.labels == ignore
    given = image.labels if unknown is None else np.where(unknown, 0, image.labels)
    if classes is None:
        labels = np.unique(given, return_inverse=True)[1].reshape(given.shape) + (1 if given.min() > 0 else 0)
    else:
        order = np.argsort(classes)
        labels = order[np.searchsorted(np.array(classes)[order], given).clip(max=len(classes) - 1)]
    numbered = np.array(labels, np.int32)
    if unknown is not None:
        numbered[unknown] = -1
    return replace(image, labels=numbered)


def refuse_all(trouble: Sequence[str], what: str) -> None:
    """Raise one error that lists what is wrong, if anything is.

    Raises
    ------
    InputError
    """
    if trouble:
        shown = "\n  ".join(trouble[:_SHOWN])
        more = f"\n  and {len(trouble) - _SHOWN} more" if len(trouble) > _SHOWN else ""
        message = f"{counted(len(trouble), 'fault')}, {what}:\n  {shown}{more}"
        raise InputError(message)
