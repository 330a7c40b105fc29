"""`bioconv train deepbind` from files to a model that every other command takes, and its report."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import io
import json
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from bioconv.cli import evaluate, motifs, predict, scan, train
from click.testing import CliRunner
from sklearn.metrics import roc_auc_score

import bioconv
from bioconv.errors import BioconvError, InputError, ModelError, OptionError, OutputError
from bioconv.models.deepbind import DeepBindConfig
from bioconv.models.model_file import ModelFile, read_model
from bioconv.sequence.binding import fit as fit_room
from bioconv.sequence.binding.defaults import DEFAULTS
from bioconv.sequence.binding.recipe import Recipe
from bioconv.sequence.nulls import null_distribution
from bioconv.training.splits import read_split

_spec = importlib.util.spec_from_file_location("training_data", Path(__file__).parent / "training_data.py")
made = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(made)
SMALL = made.SMALL


def call(command, *words, status=0):
    done = CliRunner().invoke(command, [*map(str, words)])
    if isinstance(done.exception, BioconvError):
        raise done.exception
    assert done.exit_code == status, done.output + repr(done.exception)
    return done


def fit(*words, status=0):
    return call(train.command, "deepbind", *SMALL, *words, status=status)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter="\t"))


def same_weights(one: ModelFile, other: ModelFile) -> bool:
    return one.tensors.keys() == other.tensors.keys() and all(
        np.array_equal(one.tensors[name], other.tensors[name]) for name in one.tensors
    )


class Page(HTMLParser):
    """Tables of a page by the section they are in, its definition lists as dict, and the tags there are."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables, self.facts, self.tags = {}, {}, []
        self._section, self._cell, self._term = "", None, ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "section":
            self._section = dict(attributes)["id"]
        elif tag == "tr":
            self.tables.setdefault(self._section, []).append([])
        elif tag in {"th", "td", "dt", "dd"}:
            self._cell = ""

    def handle_data(self, data):
        if self._cell is not None:
            self._cell += data

    def handle_endtag(self, tag):
        if tag in {"th", "td"}:
            self.tables[self._section][-1].append(self._cell)
        elif tag == "dt":
            self._term = self._cell
        elif tag == "dd":
            self.facts[self._term] = self._cell
        if tag in {"th", "td", "dt", "dd"}:
            self._cell = None


