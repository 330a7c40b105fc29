"""Codes of letters, against the FASTA reader's and Biopython's alphabets."""

from __future__ import annotations

import numpy as np
import pytest
from Bio.Data import IUPACData
from hypothesis import given
from hypothesis import strategies as st

from bioconv.errors import OptionError
from bioconv.sequence.alphabets import DNA, PROTEIN, alphabet_named
from bioconv.sequence.fasta import encode


@given(st.text(st.characters(min_codepoint=65, max_codepoint=122, categories=["L"]), max_size=50))
def test_dna_is_what_the_fasta_reader_gives(text: str) -> None:
    assert DNA.encode(text).tolist() == encode(text).tolist()


def test_the_twenty_amino_acids_have_codes_and_nothing_else_has() -> None:
    standard = IUPACData.protein_letters
    assert sorted(PROTEIN.encode(standard).tolist()) == list(range(20))
    assert [PROTEIN.letters[code] for code in PROTEIN.encode(standard.lower())] == list(standard)
    others = bytes(set(range(256)) - set((standard + standard.lower()).encode()))
    assert np.all(PROTEIN.encode(others) == 20)


def test_an_alphabet_that_is_not_there_is_refused() -> None:
    assert alphabet_named("protein") is PROTEIN
    with pytest.raises(OptionError, match=r"klingon.*known are dna, protein"):
        alphabet_named("klingon")
