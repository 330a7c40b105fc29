"""Film mammograms of women with a proven cancer, from DDSM, small."""

from __future__ import annotations

from collections.abc import Iterator

from bioconv.datasets.files import opener
from bioconv.datasets.records import ImageRecord, Images
from bioconv.datasets.registry import Source
from bioconv.datasets.tables import choose_parts, rows_of

from bioconv.training.splits import make_split

SOURCE = Source(
    name="ddsm-cancer-cases-192",
    title="DDSM, women with a proven cancer, 192 px",
    about="3,247 views, 192 x 192, of both breasts of 812 women: affected where that view has an outlined lesion. Only "
    "women with cancer, for in all of DDSM a histogram of greys alone tells cancer from normal exams (AUC 0.81): "
    "classes were digitised in batches. Between the breasts of one woman it has 0.53.",
    kind="images",
    citation="Heath et al., The Digital Database for Screening Mammography, IWDM 2000 (2001)",
    doi="",
    licence="no formal licence",
    terms="Offered to researchers in mammographic image analysis, who are asked to cite it.",
    weights="may be passed on for research; cite DDSM",
    address="http://www.eng.usf.edu/cvprg/Mammography/Database.html",
    conversion="PNG of 299 x 299 pixels scaled by Lanczos, JPEG of quality 93: bioconv.datasets.conversions.shrink",
    split="None published. Here women are divided at random within sites: 60 % train, 20 % dev, 20 % test.",
    loader=True,
)
SHARES = {"train": 0.6, "dev": 0.2, "test": 0.2}


def load(*, part: str = "", dark: bool = False) -> Images:
    """Return views with label 1 where the breast is affected; groups are women, strata sites.

    Parameters
    ----------
    part
        `train`, `dev` or `test`; empty: all, each with its part in `split`.
    dark
        Whether badly scaled scans are among them.

    Raises
    ------
    OptionError
        If there is no such part.
    DownloadError
        If a file cannot be had.
    """
    parts = choose_parts(SOURCE.name, part, ("train", "dev", "test"))
    return Images(SOURCE.name, lambda: (one for one in _read(dark) if one.split in parts), ("0", "1"), mammograms=True)


def _read(dark: bool) -> Iterator[ImageRecord]:
    path_of = opener(SOURCE)
    rows = [row for row in rows_of(path_of("labels.csv")) if dark or row["dark"] == "0"]
    sites = {row["patient"]: row["site"] for row in rows}
    women = sorted(sites)
    split = make_split(women, labels=[sites[one] for one in women], fractions=SHARES, seed=0)
    for row in rows:
        yield ImageRecord(
            row["path"].removeprefix("images/"),
            path_of(row["path"]),
            label=row["affected"],
            group=row["patient"],
            stratum=row["site"],
            split=split.parts[row["patient"]],
            laterality=row["side"][0],
            view=row["view"],
        )
