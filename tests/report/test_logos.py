"""Logos: heights against logomaker's own, bytes that repeat, no state left behind."""

from __future__ import annotations

import re

import logomaker
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from bioconv.errors import OptionError, OutputError
from bioconv.report.logos import LogoPanel, LogoRow, draw_logo, letter_heights, overview, save_figure, stacked_logos

RNG = np.random.default_rng(0)
MATRIX = RNG.dirichlet([0.4] * 4, 6)


def test_heights_are_logomakers():
    table = pd.DataFrame(MATRIX, columns=list("ACGT"))
    theirs = logomaker.transform_matrix(table, from_type="probability", to_type="information", pseudocount=0)
    np.testing.assert_allclose(letter_heights(MATRIX), theirs.to_numpy(), atol=1e-6)


def test_letters_are_as_high_as_their_bits():
    axes = Figure().add_subplot()
    draw_logo(axes, np.array([[1, 0, 0, 0], [0.5, 0, 0, 0.5]]), offset=3)
    boxes = sorted((patch.get_extents().transformed(axes.transData.inverted()) for patch in axes.patches), key=str)
    tall = [(round(box.x0 + 0.5), round(box.height, 1)) for box in boxes if box.height > 0.1]
    assert sorted(tall) == [(3, 2.0), (4, 0.5), (4, 0.5)]


@pytest.mark.parametrize("form", ["svg", "png"])
def test_the_same_figure_gives_the_same_bytes(tmp_path, form):
    contents = []
    for name in ("a", "b"):
        rows = [LogoRow(MATRIX, "query"), LogoRow(MATRIX[2:], "target", 2)]
        save_figure(stacked_logos(rows, title="m"), tmp_path / f"{name}.{form}")
        contents.append((tmp_path / f"{name}.{form}").read_bytes())
    assert contents[0] == contents[1]
    assert contents[0].startswith(b"<?xml" if form == "svg" else b"\x89PNG")
    assert not re.search(rb"<dc:date>|Software", contents[0])
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a.{form}", f"b.{form}"]


def test_nothing_stays_in_pyplot():
    overview([LogoPanel(MATRIX, "one", ["12 sites"])], title="model")
    assert pyplot.get_fignums() == []


def test_aligned_rows_share_their_columns():
    figure = stacked_logos([LogoRow(MATRIX, "query"), LogoRow(MATRIX[2:], "target", 2), LogoRow(MATRIX, "left", -3)])
    upper, lower, left = figure.axes
    assert upper.get_xlim() == lower.get_xlim() == left.get_xlim() == (-3.5, 5.5)
    assert [text.get_text() for text in lower.get_xticklabels()] == ["1", "2", "3", "4"]
    assert lower.get_xticks().tolist() == [2, 3, 4, 5]


@pytest.mark.parametrize("count", [1, 4, 7])
def test_overview_has_a_place_for_every_logo(count):
    panels = [LogoPanel(MATRIX[: 2 + k % 4], f"detector{k}", ["a", "b"][: k % 3]) for k in range(count)]
    figure = overview(panels, title="model")
    assert [axes.get_title(loc="left") for axes in figure.axes] == [panel.title for panel in panels]
    boxes = [axes.get_position() for axes in figure.axes]
    assert all(0 <= box.x0 < box.x1 <= 1 and 0 <= box.y0 < box.y1 <= 1 for box in boxes)
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[:k])


def test_refusals(tmp_path):
    with pytest.raises(OptionError, match="no logos"):
        stacked_logos([])
    with pytest.raises(OptionError, match="0 logos in 3 columns"):
        overview([])
    with pytest.raises(OptionError, match=r"\.svg or \.png"):
        save_figure(Figure(), tmp_path / "logo.gif")
    with pytest.raises(OutputError, match="there is no folder"):
        save_figure(Figure(), tmp_path / "nowhere" / "logo.svg")
