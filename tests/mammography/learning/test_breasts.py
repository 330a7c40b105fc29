"""Breasts as samples, their training, and the use of what was trained."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

from bioconv.errors import InputError, OptionError
from bioconv.mammography.batch import Batch, Wanted
from bioconv.mammography.classifier import Choices, Classifier
from bioconv.mammography.exams import Rule
from bioconv.mammography.finding import find_views
from bioconv.mammography.learning.breasts import ALONE, Breasts, BreastSamples, find_breasts
from bioconv.mammography.learning.fit import ClassificationPlan, train_classification
from bioconv.mammography.learning.recipe import AUGMENTATIONS
from bioconv.mammography.learning.samples import ViewSamples
from bioconv.mammography.model import from_model_file
from bioconv.mammography.results import Inputs, make_tables
from bioconv.mammography.views import View, read_pixels
from bioconv.models.building import build_network
from bioconv.training.normalisation import Normalisation
from tests.mammography import phantoms

SCALING = Normalisation.from_json({"mean": [0.3], "deviation": [0.2]})
QUICK = replace(phantoms.CONFIG, epochs=3, learning_rate=2e-3)


@pytest.fixture(scope="module")
def data(mass_training):
    return mass_training[1]


@pytest.fixture(scope="module")
def run(data, mass_model):
    """From single images to breasts."""
    plan = ClassificationPlan(
        start=mass_model, network={"fusion": "views"}, augmentation=AUGMENTATIONS["none"], config=QUICK
    )
    return train_classification(data, plan)


@pytest.fixture(scope="module")
def model(run):
    return from_model_file(run.model)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return phantoms.write_pictures(tmp_path_factory.mktemp("pictures"), range(300, 303))


@pytest.fixture(scope="module")
def views(pictures):
    return find_views([pictures])[0]


def by_name(data):
    """(patient, study, laterality) to the names of its images, without the code's exams."""
    found = {}
    for image in data.images:
        found.setdefault((image.view.patient, image.view.study, image.view.laterality), set()).add(image.name)
    return found


def test_breasts_are_the_views_of_one_side_of_one_exam(data):
    images = [data.images[n] for n in np.random.default_rng(0).permutation(len(data.images))]
    breasts = find_breasts(images, data.objective)
    named = {frozenset(images[n].name for n in breast.places): breast for breast in breasts}
    assert set(named) == {frozenset(names) for names in by_name(data).values()}
    for breast in breasts:
        own = [images[n] for n in breast.places]
        assert [{"CC": 0, "MLO": 1}[image.view.view] for image in own] == list(breast.kinds)
        assert breast.answers["label"] == max(image.answers["label"] for image in own)


def test_answers_of_breasts(data):
    four = [image for image in data.images if image.view.patient == "woman 0"]
    for labels, expected in ((("0", "1"), "1"), (("0", "0"), "0"), (("0", ""), ""), (("", "1"), "1"), (("", ""), "")):
        views = [image for image in four if image.view.laterality == "L"]
        changed = [
            replace(image, answers={"label": label, "density": kind})
            for image, label, kind in zip(views, labels, "ab", strict=True)
        ]
        (breast,) = find_breasts(changed, data.objective)
        assert breast.answers == {"label": expected, "density": ""}  # of the density they say two things


def test_a_sample_is_a_breasts_images(data):
    images = [image for image in data.images[:9] if image.name != data.images[0].name]  # one breast has one view
    single, breasts = ViewSamples(images, data.objective, SCALING), find_breasts(images, data.objective)
    samples = BreastSamples(single, breasts, data.objective, alone=0)
    assert len(samples) == len(breasts)
    inputs, kinds = (batch := samples.batch(np.arange(len(breasts)), 0)).inputs
    assert inputs.shape == (len(breasts), 2, 1, *phantoms.PREPARATION.size)
    assert sorted((kinds >= 0).sum(1).tolist()) == sorted(len(breast.places) for breast in breasts)
    for row, breast in enumerate(breasts):
        for column, place in enumerate(breast.places):
            torch.testing.assert_close(inputs[row, column], single.batch(np.array([place]), 0).inputs[0])
            assert kinds[row, column] == breast.kinds[column]
        assert batch.targets[0][row] == int(breast.answers["label"])


