"""A model whose score is the strands' mean: every command's score is the mean of the slow definition's two."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from bioconv.cli.main import cli
from click.testing import CliRunner

import bioconv
from bioconv.conv import reference_detectors as definition
from bioconv.models.model_file import write_model
from bioconv.sequence import records
from bioconv.sequence.deepbind import load_motif_model, to_model_file
from bioconv.sequence.fasta import encode
from bioconv.sequence.variants import VariantOptions

RNG = np.random.default_rng(12)
TEXT = "".join(RNG.choice(list("ACGT"), 80))
POOLS = {"mean": np.mean, "max": np.max}


@pytest.fixture(params=["mean", "max"])
def averaged(request, motif_model, tmp_path):
    """Return the model's file, and its score of a text as a whole: (letters, padded) -> float."""
    model = motif_model(4)
    model = replace(model, detectors=replace(model.detectors, strand_pooling=request.param))
    write_model(tmp_path / "m.safetensors", to_model_file(model))
    assert load_motif_model(tmp_path / "m.safetensors").detectors.strand_pooling == request.param

    def score(text: str, *, padded: bool = True) -> float:
        codes = encode(text)
        strands = [codes, definition.reverse_complement(codes)]
        return float(POOLS[request.param]([definition.score(one, model.detectors, padded) for one in strands]))

    assert abs(definition.score(encode(TEXT), model.detectors, True) - score(TEXT)) > 0.01  # strands differ
    return tmp_path / "m.safetensors", score


def run(*words: object) -> list[list[str]]:
    done = CliRunner().invoke(cli, [*map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("pieces", [False, True])
def test_predict(averaged, monkeypatch, pieces):
    if pieces:  # the record goes through in pieces, as one that is not held in memory
        monkeypatch.setattr(records.whole_records, "__kwdefaults__", {"longest": 30})
    path, score = averaged
    found = bioconv.predict({"a": TEXT, "b": TEXT[:7]}, model=path)
    np.testing.assert_allclose(found.values[:, 0], [score(TEXT), score(TEXT[:7])], atol=1e-4)


def test_variants_and_mutation_map(averaged, tmp_path):
    path, score = averaged
    other = {"A": "C", "C": "G", "G": "T", "T": "A"}[TEXT[40]]
    changed = TEXT[:40] + other + TEXT[41:]
    (tmp_path / "r.fa").write_text(f">c\n{TEXT}\n")
    row = f"c\t41\t.\t{TEXT[40]}\t{other}\t.\t.\t.\n"
    (tmp_path / "v.vcf").write_text(
        f"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n{row}",
    )
    given = {"reference": tmp_path / "r.fa", "model": path}
    (found,) = bioconv.variants(tmp_path / "v.vcf", **given)
    best = [max(score(text[at : at + 12], padded=False) for at in range(29, 41)) for text in (TEXT, changed)]
    assert [found.ref_score, found.alt_score] == pytest.approx(best, abs=1e-4)
    (found,) = bioconv.variants(tmp_path / "v.vcf", **given, options=VariantOptions(context=21))
    whole = [score(text[30:51]) for text in (TEXT, changed)]
    assert [found.ref_score, found.alt_score] == pytest.approx(whole, abs=1e-4)
    mapped = bioconv.mutation_map(TEXT[30:51], model=path)
    assert [mapped.score, mapped.scores[10]["ACGT".index(other)]] == pytest.approx(whole, abs=1e-4)


def test_scan_motifs_and_evaluate(averaged, tmp_path):
    path, score = averaged
    texts = ["".join(RNG.choice(list("ACGT"), 30)) for _ in range(12)]
    (tmp_path / "x.fa").write_text("".join(f">s{k}\n{text}\n" for k, text in enumerate(texts)))
    rows = run("scan", tmp_path / "x.fa", "--model", path, "--format", "matrix")
    best = [max(score(text[at : at + 12], padded=False) for at in range(19)) for text in texts]
    assert [float(row[1]) for row in rows[1:]] == pytest.approx(best, abs=1e-4)

    labels = [k % 2 for k in range(12)]
    table = "".join(f"s{k},{text},{label}\n" for k, (text, label) in enumerate(zip(texts, labels, strict=True)))
    (tmp_path / "x.csv").write_text("name,sequence,label\n" + table)
    run("evaluate", path, tmp_path / "x.csv", "--resamples", 20, "-o", tmp_path / "e.json")
    area = json.loads((tmp_path / "e.json").read_text())["models"][str(path)]["auroc"]["value"]
    whole = [score(text) for text in texts]
    pairs = [(whole[i] > whole[j]) for i in range(12) for j in range(12) if labels[i] > labels[j]]
    assert area == pytest.approx(np.mean(pairs))

    # What a detector is worth: the fall of the score when its features are set to zero.
    rows = run("motifs", path, "-s", tmp_path / "x.fa", "--format", "tsv")
    worth = {row[0]: float(row[1]) for row in rows[1:]}
    model = load_motif_model(path).detectors
    for number in range(model.count):
        weights = model.weights1.copy()
        weights[2 * number : 2 * number + 2] = 0
        without = replace(model, weights1=weights)
        falls = []
        for text, before in zip(texts, whole, strict=True):
            codes = encode(text)
            strands = [definition.score(one, without, True) for one in (codes, definition.reverse_complement(codes))]
            falls.append(before - POOLS[model.strand_pooling](strands))
        assert worth[f"detector{number + 1:02d}"] == pytest.approx(np.mean(falls), abs=1e-3)
