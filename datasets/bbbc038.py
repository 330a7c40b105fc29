"""Nuclei of the 2018 Data Science Bowl, BBBC038v1, with corrected annotations."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator

from bioconv.datasets.files import opener
from bioconv.datasets.records import ImageRecord, Images
from bioconv.datasets.registry import Result, Source
from bioconv.datasets.tables import choose_parts, rows_of

SOURCE = Source(
    name="dsb2018-bbbc038",
    title="Nuclei of the 2018 Data Science Bowl (BBBC038v1, stage 1)",
    about="664 images in fluorescence, bright field and stained tissue from many laboratories, 256 x 256 to 1040 x "
    "1388, with a mask for each of 28,986 nuclei; masks as corrected by the community.",
    kind="images",
    citation="Caicedo et al., Nat Methods 16:1247-1253 (2019)",
    doi="10.1038/s41592-019-0612-7",
    licence="CC0-1.0",
    terms="Free for any use.",
    weights="may be passed on",
    address="https://bbbc.broadinstitute.org/BBBC038",
    conversion="Masks merged into label images, grey where channels agree: bioconv.datasets.conversions.merge_masks",
    split="None published inside stage 1. Here: ids that begin with 0 or 1 are test (86 images); of the others every "
    "seventh of each kind of image is dev.",
    results=(
        Result("best of the challenge", "score, stage 2 (other images)", "0.6316", "doi 10.1038/s41592-019-0612-7"),
        Result("best of the challenge", "mean F1, stage 2 (other images)", "0.7120", "doi 10.1038/s41592-019-0612-7"),
    ),
    loader=True,
)
_SHARE_DEV = 7


def load(*, part: str = "") -> Images:
    """Return images with instance masks; strata are kinds of image.

    Parameters
    ----------
    part
        `train`, `dev` or `test`; empty: all, each with its part in `split`.

    Raises
    ------
    OptionError
        If there is no such part.
    DownloadError
        If a file cannot be had.
    """
    parts = choose_parts(SOURCE.name, part, ("train", "dev", "test"))
    return Images(SOURCE.name, lambda: (one for one in _read() if one.split in parts))


def _read() -> Iterator[ImageRecord]:
    path_of = opener(SOURCE)
    counted: defaultdict[str, Iterator[int]] = defaultdict(lambda: itertools.count(1))
    for row in sorted(rows_of(path_of("index.csv")), key=lambda row: row["id"]):
        name, kind, split = row["id"], row["modality_guess"], row["split"]
        if split == "train" and next(counted[kind]) % _SHARE_DEV == 0:
            split = "dev"
        image, mask = path_of(f"images/{name}.png"), path_of(f"labels/{name}.png")
        yield ImageRecord(name, image, mask, stratum=kind, split=split)
