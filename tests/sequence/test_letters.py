"""Letters of files nobody knows: against Biopython's reader and complement."""

from __future__ import annotations

import gzip
import random

import pytest
from Bio import SeqIO
from Bio.Seq import Seq
from hypothesis import given
from hypothesis import strategies as st

from bioconv.errors import InputError
from bioconv.sequence import letters as module
from bioconv.sequence.letters import Identity, fasta_letters, is_nucleotides, letters_fingerprint, reverse_complement

PROTEIN = "MKVLAAGIVGLLLAQPSFAEDTRHYW"


def together(path):
    """Records as (name, letters), pieces joined."""
    found, held = [], b""
    for piece in fasta_letters(path):
        held += piece.letters
        if piece.last:
            found.append((piece.name, held.decode()))
            held = b""
    return found


@pytest.mark.parametrize("longest", [1 << 20, 50])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_records_are_those_of_biopython(tmp_path, monkeypatch, longest, pack):
    rng = random.Random(0)
    text = ""
    for number in range(30):
        own = "".join(rng.choices("ACGTNacgt" if number % 2 else PROTEIN, k=rng.randrange(0, 300)))
        lines = [own[at : at + 40] for at in range(0, len(own), 40)]
        text += "\r\n".join([f">r{number} about it", *lines]) + "\r\n\n"
    plain, path = tmp_path / "plain.fa", tmp_path / "a.fa.gz"
    plain.write_bytes(text.encode())
    path.write_bytes(pack(text.encode()))
    monkeypatch.setattr(module, "LONGEST", longest)
    with plain.open() as stream:
        assert together(path) == [(record.id, str(record.seq)) for record in SeqIO.parse(stream, "fasta")]
    assert all(len(piece.letters) <= longest for piece in fasta_letters(path))


@given(st.text("ACGTUNRYSWKMBDHVacgtryn", max_size=60))
def test_the_other_strand_is_biopythons(text):
    expected = str(Seq(text.upper().replace("U", "T")).reverse_complement())
    assert reverse_complement(text.encode()).decode() == expected


@given(st.text("ACGT", min_size=1, max_size=40), st.text("ACGT", min_size=1, max_size=40))
def test_same_digest_means_same_or_other_strand(one, other):
    same = other in (one, str(Seq(one).reverse_complement()))
    assert (letters_fingerprint(one.encode()) == letters_fingerprint(other.encode())) == same
    assert letters_fingerprint(one.encode()) == letters_fingerprint(str(Seq(one).reverse_complement_rna()).encode())


def test_proteins_have_no_other_strand():
    assert not is_nucleotides(PROTEIN.encode())
    turned = reverse_complement(PROTEIN.encode())
    assert letters_fingerprint(PROTEIN.encode()) != letters_fingerprint(turned)
    assert letters_fingerprint(PROTEIN.encode()) == letters_fingerprint(PROTEIN.lower().encode())


def test_long_records_have_a_digest_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LONGEST", 8)
    path = tmp_path / "a.fa"
    path.write_text(">a\nACGTAC\nGTTTAA\n>b\nACGTACG\nTTTAA\n>c\nAC\n>d\nACGTACGTTTAC\n>e\nGT\n")
    identity = Identity()
    digests = [digest for piece in fasta_letters(path) if (digest := identity.add(piece))]
    a, b, c, d, e = digests
    assert a == b != d
    assert c == e != a


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"ACGT\n>a\nAC\n", "line 1: not FASTA"),
        (b"@read\nACGT\n", "looks like FASTQ"),
        (gzip.compress(b">a\nACGT\n" * 100, mtime=0)[:-12], "damaged or cut short"),
    ],
)
def test_no_fasta(tmp_path, content, said):
    path = tmp_path / "a.fa"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        list(fasta_letters(path))
