"""Variants of NA12878 with the sequence they refer to."""

from __future__ import annotations

from bioconv.datasets.registry import Source

SOURCE = Source(
    name="giab-chr20-variants",
    title="Genome in a Bottle calls on chromosome 20, with their reference",
    about="221 calls of NA12878 (186 SNVs, 35 others) in 100 kb, confident regions, and 1.1 Mb of hg19 around them.",
    kind="variants",
    citation="Zook et al., Nat Biotechnol 32:246 (2014); Nat Biotechnol 37:561 (2019)",
    doi="10.1038/s41587-019-0074-6",
    licence="public domain (NIST)",
    terms="No restriction on use.",
    weights="may be passed on",
    address="https://github.com/google/nucleus",
    conversion="hg19.chr20_9995001-11095000.fa.gz is the part of ucsc.hg19.chr20.unittest.fasta.gz that is not N.",
)
