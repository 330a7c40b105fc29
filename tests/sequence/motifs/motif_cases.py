"""Small motif files in every format, and what the motif tests share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bioconv.sequence.motifs import Motif, read_motifs

Read = Callable[[str | bytes], list[Motif]]

HEAD = "MEME version 4\n\nALPHABET= ACGT\n\nstrands: + -\n\n"
TWO = (
    HEAD + "Background letter frequencies\nA 0.3 C 0.2 G 0.2 T 0.3\n\n"
    "MOTIF MA0004.1 Arnt\nletter-probability matrix: alength= 4 w= 2 nsites= 7 E= 0\n"
    " 0.200000  0.800000  0.000000  0.000000\n 0.950000  0.000000  0.050000  0.000000\n"
    "URL http://example.org\n\n"
    "MOTIF second\nletter-probability matrix:\n0 0 0 1\n0.25 0.25 0.25 0.25\n0.1 0.2 0.3 0.4"
)
JASPAR = ">MA0001.3\tAGL3 long\nA  [ 1 2 30 ]\nC  [ 3 2 0 ]\nG  [ 5 6 1 ]\nT  [ 1 0 9 ]\n"
TRANSFAC = (
    "VV  EXAMPLE\nXX\n//\nAC  M00001\nXX\nID  V$MYOD_01\nXX\nP0      A      C      G      T\n"
    "01      1      2      2      0      S\n02      2      1      2      0      R\nXX\n//\n"
    "ID  other\nPO\tA\tC\tG\tT\n01\t3.0\t0\t1\t1\n02\t0\t5\t0\t0"
)
HOMER = (
    ">CCATTG\tYY1(Zf)/Homer\t6.5\t-1e5\t0\tT:10.0(4%),B:2(1%)\n0.1\t0.2\t0.3\t0.4\n0.997\t0.001\t0.001\t0.001\n"
    ">AA\tother\t-2.5\n1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n"
)
XML = (
    "<?xml version='1.0'?>\n<!DOCTYPE MEME[\n<!ELEMENT MEME (motifs)>\n]>\n<MEME version='4.11.3'>\n"
    "<alphabet name='DNA'><letter id='letter_A' symbol='A'/><letter id='letter_C' symbol='C'/>"
    "<letter id='letter_G' symbol='G'/><letter id='letter_T' symbol='T'/></alphabet>\n"
    "<motifs>\n<motif id='motif_1' name='TKT' alt='MEME-1' width='1' sites='18'>\n<probabilities>"
    "<alphabet_matrix>"
    "<alphabet_array>\n<value letter_id='letter_A'>0.1</value><value letter_id='letter_C'>0.2</value>"
    "<value letter_id='letter_G'>0.3</value><value letter_id='letter_T'>0.4</value>\n</alphabet_array>"
    "</alphabet_matrix></probabilities>\n</motif>\n</motifs>\n</MEME>\n"
)
HTML_DATA = {
    "alphabet": {"ncore": 4, "symbols": [{"symbol": letter} for letter in "ACGTN"]},
    "motifs": [{"id": "TKT", "alt": "MEME-1", "len": 1, "nsites": 29, "pwm": [[0.1, 0.2, 0.3, 0.4]]}],
}


def write_html(data: object) -> str:
    return f"<!DOCTYPE HTML>\n<html>\n<script>\nvar data = {json.dumps(data, indent=1)};\n</script></html>\n"


SEEDS = {
    "meme": TWO,
    "jaspar": JASPAR,
    "transfac": TRANSFAC,
    "homer": HOMER,
    "xml": XML,
    "html": write_html(HTML_DATA),
    "bare": "3 0 1\n0 4 1\n1 1 1\n0 0 9\n",
}


def read_content(path: Path, content: str | bytes) -> list[Motif]:
    """Write text or bytes to `path` and read the motifs in it."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_motifs(path)


def assert_sane(motifs: list[Motif]) -> None:
    assert motifs
    for motif in motifs:
        assert motif.frequencies.dtype == np.float64
        assert motif.frequencies.ndim == 2
        assert motif.frequencies.shape[0] > 0
        assert motif.frequencies.shape[1] == 4
        assert (motif.frequencies >= 0).all()
        np.testing.assert_allclose(motif.frequencies.sum(axis=1), 1, rtol=0, atol=1e-9)
        assert motif.sites > 0
        assert motif.name
