"""Paired differences by loops over cases, by every resample there is, by the closed form, and beside McNemar's test."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from bioconv.errors import InputError, OptionError
from bioconv.evaluation.figures import Settings
from bioconv.evaluation.readers import Readings, read_readings
from bioconv.evaluation.readers_summary import AVERAGE, compare_readers


def readings(called, read=None):
    called = np.array(called, bool).T
    read = np.ones(called.shape, bool) if read is None else np.array(read, bool).T
    return Readings([f"r{k}" for k in range(called.shape[1])], read, called & read)


def compared(ours, labels, readers, *, margin=None, **settings):
    settings = Settings(**{"resamples": 200, "threshold": 0.5} | settings)
    found = compare_readers({"m": np.array(ours, float)}, np.array(labels, bool), readers, settings, margin=margin)
    return {(row["reader"], row["metric"]): row for row in found["differences"]}, found


def test_differences_by_loops():
    """Readers who read different cases: each beside the model on the same cases, the average of these."""
    rng = np.random.default_rng(1)
    labels, ours = rng.random(60) < 0.4, rng.random(60) < 0.5
    read, called = rng.random((3, 60)) < 0.8, rng.random((3, 60)) < 0.5
    rows, _ = compared(ours, labels, readings(called, read))
    for figure, truth in (("sensitivity", True), ("specificity", False)):
        pairs = []
        for k in range(3):
            cases = [i for i in range(60) if labels[i] == truth and read[k, i]]
            model = sum(bool(ours[i]) == truth for i in cases) / len(cases)
            reader = sum(bool(called[k, i]) == truth for i in cases) / len(cases)
            row = rows[f"r{k}", figure]
            assert (row["cases"], row["model_value"], row["reader_value"], row["value"]) == pytest.approx(
                (len(cases), model, reader, model - reader)
            )
            pairs.append((model, reader))
        mean = np.mean(pairs, axis=0)
        assert rows[AVERAGE, figure]["value"] == pytest.approx(mean[0] - mean[1])


@pytest.mark.parametrize("grouped", [False, True])
def test_intervals_are_those_of_every_resample(grouped):
    """All 4^4 ways to draw four positives again (beside four negatives), or all 4^4 ways to draw four pairs."""
    labels = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    ours, theirs = np.array([1, 1, 1, 0, 0, 0, 1, 0]), np.array([0, 1, 0, 1, 1, 0, 0, 0])
    groups = list("abcdabcd") if grouped else None
    rows, _ = compared(ours, labels, readings([theirs]), resamples=20000, groups=groups, level=0.8)
    positives = np.flatnonzero(labels)
    exact = [(ours - theirs)[positives[list(draw)]].mean() for draw in itertools.product(range(4), repeat=4)]
    row = rows["r0", "sensitivity"]
    assert [row["low"], row["high"]] == pytest.approx(np.quantile(exact, [0.1, 0.9]))
    tails = 2 * min(np.mean(np.array(exact) <= 0), np.mean(np.array(exact) >= 0))
    assert row["p"] == pytest.approx(min(1, tails), abs=0.02)
    assert row["method"] == ("paired bootstrap of groups" if grouped else "paired bootstrap within classes")


@pytest.mark.parametrize(("won", "lost"), [(30, 10), (22, 15), (12, 40)])
def test_beside_mcnemar_and_the_closed_form(won, lost):
    """200 positives; the model is right where the reader is not on `won`, the other way round on `lost`."""
    ours = np.repeat([1, 0, 1, 0], [won, lost, 120, 80 - won - lost + 10])
    theirs = np.repeat([0, 1, 1, 0], [won, lost, 120, 80 - won - lost + 10])
    count = len(ours)
    labels = np.append(np.ones(count), np.zeros(20))
    rows, _ = compared(
        np.append(ours, np.zeros(20)), labels, readings([np.append(theirs, np.zeros(20))]), resamples=4000
    )
    row = rows["r0", "sensitivity"]
    error = np.sqrt(won + lost - (won - lost) ** 2 / count) / count
    assert [row["low"], row["high"]] == pytest.approx(
        [row["value"] - 1.96 * error, row["value"] + 1.96 * error], abs=0.012
    )
    exact = binomtest(won, won + lost).pvalue
    assert (row["p"] < 0.05) == (exact < 0.05)
    assert (row["p"] < 0.05) == (row["low"] > 0 or row["high"] < 0)


def test_where_they_agree_everywhere_the_interval_is_tangos():
    """Tango 1998: the differences whose score statistic is not beyond the quantile; the maximum found by search."""
    count, z = 25, 1.959963984540054
    labels = np.append(np.ones(count), np.zeros(30))
    ours = np.append(np.arange(count) % 2, np.zeros(30))
    rows, _ = compared(ours, labels, readings([ours]), margin=0.2)
    row = rows["r0", "sensitivity"]
    assert (row["value"], row["p"]) == (0, 1)
    assert row["method"] == "Tango, no disagreement in 25"

    def statistic(delta):
        # Of (gain, loss) with gain - loss = -delta, all-agree is likeliest at gain 0, loss delta.
        return count * delta / np.sqrt(count * (delta - delta**2))

    assert statistic(row["high"]) == pytest.approx(z)
    assert row["low"] == -row["high"]
    assert row["noninferior"]  # 0.133 < 0.2
    assert not compared(ours, labels, readings([ours]), margin=0.1)[0]["r0", "sensitivity"]["noninferior"]
    groups = [f"p{i // 5}" for i in range(55)]
    grouped = compared(ours, labels, readings([ours]), groups=groups)[0]["r0", "sensitivity"]
    assert grouped["method"] == "Tango, no disagreement in 5"


def test_non_inferiority_is_the_lower_end():
    rng = np.random.default_rng(3)
    labels = np.arange(200) < 100
    ours, theirs = rng.random(200) < 0.5, rng.random(200) < 0.5
    plain, _ = compared(ours, labels, readings([theirs, ~theirs]))
    assert "noninferior" not in plain["r0", "sensitivity"]
    lowest = {key: row["low"] for key, row in plain.items()}
    for shift, expected in ((1e-6, True), (-1e-6, False)):
        for key in (k for k in lowest if lowest[k] < -1e-3):
            rows, found = compared(ours, labels, readings([theirs, ~theirs]), margin=-lowest[key] + shift)
            assert rows[key]["noninferior"] is expected
    assert any("one-sided test at 0.025" in note for note in found["notes"])


def test_refuses():
    labels, one = [1, 0], readings([[1, 0]])
    with pytest.raises(OptionError, match="margin is 5"):
        compared([1, 0], labels, one, margin=5)
    with pytest.raises(OptionError, match="m has no threshold"):
        compared([1, 0], labels, one, threshold=None)


NAMES, LABELS = ["c1", "c2", "c3", "c4"], np.array([1, 0, 1, 0], bool)


def test_tables(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("case,reader,decision\nc2,ann,1\nc1,ann,1\nc4,bob,0\nc3,bob,0\nc1,bob,1\nc3,ann,0\n")
    found = read_readings(path, NAMES, LABELS)
    assert found.readers == ["ann", "bob"]
    assert found.read.tolist() == [[True, True], [True, False], [True, True], [False, True]]
    assert found.called.tolist() == [[True, True], [True, False], [False, False], [False, False]]
    assert found.points(LABELS) == {"ann": (1.0, 0.5), "bob": (0.0, 0.5)}
    path.write_text("case\treader\tscore\tthreshold\nc1\tann\t3\t3\nc2\tann\t2.9\t3\n")
    assert read_readings(path, NAMES, LABELS).called[:2, 0].tolist() == [True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case,decision\nc1,1\n", "no column reader"),
        ("case,reader\nc1,a\n", r"no column decision \(0 or 1\), nor columns score and threshold"),
        ("case,reader,decision\nc1,a,2\nc2,a,0\n", "line 2: decision '2' is not 0 or 1"),
        ("case,reader,decision\nc1,a,x\nc2,a,0\n", "line 2, column decision: 'x'"),
        ("case,reader,decision\nc9,a,1\nc2,a,0\n", r"1 row is of no labelled case: 'c9' \(line 2\)"),
        ("case,reader,decision\nc1,a,1\nc2,a,0\nc1,a,0\n", r"reader 'a' read 'c1' twice \(lines 2 and 4\)"),
        ("case,reader,decision\nc1,a,1\nc3,a,0\n", "reader 'a' read no negative case"),
        ("case,reader,decision\nc1,,1\n", "line 2: no reader"),
        ("case,reader,decision\n", "a header but no rows"),
        ("case,reader,score,threshold\nc1,a,1,\nc2,a,1,1\n", "line 2, column threshold: ''"),
    ],
)
def test_bad_tables(tmp_path, text, message):
    path: Path = tmp_path / "r.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_readings(path, NAMES, LABELS)