def test_views_stand_alone_in_a_third_of_the_draws(data):
    breasts = find_breasts(data.images, data.objective)
    samples = BreastSamples(ViewSamples(data.images, data.objective, SCALING), breasts, data.objective, seed=4)
    everything = np.arange(len(breasts))
    kinds = torch.cat([samples.batch(everything, epoch).inputs[1] for epoch in range(4)])
    alone = kinds[(kinds >= 0).sum(1) == 1].max(1).values
    share, count = len(alone) / len(kinds), len(kinds)
    assert abs(share - ALONE) < 4 * np.sqrt(ALONE * (1 - ALONE) / count)
    assert abs(float((alone == 0).float().mean()) - 0.5) < 4 * np.sqrt(0.25 / len(alone))
    some = samples.batch(everything[[7, 3]], 2)
    again = samples.batch(everything[[3]], 2)
    torch.testing.assert_close(some.inputs[1][1][some.inputs[1][1] >= 0], again.inputs[1][0])
    torch.testing.assert_close(some.inputs[0][1][some.inputs[1][1] >= 0], again.inputs[0][0])


def test_normalisations_see_the_views_that_are_there_and_nothing_else():
    network, twin = (build_network("residual", {"width": 0.25, "blocks": [1], "fusion": "views"}) for _ in range(2))
    twin.load_state_dict(network.state_dict())
    images, kinds = torch.randn(2, 2, 1, 16, 12), torch.tensor([[0, 1], [1, -1]])
    images[1, 1] = 1e6
    logits = Breasts(network)(images, kinds)
    one_by_one = twin.train().vectors(torch.stack([images[0, 0], images[0, 1], images[1, 0]]))
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, twin.state_dict()[name], msg=name)
    torch.testing.assert_close(logits[0], twin.join(one_by_one[None, :2], kinds[:1])[0])
    torch.testing.assert_close(logits[1], twin.join(one_by_one[None, 2:], torch.tensor([[0]]))[0])


def test_breasts_are_learnt_and_the_file_says_how(run, data, model):
    assert run.metrics["test"]["breast"]["auroc"].value > 0.85
    assert run.model.config["fusion"] == "views"
    assert {one.joined for one in model.decisions.values()} == {"network of views, max of breasts"}
    assert set(run.unmatched.kept) == {name for name in run.model.tensors if name.startswith("fusion.")}
    assert np.abs(run.model.tensors["fusion.out.weight"]).max() > 0
    # What dev and test were scored with is the network in use, breast by breast.
    images = {image.name: image for image in data.images}
    of_breast = run.scores["test"]["breast"]
    for name, score in list(zip(of_breast.names, of_breast.scores, strict=True))[:4]:
        patient, study, side = name.rsplit(" ", 2)
        own = [images[one] for one in sorted(by_name(data)[patient, study, side])]
        vectors = model.vectors(np.stack([image.pixels[None] / np.float32(65535) for image in own]))
        assert model.join(vectors, np.array([0, 1]))[0] == pytest.approx(score, abs=1e-4)


def tables_of(classifier, views):
    return make_tables(classifier, Inputs([classifier.score(view) for view in views]))


def test_breasts_are_scored_by_the_network_and_exams_by_their_larger_one(model, views):
    classifier = Classifier([model])
    tables = tables_of(classifier, views)
    images = {(row["patient"], row["laterality"], row["view"]): row["score"] for row in tables.images}
    beside = 0.0
    for row in tables.breasts:
        own = [view for view in views if (view.patient, view.laterality) == (row["patient"], row["laterality"])]
        prepared = [classifier.score_pixels(*read_pixels(view))[1].pixels for view in own]
        with torch.no_grad():
            vectors = model.network.vectors(model.inputs(np.stack(prepared)))
            mean, most = vectors.mean(0, keepdim=True), vectors.amax(0, keepdim=True)
            hidden = torch.relu(model.network.fusion.hidden(torch.cat([mean, most - mean], 1)))
            logit = model.network.head(mean + model.network.fusion.out(hidden))[0, 0]
        assert row["score"] == pytest.approx(float(logit), abs=1e-4)
        assert row["rule"] == "network of views, max of breasts"
        assert row["probability"] is not None
        beside = max(
            beside, abs(row["score"] - np.mean([images[row["patient"], row["laterality"], v.view] for v in own]))
        )
    assert beside > 1e-3  # it is not the mean of the views
    for exam in tables.exams:
        assert exam["score"] == max(row["score"] for row in tables.breasts if row["patient"] == exam["patient"])


