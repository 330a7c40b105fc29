"""Batches beside their labels: figures from rows by hand, and decisions that no batch moves."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from bioconv.evaluation import calibration_slope_intercept, delong_interval, partial_auroc
from bioconv.evaluation.figures import Settings
from bioconv.mammography.batch_evaluation import evaluate_tables
from bioconv.mammography.classifier import Choices, Classifier, ImageScore
from bioconv.mammography.evaluation_results import evaluation_sections, to_json
from bioconv.mammography.exams import Rule
from bioconv.mammography.identifiers import Identifiers
from bioconv.mammography.labels import label_rows, read_labels
from bioconv.mammography.model import load_classification_model
from bioconv.mammography.results import Inputs, make_tables
from bioconv.mammography.views import View

FEW = Settings(resamples=60)
SALT = Identifiers(bytes(range(16)))
ANSWERS = {"density": {"a": 0.25, "b": 0.75}}


@pytest.fixture(scope="module")
def model(mass_model):
    return load_classification_model(mass_model)


@pytest.fixture(scope="module")
def women(model):
    """Scores drawn about the exams' threshold; every third woman has a finding in one breast."""
    middle = model.decisions["exam"].threshold().value
    return lambda count: drawn(count, middle)


def drawn(count, middle):
    rng = np.random.default_rng(0)
    found = []
    for number in range(count):
        for side in "RL":
            label = number % 3 == 0 and side == "RL"[number % 2]
            for kind in ("CC", "MLO"):
                name = f"w{number}-{side}{kind}.png"
                view = View(
                    Path("/in") / name, f"woman {number}", f"s{number}", side, kind, name=name, label=str(int(label))
                )
                found.append(ImageScore(view, (middle + float(rng.normal(1.5 * label - 1, 1.5)),), ANSWERS, ()))
    return found


def evaluated(classifier, scored, *, unread=(), settings=FEW):
    tables = make_tables(classifier, Inputs(scored, unread=unread), identifiers=SALT)
    views = [*(one.view for one in scored), *(view for view, _ in unread)]
    labels = label_rows(views, read_labels(views, classifier.models[0].objective.heads[0]), SALT)
    return tables, evaluate_tables(classifier, tables, labels, settings=settings)


def truth_of(rows):
    """(n,) bool, of exams of `women`: rows go by hashes, so that hashes are made of all women's names."""
    positive = {SALT.of(f"woman {number}") for number in range(0, 300, 3)}
    return np.array([row["patient"] in positive for row in rows])


def test_figures_of_exams_by_hand(model, women):
    classifier = Classifier([model], Choices(prevalence=0.01))
    tables, found = evaluated(classifier, women(40))
    exam, truth = found.levels["exam"], truth_of(tables.exams)
    scores = np.array([row["score"] for row in tables.exams])
    called = np.array([row["positive"] for row in tables.exams])
    assert (exam.counts["samples"], exam.counts["positives"], exam.counts["women"]) == (40, 14, 40)
    above = scores[truth][:, None] - scores[~truth]
    figures = exam.figures
    assert figures["auroc"]["value"] == pytest.approx(((above > 0) + 0.5 * (above == 0)).mean())
    interval = delong_interval(scores, truth)
    assert (figures["auroc"]["low"], figures["auroc"]["high"]) == pytest.approx((interval.low, interval.high))
    sensitivity, specificity = called[truth].mean(), (~called[~truth]).mean()
    assert 0 < sensitivity < 1
    assert 0 < specificity < 1
    assert figures["sensitivity"]["value"] == pytest.approx(sensitivity)
    assert figures["specificity"]["value"] == pytest.approx(specificity)
    assert figures["recall_rate"]["value"] == pytest.approx(called.mean())
    bayes = 0.01 * sensitivity / (0.01 * sensitivity + 0.99 * (1 - specificity))
    assert figures["ppv_at_prevalence"]["value"] == pytest.approx(bayes)
    assert figures["partial_auroc"]["value"] == pytest.approx(partial_auroc(scores, truth, 0, 0.2))
    likely = np.array([row["probability"] for row in tables.exams])
    slope, intercept = calibration_slope_intercept(likely, truth)
    assert figures["calibration_slope"]["value"] == pytest.approx(slope.value)
    assert figures["calibration_intercept"]["value"] == pytest.approx(intercept.value)
    assert sum(one["count"] for one in exam.reliability) == 40
    own = model.decisions["exam"].threshold()
    assert figures["threshold"]["value"] == own.value
    assert figures["threshold"]["method"].endswith("validation data: youden")
    assert exam.chosen[0]["sensitivity"] == own.sensitivity


