"""Motifs: the field's file formats in, one record per motif out."""

from bioconv.sequence.motifs.matrix import Motif
from bioconv.sequence.motifs.read import read_motifs, select_motifs

__all__ = ["Motif", "read_motifs", "select_motifs"]
