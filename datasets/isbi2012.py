"""Membranes of neurons in electron microscopy, ISBI 2012."""

from __future__ import annotations

from collections.abc import Iterator

from bioconv.datasets.files import opener
from bioconv.datasets.records import ImageRecord, Images
from bioconv.datasets.registry import Result, Source
from bioconv.datasets.tables import choose_parts

_UNET = "Ronneberger et al. 2015, doi 10.1007/978-3-319-24574-4_28; hidden test part"

SOURCE = Source(
    name="isbi2012-em",
    title="Membranes in electron microscopy, ISBI 2012",
    about="30 neighbouring sections, 512 x 512, of the ventral nerve cord of a Drosophila larva; masks are 255 inside "
    "cells and 0 on membranes. Five of the challenge's 30 test sections, without truth.",
    kind="images",
    citation="Arganda-Carreras et al., Front Neuroanat 9:142 (2015); Cardona et al., PLoS Biol 8:e1000502 (2010)",
    doi="10.3389/fnana.2015.00142",
    licence="no formal licence",
    terms="The organisers ask that it be used for non-commercial research and education and that the papers be cited.",
    weights="for comparison only",
    accept=True,
    address="https://imagej.net/events/isbi-2012-segmentation-challenge",
    conversion="The bytes are the original's, names got two digits; `test-predictions-zhixuhao` are results of the "
    "repository github.com/zhixuhao/unet.",
    split="Official: all 30 train, 30 hidden. Here: sections 00 to 23 train, 24 to 29 dev, so that neighbours are not "
    "on both sides but for one pair.",
    results=(
        Result("U-Net", "warping error", "0.000353", _UNET),
        Result("U-Net", "Rand error", "0.0382", _UNET),
        Result("U-Net", "pixel error", "0.0611", _UNET),
    ),
    loader=True,
)


def load(*, part: str = "") -> Images:
    """Return sections with masks of the cells' insides.

    Parameters
    ----------
    part
        `train` or `dev`; empty: both, each with its part in `split`.

    Raises
    ------
    OptionError
        If there is no such part.
    DownloadError
        If the terms have not been accepted, or a file cannot be had.
    """
    parts = choose_parts(SOURCE.name, part, ("train", "dev"))
    return Images(SOURCE.name, lambda: (one for one in _read() if one.split in parts), ("membrane", "cell"))


def _read() -> Iterator[ImageRecord]:
    path_of = opener(SOURCE)
    for item in SOURCE.files:
        folder, _, name = item.name.partition("train/images/")
        if name and not folder:
            split = "train" if int(name[:2]) < 24 else "dev"
            yield ImageRecord(name[:2], path_of(item.name), path_of(f"train/labels/{name}"), split=split)
