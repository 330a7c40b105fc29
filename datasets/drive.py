"""Retinal vessels, DRIVE."""

from __future__ import annotations

from collections.abc import Iterator

from bioconv.datasets.files import opener
from bioconv.datasets.records import ImageRecord, Images
from bioconv.datasets.registry import Result, Source
from bioconv.datasets.tables import choose_parts

_IDIAP = "Idiap's bob.ip.binseg, official split"

SOURCE = Source(
    name="drive",
    title="Retinal vessels, DRIVE",
    about="40 colour photographs, 565 x 584, with vessels, fields of view and, of the test part, a second observer; "
    "and probability maps of two published networks for the test part.",
    kind="images",
    citation="Staal et al., IEEE Trans Med Imaging 23:501-509 (2004)",
    doi="10.1109/TMI.2004.825627",
    licence="no open licence",
    terms="For research; cite the paper. Given to those who register; not to be passed on.",
    weights="for comparison only",
    accept=True,
    registration="Register at https://drive.grand-challenge.org and download it there",
    address="https://drive.grand-challenge.org",
    conversion="TIFF and GIF stored as PNG: bioconv.datasets.conversions.drive",
    split="Official: 21 to 40 train, 01 to 20 test. Here 24, 29, 34 and 39 are dev. Score inside the field of view "
    "against the first observer.",
    results=(
        Result("second observer", "Dice, mean", "0.788", "computed from this set's own masks, whole image"),
        Result("U-Net", "F1", "0.825", _IDIAP),
        Result("DRIU", "F1", "0.821", _IDIAP),
        Result("Little W-Net", "F1", "0.828", _IDIAP),
        Result("retina-unet", "AUROC; F1", "0.9790; 0.816", "github.com/orobix/retina-unet"),
        Result("LadderNet", "AUROC; F1", "0.9793; 0.820", "github.com/juntang-zhuang/LadderNet"),
    ),
    loader=True,
)
_DEV = {"24", "29", "34", "39"}


def load(*, part: str = "") -> Images:
    """Return photographs with masks of vessels by the first observer.

    Parameters
    ----------
    part
        `train`, `dev` or `test`; empty: all, each with its part in `split`.

    Raises
    ------
    OptionError
        If there is no such part.
    DownloadError
        If the terms have not been accepted, or a file cannot be had.
    """
    parts = choose_parts(SOURCE.name, part, ("train", "dev", "test"))
    return Images(SOURCE.name, lambda: (one for one in _read() if one.split in parts), ("background", "vessel"))


def _read() -> Iterator[ImageRecord]:
    path_of = opener(SOURCE)
    for item in SOURCE.files:
        folder, _, name = item.name.partition("/images/")
        if name:
            number = name[:2]
            split = "test" if folder == "test" else "dev" if number in _DEV else "train"
            mask = path_of(f"{folder}/vessels/{name}")
            yield ImageRecord(number, path_of(item.name), mask, group=number, split=split)
