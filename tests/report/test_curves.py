"""What is drawn are the curves: their points are read back from the figure."""

from __future__ import annotations

import numpy as np
import pytest

from bioconv.errors import OptionError
from bioconv.evaluation import auprc, auroc, reliability_table
from bioconv.report.curves import draw_curves, save_figure


def drawn(count):
    rng = np.random.default_rng(1)
    labels = rng.random(count) < 0.4
    return {"a": 1 / (1 + np.exp(-rng.normal(size=count) - labels)), "b": rng.normal(size=count) + labels}, labels


@pytest.mark.parametrize("count", [80, 30_000])
def test_lines_are_the_curves(count):
    models, labels = drawn(count)
    figure = draw_curves(models, labels, reliability={"a": models["a"]})
    roc, recalled, reliable = figure.axes
    lines = {line.get_label().split(":")[0]: line.get_xydata() for line in roc.lines}
    steps = {line.get_label().split(":")[0]: line.get_xydata() for line in recalled.lines}
    tolerance = 1e-9 if count < 2000 else 2e-3  # long curves are thinned
    for name, scores in models.items():
        assert np.trapezoid(lines[name][:, 1], lines[name][:, 0]) == pytest.approx(auroc(scores, labels), abs=tolerance)
        recall, precision = steps[name].T
        assert np.diff(recall) @ precision[1:] == pytest.approx(auprc(scores, labels), abs=tolerance)
        assert (recall[0], recall[-1]) == (0, 1)
    (line,) = [one for one in reliable.lines if len(one.get_xydata()) == 10]
    table = reliability_table(models["a"], labels, by="count")
    np.testing.assert_allclose(line.get_xydata(), [(one.predicted, one.observed.value) for one in table])


def test_two_panels_without_probabilities():
    models, labels = drawn(30)
    assert len(draw_curves(models, labels).axes) == 2


def test_refuses_a_format(tmp_path):
    models, labels = drawn(30)
    with pytest.raises(OptionError, match=r"\.svg, \.png, \.pdf"):
        save_figure(draw_curves(models, labels), tmp_path / "x.tiff")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [1, 3, 12])
def test_readers_and_operating_points_are_on_the_roc(count):
    models, labels = drawn(30)
    readers = {f"r{i}": (i / 20, 1 - i / 20) for i in range(count)}
    roc = draw_curves(models, labels, points={"b": (0.2, 0.7)}, readers=readers).axes[0]
    marked = [tuple(line.get_xydata()[0]) for line in roc.lines if line.get_linestyle() == "None"]
    mean = tuple(np.mean(list(readers.values()), axis=0))
    assert marked == [(0.2, 0.7), *readers.values(), *([mean] if count > 1 else [])]
    shown = [text.get_text() for text in roc.get_legend().get_texts()]
    assert (["12 readers"] if count == 12 else list(readers)) == shown[3 : None if count == 1 else -1]
