"""DICOM files that readers meet, for tests of readers."""

from __future__ import annotations

from bioconv.datasets.registry import Source

SOURCE = Source(
    name="dicom-readers",
    title="DICOM files that readers meet",
    about="111 small files: compressed and not, multi-frame, palettes, 1 to 32 bits, no images, and 18 that must fail.",
    kind="reader cases",
    citation="Test files of pydicom, pydicom-data and dicomParser",
    doi="",
    licence="MIT",
    terms="Free to use and pass on with the notices.",
    weights="nothing is trained on it",
    address="https://github.com/pydicom/pydicom",
)
