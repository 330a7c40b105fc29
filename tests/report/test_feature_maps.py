"""Grids of pictures: how many tiles, what they say, and which colours they have."""

from __future__ import annotations

import numpy as np

from bioconv.report.feature_maps import draw_filters, draw_input, draw_maps


def shown(figure):
    axes = [one for one in figure.axes if one.images]
    return [np.asarray(one.images[0].get_array()) for one in axes], [one.get_title() for one in axes]


def test_maps_have_each_its_own_range():
    maps = np.stack([np.arange(12.0).reshape(3, 4) * (number + 1) - 1 for number in range(10)])
    maps[3] = 7
    figure = draw_maps(maps, "layer a")
    pictures, texts = shown(figure)
    assert len(pictures) == 10
    for number, picture in enumerate(pictures):
        assert (picture.min(), picture.max()) == ((0, 0) if number == 3 else (0, 1))
    assert texts[2] == "#2\n-1 to 32"
    title = figure.get_suptitle()
    assert title.startswith("layer a\n10 maps of 4 x 3 pixels; black is")
    assert shown(draw_maps(maps[:2], "l", names=["one", "two"]))[1][1] == "two\n-1 to 21"


def test_more_maps_than_a_page_holds():
    figure = draw_maps(np.random.default_rng(0).random((70, 5, 5)), "l")
    assert len(shown(figure)[0]) == 64
    assert "64 of 70 maps" in figure.get_suptitle()


def test_filters_in_colour_are_mid_grey_at_zero():
    weights = np.zeros((2, 3, 3, 3))
    weights[0, 0, 1, 1], weights[1, 2, 0, 2] = 0.5, -0.25
    pictures, _ = shown(draw_filters(weights, "f", colour=True))
    np.testing.assert_allclose(pictures[0][1, 1], [1, 0.5, 0.5])
    np.testing.assert_allclose(pictures[1][0, 2], [0.5, 0.5, 0.25])
    np.testing.assert_allclose(pictures[1][2, 2], 0.5)


def test_filters_of_other_inputs_are_red_and_blue():
    weights = np.zeros((3, 2, 3, 3))
    weights[0, 1, 0, 0], weights[2, 0, 1, 2] = 2, -2
    figure = draw_filters(weights, "f")
    pictures, texts = shown(figure)
    assert texts == [f"#{number}, input {place}" for number in range(3) for place in range(2)]
    red, blue, white = pictures[1][0, 0], pictures[4][1, 2], pictures[0][0, 0]
    np.testing.assert_allclose(white, 1)
    assert red[0] > 0.5 > red[2]
    assert blue[2] > 0.5 > blue[0]
    assert "red up to 2, blue down to -2" in " ".join(figure.get_suptitle().split())
    assert shown(draw_filters(weights[:, :1] * 0, "f"))[1] == ["#0", "#1", "#2"]


def test_input():
    pictures, texts = shown(draw_input(np.stack([np.eye(4), np.zeros((4, 4)), np.eye(4) * 2]), "i"))
    assert pictures[0].shape == (4, 4, 3)
    np.testing.assert_allclose(pictures[0][0, 0], [0.5, 0, 1])
    assert texts == ["0 to 2"]
    assert len(shown(draw_input(np.zeros((2, 4, 4)), "i"))[0]) == 2
