"""`bioconv train lstm`: from tables and FASTA files to a model, and what it refuses before it begins."""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch
from bioconv.cli.evaluate import command as evaluate
from bioconv.cli.train_lstm import command
from click.testing import CliRunner

import bioconv
from bioconv import runtime
from bioconv.errors import InputError, ModelError, OptionError
from bioconv.models.model_file import read_model
from bioconv.sequence.recurrent.fit import network_like
from bioconv.sequence.recurrent.model import load_sequence_model
from tests.sequence.recurrent.drawn_sequences import CONFIG, PLAN, ordered, remembered, write_table

QUICK = [
    *("--hidden", "12", "--pooling", "max", "--dropout", "0"),
    *("--epochs", "2", "--batch-size", "16", "--warmup-steps", "2", "--workers", "0", "--threads", "1"),
]


@pytest.fixture(autouse=True)
def as_found():
    threads, handlers, level = torch.get_num_threads(), list(runtime.logger.handlers), runtime.logger.level
    yield
    torch.set_num_threads(threads)
    runtime.logger.handlers[:], runtime.logger.level, runtime.logger.propagate = handlers, level, True


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "orders.csv"
    write_table(path, ordered(90), parts=("train", "train", "dev", "train", "test"))
    return path


def run(*words, check=0):
    result = CliRunner().invoke(command, [str(word) for word in words])
    assert result.exit_code == check, result.output + repr(result.exception)
    return result


def rows_of(path):
    return list(csv.DictReader(path.read_text().splitlines(), delimiter="\t"))


def test_a_model_is_trained_and_noted(table, tmp_path):
    output, events = tmp_path / "orders.safetensors", tmp_path / "events.jsonl"
    words = ["--classes", "none,second,first", "--background", "none", "--citation", "us", "--events", events]
    features = ["--feature", "first=five_prime_cis_splice_site@8+2", "--feature", "second=promoter@-2"]
    done = run(table, "-o", output, *words, *features, *QUICK)
    assert "test: accuracy 0." in done.stderr
    assert ", error second " in done.stderr
    model = load_sequence_model(output)
    assert (model.name, model.labels, model.background) == ("orders", ("none", "second", "first"), "none")
    assert model.features["first"] == {"type": "five_prime_cis_splice_site", "offset": 8, "length": 2}
    assert model.features["second"]["offset"] == -2
    assert model.facts["citation"] == "us"
    folder = tmp_path / "orders.run"
    assert {path.name for path in folder.iterdir()} >= {
        "split.tsv", "best.safetensors", "last.safetensors", "history.csv", "dev.tsv", "test.tsv", "report.html",
    }  # fmt: skip
    assert [json.loads(line)["event"] for line in events.read_text().splitlines()][-1] == "end"
    report = (folder / "report.html").read_text()
    assert "A recurrent network that puts sequences into 3 classes, trained on 54 sequences" in report
    assert "error second" in report
    test = rows_of(folder / "test.tsv")
    assert [row["name"] for row in test] == [f"s{number}" for number in range(4, 90, 5)]
    assert all(sum(float(row[name]) for name in model.labels) == pytest.approx(1, abs=1e-4) for row in test)