def test_women_are_drawn_again_where_several_rows_are_hers(model, women):
    _, found = evaluated(Classifier([model]), women(30))
    assert found.levels["exam"].figures["auroc"]["method"].startswith("DeLong")
    for level in ("image", "breast"):
        own = found.levels[level]
        assert {one["method"] for name, one in own.figures.items() if name in {"auroc", "sensitivity"}} == {
            "bootstrap of groups"
        }
        assert any("women drawn again" in note for note in own.notes)
        assert own.counts["women"] == 30


def test_a_batch_moves_no_decision(model, women):
    """Half of the women, others beside them, or labels turned round: threshold, probability and decision stay."""
    classifier, many = Classifier([model]), women(40)
    whole, found = evaluated(classifier, many)
    half, found_half = evaluated(classifier, many[: len(many) // 2])
    turned = [
        ImageScore(View(**{**vars(one.view), "label": str(1 - int(one.view.label))}), one.scores, one.answers, ())
        for one in many
    ]
    other, found_turned = evaluated(classifier, turned)
    assert other.exams == whole.exams
    rows = {row["patient"]: row for row in whole.exams}
    assert all(rows[row["patient"]] == row for row in half.exams)
    for level in ("image", "breast", "exam"):
        own = {one.levels[level].figures["threshold"]["value"] for one in (found, found_half)}
        assert own == {model.decisions[level].threshold().value}
    # Turned round every exam is positive: images alone are of both kinds
    assert found_turned.levels["exam"].figures == {}
    one, other = (each.levels["image"].figures for each in (found, found_turned))
    assert one["threshold"] == other["threshold"]
    assert other["auroc"]["value"] == pytest.approx(1 - one["auroc"]["value"])
    assert other["sensitivity"]["value"] == pytest.approx(1 - one["specificity"]["value"])


def test_too_few_say_so(model, women):
    classifier = Classifier([model])
    _, found = evaluated(classifier, women(9))
    exam = found.levels["exam"]
    assert exam.figures == {}
    assert exam.notes[-1] == "3 positive and 6 negative: no figures with fewer than 5 of either"
    one_class = [one for one in women(40) if one.view.label == "0"]
    _, found = evaluated(classifier, one_class)
    assert all(own.counts["positives"] == 0 and own.figures == {} for own in found.levels.values())
    assert evaluation_sections(found)[0].picture is None


def test_what_is_left_out_is_counted(model, women):
    scored = women(24)
    lost = [one.view for one in scored if one.view.patient == "woman 0"]
    kept = [one for one in scored if one.view.patient != "woman 0"]
    blind = [
        ImageScore(View(**{**vars(one.view), "label": ""}), one.scores, one.answers, ())
        if one.view.name == "w1-RCC.png"
        else one
        for one in kept
    ]
    _, found = evaluated(Classifier([model]), blind, unread=[(view, "cut short") for view in lost])
    exam = found.levels["exam"]
    counts = {"samples": 22, "unlabelled": 1, "unscored": 1, "unscored_positives": 1}
    assert {name: exam.counts[name] for name in counts} == counts
    assert "1 exam with a label but without a score left out, 1 of them positive" in exam.notes
    assert any("not all of their images have a label" in note for note in exam.notes)
    assert found.levels["image"].counts["unscored"] == 4


def test_without_calibration_there_is_ranking_alone(model, other_model, women):
    for classifier in (
        Classifier([load_classification_model(other_model)]),
        Classifier([model], Choices(rule=Rule("max", "max"))),
    ):
        _, found = evaluated(classifier, women(24))
        exam = found.levels["exam"]
        assert "auroc" in exam.figures
        assert not {"threshold", "sensitivity", "calibration_slope"} & set(exam.figures)
        assert any(note.startswith("no threshold and no probabilities of one exam") for note in exam.notes)


def test_json_names_nobody_and_says_what_it_is_for(model, women):
    classifier = Classifier([model])
    _, found = evaluated(classifier, women(24))
    text = json.dumps(to_json(classifier, found), allow_nan=False)
    assert json.loads(text)["notice"].startswith("Research use only")
    assert not re.search(r"woman \d|w\d+-|s\d+\b", text)
    assert json.loads(text)["resamples"] == 60
