"""`bioconv evaluate` for diagnostic scores: validation thresholds, prevalence, strata, readers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from bioconv.cli.evaluate import command
from click.testing import CliRunner, Result

from bioconv.errors import BioconvError
from bioconv.evaluation import (
    bootstrap,
    operating_point,
    partial_auroc,
    predictive_intervals,
    threshold_at_sensitivity,
    threshold_at_specificity,
    youden_threshold,
)


def evaluate(*words: object, status: int = 0) -> Result:
    done = CliRunner().invoke(command, [*map(str, words), "--resamples", "50"])
    if isinstance(done.exception, BioconvError):
        raise done.exception
    assert done.exit_code == status, done.output
    return done


def figures(*words: object) -> dict:
    return json.loads(evaluate(*words, "--json").stdout)


def write(path: Path, header: str, *columns) -> Path:
    rows = [",".join(map(str, row)) for row in zip(*columns, strict=True)]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.fixture
def study(tmp_path):
    """Scores, labels, validation and readers of 120 cases."""
    rng = np.random.default_rng(3)
    labels = np.arange(120) % 3 == 0
    scores = 1 / (1 + np.exp(-rng.normal(size=120) - 1.5 * labels))
    names = [f"c{i}" for i in range(120)]
    vendor = np.where(np.arange(120) < 70, "Acme", "Bolt")
    ages = rng.integers(40, 80, 120)
    write(tmp_path / "s.csv", "name,m", names, scores)
    write(tmp_path / "l.csv", "name,label,vendor,age", names, labels.astype(int), vendor, ages)
    write(tmp_path / "v.csv", "name,m", [f"v{i}" for i in range(120)], scores[::-1] ** 2)
    write(tmp_path / "w.csv", "name,label", [f"v{i}" for i in range(120)], labels[::-1].astype(int))
    decisions = [(rng.random(120) < np.where(labels, 0.8, 0.2)).astype(int) for _ in range(2)]
    write(
        tmp_path / "r.csv", "case,reader,decision", names * 2, ["ann"] * 120 + ["bob"] * 120, np.concatenate(decisions)
    )
    return tmp_path, scores, labels, decisions


def base(folder):
    return ["--scores", folder / "s.csv", "--labels", folder / "l.csv"]


def on_validation(folder):
    return ["--validation-scores", folder / "v.csv", "--validation-labels", folder / "w.csv"]


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ([], youden_threshold),
        (["--at-sensitivity", 0.9], lambda s, t: threshold_at_sensitivity(s, t, 0.9)),
        (["--at-specificity", 0.8], lambda s, t: threshold_at_specificity(s, t, 0.8)),
    ],
)
def test_the_threshold_is_the_validation_samples(study, words, rule):
    folder, scores, labels, _ = study
    found = figures(*base(folder), *on_validation(folder), *words)
    expected = rule(scores**2, labels)  # of the squared scores: the test's own would be another
    entries = found["models"]["m"]
    assert entries["threshold"]["value"] == pytest.approx(expected)
    point = operating_point(scores, labels, expected)
    assert entries["sensitivity"]["value"] == point.sensitivity.value
    assert entries["recall_rate"]["value"] == np.mean(scores >= expected)
    there = operating_point(scores**2, labels, expected)
    assert found["validation"]["m"]["sensitivity"] == there.sensitivity.value
    assert found["validation"]["m"]["specificity"] == there.specificity.value
    assert len(found["inputs"]["validation_labels"]["sha256"]) == 64
    assert any("chosen on validation data" in note for note in found["notes"])


def test_partial_area_and_prevalence(study):
    folder, scores, labels, _ = study
    words = ["--threshold", 0.5, "--partial-auroc", 0, 0.2, "--prevalence", 0.01]
    entries = figures(*base(folder), *words)["models"]["m"]
    expected = bootstrap(lambda s, t: partial_auroc(s, t, 0, 0.2), scores, labels, count=50)
    assert [entries["partial_auroc"][k] for k in ("value", "low", "high")] == pytest.approx(
        [expected.value, expected.low, expected.high]
    )
    ppv, npv = predictive_intervals(operating_point(scores, labels, 0.5), 0.01)
    for key, one in (("ppv_at_prevalence", ppv), ("npv_at_prevalence", npv)):
        assert [entries[key][k] for k in ("value", "low", "high")] == pytest.approx([one.value, one.low, one.high])
    assert "prevalence 0.01, logit" in evaluate(*base(folder), *words).stdout
    patients = write(folder / "g.csv", "name,label,patient", [f"c{i}" for i in range(120)], labels.astype(int),
                     [f"p{i // 2}" for i in range(120)])  # fmt: skip
    grouped = figures("--scores", folder / "s.csv", "--labels", patients, *words)
    assert grouped["groups"] == 60
    for key in ("ppv_at_prevalence", "npv_at_prevalence", "recall_rate_at_prevalence"):
        assert grouped["models"]["m"][key]["value"] == pytest.approx(entries[key]["value"])
        assert grouped["models"]["m"][key]["method"].endswith("bootstrap of groups")


def test_strata(study):
    folder, scores, labels, _ = study
    found = figures(*base(folder), "--by", "vendor,age:50,60,78", "--threshold", 0.5)
    rows = {(row["column"], row["stratum"]): row for row in found["strata"]}
    assert list(rows) == [
        ("vendor", "Acme"), ("vendor", "Bolt"), ("age", "<50"), ("age", "50 to <60"), ("age", "60 to <78"),
        ("age", ">=78"),
    ]  # fmt: skip
    bolt = rows["vendor", "Bolt"]
    assert (bolt["samples"], bolt["positives"]) == (50, labels[70:].sum())
    point = operating_point(scores[70:], labels[70:], 0.5)
    assert bolt["models"]["m"]["sensitivity"]["value"] == point.sensitivity.value
    assert "no figures below 10" in rows["age", ">=78"]["too_few"]
    shown = evaluate(*base(folder), "--by", "vendor,age:50,60,78").stdout
    assert "vendor Bolt " in shown
    assert "age >=78 " in shown
    assert "no figures below 10" in shown


def test_readers(study):
    folder, scores, labels, decisions = study
    words = [*base(folder), "--threshold", 0.5, "--readers", folder / "r.csv", "--margin", 0.1]
    found = figures(*words)["readers"]
    assert [row["reader"] for row in found["readers"]] == ["ann", "bob"]
    rows = {(row["reader"], row["metric"]): row for row in found["differences"]}
    ours = scores >= 0.5
    ann = decisions[0].astype(bool)
    assert rows["ann", "sensitivity"]["value"] == pytest.approx(ours[labels].mean() - ann[labels].mean())
    assert set(key for key, _ in rows) == {"ann", "bob", "average reader"}
    assert all(row["noninferior"] == (row["low"] > -0.1) for row in rows.values())
    shown = evaluate(*words).stdout
    assert "non-inferior" in shown
    plot = folder / "roc.svg"
    evaluate(*words, "--plot", plot)
    again = folder / "again.svg"
    evaluate(*base(folder), "--threshold", 0.5, "--plot", again)
    assert plot.read_bytes() != again.read_bytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--validation-scores", "v"], "go together"),
        (["--at-sensitivity", "0.9"], "choose on validation data"),
        (["--threshold", "1", "--validation-scores", "v", "--validation-labels", "w"], "exclude each other"),
        (
            ["--validation-scores", "v", "--validation-labels", "w", "--at-sensitivity", "1", "--at-specificity", "1"],
            "exclude each other",
        ),
        (["--prevalence", "0.1"], "needs an operating point"),
        (["--readers", "r"], "decide"),
        (["--threshold", "1", "--margin", "0.1"], "about --readers"),
        (["--regression", "--by", "v"], "--regression has no"),
        (["--images", "3"], "give MODEL and DATA"),
    ],
)
def test_usage(words, message):
    assert message in " ".join(evaluate("--scores", "s", "--labels", "l", *words, status=2).stderr.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--partial-auroc", 0.3, 0.2], "the lower first"),
        (["--threshold", 1, "--prevalence", 2], "prevalence is 2"),
        (["--by", "age:0"], "are no bins"),
        (["--threshold", 0.5, "--readers", "r.csv", "--margin", 2], "the margin is 2"),
    ],
)
def test_bad_options(study, monkeypatch, words, message):
    monkeypatch.chdir(study[0])
    with pytest.raises(BioconvError, match=message):
        evaluate("--scores", "s.csv", "--labels", "l.csv", *words)


def test_bad_tables(study, monkeypatch):
    monkeypatch.chdir(study[0])
    words = ["--scores", "s.csv", "--labels", "l.csv"]
    done = evaluate(*words, "--validation-scores", "s.csv", "--validation-labels", "l.csv", status=4)
    assert "l.csv: 120 samples are among those to be judged too" in done.stderr
    other = write(Path("x.csv"), "name,other", [f"v{i}" for i in range(120)], range(120))
    done = evaluate(*words, "--validation-scores", other, "--validation-labels", "w.csv", status=4)
    assert "x.csv: no column 'm'; the header has name, other" in done.stderr
    done = evaluate(*words, "--by", "maker", status=4)
    assert "no column 'maker' for --by; there are label, vendor, age" in done.stderr
    write(Path("r.csv"), "case,reader,decision", ["c0", "c999"], ["a", "a"], [1, 1])
    done = evaluate(*words, "--threshold", 0.5, "--readers", "r.csv", status=4)
    assert "1 row is of no labelled case: 'c999' (line 3)" in done.stderr
    assert done.stdout == ""


def test_other_tasks_refuse(tmp_path):
    scores = write(tmp_path / "s.csv", "name,x,y", range(4), [1, 0, 1, 0], [0, 1, 0, 1])
    labels = write(tmp_path / "l.csv", "name,class", range(4), list("xyxy"))
    with pytest.raises(BioconvError, match="--threshold, --prevalence, --by: labels must be 0 and 1"):
        evaluate("--scores", scores, "--labels", labels, "--threshold", 1, "--prevalence", 0.1, "--by", "class")


def test_help_is_in_sections():
    shown = CliRunner().invoke(command, ["--help"]).output
    places = [shown.index(f"\n{title}:") for title in ("Scores and labels", "Operating point", "Readers", "Output")]
    assert places == sorted(places)
    options = shown[shown.index("\nSequences and models:") :]
    for name in ("--scores", "--at-specificity", "--margin", "--marks", "--json", "--max-failures", "-v"):
        assert len(re.findall(rf"\n  {name}[ ,]", options)) == 1, name
