"""`bioconv.train` and `bioconv.load_model`: what they take, what they refuse; tests/cli/test_train.py compares."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

import bioconv
from bioconv.errors import InputError, ModelError, OptionError
from bioconv.models.deepbind import DeepBindConfig
from bioconv.sequence.binding import fit as fit_room
from bioconv.sequence.binding.data import BindingData
from bioconv.sequence.binding.defaults import DEFAULTS
from bioconv.sequence.binding.recipe import Recipe, network_like, part_negatives, scores
from bioconv.sequence.nulls import null_distribution

CONFIG = replace(DEFAULTS, epochs=1, warmup_steps=1)
RECIPE = Recipe(DeepBindConfig(detectors=3, length=6, hidden=4, average_pooling=True), per_epoch=64)


@pytest.fixture
def data(monkeypatch):
    monkeypatch.setattr(fit_room, "null_distribution", partial(null_distribution, count=20_000))
    codes = np.random.default_rng(0).integers(0, 4, (60, 20)).astype(np.uint8)
    return BindingData([f"s{n}" for n in range(60)], codes, None, None, [{"file": "drawn", "content_sha256": ""}])


def test_model_goes_to_the_file_and_back(data, tmp_path):
    output = tmp_path / "mine.safetensors"
    run = bioconv.train("deepbind", data, output=output, config=CONFIG, recipe=RECIPE, device="cpu", licence="CC0")
    opened = bioconv.load_model(output)
    assert opened.name == "mine"
    np.testing.assert_array_equal(opened.detectors.filters, run.network.filters.detach().numpy())
    assert network_like(output) == replace(RECIPE.network, dropout=network_like(output).dropout)
    with pytest.raises(OptionError, match="--resume"):
        bioconv.train("deepbind", data, output=output, config=CONFIG, recipe=RECIPE)
    again = bioconv.train("deepbind", data, output=output, config=CONFIG, recipe=RECIPE, resume=True)
    np.testing.assert_array_equal(scores(again.network, data.codes), scores(run.network, data.codes))


def test_start_from_a_model(data, tmp_path, model_path):
    start = model_path(3, length=6, window=20, hidden=5)
    frozen = replace(CONFIG, freeze="all-but-head")
    run = bioconv.train("deepbind", data, init=start, config=frozen)
    given = bioconv.load_model(start).detectors
    np.testing.assert_array_equal(run.network.filters.detach().numpy(), given.filters.astype(np.float32))
    assert run.network.weights1.shape == (8, 5)
    assert not torch.equal(run.network.weights1.detach(), torch.tensor(given.weights1, dtype=torch.float32))


def test_what_is_refused(data, tmp_path):
    with pytest.raises(OptionError, match="family 'resnet' is not known; known are deepbind, lstm, segment"):
        bioconv.train("resnet", data)
    with pytest.raises(OptionError, match="choices resume are not known"):
        bioconv.train("deepbind", data, resume=True)  # from which folder?
    with pytest.raises(InputError, match=r"none\.fa"):
        bioconv.train("deepbind", tmp_path / "none.fa")
    with pytest.raises(ModelError, match="nonesuch"):
        bioconv.load_model("nonesuch")
    assert not list(tmp_path.iterdir())


def test_held_out_negatives_are_no_others(data):
    """Identical ones and reverse complements are on one side; the order they come in does not matter."""
    drawn = np.random.default_rng(1).integers(0, 4, (100, 20)).astype(np.uint8)
    negatives = np.concatenate([drawn, 3 - drawn[:, ::-1]])
    learnt, unseen = part_negatives(replace(data, negatives=negatives))
    assert (len(learnt.negatives), len(unseen.negatives)) == (180, 20)
    sides = [{min(row.tobytes(), (3 - row[::-1]).tobytes()) for row in own.negatives} for own in (learnt, unseen)]
    assert not sides[0] & sides[1]
    _, again = part_negatives(replace(data, negatives=negatives[::-1]))
    assert {row.tobytes() for row in again.negatives} == {row.tobytes() for row in unseen.negatives}