def test_the_table_of_scores_can_be_evaluated(table, tmp_path):
    run(table, "-o", tmp_path / "m.safetensors", *QUICK, "--quiet")
    scores = tmp_path / "m.run" / "test.tsv"
    result = CliRunner().invoke(evaluate, ["--scores", str(scores), "--labels", str(scores), "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    right = [max(("first", "none", "second"), key=lambda name: float(row[name])) == row["label"]
             for row in rows_of(scores)]  # fmt: skip
    assert found["models"]["all"]["accuracy"]["value"] == pytest.approx(np.mean(right))


def test_a_table_from_stdin(table, tmp_path):
    words = [str(word) for word in ["-", "-o", tmp_path / "piped.safetensors", *QUICK]]
    done = CliRunner().invoke(command, words, input=table.read_bytes())
    assert done.exit_code == 0, done.output
    run(table, "-o", tmp_path / "named.safetensors", *QUICK)
    tensors = [read_model(tmp_path / f"{name}.safetensors").tensors for name in ("piped", "named")]
    for key, value in tensors[1].items():
        np.testing.assert_array_equal(tensors[0][key], value)


def test_the_function_trains_the_same(table, tmp_path):
    run(table, "-o", tmp_path / "a.safetensors", *QUICK, "--name", "same", "--quiet")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    bioconv.train(
        "lstm", table, output=tmp_path / "b.safetensors", recipe=PLAN, config=CONFIG, name="same", device="cpu"
    )
    torch.set_num_threads(threads)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_labels_of_letters(tmp_path):
    path, output = tmp_path / "letters.csv", tmp_path / "letters.safetensors"
    write_table(path, remembered(40))
    done = run(path, "-o", output, "--class-names", "a=after A,c=after C", "--one-way", *QUICK)
    assert ", error after C " in done.stderr
    model = load_sequence_model(output)
    assert model.per_position
    assert model.labels == ("after A", "after C")
    assert not model.network.config.bidirectional
    rows = rows_of(tmp_path / "letters.run" / "dev.tsv")
    assert list(rows[0]) == ["name", "group", "letters", "right"]
    assert sum(int(row["right"]) for row in rows) / sum(int(row["letters"]) for row in rows) == pytest.approx(
        model.facts["metrics"]["dev accuracy"][0]
    )


def test_fasta_files_and_a_model_to_start_from(tmp_path):
    data = ordered(60)
    paths = []
    for number, name in enumerate(data.classes):
        own = [place for place, target in enumerate(data.targets) if target[0] == number]
        text = "".join(f">s{place}\n{''.join('ACGT'[c] for c in data.codes[place])}\n" for place in own)
        paths.append(tmp_path / f"{name}.fa")
        paths[-1].write_text(text)
    first = tmp_path / "one.safetensors"
    run(*paths, "-o", first, *QUICK, "--cell", "gru", "--quiet")
    assert network_like(first).cell == "gru"
    words = QUICK[QUICK.index("--epochs") :]
    run(*paths, "-o", tmp_path / "two.safetensors", "--from", first, *words, "--quiet")
    assert network_like(tmp_path / "two.safetensors") == network_like(first)
    run(*paths, "-o", tmp_path / "three.safetensors", "--labels", "x,y,z", "--reverse-complement", *QUICK, "--quiet")
    assert load_sequence_model(tmp_path / "three.safetensors").labels == ("x", "y", "z")
    again = bioconv.train("lstm", paths, init=first, config=CONFIG, device="cpu")
    assert again.network.config.cell == "gru"


def test_a_split_that_was_made_before(table, tmp_path):
    run(table, "-o", tmp_path / "a.safetensors", *QUICK, "--quiet")
    split = tmp_path / "a.run" / "split.tsv"
    text = split.read_text().replace("s0\ttrain", "s0\tdev", 1)
    other = tmp_path / "other.tsv"
    other.write_text(text)
    run(table, "-o", tmp_path / "b.safetensors", "--split", other, *QUICK, "--quiet")
    assert "s0" in [row["name"] for row in rows_of(tmp_path / "b.run" / "dev.tsv")]


def test_resumed(table, tmp_path):
    whole, cut = tmp_path / "m.safetensors", tmp_path / "cut" / "m.safetensors"
    cut.parent.mkdir()
    words = [*QUICK, "--schedule", "constant"]
    run(table, "-o", whole, *words, "--quiet")
    begun = run(table, "-o", cut, *words, "--max-steps", 5, "--resume")
    assert f"{cut.with_suffix('.run')} holds nothing to resume: the training begins from the start" in begun.stderr
    words.append("--quiet")
    refused = run(table, "-o", cut, *words, check=1)
    assert "go on with --resume" in str(refused.exception)
    run(table, "-o", cut, *words, "--resume")
    assert cut.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (["--feature", "first@3"], OptionError, "--feature 'first@3': give CLASS=TERM@OFFSET"),
        (["--feature", "IE=x@3"], OptionError, "background or features name IE"),
        (["--background", "N"], OptionError, "name N; the classes are first, none, second"),
        (["--class-names", "first"], OptionError, "--class-names 'first': give LABEL=NAME"),
        (["--kmer", "3"], OptionError, "k-mers need learned vectors, give embedding 1 or more"),
        (["--filters", "8"], OptionError, "give both or neither"),
        (["--pooling", "none"], OptionError, "labels are of sequences"),
        (["--threads", "0"], OptionError, "--threads is 0; give 1 or more"),
        (["--loss", "mse"], OptionError, "loss is 'mse'"),
        (["--labels", "a,b"], OptionError, "leave them out"),
        (["--name", "a\tb"], OptionError, "leave out tabs"),
        (["--from", "nonesuch"], ModelError, "nonesuch"),
        (["--alphabet", "protein", "--reverse-complement"], OptionError, "which has no reverse complement"),
    ],
)
def test_options_that_make_no_sense(table, tmp_path, words, error, said):
    result = run(table, "-o", tmp_path / "m.safetensors", *QUICK, *words, check=1)
    assert isinstance(result.exception, error)
    assert said in str(result.exception)
    assert not (tmp_path / "m.run").exists()
    assert not (tmp_path / "m.safetensors").exists()


def test_bad_input(table, tmp_path):
    text = table.read_text()
    table.write_text(text.replace("\ns5,", "\ns5,!!"))
    done = run(table, "-o", tmp_path / "m.safetensors", *QUICK, check=4)
    assert "orders.csv, line 7 (s5): '!'" in done.stderr
    assert "not a letter of" in done.stderr
    lines = text.splitlines()
    lines[2] = lines[1].replace("s0", "s1").replace("train", "dev")  # the same sequence validates
    table.write_text("\n".join([*lines, ""]))
    result = run(table, "-o", tmp_path / "m.safetensors", *QUICK, check=1)
    assert isinstance(result.exception, InputError)
    assert "s0 in dev (s1) and train (s0)" in str(result.exception)
    assert not (tmp_path / "m.run").exists()


@pytest.mark.slow
def test_two_processes_learn_what_one_does(table, tmp_path):
    """As `torchrun` would start them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    words = [str(table), *QUICK, "--quiet", "--device", "cpu"]
    program = [sys.executable, "-c", "from bioconv.cli.main import main; main()", "train", "lstm"]
    shared = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    children = [
        subprocess.Popen([*program, *words, "-o", str(tmp_path / "two.safetensors")], env={**shared, "RANK": str(rank)})
        for rank in (0, 1)
    ]
    assert [child.wait(120) for child in children] == [0, 0]
    run(*words, "-o", tmp_path / "one.safetensors")
    one, two = (load_sequence_model(tmp_path / f"{name}.safetensors").network for name in ("one", "two"))
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)
