"""Uncertainty: entropies against SciPy, turns that undo themselves, dropout the same in every tile."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from torch import nn

from bioconv.errors import ModelError
from bioconv.segmentation.inference.uncertainty import (
    TURNS,
    ReviewSum,
    check_turns,
    normalised_entropy,
    outlines,
    rim_weights,
    spatial_dropout,
)


def test_entropy_is_scipys():
    maps = np.random.default_rng(1).dirichlet(np.ones(4), size=50).T.astype(np.float32)
    np.testing.assert_allclose(normalised_entropy(maps, exclusive=True), entropy(maps, base=4), atol=1e-6)
    each = [entropy([p, 1 - p], base=2) for p in maps[:2].ravel().astype(float)]
    truth = np.array(each).reshape(2, 50).max(axis=0)
    np.testing.assert_allclose(normalised_entropy(maps[:2], exclusive=False), truth, atol=1e-6)
    assert normalised_entropy(np.array([[0.0, 1.0, 0.5]]), exclusive=True).tolist() == [0, 0, 1]


def test_turns_are_all_eight_and_undo_themselves():
    image = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    turned = [turn.apply(image) for turn in TURNS]
    assert len({(one.shape, one.tobytes()) for one in turned}) == 8
    np.testing.assert_array_equal(turned[0], image)
    for turn, one in zip(TURNS, turned, strict=True):
        np.testing.assert_array_equal(turn.undo(one), image)
        assert turn.shape((3, 4)) == one.shape[1:]
        for window in [(slice(0, 2), slice(1, 3)), (slice(1, 3), slice(0, 1))]:
            inside = turn.window(window, (3, 4))
            np.testing.assert_array_equal(turn.apply(image[(slice(None), *inside)]), one[(slice(None), *window)])


def test_labels_with_sides_are_not_mirrored():
    check_turns(["background", "nucleus", "cleft"])
    with pytest.raises(ModelError, match="left_lung"):
        check_turns(["background", "left_lung", "right_lung"])


def test_dropout_drops_whole_maps_alike_in_every_tile():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 16, 1), nn.Dropout2d(0.5), nn.Conv2d(16, 1, 1)).eval()
    image = torch.rand(1, 1, 8, 12)
    with torch.no_grad():
        plain = network(image)
        with spatial_dropout(network, seed=1):
            whole = network(image)
            tiles = torch.cat([network(image[..., :5]), network(image[..., 5:])], dim=-1)
        with spatial_dropout(network, seed=2):
            other = network(image)
        torch.testing.assert_close(tiles, whole)
        assert not torch.allclose(whole, other)
        torch.testing.assert_close(network(image), plain)  # the network is given back as it was
        network[1].p = 0.3
        draws = []
        for seed in range(400):
            with spatial_dropout(network, seed=seed):
                draws.append(network(image))
    torch.testing.assert_close(torch.stack(draws).mean(0), plain, atol=0.05, rtol=0)


def test_no_dropout_is_an_error():
    with pytest.raises(ModelError, match="no dropout layer"), spatial_dropout(nn.Conv2d(1, 1, 1), seed=0):
        pass


def test_outlines_are_where_a_neighbour_differs():
    labels = np.zeros((6, 7), int)
    labels[1:5, 1:4] = 1
    labels[1:5, 4:6] = 2
    truth = np.zeros(labels.shape, bool)
    for y in range(6):
        for x in range(7):
            for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                if 0 <= y + down < 6 and 0 <= x + right < 7:
                    truth[y, x] |= labels[y, x] != labels[y + down, x + right]
    np.testing.assert_array_equal(outlines(labels), truth)


def test_rims_count_for_nothing_and_far_pixels_in_full():
    labels = np.zeros((40, 40), int)
    labels[10:30, 10:30] = 1
    weights = rim_weights(labels, rim=5)
    assert not weights[outlines(labels)].any()
    assert weights[20, 20] == 1
    assert weights[0, 0] == 1
    assert weights[20, 12] == pytest.approx(2 / 5)
    assert (rim_weights(np.zeros((3, 3), int)) == 1).all()


def test_unsure_inside_ranks_above_unsure_at_the_rim():
    labels = np.zeros((40, 40), int)
    labels[10:30, 10:30] = 1
    at_rim = outlines(labels).astype(np.float32)
    inside = np.zeros_like(at_rim)
    inside.flat[: int(at_rim.sum())] = 1
    figures = []
    for map_ in (at_rim, inside):
        sums = ReviewSum()
        sums.add(map_, rim_weights(labels), None)
        figures.append(sums.figures(several=False))
    assert figures[0]["mean_uncertainty"] == pytest.approx(figures[1]["mean_uncertainty"])
    assert figures[0]["score"] == 0 < figures[1]["score"]
