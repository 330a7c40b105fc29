"""`bioconv predict` with recurrent models from outside: the table, and tracks and features along sequences."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from bioconv.cli.main import cli

import bioconv
from bioconv.errors import ModelError, OptionError, OutputError
from bioconv.sequence.recurrent.positions import predict_positions
from tests.sequence.recurrent.recurrent_models import model_path, random_texts

DONOR = {"yes": {"type": "five_prime_cis_splice_site", "offset": 5, "length": 2}}


def run(*arguments):
    return cli.main([str(argument) for argument in arguments], standalone_mode=False)


@pytest.fixture
def fasta(tmp_path):
    path = tmp_path / "x.fa"
    path.write_text("".join(f">{name}\n{text}\n" for name, text in random_texts([40, 15, 90]).items()))
    return path


def test_command_and_function_agree(tmp_path, fasta, capsys):
    models = [model_path(tmp_path, 1), model_path(tmp_path, 2, name="n")]
    assert run("predict", fasta, "--model", models[0], "--model", models[1]) == 0
    _, names, *rows = capsys.readouterr().out.splitlines()
    found = bioconv.predict(fasta, model=models)
    assert names.split("\t") == ["sequence_name", *found.labels]
    values = [[float(value) for value in row.split("\t")[1:]] for row in rows]
    np.testing.assert_allclose(values, found.values, rtol=0, atol=1e-6)
    np.testing.assert_allclose(np.sum(np.array(values)[:, :3], axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("kind", ["window", "letters", "protein"])
def test_per_position_writes_what_the_function_gives(tmp_path, fasta, capsys, kind):
    config = {} if kind == "window" else {"pooling": "none"}
    choices = {"window": 12, "features": DONOR} if kind == "window" else {}
    alphabet = "protein" if kind == "protein" else "dna"
    model = model_path(tmp_path, alphabet=alphabet, background="N", config=config, **choices)
    prefix = tmp_path / "out"
    assert run("predict", fasta, "--model", model, "--per-position", prefix, "--threshold", "0.05") == 0
    strands = {"window": {"+": ".plus", "-": ".minus"}, "letters": {"+": ".plus"}, "protein": {".": ""}}[kind]
    files = [f"{prefix}.{label}{name}.bedGraph" for label in ("no", "yes") for name in strands.values()]
    assert capsys.readouterr().out.split() == [*files, f"{prefix}.gff3"]
    assert not list(tmp_path.glob("*.N*"))
    for one in predict_positions(fasta, model=model):
        for column, label in enumerate(("no", "yes")):
            lines = (tmp_path / f"out.{label}{strands[one.strand]}.bedGraph").read_text().splitlines()
            assert lines[0].startswith(f"# bioconv {bioconv.__version__} model:m=sha256:")
            rows = [line.split("\t") for line in lines if line.startswith(f"{one.name}\t")]
            drawn = np.concatenate([np.full(int(end) - int(begin), float(value)) for _, begin, end, value in rows])
            np.testing.assert_allclose(drawn, one.values[:, column], rtol=0, atol=1e-4)
            middle = {("yes", "+"): 5, ("yes", "-"): 6, ("no", "+"): 6, ("no", "-"): 5}
            assert int(rows[0][1]) == (middle[label, one.strand] if kind == "window" else 0)
    text = (tmp_path / "out.gff3").read_text()
    assert text.startswith("##gff-version 3\n# bioconv ")
    kinds = {line.split("\t")[2] for line in text.splitlines() if not line.startswith("#")}
    assert kinds == {"sequence_feature", *(["five_prime_cis_splice_site"] if kind == "window" else [])}


def test_bad_inputs_leave_nothing(tmp_path, fasta):
    model = model_path(tmp_path, window=12)
    (tmp_path / "bad.fa").write_text(">a\n" + "ACGT" * 20 + "\n>b\nAC-T\n")
    assert run("predict", fasta, tmp_path / "bad.fa", "--model", model, "--per-position", tmp_path / "two") == 3
    assert run("predict", fasta, "--model", model, "--per-position", tmp_path / "one") == 0
    for name in ("no.plus.bedGraph", "yes.minus.bedGraph", "gff3"):
        two, one = ((tmp_path / f"{which}.{name}").read_text().splitlines() for which in ("two", "one"))
        assert [x for x in two if not x.startswith("# ")] == [x for x in one if not x.startswith("# ")]
        assert len(one) > 1
    assert run("predict", tmp_path / "bad.fa", "--model", model, "--per-position", tmp_path / "none") == 4
    assert not list(tmp_path.glob("none*"))


def test_records_of_one_name_are_refused_with_their_input(tmp_path, capsys):
    """Else their stretches overlap in the track."""
    model = model_path(tmp_path, window=12)
    (tmp_path / "a.fa").write_text(">x\n" + "ACGT" * 20 + "\n")
    (tmp_path / "b.fa").write_text(">y\n" + "ACGT" * 20 + "\n>x\n" + "TTGA" * 20 + "\n")
    (tmp_path / "c.fa").write_text(">y\n" + "CCGA" * 20 + "\n")
    files = [tmp_path / f"{name}.fa" for name in "abc"]
    assert run("predict", *files, "--model", model, "--per-position", tmp_path / "out") == 3
    assert f"{files[1]}: a record 'x' was there before, in {files[0]}" in capsys.readouterr().err
    rows = [line.split()[:3] for line in (tmp_path / "out.yes.plus.bedGraph").read_text().splitlines()[1:]]
    assert {row[0] for row in rows} == {"x", "y"}
    for name in "xy":
        ends = [(int(begin), int(end)) for row, begin, end in rows if row == name]
        assert all(one[1] == two[0] for one, two in pairwise(ends))


def test_options_that_do_not_go_together(tmp_path, fasta):
    window, letters = model_path(tmp_path, window=12), model_path(tmp_path, 2, config={"pooling": "none"})
    for arguments, said in (
        (["--model", window, "--strand", "+"], "are for --per-position"),
        (["--model", window, "--threshold", "0.1"], "are for --per-position"),
        (["--model", window, "--per-position", "x", "-o", "y"], "leave out -o, --format and --shard"),
        (["--model", window, "--per-position", ""], "the prefix is empty"),
        (["--model", window, "--per-position", f"{tmp_path}/"], "add a name behind the folder"),
        (["--model", window, "--model", letters, "--per-position", "x"], "one --model at a time"),
        (["--model", letters], "use --per-position"),
        (["--model", letters, "--per-position", "x", "--strand", "-"], "reads records as they are given"),
    ):
        with pytest.raises(OptionError, match=said):
            run("predict", fasta, *arguments)
    (tmp_path / "x.yes.plus.bedGraph").write_text(">a\nACGT\n")
    with pytest.raises(OptionError, match="is one of the inputs"):
        run("predict", tmp_path / "x.yes.plus.bedGraph", "--model", window, "--per-position", tmp_path / "x")


def test_a_folder_that_is_not_there_is_missed_before_anything_is_read(tmp_path):
    model = model_path(tmp_path, window=12)
    with pytest.raises(OutputError, match=r"there is no folder .*none; make it"):
        run("predict", tmp_path / "none.fa", "--model", model, "--per-position", tmp_path / "none" / "x")


def test_other_commands(tmp_path, capsys):
    """`models info` describes it, `evaluate` scores it, those for images and motifs refuse it."""
    model = model_path(tmp_path, labels=("yes", "no"), background="no")
    assert run("models", "info", model, "--json") in (None, 0)
    facts = json.loads(capsys.readouterr().out)
    assert facts["architecture"] == "recurrent"
    assert facts["metadata"]["recurrent"]["background"] == "no"
    texts = random_texts([20] * 12)
    lines = [f"{name},{text},{number % 2}" for number, (name, text) in enumerate(texts.items())]
    (tmp_path / "lab.csv").write_text("\n".join(["name,sequence,label", *lines]) + "\n")
    assert run("evaluate", model, tmp_path / "lab.csv", "--json") in (None, 0)
    found = json.loads(capsys.readouterr().out)
    scores = bioconv.predict(texts, model=model).values[:, 0]
    figures = {name: one["value"] for name, one in found["models"][str(model)].items()}
    assert figures["auroc"] == pytest.approx(np.mean(scores[1::2, None] > scores[None, ::2]))
    assert figures["brier"] == pytest.approx(np.mean((scores - np.arange(12) % 2) ** 2))
    assert not any("not probabilities" in note for note in found["notes"])
    with pytest.raises(OptionError, match="make a table with `bioconv predict`"):
        run("evaluate", model_path(tmp_path, 2), tmp_path / "lab.csv")
    with pytest.raises(ModelError, match="'recurrent' does not take images"):
        run("models", "summary", model, "--input", "1,8,8")
    with pytest.raises(ModelError, match=r"'recurrent' has no motif detectors; .*bioconv models list"):
        run("scan", tmp_path / "lab.csv", "--model", model)
