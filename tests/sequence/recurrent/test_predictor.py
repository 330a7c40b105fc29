"""`predict` with recurrent models: the definition, record by record; ensembles; proteins."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

import bioconv
from bioconv.errors import InputError, OptionError
from bioconv.sequence import prediction
from bioconv.sequence.records import whole_records
from tests.sequence.recurrent.recurrent_models import expected, model_path, random_texts, sequence_model

AMINO = "ACDEFGHIKLMNPQRSTVWYXBZ*"


def fasta(texts, width=50):
    lines = []
    for name, text in texts.items():
        lines += [f">{name} described", *(text[at : at + width] for at in range(0, len(text), width))]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("pooling", ["last", "max", "mean", "attention", "centre"])
def test_probabilities_of_each_record(tmp_path, pooling, monkeypatch):
    """Short records, and ones so long that they come in pieces and are read block by block."""
    monkeypatch.setattr(prediction, "whole_records", lambda chunks: whole_records(chunks, longest=400))
    texts = random_texts([30, 1, 3000, 7, 400, 401, 30])
    path = model_path(tmp_path, config={"pooling": pooling, "kmer": 2, "embedding": 3})
    with gzip.open(tmp_path / "x.fa.gz", "wt") as stream:
        stream.write(fasta(texts))
    found = bioconv.predict(tmp_path / "x.fa.gz", model=path)
    assert found.names == list(texts)
    assert found.labels == ("m:no", "m:yes", "m:N")
    model = sequence_model(config={"pooling": pooling, "kmer": 2, "embedding": 3})
    np.testing.assert_allclose(found.values, [expected(model, text) for text in texts.values()], rtol=0, atol=1e-6)
    np.testing.assert_allclose(bioconv.predict(texts, model=path, threads=1).values, found.values, rtol=0, atol=1e-6)


def test_record_without_letters(tmp_path):
    (tmp_path / "x.fa").write_text(">empty\n>a\nACGU\n>b\nacgt\n")
    found = bioconv.predict(tmp_path / "x.fa", model=model_path(tmp_path)).values
    assert np.isnan(found[0]).all()
    np.testing.assert_array_equal(found[1], found[2])


def test_ensembles_average_classes_by_name(tmp_path):
    texts = random_texts([20, 31])
    one, two = model_path(tmp_path, 1), model_path(tmp_path, 2, name="n", labels=("N", "no", "yes"))
    found = bioconv.predict(texts, model=[one, two])
    assert found.labels[6:] == ("mean:no", "sd:no", "mean:yes", "sd:yes", "mean:N", "sd:N")
    first, second = found.values[:, :3], found.values[:, [4, 5, 3]]
    np.testing.assert_allclose(found.values[:, 6::2], (first + second) / 2, rtol=1e-12)
    np.testing.assert_allclose(found.values[:, 7::2], np.abs(first - second) / np.sqrt(2), rtol=1e-9)
    other = model_path(tmp_path, 3, name="o", labels=("a", "b"))
    assert bioconv.predict(texts, model=[one, other]).labels == ("m:no", "m:yes", "m:N", "o:a", "o:b")


def test_proteins(tmp_path):
    texts = random_texts([30, 400, 12], letters=AMINO)
    path = model_path(tmp_path, alphabet="protein")
    (tmp_path / "x.fa").write_text("\n" + fasta(texts))
    found = bioconv.predict(tmp_path / "x.fa", model=path)
    model = sequence_model(alphabet="protein")
    np.testing.assert_allclose(found.values, [expected(model, text) for text in texts.values()], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(bioconv.predict(texts, model=path).values, found.values)
    assert found.names == list(texts)


def test_unknown_amino_acids_are_told(tmp_path, caplog):
    bioconv.predict({"a": "MKXBZ*UA"}, model=model_path(tmp_path, alphabet="protein"))
    assert "5 letters are none of the 20 amino acids, taken as unknown" in caplog.text


def test_dna_given_to_a_model_of_proteins_is_said(tmp_path, caplog):
    path = model_path(tmp_path, alphabet="protein")
    for texts, said in (({"a": "ACGT" * 20, "b": "ggca"}, True), ({"a": "ACGT" * 20, "b": "M"}, False)):
        caplog.clear()
        bioconv.predict(texts, model=path)
        assert ("all letters are of nucleic acids" in caplog.text) == said


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b">a\nMK\n>b\nMK\nM-K\n", r"x.fa, record 'b', line 5: b'-' is not a letter of a protein"),
        (b"MKA\n", r"x.fa, line 1: b'MKA' before the first '>' line"),
        (gzip.compress(b">a\n" + b"MK" * 99, mtime=0)[:-9], "x.fa: the gzip data is damaged or cut short"),
    ],
)
def test_bad_protein_files(tmp_path, data, said):
    (tmp_path / "x.fa").write_bytes(data)
    with pytest.raises(InputError, match=said):
        bioconv.predict(tmp_path / "x.fa", model=model_path(tmp_path, alphabet="protein"))


def test_models_that_cannot_answer(tmp_path):
    dna, protein = model_path(tmp_path, 1), model_path(tmp_path, 2, name="p", alphabet="protein")
    with pytest.raises(OptionError, match="m reads dna and p reads protein"):
        bioconv.predict({"a": "ACG"}, model=[dna, protein])
    letters = model_path(tmp_path, 3, config={"pooling": "none"})
    with pytest.raises(OptionError, match="gives probabilities of each letter, none of a record: use --per-position"):
        bioconv.predict({"a": "ACG"}, model=letters)
    with pytest.raises(OptionError, match="has no score but no, yes, N; a mutation map needs one"):
        bioconv.mutation_map("ACGT", model=dna)
