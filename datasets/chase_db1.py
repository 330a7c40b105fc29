"""Retinal vessels of children, CHASE_DB1."""

from __future__ import annotations

from collections.abc import Iterator

from bioconv.datasets.files import opener
from bioconv.datasets.records import ImageRecord, Images
from bioconv.datasets.registry import Result, Source
from bioconv.datasets.tables import choose, choose_parts

_IDIAP = "Idiap's bob.ip.binseg, first annotator, 8 images to train and 20 to test"

SOURCE = Source(
    name="chase-db1",
    title="Retinal vessels, CHASE_DB1",
    about="28 colour photographs, 999 x 960, of both eyes of 14 children, with vessels by two annotators and masks of "
    "the field of view (0 inside, 255 outside).",
    kind="images",
    citation="Fraz et al., IEEE Trans Biomed Eng 59:2538-2548 (2012); Owen et al., IOVS 50:2004 (2009)",
    doi="10.1109/TBME.2012.2205687",
    licence="CC-BY-4.0",
    terms="Free to use and pass on with citation.",
    weights="may be passed on; cite the set",
    address="https://researchinnovation.kingston.ac.uk/en/datasets/chasedb1-retinal-vessel-reference-dataset-4/",
    conversion="JPEGs as they are; masks stored as PNG: bioconv.datasets.conversions.to_png",
    split="None published. Here: children 01 to 08 train, 09 and 10 dev, 11 to 14 test.",
    results=(
        Result("U-Net", "F1", "0.807", _IDIAP),
        Result("DRIU", "F1", "0.812", _IDIAP),
        Result("Little W-Net", "F1", "0.820", _IDIAP),
        Result("second annotator", "F1", "0.768", _IDIAP),
    ),
    loader=True,
)


def load(*, part: str = "", annotator: str = "1st") -> Images:
    """Return photographs with masks of vessels; groups are children.

    Parameters
    ----------
    part
        `train`, `dev` or `test`; empty: all, each with its part in `split`.
    annotator
        `1st` or `2nd`.

    Raises
    ------
    OptionError
        If there is no such part or annotator.
    DownloadError
        If a file cannot be had.
    """
    choose(SOURCE.name, annotator, ("1st", "2nd"))
    parts = choose_parts(SOURCE.name, part, ("train", "dev", "test"))
    return Images(
        SOURCE.name, lambda: (one for one in _read(annotator) if one.split in parts), ("background", "vessel")
    )


def _read(annotator: str) -> Iterator[ImageRecord]:
    path_of = opener(SOURCE)
    for item in SOURCE.files:
        if item.name.startswith("images/"):
            name = item.name[7:-4]
            child = name[6:8]
            split = "train" if child <= "08" else "dev" if child <= "10" else "test"
            mask = path_of(f"vessels_{annotator}/{name}.png")
            yield ImageRecord(name, path_of(item.name), mask, group=child, split=split)
