"""`bioconv predict` from outside: rows, formats, exit codes, and nothing half-written."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import bioconv

ROOT = Path(__file__).parent.parent.parent


def run(*arguments: object, check: int = 0, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-W", "error", "-m", "bioconv", "predict", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, env=environment, timeout=120, text=True, **options)
    assert done.returncode == check, done.stderr
    return done


@pytest.fixture
def sequences(tmp_path):
    path = tmp_path / "x.fa"
    path.write_text(">b two\nACGTTGCAAC\n>a\nGGGCATTACCCAGATTA\n>empty\n>c\nTTGACATTGC\n")
    return path


def test_command_and_function_agree(sequences, model_path):
    models = [model_path(1, logistic=(1.5, 0.5), name="one"), model_path(2, name="two")]
    done = run(sequences, "--model", models[0], "--model", models[1])
    head, names, *rows = done.stdout.splitlines()
    assert head.startswith(f"# bioconv {bioconv.__version__} model:one=sha256:")
    assert "command=bioconv predict" in head
    table = bioconv.predict(sequences, model=models).to_pandas()
    assert names.split("\t") == list(table.columns)
    for row, (_, expected) in zip(rows, table.iterrows(), strict=True):
        name, *values = row.split("\t")
        assert name == expected["sequence_name"]
        if name == "empty":
            assert set(values) == {"NA"}
        else:
            assert [float(value) for value in values] == pytest.approx(expected.tolist()[1:], abs=1e-6)
    assert [row.split("\t")[0] for row in rows] == ["b", "a", "empty", "c"]
    assert "4 sequences, 37 bases" in done.stderr


def test_formats_inputs_and_threads_give_the_same(sequences, model_path, tmp_path):
    model = model_path(1)
    plain = run(sequences, "--model", model, "--no-header").stdout
    assert plain.startswith("sequence_name\tm:score\nb\t")
    (tmp_path / "x.fa.gz").write_bytes(gzip.compress(sequences.read_bytes()))
    assert run(tmp_path / "x.fa.gz", "--model", model, "--no-header", "--threads", 3).stdout == plain
    assert run("-", "--model", model, "--no-header", input=sequences.read_text()).stdout == plain
    run(sequences, "--model", model, "--no-header", "-o", tmp_path / "out.tsv")
    assert (tmp_path / "out.tsv").read_text() == plain
    first, *lines = map(json.loads, run(sequences, "--model", model, "--format", "jsonl").stdout.splitlines())
    assert "provenance" in first
    rows = [line.split("\t") for line in plain.splitlines()[1:]]
    shown = [[line["sequence_name"], line["m:score"]] for line in lines]
    assert shown == [[name, None if value == "NA" else float(value)] for name, value in rows]


def test_a_bad_file_does_not_take_the_others_down(sequences, model_path, tmp_path):
    model = model_path(1)
    (tmp_path / "bad.fa").write_text(">fine\nACGT\n>broken\nAC*T\n")
    done = run(tmp_path / "bad.fa", sequences, "--model", model, check=3)
    assert "bad.fa, record 'broken', line 4" in done.stderr
    assert "fine" not in done.stdout
    assert done.stdout.count("\n") == 6
    run(tmp_path / "bad.fa", sequences, "--model", model, "--max-failures", 1)
    out = tmp_path / "out.tsv"
    run(tmp_path / "bad.fa", tmp_path / "none.fa", "--model", model, "-o", out, check=4)
    assert not out.exists()
    run(sequences, "--model", tmp_path / "none.safetensors", "-o", out, check=1)
    run(sequences, check=2)
    same = run(sequences, "--model", model, "-o", sequences, check=1)
    assert "is one of the inputs" in same.stderr


def test_outputs_that_are_no_files(sequences, model_path, tmp_path):
    """/dev/stdout, also where it is a file that is added to, and what `-o >(gzip)` gives: a pipe by its number."""
    model = model_path(1)
    plain = run(sequences, "--model", model, "--no-header").stdout
    assert run(sequences, "--model", model, "--no-header", "-o", "/dev/stdout").stdout == plain
    (tmp_path / "log").write_text("before\n")
    words = ["-m", "bioconv", "predict", str(sequences), "--model", str(model), "--no-header", "-o"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (tmp_path / "log").open("a") as log:
        subprocess.run([sys.executable, *words, "/dev/stdout"], stdout=log, check=True, env=environment)
    assert (tmp_path / "log").read_text() == "before\n" + plain
    reading, writing = os.pipe()
    subprocess.run([sys.executable, *words, f"/dev/fd/{writing}"], pass_fds=[writing], check=True, env=environment)
    os.close(writing)
    with os.fdopen(reading) as stream:
        assert stream.read() == plain