def test_a_score_depends_on_its_own_views_alone(model, views):
    classifier = Classifier([model])
    whole = tables_of(classifier, views)
    first = [view for view in views if view.patient == views[0].patient]
    scores = {(row["patient"], row["laterality"]): row["score"] for row in whole.breasts}
    for some in (first, list(reversed(views))):
        for row in tables_of(classifier, some).breasts:
            assert row["score"] == scores[row["patient"], row["laterality"]]
    # A breast with one view has the score of that image; a view twice is that view.
    (only,) = [view for view in first if (view.laterality, view.view) == ("L", "CC")]
    lone = tables_of(classifier, [only])
    (row,) = [row for row in lone.breasts if row["laterality"] == "L"]
    assert (row["score"], row["views"], row["missing"]) == (lone.images[0]["score"], "CC", "MLO")
    again = replace(only, path=only.path.parent / "." / "again.png", name="again", view="MLO")
    again.path.write_bytes(only.path.read_bytes())
    (twice,) = [one for one in tables_of(classifier, [only, again]).breasts if one["laterality"] == "L"]
    assert twice["score"] == pytest.approx(row["score"], abs=1e-5)
    # Another woman's view, or the other breast's, never comes into it.
    assert {one["laterality"] for one in lone.breasts if one["score"] is not None} == {"L"}


def test_a_batch_that_is_gone_on_with_ends_with_the_same_tables(model, pictures, tmp_path):
    classifier = Classifier([model])

    def classify(output, count=None):
        batch = Batch(classifier, output, wanted=Wanted(thumbnails=False))
        outcomes = []
        for outcome in batch.run(*find_views([pictures])):
            outcomes.append(outcome)
            if len(outcomes) == count:
                return outcomes
        batch.write(batch.tables(outcomes))
        return outcomes

    classify(tmp_path / "a", 7)
    assert sum(one.skipped for one in classify(tmp_path / "a")) == 7
    classify(tmp_path / "b")
    for name in ("images", "breasts", "exams"):
        assert (tmp_path / "a" / f"{name}.csv").read_bytes() == (tmp_path / "b" / f"{name}.csv").read_bytes()
    with (tmp_path / "b" / "images.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    from bioconv.images.reader import read_image

    for row in rows:  # a heat map of each view, on its original grid
        assert read_image(tmp_path / "b" / row["heat_map"]).pixels.shape[-2:] == phantoms.SHAPE


def test_what_cannot_be_together(model, mass_model, data, run, views):
    from bioconv.mammography.model import load_classification_model

    with pytest.raises(OptionError, match="one joins the views of a breast, the other scores each image by itself"):
        Classifier([model, load_classification_model(mass_model)])
    with pytest.raises(OptionError, match="joins the views of a breast itself; leave out the rule max of views"):
        Classifier([model], Choices(rule=Rule("max", "max")))
    with pytest.raises(OptionError, match="scores each image by itself; leave out the rule network of views"):
        Classifier([load_classification_model(mass_model)], Choices(rule=Rule("network")))
    plan = ClassificationPlan(network={"fusion": "views"}, matched=True)
    with pytest.raises(OptionError, match="--matched compares single views, --fusion views joins them: give one"):
        train_classification(data, plan)
    # Each image is known, but no breast is negative: one view of each has the mass.
    images = [
        replace(image, answers={**image.answers, "label": str(int(image.view.view == "CC"))}) for image in data.images
    ]
    with pytest.raises(InputError, match=r"the part train has \d+ breasts with label 1: both 0 and 1 are needed"):
        train_classification(
            replace(data, images=tuple(images)), ClassificationPlan(network={"fusion": "views"}, config=QUICK)
        )


def test_two_models_that_join_views_are_averaged(model, views):
    state = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    other = build_network("residual", {**model.facts.get("x", {}), **vars(model.network.config)}).eval()
    other.load_state_dict(state)
    with torch.no_grad():
        other.head.bias[0] += 1
    both = Classifier([model, replace(model, network=other, hash="other", name="other")])
    single, averaged = (tables_of(one, views[:4]).breasts for one in (Classifier([model]), both))
    for one, two in zip(single, averaged, strict=True):
        assert two["score"] == pytest.approx(one["score"] + 0.5, abs=1e-5)


def test_views_of_two_kinds_only_are_joined():
    from bioconv.mammography.fusion import kind_of

    assert [kind_of(View(None, "p", "", "L", name)) for name in ("CC", "MLO")] == [0, 1]
