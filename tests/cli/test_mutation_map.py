"""`bioconv mutation-map` from outside."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import bioconv

ROOT = Path(__file__).parent.parent.parent
TEXT = "GATTACAACGTGCATTTTGACC"


def run(*arguments: object, check: int = 0, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-W", "error", "-m", "bioconv", "mutation-map", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, env=environment, timeout=120, text=True, **options)
    assert done.returncode == check, done.stderr
    return done


@pytest.mark.parametrize("gated", [[], ["--gated"]])
def test_command_and_function_agree(model_path, gated):
    head, names, own, *rows = run(TEXT, "--model", model_path(2), *gated).stdout.splitlines()
    found = bioconv.mutation_map(TEXT, model=model_path(2))
    table = found.to_pandas(gated=bool(gated))
    assert head.startswith(f"# bioconv {bioconv.__version__} model:m=sha256:")
    assert ("gated=True" in head) == bool(gated)
    assert names.split("\t") == ["sequence_name", "position", "ref", "alt", "model", "score", "delta"]
    assert own.split("\t")[:5] == ["sequence", ".", ".", ".", "m"]
    assert float(own.split("\t")[5]) == pytest.approx(found.score, abs=1e-6)
    for row, expected in zip(rows, table.itertuples(), strict=True):
        name, position, ref, alt, model, score, delta = row.split("\t")
        assert (name, int(position) - 1, ref, alt, model) == (
            "sequence",
            expected.position,
            expected.ref,
            expected.alt,
            "m",
        )
        assert (float(score), float(delta)) == pytest.approx((expected.score, expected.delta), abs=1e-6)


def test_region_plot_and_several_models(tmp_path, model_path):
    (tmp_path / "r.fa").write_text(f">chr1\nCC{TEXT}\n")
    out = tmp_path / "m.tsv"
    where = ["1:3-10", "-r", tmp_path / "r.fa", "--model", model_path(2), "--no-header", "-o", out]
    run(*where, "--plot", tmp_path / "m.svg")
    first = (tmp_path / "m.svg").read_bytes()
    rows = [line.split("\t") for line in out.read_text().splitlines()]
    assert [rows[2][:3], rows[-1][:3]] == [["chr1", "3", "G"], ["chr1", "10", TEXT[7]]]
    run(*where, "--plot", tmp_path / "m.svg")
    assert (tmp_path / "m.svg").read_bytes() == first
    run(*where, "--model", model_path(3, name="other"))
    assert {line.split("\t")[4] for line in out.read_text().splitlines()[1:]} == {"m", "other"}
    run(*where, "--model", model_path(3), "--plot", tmp_path / "m.svg", check=1)
    run(*where, "--plot", tmp_path / "m.gif", check=1)


def test_input_that_cannot_be_read(tmp_path, model_path):
    out = tmp_path / "m.tsv"
    done = run("ACG-T", "--model", model_path(), "-o", out, check=4)
    assert "neither a FASTA file nor letters" in done.stderr
    done = run("-", "--model", model_path(), input=">a\nACGT\n>b\nACGT\n", check=4)
    assert "stdin: more than one record" in done.stderr
    assert not out.exists()
    run(TEXT * 40, "--model", model_path(), "-o", out)
    run(TEXT * 40, "--model", model_path(), "-o", out)
    assert run("-", "--model", model_path(), input=">a\nACGT\n").stdout.count("\n") == 3 + 12
