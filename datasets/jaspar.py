"""JASPAR: binding profiles of transcription factors."""

from __future__ import annotations

from bioconv.datasets.files import require
from bioconv.datasets.registry import Source
from bioconv.datasets.tables import choose

from bioconv.sequence.motifs import Motif, read_motifs

_FILES = {"2024": "JASPAR2024.meme.gz", "2018-vertebrates": "JASPAR2018_CORE_vertebrates_non-redundant_pfms.meme.gz"}

SOURCE = Source(
    name="jaspar",
    title="JASPAR 2024 CORE, and 2018 CORE vertebrates",
    about="Matrices in MEME format: 2,346 of all taxa (2024), 579 of vertebrates, non-redundant (2018). The extra "
    "`jaspar` brings all releases from 2014 on as counts.",
    kind="motifs",
    citation="Rauluseviciute et al., Nucleic Acids Res 52:D174-D182 (2024); "
    "Khan et al., Nucleic Acids Res 46:D260 (2018)",
    doi="10.1093/nar/gkad1059",
    licence="CC-BY-4.0",
    terms="Free to use and pass on with citation.",
    weights="may be passed on; cite JASPAR",
    address="https://jaspar.elixir.no",
    conversion="MEME files compressed: bioconv.datasets.conversions.pack",
    folder="motifs",
    members=("JASPAR*",),
    loader=True,
    subsets=tuple(_FILES),
)


def load(subset: str = "2024") -> list[Motif]:
    """Return the motifs of a release: `2024` or `2018-vertebrates`.

    Raises
    ------
    OptionError
        If there is no such release.
    DownloadError
        If the file cannot be had.
    """
    return list(read_motifs(*require(SOURCE, [_FILES[choose(SOURCE.name, subset, tuple(_FILES))]])))
