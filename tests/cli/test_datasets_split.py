"""`bioconv datasets split`: a file the trainers follow, and a check that says what leaks."""

from __future__ import annotations

import gzip
import subprocess
import sys

import pytest
from bioconv.cli.datasets_split import command
from click.testing import CliRunner

from bioconv import runtime
from bioconv.errors import BioconvError, InputError, OptionError, OutputError
from bioconv.training.splits import read_split
from tests.cli import training_data


@pytest.fixture(autouse=True)
def as_found():
    handlers, level = list(runtime.logger.handlers), runtime.logger.level
    yield
    runtime.logger.handlers[:], runtime.logger.level, runtime.logger.propagate = handlers, level, True


@pytest.fixture
def table(tmp_path):
    own = training_data.draw(40)
    return training_data.write_table(
        tmp_path / "t.csv", [*own, training_data.reverse_complement(own[0])], [1, 0] * 20 + [1]
    )


def run(*words, check=0):
    result = CliRunner().invoke(command, [str(word) for word in words])
    if isinstance(result.exception, BioconvError):
        raise result.exception
    assert result.exit_code == check, result.output + repr(result.exception)
    return result


@pytest.mark.parametrize("form", ["table", "fasta", "gzip"])
def test_stdin(table, tmp_path, form):
    path = table
    if form != "table":
        rows = [line.split(",") for line in table.read_text().splitlines()[1:]]
        text = "".join(f">{row[0]}\n{row[1]}\n" for row in rows).encode()
        path = tmp_path / "s.fa"
        path.write_bytes(gzip.compress(text) if form == "gzip" else text)
    program = [sys.executable, "-m", "bioconv", "datasets", "split", "-", "--quiet"]
    piped = subprocess.run(program, input=path.read_bytes(), capture_output=True, check=False)
    assert piped.stderr == b""
    assert piped.stdout.decode() == run(path, "--quiet").stdout


def test_a_split_is_written_to_stdout_or_a_file(table, tmp_path):
    out = run(table, "--quiet", "--fractions", "train=0.6,dev=0.4", "--stratify", "label", "--seed", "3").stdout
    done = run(
        table, "-o", tmp_path / "s.tsv", "--fractions", "train=0.6,dev=0.4", "--stratify", "label", "--seed", "3"
    )
    assert (tmp_path / "s.tsv").read_text() == out
    split = read_split(tmp_path / "s.tsv")
    assert split.parts["s0"] == split.parts["s40"]
    assert 15 <= len(split.names("dev")) <= 18
    assert "1 sequence is a copy or reverse complement" in done.stderr
    assert "no leaks" in run(table, "--check", tmp_path / "s.tsv").stderr


def test_data_that_cannot_be_read(tmp_path, table):
    """Exit code 4; columns that are not there are refused before an image is opened."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.png").write_bytes(b"no image")
    assert "no such file" in run(tmp_path / "none.csv", check=4).output
    assert "1 of 1 image" in run(tmp_path / "images", check=4).output
    assert "1 of 1 image" in run(tmp_path / "images", "--check", write_parts(tmp_path, ["a"]), check=4).output
    with pytest.raises(InputError, match="no column 'woman'"):
        run(tmp_path / "images", "--group", "woman")
    with pytest.raises(OutputError, match="there is no folder"):
        run(table, "-o", tmp_path / "none/s.tsv")


def write_parts(folder, names):
    (folder / "parts.tsv").write_text("\n".join(["name\tpart", *(f"{name}\ttrain" for name in names), ""]))
    return folder / "parts.tsv"


def test_folds(table):
    out = run(table, "--folds", "4", "--quiet").stdout
    assert {line.split("\t")[1] for line in out.splitlines()[2:]} == set("0123")


def test_a_leak_is_an_error(table, tmp_path):
    rows = [f"s{n}\t{'dev' if n == 40 else 'train'}" for n in range(41)]
    (tmp_path / "s.tsv").write_text("\n".join(["name\tpart", *rows, ""]))
    with pytest.raises(InputError, match=r"the same input in dev \(s40\) and train \(s0\)"):
        run(table, "--check", tmp_path / "s.tsv")


def test_options_that_make_no_sense(table, tmp_path):
    with pytest.raises(OptionError, match="--check writes nothing"):
        run(table, "--check", tmp_path / "s.tsv", "-o", tmp_path / "o.tsv")
    with pytest.raises(OptionError, match="is one of the inputs"):
        run(table, "-o", table)
    with pytest.raises(OptionError, match="sum to 1"):
        run(table, "--fractions", "train=0.6,dev=0.6")
    for text in ("train", "train=x", "train=.5,train=.5"):
        assert "Error" in run(table, "--fractions", text, check=2).output


@pytest.mark.parametrize("name", ["split", "make"])
def test_help_imports_nothing_heavy(name):
    code = (
        f"import sys; from bioconv.cli.datasets_{name} import command; command(['--help'], standalone_mode=False); "
        "heavy = {'torch', 'scipy', 'skimage', 'PIL', 'monai', 'pydicom', 'numpy'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
