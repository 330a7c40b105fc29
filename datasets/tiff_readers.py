"""TIFF and OME-TIFF files, for tests of readers."""

from __future__ import annotations

from bioconv.datasets.registry import Source

SOURCE = Source(
    name="tiff-readers",
    title="TIFF and OME-TIFF files",
    about="8 to 32 bits, both byte orders, BigTIFF, stacks, label images, old JPEG, two broken files.",
    kind="reader cases",
    citation="Test files of NEUBIAS, Bodenmiller group, ivadomed, scikit-image, StarDist and Pillow",
    doi="",
    licence="CC-BY-4.0, MIT, BSD-3-Clause, MIT-CMU",
    terms="Free to use and pass on with the notices.",
    weights="nothing is trained on it",
    address="https://github.com/NEUBIAS/training-resources",
)
