"""FIMO's own hits with its inputs."""

from __future__ import annotations

from bioconv.datasets.registry import Source

SOURCE = Source(
    name="fimo-oracle",
    title="FIMO outputs with their inputs",
    about="904 regions of Klf1 (452,000 bp), a motif, a background and FIMO 4.12.0's 652 hits; two small cases.",
    kind="results",
    citation="Grant, Bailey & Noble, Bioinformatics 27:1017 (2011)",
    doi="10.1093/bioinformatics/btr064",
    licence="MEME Suite licence",
    terms="Free for education, research and non-profit use; commercial use by agreement with the authors.",
    weights="nothing is trained on it",
    accept=True,
    address="https://meme-suite.org",
    conversion="Three of the files compressed: bioconv.datasets.conversions.pack",
)
