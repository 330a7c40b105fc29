"""ROC, precision-recall and reliability curves in one figure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bioconv.errors import OptionError
from bioconv.evaluation.calibration import reliability_table
from bioconv.evaluation.inputs import Flags, Floats
from bioconv.evaluation.ranking import auprc, auroc, precision_recall_curve, roc_curve
from bioconv.outputs import open_output

FORMATS = ("svg", "png", "pdf")
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
"""Okabe and Ito's, told apart with colour-blind eyes; then they begin again with dashes."""
_MOST_POINTS = 2000
_MOST_READERS = 8
_MARKERS = ("s", "^", "D", "v", "<", ">", "p", "h")
Point = tuple[float, float]


def draw_curves(
    models: Mapping[str, Floats],
    labels: Flags,
    *,
    reliability: Mapping[str, Floats] | None = None,
    points: Mapping[str, Point] | None = None,
    readers: Mapping[str, Point] | None = None,
) -> Figure:
    """Draw the curves of one or more models on the same samples.

    Parameters
    ----------
    models
        Name -> (n,) scores.
    labels
        (n,) bool, both classes present.
    reliability
        Model -> (n,) its probabilities, which may be its scores; with none there is no third panel.
    points
        Model -> false- and true-positive rate at its threshold, a disc on its curve.
    readers
        Reader -> the same rates, on the ROC curve; of several readers their mean too.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels or three; reliability has ten bins of equal count with 95 % Wilson intervals.
    """
    panels = 3 if reliability else 2
    figure = Figure(figsize=(4.2 * panels, 4.4), layout="constrained")
    axes = figure.subplots(1, panels)
    _frame(axes[0], "ROC", "1 - specificity", "sensitivity")
    _frame(axes[1], "Precision and recall", "recall", "precision")
    chance = float(labels.mean())
    axes[0].plot([0, 1], [0, 1], color="0.7", linewidth=1, linestyle=":")
    axes[1].axhline(chance, color="0.7", linewidth=1, linestyle=":")
    for number, (name, scores) in enumerate(models.items()):
        style = _style(number)
        roc, recalled = roc_curve(scores, labels), precision_recall_curve(scores, labels)
        thin = _thinned(len(roc.thresholds))
        label = f"{name}: {auroc(scores, labels):.3f}"
        axes[0].plot(roc.false_positive_rate[thin], roc.true_positive_rate[thin], label=label, **style)
        thin = _thinned(len(recalled.thresholds))
        # The area counts each precision back to the recall before; the first one back to nothing.
        recall, precision = np.append(0.0, recalled.recall[thin]), recalled.precision[thin]
        label = f"{name}: {auprc(scores, labels):.3f}"
        axes[1].step(recall, np.append(precision[0], precision), where="pre", label=label, **style)
        if reliability and name in reliability:
            _draw_reliability(axes[2], reliability[name], labels, style | {"label": name})
    label = "at the threshold"
    for number, name in enumerate(models):
        if points and name in points:
            colour = _style(number)["color"]
            axes[0].plot(*points[name], marker="o", markersize=7, color=colour, linestyle="none", label=label)
            label = "_"
    if readers:
        _draw_readers(axes[0], readers)
    axes[0].legend(title="area", loc="lower right", fontsize="small")
    axes[1].legend(title="average precision", loc="lower left", fontsize="small")
    if reliability:
        _frame(axes[2], "Reliability", "predicted probability", "share of positives")
        axes[2].plot([0, 1], [0, 1], color="0.7", linewidth=1, linestyle=":")
        axes[2].legend(loc="upper left", fontsize="small")
    return figure


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as SVG, PNG or PDF, by the name's suffix; the same figure gives the same bytes.

    Raises
    ------
    OptionError
        If the suffix is another.
    OutputError
        If the file cannot be written.
    """
    form = figure_format(path)
    # Neither dates nor random identifiers in the file.
    metadata: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form, {})
    with rc_context({"svg.hashsalt": "bioconv"}), open_output(path) as stream:
        figure.savefig(stream, format=form, dpi=150, metadata=metadata)


def figure_format(path: str | Path) -> str:
    """Return `svg`, `png` or `pdf`.

    Raises
    ------
    OptionError
        If the name ends otherwise.
    """
    form = Path(path).suffix.lower().removeprefix(".")
    if form not in FORMATS:
        message = f"{path}: cannot tell the figure's format; end the name in .{', .'.join(FORMATS)}"
        raise OptionError(message)
    return form


def _frame(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set(title=title, xlabel=x, ylabel=y, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.spines[["top", "right"]].set_visible(False)


def _style(number: int) -> dict[str, Any]:
    dash = ("-", "--", "-.", ":")[number // len(_COLOURS) % 4]
    return {"color": _COLOURS[number % len(_COLOURS)], "linestyle": dash, "linewidth": 1.6}


def _thinned(count: int) -> Any:
    """Return indices of at most 2,000 points, the ends included: more cannot be seen."""
    if count <= _MOST_POINTS:
        return slice(None)
    return np.unique(np.linspace(0, count - 1, _MOST_POINTS).round().astype(np.int64))


def _draw_readers(axes: Axes, readers: Mapping[str, Point]) -> None:
    """Mark each reader, by name where they are few, and the mean of several."""
    few = len(readers) <= _MOST_READERS
    for number, (name, point) in enumerate(readers.items()):
        label = name if few else f"{len(readers)} readers" if number == 0 else "_"
        marker = _MARKERS[number] if few else "x"
        axes.plot(*point, marker=marker, markersize=5, color="0.35", linestyle="none", fillstyle="none", label=label)
    if len(readers) > 1:
        mean = np.mean(list(readers.values()), axis=0)
        axes.plot(*mean, marker="*", markersize=10, color="black", linestyle="none", label="average reader")


def _draw_reliability(axes: Axes, scores: Floats, labels: Flags, style: dict[str, Any]) -> None:
    table = reliability_table(scores, labels, by="count")
    observed = np.array([one.observed.value for one in table])
    below = observed - [one.observed.low for one in table]
    above = np.array([one.observed.high for one in table]) - observed
    axes.errorbar(
        [one.predicted for one in table],
        observed,
        yerr=np.maximum([below, above], 0),
        marker="o",
        markersize=4,
        elinewidth=0.8,
        **style,
    )
