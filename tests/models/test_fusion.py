"""Joining views: its definition in NumPy, what it must not depend on, and where it begins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from bioconv.errors import ModelError
from bioconv.models.building import build_network, network_file, open_network
from bioconv.models.fusion import ViewFusion
from bioconv.models.model_file import read_model, write_model
from bioconv.training.config import TrainConfig
from bioconv.training.finetune import freeze, unfreeze

CHANNELS = 6


@pytest.fixture
def fusion():
    """As after training: nothing is 0."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        made = ViewFusion(CHANNELS)
        torch.nn.init.normal_(made.out.weight)
        torch.nn.init.normal_(made.out.bias)
    return made.double().eval()


def by_hand(fusion, views):
    """One breast, from {kind: [vectors]}, written out."""
    kinds = [np.mean(own, axis=0) for own in views.values()]
    mean, most = np.mean(kinds, axis=0), np.max(kinds, axis=0)
    w1, b1, w2, b2 = (parameter.detach().numpy() for parameter in fusion.parameters())
    return mean + w2 @ np.maximum(w1 @ np.concatenate([mean, most - mean]) + b1, 0) + b2


def joined(fusion, *breasts):
    """Several breasts at once, each a list of (kind, vector), those with fewer views filled up."""
    most = max(map(len, breasts))
    kinds = torch.full((len(breasts), most), -1)
    vectors = torch.full((len(breasts), most, CHANNELS), 1e6, dtype=torch.float64)
    for row, views in enumerate(breasts):
        for column, (kind, vector) in enumerate(views):
            kinds[row, column], vectors[row, column] = kind, torch.from_numpy(vector)
    with torch.no_grad():
        return fusion.join(vectors, kinds).numpy()


def drawn(count, seed=0):
    return list(np.random.default_rng(seed).normal(size=(count, CHANNELS)))


def test_the_definition_by_hand(fusion):
    a, b, c, d = drawn(4)
    found = joined(fusion, [(0, a), (1, b)], [(1, c)], [(0, a), (1, b), (0, c), (0, d)])
    expected = [by_hand(fusion, {0: [a], 1: [b]}), by_hand(fusion, {1: [c]}), by_hand(fusion, {0: [a, c, d], 1: [b]})]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_neither_order_nor_kind_nor_other_breasts_matter(fusion):
    a, b, c = drawn(3)
    (alone,) = joined(fusion, [(0, a), (1, b)])
    for same in ([(1, b), (0, a)], [(1, a), (0, b)]):
        np.testing.assert_allclose(joined(fusion, same)[0], alone, rtol=1e-12)
    together = joined(fusion, [(0, c)], [(0, a), (1, b)], [(0, c), (1, c), (1, a)])
    np.testing.assert_allclose(together[1], alone, rtol=1e-12)  # another order of sums


def test_a_view_twice_is_that_view_and_a_repeat_weighs_no_more(fusion):
    a, b = drawn(2)
    (alone,) = joined(fusion, [(0, a)])
    np.testing.assert_allclose(joined(fusion, [(0, a), (1, a)], [(0, a), (0, a)], [(1, a)]), [alone] * 3, rtol=1e-12)
    (both,) = joined(fusion, [(0, a), (1, b)])
    np.testing.assert_allclose(joined(fusion, [(0, a), (0, a), (1, b)])[0], both, rtol=1e-12)
    with torch.no_grad():
        np.testing.assert_allclose(fusion(torch.from_numpy(a)[None])[0], alone, rtol=1e-12)
    assert np.abs(both - (alone + joined(fusion, [(1, b)])[0]) / 2).max() > 1e-2  # it is no mean of what views say


@pytest.mark.parametrize("name", ["residual", "lenet5", "vgg11", "resnet18"])
def test_it_begins_as_the_mean_of_the_views_logits(name):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = build_network(name, {"outputs": 2, "width": 0.1, "fusion": "views", "dropout": 0.0}).eval()
        images = torch.randn(2, 1, 40, 36)
    with torch.no_grad():
        single = network.head(network.neck(network.body(images)))
        both = network.join(network.vectors(images)[None], torch.tensor([[0, 1]]))[0]
        np.testing.assert_allclose(both, single.mean(0), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(network(images), single, rtol=1e-4, atol=1e-5)
    assert single.std() > 0


def test_the_file_says_it_and_files_without_it_are_of_single_images(tmp_path):
    network = build_network("residual", {"width": 0.25, "blocks": [1], "fusion": "views", "top": 1})
    torch.nn.init.normal_(network.fusion.out.weight)
    write_model(tmp_path / "m", network_file(network, "residual", {}))
    file = read_model(tmp_path / "m")
    assert (file.config["fusion"], file.config["top"]) == ("views", 1)
    images, kinds = torch.randn(1, 2, 8, 8), torch.tensor([[0, 1]])
    with torch.no_grad():
        expected = network.eval().join(network.vectors(images.transpose(0, 1))[None], kinds)
        loaded = open_network(file)
        np.testing.assert_allclose(
            loaded.join(loaded.vectors(images.transpose(0, 1))[None], kinds), expected, rtol=1e-4
        )
    older = build_network("residual", {"width": 0.25, "blocks": [1]})
    plain = {name: value for name, value in network_file(older, "residual", {}).config.items()}
    del plain["fusion"], plain["top"]
    assert open_network(replace(network_file(older, "residual", {}), config=plain)).fusion is None
    with pytest.raises(ModelError, match="does not join views"):
        older.join(torch.zeros(1, 1, 4), torch.zeros(1, 1, dtype=torch.int64))


def test_what_is_new_is_the_head_that_is_trained_first():
    network = build_network("residual", {"width": 0.25, "blocks": [1], "fusion": "views", "top": 2})
    frozen = freeze(network, TrainConfig(freeze="all-but-head"))
    free = {name.split(".")[0] for name, one in network.named_parameters() if one.requires_grad}
    assert free == {"top", "fusion", "head"}
    assert {name.split(".")[0] for name in frozen} == {"body"}
    assert sorted(unfreeze(network)) == sorted(frozen)
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("config", [{"fusion": "exams"}, {"top": -1}, {"top": 9}])
def test_damaged_hyper_parameters(config):
    with pytest.raises(ModelError, match="expected none or views, and 0 to 8 blocks"):
        build_network("residual", config)
