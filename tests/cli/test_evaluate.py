"""The command gives what the functions give, and says what is wrong with an input."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bioconv.cli.evaluate import command
from click.testing import CliRunner, Result
from PIL import Image
from sklearn import metrics

from bioconv.errors import BioconvError
from bioconv.evaluation import (
    auprc,
    auroc,
    bootstrap,
    brier,
    calibration_slope_intercept,
    delong_interval,
    delong_test,
    f1,
    matthews,
    operating_point,
    paired_bootstrap,
    pearson,
    spearman,
    wilson_interval,
)

ROOT = Path(__file__).parent.parent.parent


def evaluate(*words: object, status: int = 0) -> Result:
    done = CliRunner().invoke(command, [*map(str, words), "--resamples", "50"])
    if isinstance(done.exception, BioconvError):
        raise done.exception
    assert done.exit_code == status, done.output
    return done


def figures(*words: object) -> dict:
    return json.loads(evaluate(*words, "--json").stdout)


def interval(entry: dict) -> list[float]:
    return [entry[key] for key in ("value", "low", "high", "error")]


def write(path: Path, header: str, columns: list, separator: str = ",") -> Path:
    with path.open("w", newline="") as stream:
        stream.write(header.replace(",", separator) + "\n")
        csv.writer(stream, delimiter=separator, lineterminator="\n").writerows(zip(*columns, strict=True))
    return path


@pytest.fixture
def drawn():
    rng = np.random.default_rng(7)
    labels = (np.arange(60) % 3 == 0).astype(int)
    a = 1 / (1 + np.exp(-rng.normal(size=60) - 1.5 * labels + 0.75))
    return [f"s{i}" for i in range(60)], a, a + rng.normal(size=60), labels


@pytest.fixture
def tables(tmp_path, drawn):
    names, a, b, labels = drawn
    order = np.random.default_rng(0).permutation(60)
    rows = [[names[i] for i in order], a[order], b[order]]
    return write(tmp_path / "s.tsv", "id,first,second", rows, "\t"), write(
        tmp_path / "l.csv", "name,label", [names, labels]
    )


def test_binary_is_what_the_functions_give(tables, drawn, tmp_path):
    _, a, b, labels = drawn
    output = tmp_path / "out.json"
    done = evaluate("--scores", tables[0], "--labels", tables[1], "--threshold", 0.5, "-o", output)
    found = json.loads(output.read_text())
    assert (found["samples"], found["positives"], found["negatives"], found["task"]) == (60, 20, 40, "binary")
    first, second = found["models"]["first"], found["models"]["second"]
    for entries, scores in ((first, a), (second, b)):
        assert interval(entries["auroc"]) == pytest.approx(list(vars(delong_interval(scores, labels)).values()))
        expected = bootstrap(auprc, scores, labels, count=50)
        assert interval(entries["auprc"]) == pytest.approx(list(vars(expected).values()))
    assert first["brier"]["value"] == pytest.approx(brier(a, labels))
    slope, intercept = calibration_slope_intercept(a, labels)
    assert interval(first["calibration_slope"]) == pytest.approx(list(vars(slope).values()))
    assert interval(first["calibration_intercept"]) == pytest.approx(list(vars(intercept).values()))
    assert "brier" not in second
    point = operating_point(a, labels, 0.5)
    assert interval(first["sensitivity"]) == pytest.approx(list(vars(point.sensitivity).values()))
    assert interval(first["precision"]) == pytest.approx(list(vars(point.precision).values()))
    assert first["true_positives"]["value"] == point.true_positives
    assert first["f1"]["value"] == pytest.approx(f1(a >= 0.5, labels))
    delong, drawn_again, precision = found["comparisons"]
    assert [delong[key] for key in ("value", "low", "high", "p")] == pytest.approx(
        list(vars(delong_test(a, b, labels)).values())
    )
    for row, metric in ((drawn_again, auroc), (precision, auprc)):
        expected = paired_bootstrap(metric, a, b, labels, count=50)
        assert [row[key] for key in ("value", "low", "high", "p")] == pytest.approx(list(vars(expected).values()))
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["first", "auroc", *(f"{x:.4f}" for x in interval(first["auroc"])[:3])] in [row[:5] for row in rows]
    assert done.stdout.startswith("# bioconv ")
    assert len(found["inputs"]["scores"]["sha256"]) == 64


def test_no_threshold_is_chosen(tables):
    done = figures("--scores", tables[0], "--labels", tables[1], "--column", "second")
    assert list(done["models"]) == ["second"]
    assert set(done["models"]["second"]) == {"auroc", "auprc"}
    assert any("no threshold is chosen" in note for note in done["notes"])


def test_groups(tables, drawn, tmp_path):
    names, a, b, labels = drawn
    groups = [f"p{i // 3}" for i in range(60)]
    grouped = write(tmp_path / "g.csv", "name,group,label", [names, groups, labels])
    found = figures("--scores", tables[0], "--labels", grouped, "--threshold", 0.5)
    assert found["groups"] == 20
    expected = bootstrap(auroc, a, labels, count=50, groups=groups)
    assert interval(found["models"]["first"]["auroc"]) == pytest.approx(list(vars(expected).values()))
    for key, value in vars(operating_point(a, labels, 0.5)).items():
        assert found["models"]["first"][key]["value"] == pytest.approx(getattr(value, "value", value)), key
    methods = {entry["method"] for entry in found["models"]["first"].values() if entry["low"] is not None}
    assert methods == {"bootstrap of groups"}
    both = paired_bootstrap(auroc, a, b, labels, count=50, groups=groups)
    assert found["comparisons"][0]["low"] == pytest.approx(both.low)
    assert {row["method"] for row in found["comparisons"]} == {"paired bootstrap of groups"}


def test_many_classes(tmp_path):
    rng = np.random.default_rng(2)
    truth = np.arange(90) % 3
    scores = rng.dirichlet([1, 1, 1], 90) * 0.6 + 0.4 * np.eye(3)[rng.permuted(truth.reshape(30, 3), axis=1).ravel()]
    names, classes = [f"s{i}" for i in range(90)], np.array(["donor", "acceptor", "none"])
    tables = (
        write(tmp_path / "s.csv", "name,donor,acceptor,none", [names, *scores.T]),
        write(tmp_path / "l.csv", "name,class", [names, classes[truth]]),
    )
    found = figures("--scores", tables[0], "--labels", tables[1])
    best = scores.argmax(axis=1)
    entries = found["models"]["all"]
    assert found["classes"] == {"donor": 30, "acceptor": 30, "none": 30}
    assert found["confusion_matrix"] == metrics.confusion_matrix(truth, best).tolist()
    expected = metrics.roc_auc_score(truth, scores, multi_class="ovr")
    assert entries["macro_auroc"]["value"] == pytest.approx(expected)
    for number, name in enumerate(classes):
        area = delong_interval(scores[:, number], truth == number)
        assert interval(entries[f"auroc {name}"]) == pytest.approx(list(vars(area).values()))
    right = wilson_interval(int((best == truth).sum()), 90)
    assert interval(entries["accuracy"]) == pytest.approx(list(vars(right).values()))
    assert entries["macro_f1"]["value"] == pytest.approx(metrics.f1_score(truth, best, average="macro"))
    assert entries["matthews"]["value"] == pytest.approx(matthews(best, truth))
    assert entries["log_loss"]["value"] == pytest.approx(metrics.log_loss(truth, scores))
    text = evaluate("--scores", tables[0], "--labels", tables[1]).stdout
    assert "truth \\ predicted" in text
    absent = write(tmp_path / "two.csv", "name,class", [names, classes[truth % 2]])
    found = figures("--scores", tables[0], "--labels", absent)
    assert "class 'none' has no sample" in found["notes"]
    assert set(found["models"]["all"]) >= {"auroc donor", "auroc acceptor"}
    one = write(tmp_path / "one.csv", "name,class", [names, ["donor"] * 90])
    assert "all 90 labels are 'donor'" in evaluate("--scores", tables[0], "--labels", one, status=4).stderr


def test_regression(tmp_path):
    rng = np.random.default_rng(3)
    observed = rng.normal(size=40)
    found, other = observed + rng.normal(size=40), rng.normal(size=40)
    names = list(range(40))
    scores = write(tmp_path / "s.csv", "name,a,b", [names, found, other])
    labels = write(tmp_path / "l.csv", "name,label", [names, observed])
    result = figures("--scores", scores, "--labels", labels, "--regression")
    for key, metric in (("pearson", pearson), ("spearman", spearman)):
        expected = bootstrap(metric, found, observed, count=50, groups=names)
        assert interval(result["models"]["a"][key]) == pytest.approx(list(vars(expected).values()))
        gap = paired_bootstrap(metric, found, other, observed, count=50, groups=names)
        (row,) = [one for one in result["comparisons"] if one["metric"] == key]
        assert [row[part] for part in ("value", "low", "high", "p")] == pytest.approx(list(vars(gap).values()))
    assert result["models"]["a"]["r2"]["value"] == pytest.approx(metrics.r2_score(observed, found))
    assert "give --regression" in evaluate("--scores", scores, "--labels", labels, status=4).stderr


MODEL = """# deepbind 0.1
reverse_complement = 1
num_detectors = 1
detector_len = 3
has_avg_pooling = 0
num_hidden = 0
detectors = 1,0,0,0,0,1,0,0,0,0,1,0
thresholds = 0
weights1 = 1
biases1 = 0
weights2 =
biases2 =
"""


def test_a_model_on_labelled_sequences(tmp_path):
    from bioconv.conv.detectors import record_scores
    from bioconv.sequence.deepbind import load_motif_model
    from bioconv.sequence.fasta import encode

    (tmp_path / "m.txt").write_text(MODEL)
    rng = np.random.default_rng(5)
    sequences = ["".join(rng.choice(list("ACGT"), rng.integers(4, 7))) for _ in range(30)]
    labels = rng.integers(2, size=30)
    with gzip.open(tmp_path / "d.seq.gz", "wt") as stream:
        stream.write("FoldID\tEventID\tseq\tBound\n")
        stream.writelines(f"A\te{i}\t{s}\t{labels[i]}\n" for i, s in enumerate(sequences))
    detectors = load_motif_model(tmp_path / "m.txt").detectors
    scores = [record_scores(encode(one), detectors).max() for one in sequences]
    result = figures(tmp_path / "m.txt", tmp_path / "d.seq.gz")
    entries = result["models"][str(tmp_path / "m.txt")]
    assert interval(entries["auroc"]) == pytest.approx(list(vars(delong_interval(scores, labels)).values()))
    assert "brier" not in entries
    for kind, wanted in (("p", 1), ("n", 0)):
        chosen = [f">{i}\n{s}\n" for i, s in enumerate(sequences) if labels[i] == wanted]
        (tmp_path / f"{kind}.fa").write_text("".join(chosen))
    again = figures(tmp_path / "m.txt", tmp_path / "p.fa", "--negatives", tmp_path / "n.fa")
    assert interval(next(iter(again["models"].values()))["auroc"]) == pytest.approx(interval(entries["auroc"]))
    assert "p.fa has no labels" in evaluate(tmp_path / "m.txt", tmp_path / "p.fa", status=4).stderr


def test_published_weights_on_encode(shared_data, monkeypatch, tmp_path):
    """The area is the one that the data's description gives for these weights."""
    from bioconv.zoo import install

    monkeypatch.setenv("BIOCONV_DATA_MIRROR", str(shared_data("deepbind-models-2015").parent))
    monkeypatch.setenv("BIOCONV_CACHE", str(tmp_path))
    install("deepbind:D00360.007")
    data = shared_data("deepbind-encode-chipseq/ELK1_GM12878_ELK1_(1277-1)_Stanford_B.seq.gz")
    (entries,) = figures("deepbind:D00360.007", data)["models"].values()
    assert round(entries["auroc"]["value"], 3) == 0.953


