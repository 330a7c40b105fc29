"""A recurrent model from labelled sequences to its file: what it learns, keeps, and refuses."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from bioconv.errors import InputError, ModelError, OptionError
from bioconv.models.model_file import write_model
from bioconv.models.recurrent import RecurrentConfig
from bioconv.sequence.alphabets import PROTEIN
from bioconv.sequence.recurrent.data import SequenceData
from bioconv.sequence.recurrent.fit import network_like, train_recurrent
from bioconv.sequence.recurrent.model import load_sequence_model
from bioconv.sequence.recurrent.splitting import make_recurrent_split
from tests.sequence.recurrent.drawn_sequences import CONFIG, PLAN, SMALL, ordered, remembered

LONGER = replace(CONFIG, epochs=25, learning_rate=0.02)


@pytest.fixture(scope="module")
def data():
    return replace(ordered(150), parts=("train",) * 90 + ("dev",) * 30 + ("test",) * 30)


@pytest.fixture(scope="module")
def run(data):
    return train_recurrent(data, replace(PLAN, config=LONGER, background="none", licence="CC0-1.0"))


def softmax(logits):
    raised = np.exp(logits - logits.max())
    return raised / raised.sum()


def test_the_order_of_motifs_is_learnt(run):
    assert run.metrics["test"]["accuracy"].value > 0.9
    assert set(run.metrics["test"]) == {"accuracy", "error first", "error none", "error second"}
    assert run.run.history[-1]["train_loss"] < 0.5 * run.run.history[0]["train_loss"]


def test_the_file_says_what_training_did(run, data, tmp_path):
    path = tmp_path / "m.safetensors"
    write_model(path, run.model)
    model = load_sequence_model(path)
    assert model.labels == data.classes
    assert model.background == "none"
    assert model.window == 0
    assert model.temperature == run.temperature
    assert model.facts["licence"] == "CC0-1.0"
    assert model.facts["training"]["split"] == {"train": 90, "dev": 30, "test": 30, "made": "as the table says"}
    json.dumps(run.model.metadata, allow_nan=False)
    place = 137
    with torch.inference_mode():
        logits = model.network(torch.from_numpy(data.codes[place])[None], torch.tensor([len(data.codes[place])]))
    found = run.scores["test"].probabilities(run.temperature)[place - 120]
    np.testing.assert_allclose(found, softmax(logits[0].double().numpy() / model.temperature), rtol=1e-4, atol=1e-6)


def test_windows_are_known_where_all_are_alike():
    same = train_recurrent(ordered(60, lengths=(16, 17)), PLAN)
    assert same.model.metadata["recurrent"]["window"] == 16


def test_labels_of_letters_are_learnt():
    run = train_recurrent(remembered(), replace(PLAN, config=replace(LONGER, epochs=12)))
    assert run.network.config.pooling == "none"
    assert run.metrics["dev"]["accuracy"].value > 0.95
    assert run.model.metadata["recurrent"]["window"] == 0
    scores = run.scores["dev"]
    assert len(scores.truth) < sum(map(len, remembered().of(range(12)).codes))  # letters not known are not scored
    assert set(run.run.history[0]) >= {"loss", "accuracy", "auroc"}


def test_the_same_again(data):
    one, other = (train_recurrent(data, replace(PLAN, config=CONFIG)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.network.parameters(), other.network.parameters(), strict=True))
    seeded = train_recurrent(data, replace(PLAN, config=replace(CONFIG, seed=1)))
    assert not torch.equal(next(iter(one.network.parameters())), next(iter(seeded.network.parameters())))


def test_an_interrupted_training_goes_on_bit_by_bit(data, tmp_path):
    plan = replace(PLAN, config=replace(CONFIG, epochs=3, schedule="constant"))
    whole = train_recurrent(data, plan)
    train_recurrent(data, replace(plan, config=replace(plan.config, max_steps=8)), folder=tmp_path)
    again = train_recurrent(data, plan, folder=tmp_path, resume=True)
    assert all(torch.equal(a, b) for a, b in zip(whole.network.parameters(), again.network.parameters(), strict=True))


def test_the_other_strand_trains_too(data):
    both = train_recurrent(data, replace(PLAN, reverse_complement=True, config=replace(CONFIG, epochs=1)))
    assert both.run.history[-1]["step"] == 12  # 180 samples in batches of 16
    assert both.model.metadata["training"]["reverse_complement"]


def test_start_from_a_model(run, data, tmp_path):
    path = tmp_path / "start.safetensors"
    write_model(path, run.model)
    assert network_like(path) == replace(SMALL, outputs=3)
    frozen = replace(CONFIG, freeze="all-but-head", epochs=1)
    tuned = train_recurrent(data, replace(PLAN, network=network_like(path), start=path, config=frozen))
    theirs = dict(run.network.named_parameters())
    for name, parameter in tuned.network.named_parameters():
        assert torch.equal(parameter, theirs[name]) == (not name.startswith("head")), name
    assert not tuned.unmatched.kept
    two = replace(data, classes=("first", "other"), targets=tuple(np.minimum(own, 1) for own in data.targets))
    assert train_recurrent(two, replace(PLAN, start=path)).unmatched.kept == ("head.weight", "head.bias")
    named = replace(data, classes=tuple(f"{name}2" for name in data.classes))
    assert train_recurrent(named, replace(PLAN, start=path)).unmatched.kept == ("head.weight", "head.bias")
    order = [2, 0, 1]
    turned = replace(
        data,
        classes=tuple(data.classes[k] for k in order),
        targets=tuple(np.argsort(order)[own] for own in data.targets),
    )
    still = replace(CONFIG, epochs=1, learning_rate=1e-12, ema=0.0)
    begun = train_recurrent(turned, replace(PLAN, network=network_like(path), start=path, config=still))
    torch.testing.assert_close(begun.network.head.weight, run.network.head.weight[order])
    protein = replace(data, alphabet=PROTEIN)
    with pytest.raises(ModelError, match="reads dna, the sequences are protein"):
        train_recurrent(protein, replace(PLAN, start=path))


def test_start_from_something_else(data, model_path):
    with pytest.raises(ModelError, match="'deepbind' is no recurrent model"):
        train_recurrent(data, replace(PLAN, start=model_path()))


@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_rare_letters_count_alike_when_balanced(weights):
    """Nothing tells the letters' classes apart, so that the loss decides which one is called: all, or neither."""
    rng = np.random.default_rng(0)
    data = remembered(60)
    data = replace(data, targets=tuple((rng.random(len(own)) < 0.15).astype(np.int64) for own in data.codes))
    config = replace(CONFIG, epochs=6, learning_rate=0.02, class_weights=weights)
    scores = train_recurrent(data, replace(PLAN, config=config)).scores["dev"].probabilities()[:, 1].mean()
    assert scores == pytest.approx(0.5 if weights == "balanced" else 0.15, abs=0.08)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"background": "N"}, "background or features name N; the classes are first, none, second"),
        ({"features": {"IE": {"type": "x", "offset": 0}}}, "features name IE"),
        ({"network": RecurrentConfig(pooling="none")}, "pooling is 'none', but labels are of sequences"),
    ],
)
def test_plans_that_do_not_fit(data, changes, said):
    with pytest.raises(OptionError, match=said):
        train_recurrent(data, replace(PLAN, **changes))


