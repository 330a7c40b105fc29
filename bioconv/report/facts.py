"""What a report of a training run is told: plain values, made by whoever trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Errors:
    """Errors on the parts, lower is better (of an AUROC: 1 minus it).

    Parameters
    ----------
    name
        What is measured, e.g. `1 − AUROC`.
    reference_name
        Whose the reference level is, e.g. `two radiologists`.
    """

    name: str
    train: float
    dev: float
    train_dev: float | None = None
    test: float | None = None
    reference: float | None = None
    reference_name: str = "reference"


@dataclass(frozen=True)
class Metric:
    """A measured number on a part, with its interval where there is one.

    Parameters
    ----------
    how
        How the interval came about, e.g. `DeLong, 95 %`.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    how: str = ""
    part: str = "test"


@dataclass(frozen=True)
class Table:
    """Rows of a table; the first column names the row.

    Parameters
    ----------
    chosen
        Place of a row to be marked as the one that was chosen.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    chosen: int | None = None


@dataclass(frozen=True)
class Picture:
    """A drawing for the report, e.g. a motif's logo.

    Parameters
    ----------
    svg
        A whole SVG document, without scripts and outside references.
    description
        What is to be seen, for those who cannot see it.
    """

    svg: str
    caption: str
    description: str


@dataclass(frozen=True)
class TrainingReport:
    """All that a report of a training run says. What is empty is left out.

    Parameters
    ----------
    title
        Name of the model.
    summary
        What was trained on what, and why it stopped: a sentence or two.
    curves
        Panel (`loss`, `auroc`) to line (`train`, `dev`) to (epoch, value) points.
    best_epoch
        Where the weights that were kept come from, on the curves' axis.
    learning_rate
        (step, rate) points.
    errors
        For the table of bias and variance.
    metrics
        Of the test part above all.
    worst
        The samples that were most wrong, e.g. columns name, truth, prediction, loss.
    split
        Counts, e.g. columns part, class, samples, groups; `split_made` how it was made.
    search
        Settings that were tried.
    settings, environment
        Of the run: name to value. The environment holds versions, device, threads, seed and hashes of the data.
    pictures
        Drawings with captions.
    notes
        Warnings and known weaknesses, a sentence each.
    """

    title: str
    summary: str
    curves: Mapping[str, Mapping[str, Points]] = field(default_factory=dict)
    best_epoch: float | None = None
    learning_rate: Points = ()
    errors: Errors | None = None
    metrics: Sequence[Metric] = ()
    worst: Table | None = None
    split: Table | None = None
    split_made: str = ""
    search: Table | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, object] = field(default_factory=dict)
    pictures: Sequence[Picture] = ()
    notes: Sequence[str] = ()


def curves_of(history: Sequence[Mapping[str, float | int | None]], x: str = "epoch") -> dict[str, dict[str, Points]]:
    """Return the curves of a training history: rows of numbers with names such as `train loss`, `dev_auroc`, `loss`.

    A name that begins with a part of the data is that part's line in the panel of the rest; any other is the
    line `dev` in a panel of its own name. `epoch`, `step`, `seconds` and `learning_rate` are no curves.

    Examples
    --------
    >>> curves_of([{"epoch": 0, "train_loss": 0.7, "loss": 0.6}])
    {'loss': {'train': [(0.0, 0.7)], 'dev': [(0.0, 0.6)]}}
    """
    panels: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for row in history:
        for name, value in row.items():
            if name in {"epoch", "step", "seconds", "learning_rate"} or value is None:
                continue
            panel, line = name, "dev"
            for part in ("train-dev", "train_dev", "train", "dev", "test"):
                if name.startswith((f"{part} ", f"{part}_")):
                    panel, line = name[len(part) + 1 :], part.replace("_", "-")
                    break
            point = (float(row[x] or 0), float(value))
            panels.setdefault(panel, {}).setdefault(line, []).append(point)
    return {panel: dict(lines) for panel, lines in panels.items()}
