"""A classifier from labelled views to its file: what it learns, keeps, and refuses."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from bioconv.errors import InputError, ModelError, OptionError
from bioconv.evaluation import auroc
from bioconv.mammography.classifier import Classifier
from bioconv.mammography.decisions import fit_decisions
from bioconv.mammography.learning.fit import ClassificationPlan, make_classification_split, train_classification
from bioconv.mammography.learning.recipe import AUGMENTATIONS, DEFAULTS
from bioconv.mammography.learning.samples import ViewSamples
from bioconv.mammography.learning.scoring import score_levels, summarise
from bioconv.mammography.model import from_model_file, load_classification_model
from bioconv.training.normalisation import Normalisation
from tests.mammography import phantoms

QUICK = replace(phantoms.CONFIG, epochs=1)
PLAN = ClassificationPlan(network={"width": 0.25, "blocks": (1,)}, augmentation=AUGMENTATIONS["none"], config=QUICK)


@pytest.fixture(scope="module")
def run(mass_training):
    return mass_training[0]


@pytest.fixture(scope="module")
def data(mass_training):
    return mass_training[1]


def some(data, women, **changed):
    """The images of a few women, changed."""
    wanted = {f"woman {number}" for number in women}
    return replace(data, images=tuple(replace(i, **changed) for i in data.images if i.view.patient in wanted))


def test_masses_are_learnt(run):
    assert run.metrics["test"]["image"]["auroc"].value > 0.85
    assert run.metrics["dev"]["breast"]["auroc"].value > 0.85
    assert set(run.metrics["dev"]) == {"image", "breast", "exam"}
    assert not run.uncalibrated
    assert not run.copies


def test_the_file_scores_as_training_did(run, data, mass_model):
    model = load_classification_model(mass_model)
    classifier, found = Classifier([model]), {}
    names = run.scores["test"]["image"].names[:6]
    for image in data.of(names):
        found[image.name] = classifier.score(image.view).scores[0]
    expected = dict(zip(run.scores["test"]["image"].names, run.scores["test"]["image"].scores, strict=True))
    # Training kept pixels in 16 bits
    assert found == pytest.approx({name: expected[name] for name in names}, abs=2e-2)


def test_decisions_come_of_dev_alone(run, mass_model):
    decisions = load_classification_model(mass_model).decisions
    for level, own in run.scores["dev"].items():
        assert decisions[level] == fit_decisions(level, own.scores, own.labels)
    exam = run.scores["test"]["exam"]
    called = exam.scores >= decisions["exam"].thresholds[0].value
    assert run.metrics["test"]["exam"]["sensitivity"].value == pytest.approx(called[exam.labels].mean())
    json.dumps(run.model.metadata, allow_nan=False)


def test_levels_by_brute_force(run, data):
    """Breasts: mean of CC and MLO; exams: the larger one; labels: any."""
    head = data.objective.heads[0]
    images = data.of(run.split.names("test"))
    logits = np.random.default_rng(0).normal(size=len(images))
    found = score_levels(images, logits, head)
    by_breast = {}
    for image, logit in zip(images, logits, strict=True):
        own = by_breast.setdefault((image.view.patient, image.view.laterality), ([], []))
        own[0].append(logit)
        own[1].append(image.answers["label"] == "1")
    breasts = {key: (np.mean(scores), any(labels)) for key, (scores, labels) in by_breast.items()}
    said = zip(found["breast"].names, found["breast"].scores, found["breast"].labels, strict=True)
    expected = {f"{who} s{who.split()[1]} {side}": own for (who, side), own in breasts.items()}
    for name, score, label in said:
        assert (score, label) == (pytest.approx(expected[name][0]), expected[name][1])
    assert len(found["breast"].names) == len(expected) == 24
    for name, score, label, group in zip(
        *(getattr(found["exam"], k) for k in ("names", "scores", "labels", "groups")), strict=True
    ):
        own = [breasts[group, side] for side in "LR"]
        assert (score, label) == (pytest.approx(max(s for s, _ in own)), any(one for _, one in own))
        assert name.startswith(group)
    figures = summarise(found["image"], None)
    assert figures["auroc"].value == pytest.approx(auroc(found["image"].scores, found["image"].labels))
    assert set(figures) == {"auroc"}


def test_images_without_a_label_count_nowhere(data):
    images = data.images[:8]
    blind = [
        replace(image, answers={**image.answers, "label": ""}) if n % 4 == 0 else image
        for n, image in enumerate(images)
    ]
    found = score_levels(blind, np.arange(8.0), data.objective.heads[0])
    assert len(found["image"].names) == 6
    assert [len(found[level].names) for level in ("breast", "exam")] == [4, 2]


def test_one_woman_on_both_sides_is_refused(data):
    names = [image.name for image in data.images]
    split = make_classification_split(some(data, range(40), part=""), 0)
    for one, other in itertools.combinations(("train", "dev"), 2):
        women = [{data_image.group for data_image in data.of(split.names(part))} for part in (one, other)]
        assert not women[0] & women[1]
    parts = {name: part for name, part in zip(names, itertools.cycle(("train", "dev")), strict=False)}
    with pytest.raises(InputError, match="groups cross its parts: woman 0 in dev"):
        train_classification(data, PLAN, split=replace(split, parts=parts, groups={}))


def test_a_copy_under_another_name_is_refused(data):
    few = some(data, range(8))
    stolen = next(image for image in few.images if image.part == "train")
    index = next(n for n, image in enumerate(few.images) if image.part == "dev")
    images = list(few.images)
    images[index] = replace(images[index], pixels=np.ascontiguousarray(stolen.pixels[:, ::-1]))
    with pytest.raises(InputError, match=rf"{stolen.name} \(train\) and {images[index].name} \(dev\), correlation"):
        train_classification(replace(few, images=tuple(images)), PLAN)


def test_parts_need_both_answers(data):
    parted = some(data, (1, 3, 4, 6))  # train: nobody with a mass
    with pytest.raises(InputError, match="the part train has 8 images with label 0: both 0 and 1 are needed there"):
        train_classification(parted, PLAN)
    with pytest.raises(InputError, match="the part dev has 0 images with label nothing"):
        train_classification(some(data, (0, 1, 2, 3)), PLAN)
    half = [replace(image, part="" if n % 2 else "train") for n, image in enumerate(data.images)]
    with pytest.raises(InputError, match="the column split is empty for"):
        make_classification_split(replace(data, images=tuple(half)), 0)


def test_a_small_dev_gives_scores_only(data):
    run = train_classification(some(data, range(8)), PLAN)
    assert "exam" not in {one["level"] for one in run.model.metadata["classification"]["decisions"]}
    (line,) = [line for line in run.uncalibrated if "one exam" in line]
    assert "ten of either are needed in dev, which has 2 with the finding and 2 without" in line
    assert "exam" not in from_model_file(run.model).decisions


def test_transfer_takes_what_fits(data, mass_model, run):
    few = some(data, range(8))
    fewer_heads = replace(few, objective=replace(few.objective, heads=few.objective.heads[:1]))
    plan = replace(PLAN, start=mass_model, network={}, config=replace(QUICK, freeze="all-but-head"))
    tuned = train_classification(fewer_heads, plan)
    before, after = run.model.tensors, tuned.model.tensors
    heads = {name for name in after if name.startswith("head.")}
    assert heads == set(tuned.unmatched.kept)
    for name in set(after) - heads:
        np.testing.assert_array_equal(after[name], before[name], err_msg=name)
    assert (
        tuned.model.metadata["preprocessing"]["normalisation"] == run.model.metadata["preprocessing"]["normalisation"]
    )
    assert tuned.model.config["outputs"] == 1


def test_a_start_that_is_no_classifier(data, spot_model_path):
    with pytest.raises(ModelError, match="'unet' does not classify images"):
        train_classification(some(data, range(8)), replace(PLAN, start=spot_model_path()))


def test_rules_are_checked_before_training():
    with pytest.raises(OptionError, match=r"'sensitivty=0\.9' is no rule"):
        ClassificationPlan(rules=("youden", "sensitivty=0.9"))


def test_samples_are_functions_of_seed_epoch_and_place(data):
    normal = Normalisation(np.array([0.2]), np.array([0.3]))

    def make(seed):
        return ViewSamples(data.images[:6], data.objective, normal, augmentation=AUGMENTATIONS["usual"], seed=seed)

    first = make(1).batch(np.array([4, 0, 2]), 3)
    alone = make(1).batch(np.array([2]), 3)
    assert torch.equal(first.inputs[2], alone.inputs[0])
    assert not torch.equal(make(1).batch(np.array([2]), 4).inputs, alone.inputs)
    assert not torch.equal(make(2).batch(np.array([2]), 3).inputs, alone.inputs)
    plain = ViewSamples(data.images[:6], data.objective, normal).batch(np.array([2]), 3)
    expected = (data.images[2].pixels / 65535 - 0.2) / 0.3
    np.testing.assert_allclose(plain.inputs[0, 0], expected, atol=1e-5)
    assert make(1).fingerprint() == make(2).fingerprint()
    assert [target.shape for target in first.targets] == [(3,), (3,)]


def test_defaults_are_what_the_recipe_says():
    assert DEFAULTS.monitor == "auroc"
    usual = AUGMENTATIONS["usual"]
    assert not any("mirror" in name or "flip" in name for name, value in vars(usual).items() if value)
