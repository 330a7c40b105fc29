"""Genomes and parts of genomes to scan."""

from __future__ import annotations

from bioconv.datasets.registry import Source

SOURCE = Source(
    name="genomes",
    title="Small genomes, and a part of human chromosome 1",
    about="E. coli K-12 MG1655, yeast chromosomes I and VI, phage lambda, phiX174, SARS-CoV-2, and 500 kb of human "
    "chromosome 1 with runs of N and lower case.",
    kind="genomes",
    citation="NCBI and Ensembl: NC_000913.3, R64-1-1, NC_001416.1, NC_001422.1, MN908947.3",
    doi="",
    licence="public sequence",
    terms="No restriction on use.",
    weights="may be passed on",
    address="https://www.ncbi.nlm.nih.gov/datasets/genome/GCF_000005845.2/",
    conversion="Three of the files compressed: bioconv.datasets.conversions.pack",
)
