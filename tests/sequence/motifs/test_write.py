"""Motifs written as MEME come back, here and in Biopython."""

from __future__ import annotations

import io

import numpy as np
from Bio import motifs as biopython
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bioconv.sequence.motifs import Motif, read_motifs
from bioconv.sequence.motifs.write import meme_text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 12), min_size=1, max_size=4))
def test_round_trip(tmp_path, seed, widths):
    rng = np.random.default_rng(seed)
    given_motifs = [
        Motif(f"model:detector{k:02d}", "ACGT" if k % 2 else "", rng.dirichlet([0.3] * 4, width), 5000 + k, "")
        for k, width in enumerate(widths)
    ]
    text = meme_text(given_motifs, comment="bioconv 1\n made so")
    path = tmp_path / "motifs.meme"
    path.write_text(text)
    theirs = biopython.parse(io.StringIO(text), "minimal")
    assert len(theirs) == len(widths)
    for motif, ours, other in zip(given_motifs, read_motifs(path), theirs, strict=True):
        assert (ours.name, ours.alt, ours.sites) == (motif.name, motif.alt, motif.sites)
        assert (other.name, other.num_occurrences) == (motif.name, motif.sites)
        np.testing.assert_allclose(ours.frequencies, motif.frequencies, atol=3e-6)
        matrix = np.array([other.pwm[letter] for letter in "ACGT"]).T
        np.testing.assert_allclose(matrix, motif.frequencies, atol=1e-3)  # Biopython counts whole sites


def test_strands_line():
    assert "strands: +\n" in meme_text([], both_strands=False)
    assert "strands: + -\n" in meme_text([])
