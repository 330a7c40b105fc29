"""What a mutation map's picture holds, and that it is the same every time."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest

from bioconv.errors import OptionError
from bioconv.report.mutation_map import LONGEST, MapPicture, draw_mutation_map, picture_format


def picture(length=12, seed=0):
    rng = np.random.default_rng(seed)
    sequence = "".join(rng.choice(list("ACGTN"), length))
    importance = np.arange(length) % 4 / 4.0
    return MapPicture("title", sequence, 101, rng.normal(size=(length, 4)), importance)


def drawn(given, form="svg"):
    stream = io.BytesIO()
    draw_mutation_map(given, stream, form=form)
    return stream.getvalue()


@pytest.mark.parametrize("form", ["svg", "png", "pdf"])
def test_the_same_bytes_every_time(form):
    first = drawn(picture(), form)
    assert first.startswith({"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}[form])
    assert drawn(picture(), form) == first
    assert drawn(picture(seed=1), form) != first


def test_letters_are_as_many_as_matter_in_their_colours():
    given = picture(40)
    text = drawn(given).decode()
    logo = text[text.index('id="axes_1"') : text.index('id="axes_2"')]
    for letter, colour in {"A": "#1b9e3e", "C": "#2166ac", "G": "#e08214", "T": "#c51b29"}.items():
        shown = sum(
            base == letter and height > 0 for base, height in zip(given.sequence, given.importance, strict=True)
        )
        assert len(re.findall(f"fill: {colour}", logo)) == shown > 0


def test_heat_map_has_the_deltas(monkeypatch):
    from matplotlib.axes import Axes

    seen = []
    original = Axes.imshow
    monkeypatch.setattr(
        Axes, "imshow", lambda self, data, **given: seen.append((data, given)) or original(self, data, **given)
    )
    given = picture(20)
    drawn(given, "png")
    ((data, options),) = seen
    np.testing.assert_array_equal(data, given.deltas.T)
    assert options["vmax"] == -options["vmin"] == np.abs(given.deltas).max()  # zero is white


def test_odd_sequences_and_limits():
    flat = MapPicture("nothing", "NN", 1, np.zeros((2, 4)), np.zeros(2))
    assert drawn(flat).startswith(b"<?xml")
    with pytest.raises(OptionError, match="up to 500"):
        drawn(picture(LONGEST + 1))
    assert picture_format("a/B.PNG") == "png"
    with pytest.raises(OptionError, match=r"x.gif: a plot is written as .svg, .png, .pdf"):
        picture_format("x.gif")
