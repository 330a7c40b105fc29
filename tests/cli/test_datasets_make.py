"""`bioconv datasets make`: what it makes can be trained on as it is."""

from __future__ import annotations

import pytest
from bioconv.cli.datasets_make import command
from bioconv.cli.datasets_split import command as split
from bioconv.cli.train_classify import command as classify
from bioconv.cli.train_deepbind import command as deepbind
from bioconv.cli.train_segment import command as segment
from click.testing import CliRunner

import bioconv
from bioconv import runtime
from bioconv.training.splits import read_split
from tests.cli.training_data import SMALL

QUICK = ("--epochs", 1, "--warmup-steps", 1, "--threads", 1, "--quiet")


@pytest.fixture(autouse=True)
def as_found():
    import torch

    threads, handlers, level = torch.get_num_threads(), list(runtime.logger.handlers), runtime.logger.level
    yield
    torch.set_num_threads(threads)
    runtime.logger.handlers[:], runtime.logger.level, runtime.logger.propagate = handlers, level, True


def run(program, *words, check=0):
    result = CliRunner().invoke(program, [str(word) for word in words])
    assert result.exit_code == check, result.output + repr(result.exception)
    return result


def test_motifs_train_a_motif_detector(tmp_path):
    folder, model = tmp_path / "motifs", tmp_path / "m.safetensors"
    said = run(command, "motifs", "-o", folder, "--count", 200, "--length", 40, "--grammar", "TGACTCA", "--seed", 1)
    assert "synthetic" in said.stderr
    table = folder / "synthetic-motifs.csv"
    run(split, table, "-o", tmp_path / "s.tsv", "--stratify", "label", "--quiet")
    assert len(read_split(tmp_path / "s.tsv").parts) == 200
    run(deepbind, table, "-o", model, *SMALL, "--quiet")
    found = bioconv.predict(str(folder / "synthetic-motifs.fasta"), model=str(model))
    scores = found.values[:, 0]
    assert scores[::2].mean() > scores[1::2].mean()  # every second one has the motif


def test_cells_train_a_segmenter(tmp_path):
    folder, model = tmp_path / "cells", tmp_path / "c.safetensors"
    run(command, "cells", "-o", folder, "--count", 6, "--size", 64, "--nuclei", 6, "--radius", 7)
    small = ("--widths", "4,8", "--patch", 32, "--per-epoch", 8, "--batch-size", 4, *QUICK)
    run(segment, folder / "images", folder / "masks", "-o", model, "--kind", "instances", *small)
    assert model.is_file()
    run(split, folder / "images", "-o", tmp_path / "s.tsv", "--fractions", "train=.5,dev=.5", "--quiet")
    names = read_split(tmp_path / "s.tsv").parts
    assert set(names) == {f"synthetic-cells-{number:04d}" for number in range(1, 7)}


def test_breasts_train_a_classifier(tmp_path):
    folder, model = tmp_path / "breasts", tmp_path / "b.safetensors"
    run(command, "breasts", "-o", folder, "--count", 10, "--size", 96)
    table = folder / "synthetic-exams.csv"
    run(split, table, "-o", tmp_path / "s.tsv", "--fractions", "train=.6,dev=.4", "--stratify", "label", "--quiet")
    made = read_split(tmp_path / "s.tsv")
    women = {name: name.split("-R-")[0].split("-L-")[0] for name in made.parts}
    assert len({(woman, made.parts[name]) for name, woman in women.items()}) == 10
    small = ("--size", "64,48", "--width", "0.25", "--augment", "none", "--batch-size", 16, "--ema", "none", *QUICK)
    run(classify, table, "-o", model, "--split", tmp_path / "s.tsv", *small)
    assert model.is_file()


def test_options_that_make_no_sense(tmp_path):
    assert "0 is not in the range" in run(command, "cells", "-o", tmp_path / "a", "--count", 0, check=2).output
    done = CliRunner().invoke(command, ["motifs", "-o", str(tmp_path / "a"), "--grammar", "motif"])
    assert "expected motifs of IUPAC letters" in str(done.exception)
    assert not list(tmp_path.iterdir())
