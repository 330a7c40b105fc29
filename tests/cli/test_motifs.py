"""`bioconv motifs` from outside: what it writes, what it refuses, and nothing half-written."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from Bio import motifs as biopython

from bioconv.conv.detectors import Detectors
from bioconv.models.model_file import write_model
from bioconv.sequence.deepbind import MotifModel, load_motif_model, to_model_file
from bioconv.sequence.detector_motifs import detector_motifs
from bioconv.sequence.fasta import encode
from bioconv.sequence.motifs import read_motifs

ROOT = Path(__file__).parent.parent.parent
WORDS = ("TACTGTACATAAAAACAG", "TGTGAGAAAAGTCACATA")  # LexA's and CRP's sites
KNOWN = ROOT / "examples/data/crp_lexa.meme"


def run(*arguments: object, check: int = 0, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-W", "error", "-m", "bioconv", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, env=environment, timeout=120, text=True, **options)
    assert done.returncode == check, done.stderr
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A model of two words and a dead detector, and sequences that hold one of them each."""
    folder = tmp_path_factory.mktemp("motifs")
    filters = np.stack([np.eye(4)[encode(word)].T for word in WORDS] + [np.zeros((4, 18))])
    weights = np.array([[1.0], [1.5], [1.0]])
    detectors = Detectors(filters, np.array([-13, -13, -1]), False, weights, np.zeros(1), None, 0.0, True)
    write_model(folder / "words.safetensors", to_model_file(MotifModel("two words", detectors, 60, padded=False)))
    rng = np.random.default_rng(0)
    lines, table = [], ["FoldID\tEventID\tseq\tBound"]
    for k in range(60):
        letters = rng.choice(list("ACGT"), size=60)
        word = list(WORDS[k % 3 == 0])
        word[int(rng.integers(18))] = "ACGT"[int(rng.integers(4))]
        letters[20:38] = word
        lines += [f">seq{k}", "".join(letters)]
        table += [f"A\tseq{k}\t{''.join(letters)}\t1", f"A\tshuf{k}\t{''.join(rng.permutation(letters))}\t0"]
    (folder / "seqs.fa").write_text("\n".join(lines) + "\n")
    (folder / "seqs.seq.gz").write_bytes(gzip.compress(("\n".join(table) + "\n").encode()))
    return folder


def rows(text: str) -> list[dict[str, str]]:
    head, *lines = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    return [dict(zip(head, line, strict=True)) for line in lines]


def test_meme_is_what_the_function_gives(folder, tmp_path):
    done = run("motifs", folder / "words.safetensors", "-s", folder / "seqs.fa")
    assert "two words: motifs of 2 detectors from 60 sequences; 1 responds to nothing in particular" in done.stderr
    (tmp_path / "out.meme").write_text(done.stdout)
    ours = read_motifs(tmp_path / "out.meme")
    theirs = biopython.parse(io.StringIO(done.stdout), "minimal")
    sequences = [encode(line) for line in (folder / "seqs.fa").read_text().splitlines()[1::2]]
    found = detector_motifs(load_motif_model(folder / "words.safetensors").detectors, sequences, name="two words")
    expected = {each.motif.name: each.motif for each in found if each.motif}
    assert {motif.name for motif in ours} == set(expected) == {"two_words:detector01", "two_words:detector02"}
    for motif, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(motif.frequencies, expected[motif.name].frequencies, atol=1e-5)
        assert (motif.name, motif.sites) == (other.name, other.num_occurrences)


def test_motifs_go_into_a_scan(folder, tmp_path):
    run("motifs", folder / "words.safetensors", "-s", folder / "seqs.fa", "-o", tmp_path / "out.meme")
    hits = run("scan", folder / "seqs.fa", "-m", tmp_path / "out.meme", "--best-per-sequence", "-p", "1e-5").stdout
    table = [line.split("\t") for line in hits.splitlines() if "seq" in line and not line.startswith(("#", "motif_id"))]
    assert {(row[3], row[5]) for row in table if row[0].endswith("01")} == {("21", "+")}
    assert len(table) > 50


def test_table_names_the_known_motifs(folder):
    done = run("motifs", folder / "words.safetensors", "-s", folder / "seqs.fa", "--match", KNOWN)
    assert done.stdout.startswith("# bioconv ")
    first, second, dead = rows(done.stdout)
    assert (first["detector"], first["match_id"], first["nsites"]) == ("detector01", "LexA", "40")
    assert (second["detector"], second["match_id"], second["nsites"]) == ("detector02", "CRP", "20")
    assert float(first["importance"]) > float(second["importance"]) > 0
    assert float(first["p-value"]) < 1e-3
    assert (dead["nsites"], dead["match_id"], dead["consensus"]) == ("0", "NA", "NA")
    assert done.stdout.count("\n") == 5


