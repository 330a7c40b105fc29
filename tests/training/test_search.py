"""Random search: the distributions by their quantiles, the table by stopping it anywhere."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bioconv.errors import InputError, OptionError
from bioconv.training.search import (
    Choice,
    Integer,
    LogUniform,
    OneMinusLogUniform,
    SearchTable,
    Trial,
    Uniform,
    best_trial,
    draw_settings,
    read_search,
    search,
    write_search,
)

SPACE = {
    "learning_rate": LogUniform(1e-5, 1e-1),
    "momentum": OneMinusLogUniform(0.9, 0.999),
    "dropout": Uniform(0.0, 0.5),
    "layers": Integer(1, 4),
    "pooling": Choice(("max", "average", None)),
    "widths": Choice(((8, 16), (4,))),
}


def drawn(count: int = 2000) -> dict[str, list]:
    settings = draw_settings(SPACE, count, seed=1)
    return {name: [setting[name] for setting in settings] for name in SPACE}


def test_distributions_as_scipys():
    values = drawn()
    assert stats.kstest(values["learning_rate"], stats.loguniform(1e-5, 1e-1).cdf).pvalue > 1e-3
    assert stats.kstest(1 - np.array(values["momentum"]), stats.loguniform(1e-3, 1e-1).cdf).pvalue > 1e-3
    assert stats.kstest(values["dropout"], stats.uniform(0, 0.5).cdf).pvalue > 1e-3
    for name, known in (("layers", [1, 2, 3, 4]), ("pooling", ["max", "average", None])):
        counts = [values[name].count(value) for value in known]
        assert sum(counts) == 2000
        assert stats.chisquare(counts).pvalue > 1e-3
    assert abs(stats.spearmanr(values["learning_rate"], values["dropout"]).statistic) < 0.1


@given(share=st.floats(0, 1, exclude_max=True), low=st.floats(1e-9, 0.5), width=st.floats(0, 0.49))
def test_draws_stay_between_their_ends(share, low, width):
    for kind in (Uniform, LogUniform, OneMinusLogUniform):
        assert low <= kind(low, low + width).at(share) <= low + width
    assert Integer(3, 3).at(share) == 3
    assert Integer(-1, 1).at(share) in (-1, 0, 1)


def test_settings_do_not_depend_on_how_many_are_drawn():
    assert draw_settings(SPACE, 3, seed=1) == draw_settings(SPACE, 9, seed=1)[:3]
    assert draw_settings(SPACE, 3, seed=1) != draw_settings(SPACE, 3, seed=2)
    fewer = {name: SPACE[name] for name in ("momentum", "dropout")}
    assert draw_settings(fewer, 2, seed=1)[1]["dropout"] == draw_settings(SPACE, 2, seed=1)[1]["dropout"]


@pytest.mark.parametrize(
    ("space", "count", "words"),
    [
        ({}, 3, "3 settings over"),
        (SPACE, 0, "0 settings over"),
        ({"x": Uniform(2, 1)}, 1, "search over x: Uniform .*low of at most high"),
        ({"x": LogUniform(0, 1)}, 1, "0 < low"),
        ({"x": OneMinusLogUniform(0.5, 1)}, 1, "high < 1"),
        ({"x": Uniform(0, math.inf)}, 1, "low of at most high"),
        ({"x": Choice(())}, 1, "at least one value"),
    ],
)
def test_spaces_that_make_no_sense(space, count, words):
    with pytest.raises(OptionError, match=words):
        draw_settings(space, count, seed=0)


def score_of(setting: dict, index: int) -> float:
    return -abs(math.log10(setting["learning_rate"]) + 3)


def test_the_best_is_chosen_and_written(tmp_path):
    settings = draw_settings(SPACE, 12, seed=4)
    best = search(SearchTable(tmp_path / "s.tsv", settings), score_of)
    scores = [score_of(setting, 0) for setting in settings]
    assert best.index == int(np.argmax(scores))
    assert best.values == settings[best.index]
    trials = read_search(tmp_path / "s.tsv")
    assert [trial.score for trial in trials] == scores
    assert [{**trial.values, "widths": tuple(trial.values["widths"])} for trial in trials] == settings
    chosen = [line.split("\t") for line in (tmp_path / "s.tsv").read_text().splitlines()[2:]]
    assert [int(row[0]) for row in chosen if row[4] == "yes"] == [best.index]
    lowest = search(SearchTable(tmp_path / "low.tsv", settings, mode="min"), score_of)
    assert lowest.index == int(np.argmin(scores))


@pytest.mark.parametrize("stopped_at", [0, 3, 7])
def test_a_stopped_search_goes_on(tmp_path, stopped_at):
    settings = draw_settings(SPACE, 8, seed=4)
    path = tmp_path / "s.tsv"
    ran: list[int] = []

    def run(setting: dict, index: int) -> float:
        if len(ran) == stopped_at and index == stopped_at:
            ran.append(-1)
            raise KeyboardInterrupt
        ran.append(index)
        return score_of(setting, index)

    with pytest.raises(KeyboardInterrupt):
        search(SearchTable(path, settings), run)
    best = search(SearchTable(path, settings), run)
    assert [index for index in ran if index >= 0] == list(range(8))
    assert best.score == max(score_of(setting, 0) for setting in settings)


def test_a_longer_search_keeps_what_is_known(tmp_path):
    path, ran = tmp_path / "s.tsv", []

    def run(setting: dict, index: int) -> float:
        ran.append(index)
        return float(index)

    search(SearchTable(path, draw_settings(SPACE, 3, seed=4)), run)
    best = search(SearchTable(path, draw_settings(SPACE, 5, seed=4)), run)
    assert ran == [0, 1, 2, 3, 4]
    assert best.index == 4


def test_failures_are_recorded_and_tried_again(tmp_path):
    settings, path = draw_settings(SPACE, 5, seed=4), tmp_path / "s.tsv"

    def run(setting: dict, index: int) -> float:
        if index == 1:
            message = "loss is\tnot finite\nat step 3"
            raise OptionError(message)
        if index == 2:
            return math.nan
        if index == 3:
            raise MemoryError
        return float(-index)

    assert search(SearchTable(path, settings), run).index == 0
    errors = {trial.index: trial.error for trial in read_search(path)}
    assert errors == {0: "", 1: "OptionError: loss is not finite at step 3", 2: "score nan", 3: "MemoryError:", 4: ""}
    assert SearchTable(path, settings).pending() == [1, 2, 3]
    assert search(SearchTable(path, settings), lambda setting, index: float(index)).index == 3


def test_nothing_could_be_trained(tmp_path):
    def run(setting: dict, index: int) -> float:
        message = f"no GPU for {index}"
        raise RuntimeError(message)

    with pytest.raises(InputError, match="none of 2 settings could be trained; the last: RuntimeError: no GPU for 1"):
        search(SearchTable(tmp_path / "s.tsv", draw_settings(SPACE, 2, seed=0)), run)


def test_a_mistake_in_the_code_is_no_failed_setting(tmp_path):
    with pytest.raises(AttributeError):
        search(SearchTable(tmp_path / "s.tsv", draw_settings(SPACE, 2, seed=0)), lambda setting, index: index.none)


def test_another_search_is_not_gone_on_with(tmp_path):
    path = tmp_path / "s.tsv"
    search(SearchTable(path, draw_settings(SPACE, 2, seed=0)), score_of)
    with pytest.raises(InputError, match=r"s\.tsv: the table of another search: setting 0 there is"):
        SearchTable(path, draw_settings(SPACE, 2, seed=1))
    with pytest.raises(OptionError, match="mode 'highest'"):
        SearchTable(path, [], mode="highest")


@pytest.mark.parametrize("text", ["", "# x\nsetting\n", None])
def test_bad_tables(tmp_path, text):
    path = tmp_path / "s.tsv"
    write_search(path, [Trial(0, {"x": 1}, 0.5, 1.0)], mode="max")
    if text is None:
        path.write_text(path.read_text().replace("0.5", "half"))
    else:
        path.write_text(text)
    with pytest.raises(InputError, match=rf"s\.tsv:{3 if text is None else 2}: no line of the table"):
        read_search(path)


def test_equal_scores_choose_the_first():
    trials = [Trial(2, {}, 0.7, 1), Trial(1, {}, 0.7, 1), Trial(0, {}, None, 1)]
    for mode in ("max", "min"):
        assert best_trial(trials, mode=mode) is trials[1]
    assert best_trial(trials[2:], mode="max") is None
