"""HOCOMOCO: binding models of human and mouse transcription factors."""

from __future__ import annotations

from bioconv.datasets.files import require
from bioconv.datasets.registry import Source
from bioconv.datasets.tables import choose

from bioconv.sequence.motifs import Motif, read_motifs

_FILES = {"13": "H13CORE_meme_format.meme.gz", "11-human": "HOCOMOCOv11_core_HUMAN_mono_meme_format.meme.gz"}

SOURCE = Source(
    name="hocomoco",
    title="HOCOMOCO 13 CORE, and 11 core human",
    about="Matrices in MEME format: 1,611 (13), 401 (11, human, mononucleotide). Partly made of ENCODE's peaks, so no "
    "independent yardstick for models of these.",
    kind="motifs",
    citation="Vorontsov et al., Nucleic Acids Res 52:D154-D163 (2024), on version 12; version 13: doi "
    "10.5281/zenodo.14883878; Kulakovskiy et al., Nucleic Acids Res 46:D252 (2018)",
    doi="10.1093/nar/gkad1077",
    licence="WTFPL (11); free with citation (13)",
    terms="Free to use with citation.",
    weights="may be passed on; cite HOCOMOCO",
    address="https://hocomoco.autosome.org",
    conversion="MEME files compressed: bioconv.datasets.conversions.pack",
    folder="motifs",
    members=("H13CORE*", "HOCOMOCO*"),
    loader=True,
    subsets=tuple(_FILES),
)


def load(subset: str = "13") -> list[Motif]:
    """Return the motifs of a release: `13` or `11-human`.

    Raises
    ------
    OptionError
        If there is no such release.
    DownloadError
        If the file cannot be had.
    """
    return list(read_motifs(*require(SOURCE, [_FILES[choose(SOURCE.name, subset, tuple(_FILES))]])))