def test_labelled_tables_give_their_positives(folder):
    fasta, table = (run("motifs", folder / "words.safetensors", "-s", folder / name, "--no-header").stdout
                    for name in ("seqs.fa", "seqs.seq.gz"))  # fmt: skip
    assert fasta == table
    assert fasta.startswith("MEME version")


def test_json_has_all_of_it(folder):
    arguments = ("motifs", folder / "words.safetensors", "-s", folder / "seqs.fa", "--match", KNOWN, "--top", 1)
    facts = json.loads(run(*arguments, "--json", "--matches", 2).stdout)
    (only,) = facts["detectors"]
    (row,) = rows(run(*arguments).stdout)
    assert [match["match_id"] for match in only["matches"]] == ["LexA", "CRP"]
    assert np.array(only["frequencies"]).shape == (int(row["width"]), 4)
    assert only["matches"][0]["p-value"] == pytest.approx(float(row["p-value"]), rel=1e-3)
    assert facts["provenance"].startswith("bioconv ")


def test_without_sequences_the_weights_speak(folder):
    done = run("motifs", folder / "words.safetensors", "--match", KNOWN)
    assert "from the weights alone" in done.stderr
    table = rows(done.stdout)
    assert [row["match_id"] for row in table] == ["LexA", "CRP", "NA"]
    assert table[0]["nsites"] == table[0]["importance"] == "NA"
    assert table[0]["consensus"].replace("N", "") in "TACTGTACATAAAAACAG"


def test_everything_at_once(folder, tmp_path):
    done = run("motifs", folder / "words.safetensors", "-s", folder / "seqs.fa", "--match", KNOWN, "--quiet",
               "-o", tmp_path / "t.tsv", "--meme", tmp_path / "m.meme", "--logos", tmp_path / "logos")  # fmt: skip
    assert (done.stdout, done.stderr) == ("", "")
    assert len(rows((tmp_path / "t.tsv").read_text())) == 3
    assert len(read_motifs(tmp_path / "m.meme")) == 2
    names = {path.name for path in (tmp_path / "logos").iterdir()}
    assert names == {"overview.svg", "detector01.svg", "detector02.svg"}


def test_stdin(folder):
    text = (folder / "seqs.fa").read_text()
    assert "detector01" in run("motifs", folder / "words.safetensors", "-s", "-", input=text).stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere.safetensors"], 1, "nowhere"),
        (["words.safetensors", "-s", "missing.fa"], 4, "missing.fa: no such file; check the path"),
        (["words.safetensors", "-s", "empty.fa"], 4, "empty.fa"),
        (["words.safetensors", "-s", "negatives.csv"], 4, "labels are"),
        (["words.safetensors", "-s", "degrees.csv"], 4, "labels are"),
        (["words.safetensors", "--match", "seqs.fa"], 1, "seqs.fa"),
        (["words.safetensors", "--top", "2"], 1, "importance is measured on sequences"),
        (["words.safetensors", "--matches", "0"], 1, "--matches 0: give 1 or more"),
        (["words.safetensors", "--match", "known.meme", "--min-overlap", "0"], 1, "overlap of 0"),
        (["words.safetensors", "--json", "--format", "tsv"], 1, "give one of them"),
        (["words.safetensors", "-o", "new.meme", "--meme", "new.meme"], 1, "give two names"),
        (["words.safetensors", "-s", "seqs.fa", "-o", "seqs.fa"], 1, "one of the inputs"),
        (["words.safetensors", "--meme", "words.safetensors"], 1, "--meme words.safetensors is one of the inputs"),
        (["words.safetensors", "-s", "-", "--match", "-"], 1, "stdin (-) can be read once"),
        (["words.safetensors", "-s", ""], 1, "a file name is empty"),
        (["words.safetensors", "--score", "cosine"], 2, "cosine"),
    ],
)
def test_refusals_leave_nothing_behind(folder, tmp_path, arguments, code, message):
    for name in ("words.safetensors", "seqs.fa"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "known.meme").write_bytes(KNOWN.read_bytes())
    (tmp_path / "empty.fa").write_text("")
    (tmp_path / "negatives.csv").write_text("name,sequence,label\na,ACGT,0\n")
    (tmp_path / "degrees.csv").write_text("name,sequence,label\na,ACGT,0.3\nb,ACGT,2\n")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    given = [*arguments, *([] if "-o" in arguments else ["-o", "out.txt"])]
    done = run("motifs", *given, check=code, cwd=tmp_path)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