def test_more_plans_that_do_not_fit(data):
    with pytest.raises(OptionError, match="labels are of letters, so that nothing is pooled: leave out pooling 'last'"):
        train_recurrent(remembered(), replace(PLAN, network=replace(SMALL, pooling="last")))
    with pytest.raises(OptionError, match="pool is 2 with pooling 'none'"):
        train_recurrent(remembered(), replace(PLAN, network=replace(SMALL, pool=2, filters=3, filter_length=3)))
    with pytest.raises(OptionError, match="protein, which has no reverse complement"):
        train_recurrent(replace(data, alphabet=PROTEIN), replace(PLAN, reverse_complement=True))
    with pytest.raises(OptionError, match="loss is 'mse'; sequences have classes"):
        replace(PLAN, config=replace(CONFIG, loss="mse"))


@pytest.mark.parametrize(
    ("classes", "features", "said"),
    [
        (("a\tb", "c"), {}, r"labels are .* without tabs"),
        (("a", "b"), {"a": {"type": "promoter", "offset": 20}}, "letters 20 to 21, is not inside the window of 20"),
        (("a", "b"), {"a": {"type": "pro\tmoter", "offset": 2}}, "expected label to type"),
    ],
)
def test_what_could_not_be_kept_is_not_trained(tmp_path, classes, features, said):
    rng = np.random.default_rng(0)
    codes = tuple(rng.integers(0, 4, 20).astype(np.uint8) for _ in range(40))
    names = tuple(f"s{number}" for number in range(40))
    targets = tuple(np.array([number % 2]) for number in range(40))
    data = SequenceData(names, codes, targets, names, ("",) * 40, classes)
    with pytest.raises(ModelError, match=said):
        train_recurrent(data, replace(PLAN, features=features), folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_split_that_divides_a_group_is_refused(data):
    split = make_recurrent_split(data, 0)
    groups = list(data.groups)
    groups[0] = groups[100] = "twins"
    with pytest.raises(InputError, match=r"twins in dev \(s100\) and train \(s0\)"):
        train_recurrent(replace(data, groups=tuple(groups)), PLAN, split=split)


def test_what_held_out_parts_do_not_have_is_said(data):
    parts = list(data.parts)
    for place in range(1, 150, 3):
        parts[place] = "train"
    run = train_recurrent(replace(data, parts=tuple(parts)), PLAN)
    assert "The part dev has nothing of the class none." in run.notes
