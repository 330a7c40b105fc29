"""Film mammograms of the Mammographic Image Analysis Society, mini-MIAS."""

from __future__ import annotations

from collections.abc import Iterator

from bioconv.datasets.files import opener
from bioconv.datasets.records import ImageRecord, Images
from bioconv.datasets.registry import Source
from bioconv.datasets.tables import rows_of

SOURCE = Source(
    name="mini-mias-512",
    title="mini-MIAS, 512 px",
    about="322 MLO views, 512 x 512 (400 um), of both breasts of 161 women: 207 normal, 63 benign, 52 malignant; kind "
    "of tissue; place and radius of lesions, in pixels of 200 um with y from the bottom. Published accuracies above 95 "
    "% mostly come from splits by image.",
    kind="images",
    citation="Suckling et al., Excerpta Medica ICS 1069:375-378 (1994)",
    doi="",
    licence="mini-MIAS licence agreement",
    terms="For research only; cite it; not to be rented, leased or sold, and edited copies stay under the agreement.",
    weights="for comparison only",
    accept=True,
    registration="Read the agreement and download the set at http://peipa.essex.ac.uk/info/mias.html",
    address="http://peipa.essex.ac.uk/info/mias.html",
    conversion="Means of 2 x 2 pixels, PGM stored as PNG: bioconv.datasets.conversions.mini_mias",
    split="None published. Divide by woman (`group`), never by image.",
    loader=True,
)


def load() -> Images:
    """Return views with label 1 where there is an abnormality; groups are women, strata kinds of tissue.

    Raises
    ------
    DownloadError
        If the terms have not been accepted, or a file cannot be had.
    """
    return Images(SOURCE.name, _read, ("0", "1"), mammograms=True)


def _read() -> Iterator[ImageRecord]:
    path_of = opener(SOURCE)
    seen: set[str] = set()
    for row in rows_of(path_of("labels.csv")):
        name = row["image"]
        if name not in seen:  # a row for each lesion
            seen.add(name)
            yield ImageRecord(
                name,
                path_of(f"images/{name}.png"),
                label="0" if row["abnormality"] == "NORM" else "1",
                group=row["patient"],
                stratum=row["tissue"],
                laterality=row["laterality"],
                view="MLO",
            )