def mask(path: Path, pixels) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)


def test_masks(tmp_path):
    mask(tmp_path / "p/a.png", [[255, 255, 0]])
    mask(tmp_path / "t/a.tif", [[1, 0, 0]])
    mask(tmp_path / "p/b.png", [[0, 0, 0]])
    np.save(tmp_path / "t/b.npy", np.zeros((1, 3), bool))
    mask(tmp_path / "p/c.png", [[255, 255]])
    mask(tmp_path / "t/c.png", [[255, 255, 255]])
    mask(tmp_path / "p/d.png", [[1]])
    (tmp_path / "t/e.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    mask(tmp_path / "p/e.png", [[1]])
    done = evaluate("--masks", tmp_path / "p", tmp_path / "t", status=3)
    rows = [line.split("\t") for line in done.stdout.splitlines() if not line.startswith("#")]
    assert rows == [
        ["name", "class", "dice", "iou", "predicted_pixels", "true_pixels"],
        ["a", "foreground", "0.6667", "0.5000", "2", "1"],
        ["b", "foreground", "1.0000", "1.0000", "0", "0"],
    ]
    (line,) = [one for one in done.stdout.splitlines() if one.startswith("# mean dice 0.8333 (")]
    assert "2 images" in line
    assert "shape (1, 2), the true one (1, 3)" in done.stderr
    assert "d: there is no true mask" in done.stderr
    assert "e.png: not a readable image" in done.stderr
    assert evaluate("--masks", tmp_path / "p", tmp_path / "t", "--max-failures", 3).exit_code == 0


def test_masks_of_classes(tmp_path):
    rng = np.random.default_rng(0)
    pairs = [rng.integers(0, 3, (2, 6, 7)) for _ in range(5)]
    for number, (found, truth) in enumerate(pairs):
        mask(tmp_path / f"p/{number}.png", found)
        mask(tmp_path / f"t/{number}.png", truth)
    result = json.loads(evaluate("--masks", tmp_path / "p", tmp_path / "t", "--classes", "1,2", "--json").stdout)
    expected = [metrics.jaccard_score(t.ravel(), p.ravel(), labels=[1, 2], average=None) for p, t in pairs]
    assert [row["iou"] for row in result["images"]] == pytest.approx(np.ravel(expected).tolist())
    assert result["models"]["mean"]["iou"]["value"] == pytest.approx(np.mean(expected))
    assert result["models"]["2"]["iou"]["value"] == pytest.approx(np.mean(expected, axis=0)[1])
    values = np.mean(expected, axis=1)
    again = bootstrap(lambda some, _: float(some.mean()), values, np.zeros(5), count=50)
    assert interval(result["models"]["mean"]["iou"]) == pytest.approx(list(vars(again).values()))
    done = evaluate("--masks", tmp_path / "p", tmp_path / "t")
    assert "several values above 0" in done.stderr


def test_no_mask_is_usable(tmp_path):
    mask(tmp_path / "p/a.png", [[1]])
    (tmp_path / "t").mkdir()
    assert evaluate("--masks", tmp_path / "p", tmp_path / "t", status=4).stdout == ""
    assert "is not a folder" in evaluate("--masks", tmp_path / "p", tmp_path / "x", status=4).stderr


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_the_same_plot_again(tables, tmp_path, suffix):
    plots = [tmp_path / f"{name}.{suffix}" for name in "ab"]
    for plot in plots:
        evaluate("--scores", tables[0], "--labels", tables[1], "--column", "first", "--plot", plot)
    head = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}[suffix]
    assert plots[0].read_bytes().startswith(head)
    assert plots[0].read_bytes() == plots[1].read_bytes()


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ("n,x\na,1\nb,2\nb,3\n", "n,label\na,0\nb,1\n", r"s.csv: 1 row repeats a n: 'b' \(lines 3 and 4\)"),
        ("n,x\na,1\n", "n,label\na,0\nb,1\n", "no scores for 1 of 2 names of l.csv: b"),
        ("n,x\na,1\nb,2\nc,3\nd,4\n", "n,label\na,0\nb,1\n", "2 names are not in l.csv: c, d"),
        (
            "n,x\n" + "".join(f"z{i},1\n" for i in range(9)),
            "n,label\na,0\nb,1\n",
            "9 names are not in l.csv: z0, z1, z2, z3, z4, ...",
        ),
        ("n,x\na,1\nb,high\n", "n,label\na,0\nb,1\n", "s.csv, line 3, column x: 'high'"),
        ("n,x\na,1\nb,2\n", "n,label\na,0\nb,2\n", "l.csv, line 3: label '2' is not 0 or 1, nor"),
        ("n,x\na,1\nb,2\n", "n,label\na,1\nb,1\n", "all 2 labels are 1"),
        ("n,x\na,1\nb,2\n", "n,this,that\na,1,2\nb,1,2\n", "no column label or"),
        ("n,label\na,1\nb,2\n", "n,label\na,1\nb,0\n", "no column of scores"),
        ("n,x\n", "n,label\n", "has a header but no rows"),
        ("n,x\na,1\nb,2\n", "n,label,group\na,1,p\nb,0,\n", "l.csv, line 3: no group"),
        ("n,x\na,1\nb,2\n", "n,label,group\na,1,p\nb,0,p\n", "all samples are of one group"),
        ("", "n,label\na,1\n", "is empty"),
    ],
)
def test_bad_tables(tmp_path, monkeypatch, scores, labels, message):
    import re

    monkeypatch.chdir(tmp_path)
    Path("s.csv").write_text(scores)
    Path("l.csv").write_text(labels)
    done = evaluate("--scores", "s.csv", "--labels", "l.csv", "-o", "out.json", status=4)
    assert re.search(message.replace("...", r"\.\.\.").replace("[", r"\["), done.stderr), done.stderr
    assert done.stdout == ""
    assert not Path("out.json").exists()


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["model"],
        ["--scores", "s"],
        ["--labels", "s"],
        ["--scores", "s", "--labels", "l", "--masks", "a", "b"],
        ["m", "d", "--scores", "s", "--labels", "l"],
        ["--masks", "a", "b", "--threshold", "1"],
        ["--scores", "s", "--labels", "l", "--classes", "all"],
        ["m", "d", "--column", "x"],
        ["m", "d", "--regression", "--plot", "x.svg"],
    ],
)
def test_usage(words):
    assert "Usage:" in evaluate(*words, status=2).stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--level", "95"], "level is 95"),
        (["--plot", "x.gif"], r"end the name in \.svg"),
        (["--threshold", "nan"], "--threshold is nan"),
    ],
)
def test_bad_options(tables, words, message):
    with pytest.raises(BioconvError, match=message):
        evaluate("--scores", tables[0], "--labels", tables[1], *words)


