"""What is drawn is the curve: its points are read back from the figure."""

from __future__ import annotations

import numpy as np

from bioconv.evaluation.figures import Settings
from bioconv.evaluation.froc import RATES, Detections, froc_curve
from bioconv.evaluation.froc_summary import summarise_froc
from bioconv.report.froc_figure import draw_froc


def test_the_step_is_the_sensitivity_at_any_rate():
    rng = np.random.default_rng(0)
    found = Detections(
        50, rng.integers(25, size=40), rng.normal(1, 1, 40), rng.integers(50, size=600), rng.normal(size=600)
    )
    figure = draw_froc(froc_curve(found), summarise_froc(found, Settings(50, threshold=1.0))["models"]["marks"])
    (axes,) = figure.axes
    assert axes.lines[0].get_drawstyle() == "steps-post"
    x, y = axes.lines[0].get_xydata().T
    for rate in np.geomspace(0.11, 9, 60):
        expected = found.sensitivity_at(np.array([rate]))[0]
        assert y[np.searchsorted(x, rate, side="right") - 1] == expected
    points = [line.get_xydata()[0] for line in axes.lines[1:] if line.get_marker() == "o"]
    np.testing.assert_allclose(points, [(rate, found.sensitivity_at(np.array([rate]))[0]) for rate in RATES])
    (star,) = [line.get_xydata()[0] for line in axes.lines if line.get_marker() == "*"]
    np.testing.assert_allclose(star, found.at_threshold(1.0)[::-1])


def test_fewer_false_positives_than_the_axis_begins_with():
    found = Detections(50, np.array([0, 1]), np.array([2.0, -np.inf]), np.array([3]), np.array([1.0]))
    figure = draw_froc(froc_curve(found), summarise_froc(found, Settings(20))["models"]["marks"])
    assert set(figure.axes[0].lines[0].get_ydata()) == {0.5}
