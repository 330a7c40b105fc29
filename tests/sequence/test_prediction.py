"""Whole-record predictions against the slow definition, whatever the lengths, the cuts and the models."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bioconv
from bioconv.conv import detector_records
from bioconv.conv.detector_records import RecordPool
from bioconv.conv.detectors import batch_scores
from bioconv.errors import InputError, ModelError, OptionError
from bioconv.models.model_file import ModelFile, read_model, write_model
from bioconv.sequence.deepbind import load_motif_model
from bioconv.sequence.fasta import FastaReader, encode
from bioconv.sequence.records import Batch, whole_records

LETTERS = np.array(list("ACGTN"))


def random_sequences(seed, lengths):
    rng = np.random.default_rng(seed)
    return {f"s{k}": "".join(LETTERS[rng.integers(0, 5, n)]) for k, n in enumerate(lengths)}


def reference(codes, detectors):
    return batch_scores(codes[None, :], detectors, padded=True, backend="reference").max()


def fasta(sequences, width=60):
    lines = []
    for name, text in sequences.items():
        lines += [f">{name} described", *(text[i : i + width] for i in range(0, len(text), width))]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "options", [{}, {"average": False, "hidden": 0}, {"both": False}, {"hidden": 0}, {"length": 24, "window": 30}]
)
def test_scores_are_those_of_the_definition(motif_model, model_path, options):
    sequences = random_sequences(1, [1, 7, 30, 7, 101, 30, 3])
    found = bioconv.predict(sequences, model=model_path(3, **options))
    detectors = motif_model(3, **options).detectors
    assert found.names == list(sequences)
    assert found.labels == ("m:score",)
    expected = [[reference(encode(text), detectors)] for text in sequences.values()]
    np.testing.assert_allclose(found.values, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("average", [True, False])
def test_a_long_record_is_scored_whole(tmp_path, motif_model, model_path, average):
    """Over several blocks, between short ones, and with both models at once."""
    sequences = random_sequences(2, [20, 150_000, 33, 70_000])
    model, other = motif_model(4, average=average, length=9), motif_model(5, length=6, name="n")
    paths = [model_path(4, average=average, length=9), model_path(5, length=6, name="n")]
    with gzip.open(tmp_path / "x.fa.gz", "wt") as stream:
        stream.write(fasta(sequences))
    found = bioconv.predict(tmp_path / "x.fa.gz", model=paths)
    assert found.names == list(sequences)
    for row, text in zip(found.values, sequences.values(), strict=True):
        expected = [reference(encode(text), one.detectors) for one in (model, other)]
        np.testing.assert_allclose(row[:2], expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(bioconv.predict(sequences, model=paths).values, found.values)


def test_pieces_of_a_record_do_not_matter(motif_model, monkeypatch):
    monkeypatch.setattr(detector_records, "BLOCK", 16)
    detectors = motif_model(6, length=7).detectors
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 5, 300).astype(np.uint8)
    expected = batch_scores(codes[None, :], detectors, padded=True, backend="reference")[0]
    seen = []
    for cuts in ([], [1], [299], [16, 32, 48], *(sorted(rng.integers(0, 301, 9)) for _ in range(5))):
        pool = RecordPool(detectors)
        for piece in np.split(codes, cuts):
            pool.feed(piece)
        seen.append(pool.scores())
        np.testing.assert_allclose(seen[-1], expected, rtol=1e-5, atol=1e-5)
    assert len({scores.tobytes() for scores in seen}) == 1


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(st.text("ACGTN", max_size=40), min_size=1, max_size=6),
    block=st.integers(1, 60),
    longest=st.integers(0, 30),
)
def test_records_come_back_whole_and_in_order(tmp_path_factory, texts, block, longest):
    path = tmp_path_factory.mktemp("records") / "x.fa"
    path.write_text("".join(f">r{k}\n{text}\n" for k, text in enumerate(texts)))
    found: list[tuple[str, list[int]]] = []
    streamed = []
    for item in whole_records(FastaReader(path, overlap=0, padding=0, block=block).chunks(), longest=longest):
        if isinstance(item, Batch):
            assert not streamed
            found += [(record.name, codes.tolist()) for record, codes in zip(item.records, item.codes, strict=True)]
            assert all(len(codes) <= longest for codes in item.codes)
            continue
        streamed += item.codes.tolist()
        if item.last:
            assert len(streamed) > longest
            found.append((item.record.name, streamed))
            streamed = []
    assert found == [(f"r{k}", encode(text).tolist()) for k, text in enumerate(texts)]


def test_probability_is_the_logistic_of_the_score(model_path):
    found = bioconv.predict(random_sequences(3, [50, 60]), model=model_path(7, logistic=(2.5, -1.25)))
    assert found.labels == ("m:score", "m:probability")
    score, probability = found.values.T
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-(2.5 * score - 1.25))), rtol=1e-12)
    np.testing.assert_allclose(np.log(probability / (1 - probability)), 2.5 * score - 1.25, rtol=1e-9)


def test_ensemble_mean_and_spread(model_path):
    calibrated = [model_path(seed, logistic=(1.0, 0.0), name="gabpa") for seed in (1, 2, 3)]
    sequences = random_sequences(4, [40, 41])
    found = bioconv.predict(sequences, model=calibrated)
    assert found.labels[:4] == ("gabpa:score", "gabpa:probability", "gabpa#2:score", "gabpa#2:probability")
    assert found.labels[6:] == ("mean:probability", "sd:probability")
    members = found.values[:, 1:6:2]
    np.testing.assert_allclose(found.values[:, 6], members.sum(axis=1) / 3)
    np.testing.assert_allclose(found.values[:, 7] ** 2, ((members - members.mean(1)[:, None]) ** 2).sum(axis=1) / 2)
    mixed = bioconv.predict(sequences, model=[calibrated[0], model_path(2)])
    assert mixed.labels == ("gabpa:score", "gabpa:probability", "m:score", "mean:score", "sd:score")
    np.testing.assert_allclose(mixed.values[:, 3], (mixed.values[:, 0] + mixed.values[:, 2]) / 2)


def test_both_strands(model_path):
    texts = random_sequences(5, [37, 80])
    turned = {name: text[::-1].translate(str.maketrans("ACGT", "TGCA")) for name, text in texts.items()}
    one, two = (bioconv.predict(given, model=model_path(8)).values for given in (texts, turned))
    np.testing.assert_allclose(one, two, rtol=1e-5)
    one, two = (bioconv.predict(given, model=model_path(8, both=False)).values for given in (texts, turned))
    assert (np.abs(one - two) > 1e-3).all()


def test_record_without_letters_and_lower_case(tmp_path, model_path):
    (tmp_path / "x.fa").write_text(">empty\n>a\nACGTACGT\n>b\nacguacgu\n")
    table = bioconv.predict(tmp_path / "x.fa", model=model_path()).to_pandas()
    assert table["sequence_name"].tolist() == ["empty", "a", "b"]
    assert np.isnan(table["m:score"][0])
    assert table["m:score"][1] == table["m:score"][2]


def test_published_models_have_no_probability(shared_data, tmp_path):
    import tarfile

    with tarfile.open(shared_data("deepbind-models-2015/params.tar.gz")) as archive:
        (member,) = [one for one in archive if one.name.endswith("D00409.004.txt")]
        (tmp_path / "D00409.004.txt").write_bytes(archive.extractfile(member).read())
    found = bioconv.predict({"a": "TTTCCGGAAGTGATT" * 4}, model=tmp_path / "D00409.004.txt")
    assert found.labels == ("D00409.004:score",)
    detectors = load_motif_model(tmp_path / "D00409.004.txt").detectors
    assert found.values[0, 0] == pytest.approx(reference(encode("TTTCCGGAAGTGATT" * 4), detectors), rel=1e-5)


@pytest.mark.parametrize("logistic", [[1.0], "steep", [1, None], {"slope": 1}])
def test_damaged_calibration(tmp_path, model_path, logistic):
    file = read_model(model_path(logistic=(1.0, 2.0)))
    assert file.metadata["calibration"] == {"logistic": [1.0, 2.0]}
    bad = ModelFile(
        file.architecture, file.config, file.tensors, file.metadata | {"calibration": {"logistic": logistic}}
    )
    write_model(tmp_path / "bad.safetensors", bad)
    with pytest.raises(ModelError, match=r"bad.safetensors: calibration logistic is .*; expected two numbers"):
        load_motif_model(tmp_path / "bad.safetensors")


def test_errors(tmp_path, model_path):
    (tmp_path / "bad.fa").write_text(">a\nACGT\n>b\nAC-T\n")
    with pytest.raises(InputError, match=r"bad.fa, record 'b', line 4: b'-' is not a letter"):
        bioconv.predict(tmp_path / "bad.fa", model=model_path())
    with pytest.raises(OptionError, match="no model"):
        bioconv.predict({"a": "ACGT"}, model=[])
    with pytest.raises(ModelError, match="no model file or known model is called 'nosuch'"):
        bioconv.predict({"a": "ACGT"}, model="nosuch")
