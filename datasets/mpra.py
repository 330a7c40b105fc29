"""Measured effects of every variant of 21 regulatory elements."""

from __future__ import annotations

from bioconv.datasets.registry import Source

SOURCE = Source(
    name="mpra-satmut",
    title="Saturation mutagenesis of regulatory elements (MPRA)",
    about="44,658 single variants in 29 experiments on 21 promoters and enhancers (SORT1, LDLR, TERT, F9, HBB, ...), "
    "in coordinates of GRCh37 and GRCh38 each. At SORT1 rs12740374 the sign is the opposite of the usual reports.",
    kind="variants",
    citation="Kircher, Xiong, Martin et al., Nat Commun 10:3583 (2019)",
    doi="10.1038/s41467-019-11526-w",
    licence="CC-BY-4.0 (article); repository GPL-3.0",
    terms="Free to use with citation of the paper.",
    weights="nothing is trained on it",
    address="https://github.com/kircherlab/MPRA_SaturationMutagenesis",
    split="None: for evaluation only, usually of variants with at least 10 barcodes.",
)
