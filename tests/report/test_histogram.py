"""What is drawn are the numbers that were given: heights are read back from the drawing."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioconv.report import histogram
from bioconv.report.drawing import embed
from bioconv.report.histogram import draw_classes, draw_histogram, draw_steps


@pytest.fixture
def figures(monkeypatch):
    """Figures as they are drawn."""
    seen = []
    before = histogram.svg
    monkeypatch.setattr(histogram, "svg", lambda figure: seen.append(figure) or before(figure))
    return seen


def test_every_value_is_counted_in_its_bin(figures):
    values = {10.0: 3, 12.5: 2, 40.0: 7}
    picture = draw_histogram(values, "length", "records", of="a.fa")
    bars = [(bar.get_x(), bar.get_width(), bar.get_height()) for bar in figures[0].axes[0].patches]
    for value, number in values.items():
        inside = [height for x, width, height in bars if x <= value < x + width or (value == 40 and x + width >= 40)]
        assert inside == [number]
    assert sum(height for *_, height in bars) == 12
    assert picture.caption == "a.fa: records by length"
    assert embed(picture, 0).startswith("<svg")


def test_one_value_has_one_bar(figures):
    draw_histogram({7.0: 4}, "length", "records")
    assert [bar.get_height() for bar in figures[0].axes[0].patches] == [4]


def test_bins_and_classes_are_drawn_as_given(figures):
    picture = draw_steps([1, 5, 2], [0, 0.1, 0.3, 1], "GC", "records")
    assert [(bar.get_x(), bar.get_height()) for bar in figures[0].axes[0].patches] == [(0, 1), (0.1, 5), (0.3, 2)]
    assert "most (5) from 0.1 to 0.3" in picture.description
    draw_classes({"<b>": 2, "": 1}, "class", "rows")
    assert [bar.get_width() for bar in figures[1].axes[0].patches] == [2, 1]


@settings(max_examples=10)
@given(st.text(max_size=40))
def test_any_label_can_be_drawn(label):
    picture = draw_classes({label: 1}, "class", "rows")
    drawn = embed(picture, 1)
    assert "<script" not in drawn
    text = "".join(ElementTree.fromstring(picture.svg).itertext())
    if label.isprintable() and 0 < len(label) <= 24:
        assert label.split() == [] or label.split()[0] in text
