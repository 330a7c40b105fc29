"""NIfTI, Analyze, MGZ and MINC files, for tests of readers."""

from __future__ import annotations

from bioconv.datasets.registry import Source

SOURCE = Source(
    name="nifti-readers",
    title="NIfTI, Analyze, MGZ and MINC files",
    about="NIfTI-1 and -2, 4-D, big-endian, several orientations, RGB, headers without images; two spinal cords "
    "with masks.",
    kind="reader cases",
    citation="Test files of nibabel, niivue-images and ivadomed",
    doi="",
    licence="MIT, BSD-2-Clause, CC-BY-4.0",
    terms="Free to use and pass on with the notices.",
    weights="nothing is trained on it",
    address="https://github.com/nipy/nibabel",
)