@pytest.fixture(scope="module", autouse=True)
def few_random_windows():
    """The p-values of these models need not be good, and take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit_room, "null_distribution", partial(null_distribution, count=50_000))
        yield


@pytest.fixture(scope="module")
def bound(tmp_path_factory) -> Path:
    return made.write_fasta(tmp_path_factory.mktemp("data") / "bound.fa", made.draw(240))


@pytest.fixture(scope="module")
def trained(bound, tmp_path_factory) -> Path:
    model = tmp_path_factory.mktemp("trained") / "planted.safetensors"
    fit(bound, "-o", model, "--licence", "CC0-1.0")
    return model


def page_of(model: Path) -> Page:
    return Page((model.with_suffix(".run") / "report.html").read_text())


def test_files(trained, bound):
    assert {path.name for path in trained.parent.iterdir()} == {"planted.safetensors", "planted.run"}
    folder = trained.with_suffix(".run")
    assert {"split.tsv", "report.html", "held-out"} <= {path.name for path in folder.iterdir()}
    kept = {path.name for path in (folder / "held-out").iterdir()}
    assert kept == {"last.safetensors", "best.safetensors", "history.csv"}
    with (folder / "held-out/history.csv").open() as stream:
        assert [row["epoch"] for row in csv.DictReader(stream)] == ["1", "2", "3"]
    parts = read_split(folder / "split.tsv").parts
    assert set(parts) == {f"s{n}" for n in range(240)}
    assert list(parts.values()).count("dev") == 24
    card = read_model(trained).metadata
    assert (card["name"], card["licence"]) == ("planted", "CC0-1.0")
    (source,) = card["training"]["data"]
    assert source == {"file": "bound.fa", "content_sha256": hashlib.sha256(bound.read_bytes()).hexdigest()}


def test_report(trained, bound):
    page = page_of(trained)
    measured = read_model(trained).metadata["metrics"]
    figures = {(row[0], row[1]): row for row in page.tables["metrics"][1:]}
    assert set(figures) == {(name, part) for name in ("auroc", "auprc") for part in ("train", "dev")}
    for name, (value, low, high) in measured.items():
        assert float(figures[name, "dev"][2]) == pytest.approx(value, abs=6e-5)
        interval = [float(end) for end in figures[name, "dev"][3].split(" to ")]
        assert interval == pytest.approx([low, high], abs=6e-4)
    levels = {row[0]: float(row[1]) for row in page.tables["errors"][1:]}
    assert levels["dev"] == pytest.approx(1 - measured["auroc"][0], abs=6e-5)
    assert page.tables["split"][1:] == [["train", "216"], ["dev", "24"]]
    assert page.facts["epochs"] == "3"
    assert page.facts["learning_rate"] == "0.03"
    assert page.facts["bound.fa"] == f"sha256 {hashlib.sha256(bound.read_bytes()).hexdigest()}"
    assert page.tags.count("svg") >= 5  # loss, two areas, the rate, a logo or more
    assert not {"script", "link", "iframe"} & set(page.tags)


def test_reports_worst_errors_are_what_the_model_says(bound, tmp_path):
    model = tmp_path / "m.safetensors"
    fit(bound, "-o", model, "--epochs", 1, "--learning-rate", 0.001)  # one that errs
    found = rows(call(predict.command, bound, "--model", model, "--no-header").stdout)
    scores = {row["sequence_name"]: float(row["m:score"]) for row in found}
    parts = read_split(model.with_suffix(".run") / "split.tsv").parts
    worst = [row for row in page_of(model).tables["worst"][1:] if row[1] == "1"]
    assert len(worst) > 1
    for name, _, score in worst:
        assert float(score) == pytest.approx(scores[name], rel=1e-3)
    dev = sorted((name for name, part in parts.items() if part == "dev"), key=scores.__getitem__)
    assert [row[0] for row in worst] == dev[: len(worst)]


def test_the_model_works_in_every_command(trained, tmp_path):
    letters = made.draw(60, seed=5) + made.draw(60, seed=6, planted=False)
    labels = np.repeat([1, 0], 60)
    table = made.write_table(tmp_path / "new.csv", letters, labels)
    fasta = made.write_fasta(tmp_path / "new.fa", letters)
    found = rows(call(predict.command, fasta, "--model", trained, "--no-header").stdout)
    assert list(found[0]) == ["sequence_name", "planted:score", "planted:probability"]
    scores, probabilities = ([float(row[f"planted:{what}"]) for row in found] for what in ("score", "probability"))
    assert list(np.argsort(scores)) == list(np.argsort(probabilities, kind="stable"))
    assert np.mean(np.array(probabilities)[labels == 1]) > 0.7 > 0.4 > np.mean(np.array(probabilities)[labels == 0])
    judged = json.loads(call(evaluate.command, trained, table, "--json", "--resamples", "20").stdout)
    (figures,) = judged["models"].values()
    assert figures["auroc"]["value"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-9)
    assert figures["auroc"]["value"] > 0.95
    written = call(motifs.command, trained, "-s", fasta, "--json").stdout
    words = [each["consensus"] for each in json.loads(written)["detectors"]]
    strands = (made.MOTIF, made.reverse_complement(made.MOTIF))
    assert any(strand[:5] in word or strand[-5:] in word for word in words for strand in strands), words
    hits = rows(call(scan.command, fasta, "--model", trained, "-p", "1e-3", "--no-header").stdout)
    assert {hit["motif_id"] for hit in hits} == {"planted"}
    assert sum(int(hit["sequence_name"][1:]) < 60 for hit in hits) > 0.9 * len(hits) > 0


def test_command_and_function_give_the_same_model(trained, bound, tmp_path):
    network = DeepBindConfig(detectors=4, length=8, hidden=8, average_pooling=True, strand_pooling="mean", dropout=0.0)
    config = replace(DEFAULTS, epochs=3, warmup_steps=5, learning_rate=0.03)
    output = tmp_path / "planted.safetensors"
    run = bioconv.train("deepbind", bound, output=output, config=config, recipe=Recipe(network, per_epoch=200))
    assert same_weights(run.model, read_model(trained))
    assert same_weights(read_model(output), run.model)
    alone = bioconv.train("deepbind", bound, config=config, recipe=Recipe(network, per_epoch=200))
    assert same_weights(alone.model, run.model)


def test_config_file_equals_options_and_options_count_more(trained, bound, tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text("epochs = 3\nwarmup-steps = 5\nlearning_rate = 0.03\n")
    others = [*SMALL[2:10], *SMALL[14:]]
    assert not {"--epochs", "--warmup-steps", "--learning-rate"} & set(others)
    model = tmp_path / "planted.safetensors"
    call(train.command, "deepbind", bound, "-o", model, "--config", file, *others)
    assert same_weights(read_model(model), read_model(trained))
    assert read_model(model).metadata["training"]["config"] == read_model(trained).metadata["training"]["config"]
    again = tmp_path / "again.safetensors"
    call(train.command, "deepbind", bound, "-o", again, "--config", file, *others, "--epochs", 1, "--seed", 3)
    config = read_model(again).metadata["training"]["config"]
    assert (config["epochs"], config["seed"], config["learning_rate"]) == (1, 3, 0.03)
    assert config["batch_size"] == DEFAULTS.batch_size  # neither here nor there: the family's, not the trainer's


def test_split_file_is_followed_and_leaks_are_refused(bound, tmp_path):
    split = tmp_path / "mine.tsv"
    lines = ["name\tpart", *(f"s{n}\t{'dev' if n % 3 == 0 else 'test' if n % 3 == 1 else 'train'}" for n in range(240))]
    split.write_text("\n".join(lines) + "\n")
    model = tmp_path / "m.safetensors"
    fit(bound, "-o", model, "--split", split, "--epochs", 1)
    used = read_split(model.with_suffix(".run") / "split.tsv").parts
    assert used == read_split(split).parts
    assert page_of(model).tables["split"][1:] == [["train", "80"], ["dev", "80"], ["test", "80"]]
    assert {row[0].split()[0] for row in page_of(model).tables["worst"][1:]} <= {f"s{n}" for n in range(0, 240, 3)}
    letters = made.draw(240)
    letters[1] = made.reverse_complement(letters[0])
    leaking = made.write_fasta(tmp_path / "leaking.fa", letters)
    with pytest.raises(InputError, match=r"1 identical input cross its parts.*s0.*s1"):
        fit(leaking, "-o", tmp_path / "l.safetensors", "--split", split)
    assert not list(tmp_path.glob("l.*"))


@pytest.mark.slow
def test_search(bound, tmp_path):
    model = tmp_path / "m.safetensors"
    fit(bound, "-o", model, "--search", 3, "--epochs", 1)
    text = (model.with_suffix(".run") / "search.tsv").read_text().partition("\n")[2]
    tried = rows(text)
    assert [row["status"] for row in tried] == ["done"] * 3
    best = max(tried, key=lambda row: float(row["score"]))
    assert [row["chosen"] for row in tried].count("yes") == 1
    assert best["chosen"] == "yes"
    training = read_model(model).metadata["training"]
    values = json.loads(best["values"])
    assert training["config"]["learning_rate"] == values["learning_rate"]
    assert training["recipe"]["network"]["dropout"] == values["dropout"]
    shown = page_of(model).tables["search"]
    assert shown[0] == ["setting", "dropout", "l2", "learning_rate", "score"]
    assert [row[0] for row in shown[1:] if "chosen" in row[0]] == [f"{best['setting']} chosen"]
    # Trained again by itself it drops other features than beside the others: the figure is that of this training.
    history = (model.with_suffix(".run") / "held-out" / "history.csv").read_text().splitlines()
    reached = dict(zip(history[0].split(","), history[-1].split(","), strict=True))
    assert read_model(model).metadata["metrics"]["auroc"][0] == pytest.approx(float(reached["auroc"]))


def test_from_keeps_the_shape_and_frozen_detectors(trained, tmp_path):
    other = made.write_fasta(tmp_path / "other.fa", made.draw(100, seed=9))
    model = tmp_path / "m.safetensors"
    few = ["--epochs", 1, "--per-epoch", 200, "--warmup-steps", 1, "--threads", 1]
    call(train.command, "deepbind", other, "-o", model, "--from", trained, "--freeze", "all-but-head", *few)
    before, after = read_model(trained), read_model(model)
    assert after.config == before.config
    for name in ("filters", "thresholds"):
        np.testing.assert_array_equal(after.tensors[name], before.tensors[name])
    assert not np.array_equal(after.tensors["weights1"], before.tensors["weights1"])
    assert after.metadata["training"]["started_from"] == "planted.safetensors"
    free = tmp_path / "free.safetensors"
    call(train.command, "deepbind", other, "-o", free, "--from", trained, *few)
    assert not np.array_equal(read_model(free).tensors["filters"], before.tensors["filters"])


@pytest.mark.slow
def test_published_recipe(bound, tmp_path):
    model = tmp_path / "m.safetensors"
    shape = ["--detectors", 4, "--detector-length", 8, "--threads", 1, "--search", 1]
    call(train.command, "deepbind", bound, "-o", model, "--recipe", "published", "--quick", *shape)
    assert read_model(model).config["hidden"] == 0
    assert read_model(model).config["strand_pooling"] == "max"
    page = page_of(model)
    assert page.facts["recipe"] == "published"
    assert page.tables["search"][1][0] == "0 chosen"
    with pytest.raises(OptionError, match="--refit"):
        fit(bound, "-o", tmp_path / "n.safetensors", "--recipe", "published", "--refit")


@pytest.mark.slow
def test_measured_affinities(tmp_path):
    letters = made.draw(100) + made.draw(100, seed=1, planted=False)
    values = np.repeat([8.0, 2.0], 100) + np.random.default_rng(0).normal(size=200)
    table = made.write_table(tmp_path / "pbm.csv", letters, values)
    fasta = made.write_fasta(tmp_path / "pbm.fa", letters)
    model = tmp_path / "m.safetensors"
    fit(table, "-o", model, "--epochs", 8)
    card = read_model(model).metadata
    assert card["metrics"]["pearson"][0] > 0.7
    assert card["training"]["config"]["loss"] == "mse"
    found = rows(call(predict.command, fasta, "--model", model, "--no-header").stdout)
    assert list(found[0]) == ["sequence_name", "m:score"]  # no probability of a measured value
    assert np.corrcoef([float(row["m:score"]) for row in found], values)[0, 1] > 0.7


def test_given_negatives_are_held_out_too(tmp_path, bound):
    unbound = made.write_fasta(tmp_path / "unbound.fa", made.draw(200, seed=3, planted=False), "u")
    model = tmp_path / "m.safetensors"
    fit(bound, "-o", model, "--negatives", unbound, "--epochs", 1)
    card = read_model(model).metadata["training"]
    assert card["negatives"] == "given"
    assert [source["file"] for source in card["data"]] == ["bound.fa", "unbound.fa"]
    worst = [row for row in page_of(model).tables["worst"][1:] if row[1] == "0"]
    assert {row[0] for row in worst} <= {f"negative {n}" for n in range(1, 21)}  # a tenth of the 200


def test_bed_and_genome(tmp_path):
    rng = np.random.default_rng(4)
    letters = rng.choice(list("ACGT"), 20_000)
    starts = range(100, 19_000, 300)
    for start in starts:
        letters[start : start + 8] = list(made.MOTIF)
    genome = tmp_path / "genome.fa"
    genome.write_text(">chr1\n" + "".join(letters) + "\n>short\nACGT\n")
    bed = tmp_path / "peaks.narrowPeak"
    # the summit, not the middle, is on the motif; the last line repeats the first
    peaks = [f"chr1\t{start - 50}\t{start + 200}\tp\t0\t.\t1\t-1\t-1\t54\n" for start in starts]
    bed.write_text("".join([*peaks, peaks[0]]))
    model = tmp_path / "m.safetensors"
    fit(bed, "--genome", genome, "--negatives", genome, "--width", 31, "-o", model, "--epochs", 1)
    assert read_model(model).metadata["window"]["length"] == 31
    places = read_split(model.with_suffix(".run") / "split.tsv").parts
    assert set(places) == {f"chr1:{start + 4 - 15}-{start + 4 + 16}" for start in starts}
    said = fit(bed, "-o", tmp_path / "n.safetensors", status=4)
    assert "--genome" in said.stderr


def test_another_training_is_not_written_over(trained, bound):
    before = trained.read_bytes()
    with pytest.raises(OptionError, match=r"planted\.run holds an earlier training; go on with --resume"):
        fit(bound, "-o", trained)
    fit(bound, "-o", trained, "--licence", "CC0-1.0", "--resume")  # there is nothing left to do
    assert trained.read_bytes() == before


def test_unequal_lengths_are_padded(tmp_path):
    letters = [one[: 40 - number % 7] for number, one in enumerate(made.draw(60))]
    model = tmp_path / "m.safetensors"
    begun = fit(made.write_fasta(tmp_path / "cut.fa", letters), "-o", model, "--epochs", 1, "--resume")
    assert "m.run holds nothing to resume: the training begins from the start" in begun.stderr
    assert read_model(model).metadata["window"]["length"] == 40


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file; check the path"),
        ("", "is empty"),
        (">a\nACGT\n>b\nACGTT\n>c\nACGGT\n", "holds 3 bound sequences; at least 20"),
        ("".join(f">p{n}\nMKVLAEEGIVGLCKEWQRS{'KL' * n}\n" for n in range(30)), "DNA or RNA was expected"),
        (">a\nACGTACGT\n" * 30, "names are there more than once, 'a'"),
        ("".join(f">p{n}\nAC*GT\n" for n in range(30)), "p0"),
        ("name,sequence\na,ACGT\nb,\n", "line 3"),
    ],
)
def test_bad_sequences(content, words, tmp_path):
    path = tmp_path / "in.fa"
    if content is not None:
        path.write_text(content)
    before = set(tmp_path.iterdir())
    said = fit(path, "-o", tmp_path / "m.safetensors", status=4)
    assert words in said.stderr
    assert len(said.stderr.splitlines()) == 1
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        (["--monitor", "dice"], OptionError, "monitor is 'dice'"),
        (["--from", "nonesuch"], ModelError, "nonesuch"),
        (["--freeze", "6"], OptionError, "leaves nothing to learn"),
        (["--recipe", "published", "--quick", "--negatives", "{bound}"], OptionError, "published recipe"),
        (["--split", "{folder}/nonesuch.tsv"], InputError, "nonesuch.tsv"),
        (["-o", "{folder}/none/m.safetensors"], OutputError, "no folder"),
        (["-o", "{folder}/bound.fa"], OptionError, "one of the inputs"),
        (["-o", "-"], OptionError, "NAME.safetensors"),
    ],
)
def test_bad_options_leave_nothing(words, error, says, bound, tmp_path):
    own = tmp_path / "bound.fa"
    own.write_bytes(bound.read_bytes())
    filled = [word.format(bound=bound, folder=tmp_path) for word in words]
    with pytest.raises(error, match=says):
        fit(own, "-o", tmp_path / "m.safetensors", *filled)
    assert [path.name for path in tmp_path.iterdir()] == ["bound.fa"]
    assert own.read_bytes() == bound.read_bytes()
