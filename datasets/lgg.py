"""Lower-grade gliomas in MRI."""

from __future__ import annotations

from collections.abc import Iterator

from bioconv.datasets.files import opener
from bioconv.datasets.records import ImageRecord, Images
from bioconv.datasets.registry import Result, Source
from bioconv.datasets.tables import choose_parts, rows_of

_README = "github.com/mateuszbuda/brain-segmentation-pytorch, on these ten patients, which also chose the model"

SOURCE = Source(
    name="lgg-buda2019",
    title="Lower-grade gliomas in MRI (TCGA-LGG, Buda et al.)",
    about="Axial slices, 256 x 256, of pre-contrast, FLAIR and post-contrast MRI as red, green and blue, with masks of "
    "the FLAIR abnormality: all 355 slices of ten patients, and 150 slices of 60 others.",
    kind="images",
    citation="Buda, Saha & Mazurowski, Comput Biol Med 109:218-225 (2019)",
    doi="10.1016/j.compbiomed.2019.05.002",
    licence="CC-BY-NC-SA-4.0",
    terms="Not for commercial use; pass on under the same terms. The underlying TCIA collection is CC BY 3.0.",
    weights="for comparison only",
    accept=True,
    address="https://www.kaggle.com/datasets/mateuszbuda/lgg-mri-segmentation",
    conversion="A part of the slices, TIFF stored as PNG: bioconv.datasets.conversions.to_png",
    split="The ten patients of the reference implementation are dev, 60 others train. Score by volume.",
    results=(
        Result("Buda 2019", "Dice per patient, cross-validated, mean", "0.82", "doi 10.1016/j.compbiomed.2019.05.002"),
        Result("Buda's PyTorch model", "Dice per patient, mean", "0.91", _README),
    ),
    loader=True,
)


def load(*, part: str = "") -> Images:
    """Return slices with masks; groups are patients. Many slices have no tumour (`--allow-empty`).

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
    return Images(SOURCE.name, lambda: (one for one in _read() if one.split in parts), ("background", "abnormality"))


def _read() -> Iterator[ImageRecord]:
    path_of = opener(SOURCE)
    for row in rows_of(path_of("index.csv")):
        name = f"{row['patient']}_{int(row['slice']):02d}"
        image, mask = (path_of(f"{row['split']}/{kind}/{name}.png") for kind in ("images", "masks"))
        split = {"val": "dev"}.get(row["split"], row["split"])
        yield ImageRecord(name, image, mask, group=row["patient"], split=split)