def test_bad_classes(tmp_path):
    with pytest.raises(BioconvError, match="--classes is '1,1'"):
        evaluate("--masks", tmp_path, tmp_path, "--classes", "1,1")


def test_through_the_program(tables):
    """Scores from a pipe; the log stays off stdout."""
    words = ["-m", "bioconv", "evaluate", "--scores", "-", "--labels", tables[1], "-o", "-", "--resamples", 20]
    done = subprocess.run(
        [sys.executable, "-W", "error", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        check=True,
        input=tables[0].read_bytes(),
    )
    result = json.loads(done.stdout)
    assert result["inputs"]["scores"] == {"path": "-"}
    assert set(result["models"]) == {"first", "second"}


@pytest.mark.parametrize(
    ("scores", "labels", "trials"),
    [([1, 2, 3, 4], [0, 0, 1, 1], 2), ([3, 3, 3, 3, 3], [0, 0, 0, 1, 1], 2), ([3, 1, 2], [1, 0, 0], 1)],
)
def test_where_the_variance_vanishes_the_method_says_so(tmp_path, scores, labels, trials):
    """Separated classes, equal scores, one positive: Wilson's interval, computed here from its formula."""
    names = [f"s{i}" for i in range(len(scores))]
    given = (
        write(tmp_path / "s.csv", "name,m", [names, scores]),
        write(tmp_path / "l.csv", "name,label", [names, labels]),
    )
    area = figures("--scores", given[0], "--labels", given[1])["models"]["m"]["auroc"]
    assert area["method"] == f"Wilson, {trials} trials"
    z, p = 1.959963984540054, area["value"]
    centre = (p + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * (p * (1 - p) / trials + z * z / (4 * trials**2)) ** 0.5
    assert interval(area)[1:3] == pytest.approx([max(0, centre - half), min(1, centre + half)], abs=1e-12)


def test_the_reason_is_that_of_the_samples_not_of_resamples(tmp_path):
    given = write(tmp_path / "s.csv", "name,m", ["ab", [1, 2]]), write(tmp_path / "l.csv", "name,label", ["ab", [5, 5]])
    done = evaluate("--scores", given[0], "--labels", given[1], "--regression", status=4)
    assert "resamples" not in done.stderr


def test_a_label_of_a_models_data_is_named_by_its_sequence(tmp_path, model_path):
    data = write(tmp_path / "d.csv", "name,sequence,label", ["ab", ["ACGTACGT", "GGGGACCC"], [1, 2]])
    done = evaluate(model_path(1), data, status=4)
    assert "d.csv, sample 'b': label '2' is not 0 or 1" in done.stderr


def test_a_seed_below_0_is_refused(tables):
    assert "--seed" in evaluate("--scores", tables[0], "--labels", tables[1], "--seed", -1, status=2).stderr
