"""Strata against a plain reading of each cell; their figures are those of the samples taken out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioconv.errors import InputError, OptionError
from bioconv.evaluation.binary_summary import summarise_binary
from bioconv.evaluation.figures import Settings
from bioconv.evaluation.strata import Split, divide, parse_splits
from bioconv.evaluation.strata_summary import summarise_strata


def members(text, column, cells):
    return {
        one.name: np.flatnonzero(one.members).tolist()
        for one in divide(parse_splits(text), {column: cells}, "l.csv", list(range(2, 2 + len(cells))))
    }


def test_splits():
    assert parse_splits("vendor,density,age:10") == [Split("vendor"), Split("density"), Split("age", 10.0)]
    assert parse_splits("age:50,60,70,vendor") == [Split("age", None, (50, 60, 70)), Split("vendor")]
    assert parse_splits("2019") == [Split("2019")]


@pytest.mark.parametrize(
    "text", ["age:0", "age:60,50", "age:x", "age:", "age:-5", "a,a", "", "a,,b", "age:50,50", ":5"]
)
def test_refuses_splits(text):
    with pytest.raises(OptionError, match="--by"):
        parse_splits(text)


def test_values_and_bins():
    assert members("v", "v", ["b", "", "a", "b"]) == {"a": [2], "b": [0, 3], "not given": [1]}
    assert list(members("v", "v", ["10", "9", "x"])) == ["9", "10", "x"]
    ages = ["49.9", "50", "59", "60", "", "70", "8"]
    assert members("v:50,60,70", "v", ages) == {
        "<50": [0, 6], "50 to <60": [1, 2], "60 to <70": [3], ">=70": [5], "not given": [4]
    }  # fmt: skip
    assert list(members("v:10", "v", ages)) == [
        "0 to <10",
        "40 to <50",
        "50 to <60",
        "60 to <70",
        "70 to <80",
        "not given",
    ]


@given(st.lists(st.integers(-300, 300), min_size=1, max_size=30), st.sampled_from([1, 2, 5, 10, 25]))
def test_every_number_lies_in_its_bin(tenths, width):
    """Numbers in tenths, so that ends of bins are met; the bin is found in whole numbers."""
    cells = [str(one / 10) for one in tenths]
    for name, places in members(f"v:{width / 10}", "v", cells).items():
        low = float(name.split(" ")[0])
        assert {round(low * 10)} == {tenths[i] // width * width for i in places}


def test_refuses_columns():
    with pytest.raises(InputError, match="no column 'w' for --by; there are v"):
        members("w", "v", ["1"])
    with pytest.raises(InputError, match=r"l.csv, line 3, column v: 'old'"):
        members("v:10", "v", ["51", "old"])
    with pytest.raises(InputError, match=r"has 51 values .* such as --by v:10"):
        members("v", "v", [str(i) for i in range(51)])


@pytest.mark.parametrize("grouped", [False, True])
def test_figures_are_those_of_the_samples_taken_out(grouped):
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3 == 0
    models = {"a": 1 / (1 + np.exp(-rng.normal(size=120) - labels)), "b": rng.normal(size=120) + labels}
    groups = [f"p{i // 2}" for i in range(120)] if grouped else None
    settings = Settings(40, threshold=0.5, prevalence=0.01, partial=(0, 0.2), groups=groups)
    strata = divide([Split("v")], {"v": ["x"] * 70 + ["y"] * 50}, "l.csv", [0] * 120)
    rows = summarise_strata(models, labels, strata, settings, calibrated={"a": True, "b": False})
    for row, inside in zip(rows, (slice(0, 70), slice(70, 120)), strict=True):
        own = replace(settings, groups=groups[inside] if grouped else None)
        known = {"a": True, "b": False}
        expected = summarise_binary({k: v[inside] for k, v in models.items()}, labels[inside], own, calibrated=known)
        assert {key: row[key] for key in expected} == expected
        assert row.get("groups") == (len(set(groups[inside])) if grouped else None)
    assert "brier" not in rows[0]["models"]["b"]


def test_too_few_say_so():
    labels = np.arange(60) % 2 == 0
    strata = divide([Split("v")], {"v": ["x"] * 41 + ["y"] * 19}, "l.csv", [0] * 60)
    rows = summarise_strata({"a": np.arange(60.0)}, labels, strata, Settings(10))
    assert "models" in rows[0]
    assert rows[1]["too_few"] == "9 positives; no figures below 10"
    assert "models" not in rows[1]
    groups = ["p"] * 41 + list("abcdefghijklmnopqrs")
    few = summarise_strata({"a": np.arange(60.0)}, labels, strata, Settings(10, groups=groups))
    assert few[0]["too_few"] == "1 groups; no figures below 10"
