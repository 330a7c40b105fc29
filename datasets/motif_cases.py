"""Small motif files of several programs, for tests of readers."""

from __future__ import annotations

from bioconv.datasets.registry import Source

SOURCE = Source(
    name="motif-parser-cases",
    title="Motif files of MEME, DREME, STREME and JASPAR",
    about="Six small files as these programs write them.",
    kind="reader cases",
    citation="Test files of lightmotif",
    doi="",
    licence="MIT",
    terms="Free to use and pass on with the notice.",
    weights="nothing is trained on it",
    address="https://github.com/althonos/lightmotif",
    folder="motifs",
    members=("parser-cases/*",),
)
