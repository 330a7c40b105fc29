"""Scores, statements and joins: beside sums by hand, and never moved by what else is in the batch."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bioconv.errors import InputError, ModelError, OptionError
from bioconv.mammography.classifier import Choices, Classifier, join_scores
from bioconv.mammography.exams import Rule, group_exams
from bioconv.mammography.finding import find_views
from bioconv.mammography.model import from_model_file, load_classification_model
from bioconv.mammography.preparation import Preparation, prepare
from bioconv.mammography.views import View, read_pixels
from tests.mammography import phantoms


@pytest.fixture(scope="module")
def model(mass_model):
    return load_classification_model(mass_model)


@pytest.fixture(scope="module")
def other(other_model):
    return load_classification_model(other_model)


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    found, failures = find_views([phantoms.write_pictures(folder, range(300, 302))])
    assert not failures
    return found


def test_a_score_is_the_networks_on_the_prepared_image(model, views):
    classifier = Classifier([model])
    for view in views[:2]:
        prepared = prepare(read_pixels(view)[0], view, Preparation(size=(64, 48))).pixels
        mean, deviation = (model.facts["preprocessing"]["normalisation"][key][0] for key in ("mean", "deviation"))
        with torch.no_grad():
            logits = model.network(torch.from_numpy((prepared[None] - mean) / deviation).float())[0].numpy()
        found = classifier.score(view)
        assert found.scores[0] == pytest.approx(float(logits[0]), abs=1e-5)
        assert set(found.answers) == {"density"}
        assert found.answers["density"]["b"] == pytest.approx(1 / (1 + np.exp(-float(logits[1]))), abs=1e-5)
        assert sum(found.answers["density"].values()) == pytest.approx(1)


def test_a_score_does_not_depend_on_the_others(model, views):
    """Batch norm keeps what it learnt: the same bits alone, in any order, and after anything else."""
    classifier = Classifier([model])
    first = [classifier.score(view).scores for view in views]
    assert [classifier.score(view).scores for view in reversed(views)][::-1] == first
    together = model.logits(np.stack([prepare(read_pixels(v)[0], v, model.preparation).pixels for v in views]))
    np.testing.assert_allclose(together[:, 0], [one[0] for one in first], atol=1e-4)


def test_an_image_is_prepared_once_for_models_that_want_the_same(model, other, views, monkeypatch):
    from bioconv.mammography import classifier as room

    made = []
    monkeypatch.setattr(room, "prepare", lambda *words: made.append(words[2]) or prepare(*words))
    twin = replace(model, hash="twin", name="twin")
    found = Classifier([model, twin, other]).score(views[0])
    assert made == [model.preparation, other.preparation]
    assert found.scores[0] == found.scores[1] != found.scores[2]


def test_models_are_averaged(model, views):
    twin = replace(model, hash="twin", name="twin", decisions={
        level: replace(own, slope=2 * own.slope, thresholds=(replace(own.thresholds[0], value=1.5),))
        for level, own in model.decisions.items()
    })  # fmt: skip
    both = Classifier([model, twin])
    said = both.state("exam", (0.7, 1.1))
    own = [m.decisions["exam"] for m in (model, twin)]
    likely = [1 / (1 + np.exp(-(d.slope * s + d.intercept))) for d, s in zip(own, (0.7, 1.1), strict=True)]
    assert said.score == pytest.approx(0.9)
    assert said.probability == pytest.approx(np.mean(likely))
    assert said.spread == pytest.approx(np.std(likely))
    assert said.threshold == pytest.approx((own[0].thresholds[0].value + 1.5) / 2)
    assert said.positive == (said.score >= said.threshold)
    assert Classifier([model]).state("exam", (0.7,)).spread is None


def test_nothing_is_said_where_nothing_was_calibrated(model, other):
    said = Classifier([model, other]).state("exam", (0.5, 1.5))
    assert (said.score, said.spread) == (1.0, 0.5)
    assert said.probability is said.threshold is said.positive is None
    without = replace(model, decisions={"image": model.decisions["image"]})
    assert Classifier([without]).state("exam", (0.5,)).probability is None
    assert Classifier([without]).state("image", (0.5,)).probability is not None
    assert Classifier([model]).state("exam", None).score is None


def test_another_rule_leaves_images_alone_and_says_nothing_of_exams(model):
    usual, changed = Classifier([model]), Classifier([model], Choices(rule=Rule("max", "max")))
    assert changed.state("image", (0.5,)) == usual.state("image", (0.5,))
    assert usual.state("exam", (0.5,)).probability is not None
    assert changed.state("exam", (0.5,)).probability is changed.state("breast", (0.5,)).positive is None
    assert not usual.rule_warning
    assert "hold for mean of views, max of breasts: none are given for max of views, max" in changed.rule_warning


def test_joins_by_brute_force():
    """Every subset of an exam's views, every rule: written out without the code's groups."""
    rng = np.random.default_rng(0)
    everything = [View(Path(f"{n}.png"), "p", "s", side, kind, name=f"{n}")
                  for n, (side, kind) in enumerate(itertools.product("LR", ("CC", "MLO", "CC")))]  # fmt: skip
    join = {"mean": np.mean, "max": np.max}
    for count in range(1, 7):
        for views in itertools.combinations(everything, count):
            scores = {view.path: (float(rng.normal()), float(rng.normal())) for view in views}
            (exam,) = group_exams(views)
            for of_views, of_breasts in itertools.product(join, join):
                breasts, whole = join_scores(exam, scores, Rule(of_views, of_breasts))
                for model in (0, 1):
                    expected = {}
                    for side in {view.laterality for view in views}:
                        kinds = [
                            join[of_views](
                                [scores[v.path][model] for v in views if (v.laterality, v.view) == (side, kind)]
                            )
                            for kind in sorted({v.view for v in views if v.laterality == side})
                        ]
                        expected[side] = join[of_views](kinds)
                    assert {side: own[model] for side, own in breasts.items()} == pytest.approx(expected)
                    assert whole[model] == pytest.approx(join[of_breasts](list(expected.values())))


def test_an_exam_without_scores():
    (exam,) = group_exams([View(Path("a.png"), "p", "s", "L", "CC")])
    assert join_scores(exam, {Path("b.png"): (1.0,)}, Rule()) == ({}, None)


def test_a_score_that_is_no_number_fails_that_image(model, views):
    broken = replace(model, network=torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64 * 48, 2)))
    with torch.no_grad():
        broken.network[1].weight.fill_(float("inf"))
    with pytest.raises(InputError, match=rf"{views[0].path}: the model's score is not a finite number"):
        Classifier([broken]).score(views[0])


def test_what_is_refused(model, other, views):
    with pytest.raises(OptionError, match="one is given twice"):
        Classifier([model, model])
    with pytest.raises(OptionError, match=r"no threshold 'sensitivity=0\.5' for one image; it has youden"):
        Classifier([model], Choices(threshold="sensitivity=0.5"))
    for choices in (Choices(threshold="youden"), Choices(prevalence=0.01)):
        with pytest.raises(OptionError, match="model other was not calibrated"):
            Classifier([model, other], choices)
    fewer = replace(other, objective=replace(other.objective, heads=other.objective.heads[:1]))
    with pytest.raises(OptionError, match="masses and other answer different questions"):
        Classifier([model, fewer])


def test_every_model_says_what_it_was_trained_on(model, other):
    assert Classifier([model]).domain_warning.startswith(f"the model was trained on {phantoms.DOMAIN}: what it says")
    assert "does not say what it was trained on" in Classifier([model, other]).domain_warning


def test_model_files_that_do_not_fit(mass_training, spot_model_path):
    file = mass_training[0].model
    about = file.metadata["classification"]
    with pytest.raises(ModelError, match="architecture 'unet' that does not classify mammograms; give one that"):
        load_classification_model(spot_model_path())
    for odd, said in (
        ({"classification": about | {"heads": about["heads"][:1]}}, r"1 inputs and 2 outputs, .* say \(1, 1\)"),
        ({"classification": {"heads": about["heads"]}}, "decisions"),
        ({"preprocessing": {}}, "preparation"),
    ):
        with pytest.raises(ModelError, match=said):
            from_model_file(replace(file, metadata=file.metadata | odd))
