"""Exams: grouping, missing and extra views, rules, identifiers."""

from __future__ import annotations

import hashlib
import hmac
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioconv.errors import OptionError
from bioconv.mammography.exams import Rule, group_exams, identify, new_salt, score_exam
from bioconv.mammography.views import View

FOUR = ("RCC", "LCC", "RMLO", "LMLO")


def views(names, patient="p1", study="s1", **facts):
    return [
        View(Path(f"{patient}/{study}/{n}-{name}.dcm"), patient, study, name[0], name[1:], name=f"{n}-{name}", **facts)
        for n, name in enumerate(names)
    ]


def test_a_whole_exam():
    (exam,) = group_exams(views(FOUR))
    assert (exam.patient, exam.study, exam.missing, exam.extra) == ("p1", "s1", (), ())
    assert [breast.laterality for breast in exam.breasts] == ["R", "L"]
    assert [[view.view for view in breast.views] for breast in exam.breasts] == [["CC", "MLO"]] * 2


def test_missing_and_extra_views():
    spot = views(["LCC"], modifiers=("spot compression",))
    (exam,) = group_exams([*views(["RCC", "RML"]), *spot])
    assert exam.missing == ("R-MLO", "L-CC", "L-MLO")
    assert [(view.view, bool(view.excluded)) for view in exam.extra] == [("ML", True), ("CC", True)]


def test_patients_are_kept_apart_even_in_one_study():
    exams = group_exams([*views(FOUR[:2], "p1", "s"), *views(FOUR[2:], "p2", "s")])
    assert [(exam.patient, len(exam.missing)) for exam in exams] == [("p1", 2), ("p2", 2)]
    assert all("several patients" in exam.warnings[0] for exam in exams)


def test_studies_and_dates_are_kept_apart():
    prior = views(FOUR, study="s0", study_date="2020-01-01")
    now = views(FOUR, study="s1", study_date="2022-01-01")
    assert [exam.study for exam in group_exams([*now, *prior])] == ["s0", "s1"]
    undated = [*views(["RCC"], study="", study_date="2020-01-01"), *views(["LCC"], study="", study_date="2022-01-01")]
    assert len(group_exams(undated)) == 2
    assert len(group_exams(views(FOUR, study=""))) == 1


@given(st.randoms(use_true_random=False))
def test_order_of_files_does_not_matter(source: random.Random):
    all_views = [*views(FOUR, "p1"), *views(FOUR[:3], "p2"), *views(FOUR, "p1", "s2")]
    shuffled = source.sample(all_views, len(all_views))
    scores = {view.path: len(str(view.path)) + number / 16 for number, view in enumerate(all_views)}
    first, second = ([score_exam(exam, scores) for exam in group_exams(some)] for some in (all_views, shuffled))
    assert first == second


def test_mean_of_views_max_of_breasts():
    (exam,) = group_exams(views(FOUR))
    scores = dict(zip([view.path for view in views(FOUR)], [0.1, 0.2, 0.3, 0.8], strict=True))
    result = score_exam(exam, scores)
    assert [breast.score for breast in result.breasts] == pytest.approx([0.2, 0.5])
    assert result.score == pytest.approx(0.5)
    assert result.rule == "mean of views, max of breasts"
    assert score_exam(exam, scores, Rule("max", "mean")).score == pytest.approx((0.3 + 0.8) / 2)
    assert score_exam(exam, scores, Rule("max", "max")).score == pytest.approx(0.8)
    assert score_exam(exam, scores, Rule("mean", "mean")).score == pytest.approx(0.35)


def test_repeats_of_a_view_are_joined_first():
    """Two CC of 0 and one MLO of 0.9: the mean of views is 0.45, not 0.3."""
    some = views(["LCC", "LCC", "LMLO"])
    (exam,) = group_exams(some)
    result = score_exam(exam, dict(zip([view.path for view in some], [0.0, 0.0, 0.9], strict=True)))
    assert result.score == pytest.approx(0.45)
    assert result.breasts[1].views == ("CC", "MLO")


def test_views_without_a_score_are_missing():
    some = views(FOUR)
    (exam,) = group_exams(some)
    result = score_exam(exam, {some[0].path: 0.4})
    assert result.score == 0.4
    assert result.missing == ("R-MLO", "L-CC", "L-MLO")
    assert "no score for breast L" in result.warnings[0]
    assert score_exam(exam, {}).score is None


def test_excluded_views_are_never_scored():
    spot = views(["LCC"], modifiers=("magnification",))
    (exam,) = group_exams(spot)
    assert score_exam(exam, {spot[0].path: 0.9}).score is None


@pytest.mark.parametrize("rule", [("median", "max"), ("mean", "min")])
def test_unknown_rules(rule):
    with pytest.raises(OptionError, match="expected mean or max"):
        Rule(*rule)


def test_identifiers():
    salt = new_salt()
    expected = hmac.digest(salt, "Müller^Anna".encode(), hashlib.sha256).hex()[:16]
    assert identify("Müller^Anna", salt) == expected
    assert identify("", salt) == ""
    assert identify("1", salt) != identify("2", salt)
    assert new_salt() != salt
    assert identify("1", salt) != identify("1", new_salt())
    with pytest.raises(OptionError, match="at least 16"):
        identify("1", b"short")
