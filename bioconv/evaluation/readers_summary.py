"""A model beside readers of the same cases: paired differences, non-inferiority."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from bioconv.errors import InputError, OptionError
from bioconv.evaluation.figures import Figures, Settings
from bioconv.evaluation.inputs import Flags, Floats
from bioconv.evaluation.intervals import Difference, normal_quantile
from bioconv.evaluation.readers import Readings
from bioconv.evaluation.resampling import difference_of, draw_times

AVERAGE = "average reader"
FIGURES = ("sensitivity", "specificity")


@dataclass(frozen=True, eq=False)
class _Tally:
    """Of each reader on one side: the cases read and, per case (n, R), who was right."""

    read: Floats
    model: Floats
    reader: Floats

    def rates(self, times: Floats) -> tuple[Floats, Floats]:
        """Return the model's and the readers' rates, (R,) each, with cases counted `times`; nan where none is read."""
        total = times @ self.read
        with np.errstate(invalid="ignore", divide="ignore"):
            return (times @ self.model) / total, (times @ self.reader) / total


def compare_readers(
    models: Mapping[str, Floats], labels: Flags, readings: Readings, settings: Settings, *, margin: float | None = None
) -> Figures:
    """Compare models at their thresholds with each reader and the average reader, case by case.

    A model is compared with a reader on the cases that this reader read. The average reader's rate is the mean of
    the readers' rates, each counting alike; the model's beside it the mean of the model's on each reader's cases.
    Intervals are of cases (or groups) drawn again for these very readers, not for others.

    Parameters
    ----------
    models
        Name -> (n,) scores.
    labels
        (n,) bool.
    readings
        Of the same n cases.
    settings
        With a threshold for every model.
    margin
        How much lower than a reader's a rate may be and still count as not inferior; None: not asked.

    Returns
    -------
    dict
        `readers`: per reader the cases read and the rates; `differences`: per model, reader and figure the rates, the
        difference with its interval and p-value, `method` and, with a margin, `noninferior`: whether the lower end lies
        above -margin; `notes`.

    Raises
    ------
    OptionError
        If the margin is not between 0 and 1, or a model has no threshold.
    """
    if margin is not None and not 0 < margin < 1:
        message = f"the margin is {margin:g}; give a difference in rates between 0 and 1, such as 0.05"
        raise OptionError(message)
    rows: list[Figures] = []
    for name, scores in models.items():
        threshold = settings.threshold_of(name)
        if threshold is None:
            message = f"{name} has no threshold; readers decide, so that a model must too: give one, or validation data"
            raise OptionError(message)
        tallies = _tallies(scores >= threshold[0], labels, readings)
        drawn = _drawn(tallies, labels, settings)
        for figure, tally, again in zip(FIGURES, tallies, drawn, strict=True):
            rows += _rows(name, figure, tally, (again, readings), settings)
    for row in rows if margin is not None else []:
        row["noninferior"] = bool(row["low"] > -(margin or 0))
    return {"readers": _readers(labels, readings), "differences": rows, "notes": _notes(readings, settings, margin)}


def _tallies(called: Flags, labels: Flags, readings: Readings) -> tuple[_Tally, _Tally]:
    """Return the positives' tally, of those called, and the negatives', of those not called."""
    found = []
    for side, positive in ((labels, True), (~labels, False)):
        read = readings.read & side[:, None]
        model = read & (called == positive)[:, None]
        found.append(_Tally(*(one.astype(np.float64) for one in (read, model, read & (readings.called == positive)))))
    return found[0], found[1]


def _drawn(tallies: tuple[_Tally, _Tally], labels: Flags, settings: Settings) -> list[Floats]:
    """Return the differences, model less reader, of each resample: (resamples, R) for each tally."""
    found: list[list[Floats]] = [[], []]
    refused = 0
    for times in draw_times(labels, settings.groups, settings.seed):
        differences = [np.subtract(*tally.rates(times.astype(np.float64))) for tally in tallies]
        if any(np.isnan(one).any() for one in differences):  # a reader without a positive or a negative: drawn again
            refused += 1
            if refused > settings.resamples:
                message = "a reader has no positive or no negative case in most resamples; give more cases or groups"
                raise InputError(message)
            continue
        for store, one in zip(found, differences, strict=True):
            store.append(one)
        if len(found[0]) == settings.resamples:
            break
    return [np.array(one) for one in found]


def _rows(name: str, figure: str, tally: _Tally, drawn: tuple[Floats, Readings], settings: Settings) -> list[Figures]:
    """Return a model's rows for one figure: each reader's, then the average's."""
    again, readings = drawn
    whole = np.ones(len(tally.read))
    model, reader = tally.rates(whole)
    parts = [
        (one, model[k], reader[k], again[:, k], tally.model[:, k] != tally.reader[:, k], tally.read[:, k])
        for k, one in enumerate(readings.readers)
    ]
    if len(readings.readers) > 1:
        differ = (tally.model != tally.reader).any(axis=1)
        read = tally.read.max(axis=1)
        parts.append((AVERAGE, model.mean(), reader.mean(), again.mean(axis=1), differ, read))
    rows = []
    for one, ours, theirs, draws, differ, read in parts:
        # A group counts once: its cases may all agree for one reason.
        units = np.flatnonzero(read) if settings.groups is None else np.unique(np.asarray(settings.groups)[read > 0])
        tested, method = _tested(float(ours - theirs), draws, (bool(differ.any()), len(units)), settings)
        row: Figures = {"model": name, "reader": one, "metric": figure, "cases": int(read.sum())}
        row |= {"model_value": float(ours), "reader_value": float(theirs)}
        rows.append(row | asdict(tested) | {"method": method})
    return rows


def _tested(value: float, again: Floats, differ: tuple[bool, int], settings: Settings) -> tuple[Difference, str]:
    """Return the bootstrap's interval, or Tango's where model and reader agree on every case."""
    if differ[0]:
        found = difference_of(value, again, level=settings.level)
        return found, f"paired {settings.drawn(stratified=True)}"
    z = normal_quantile(settings.level)
    half = z * z / (differ[1] + z * z)
    return Difference(0.0, -half, half, 1.0), f"Tango, no disagreement in {differ[1]}"


def _readers(labels: Flags, readings: Readings) -> list[Figures]:
    rows = []
    for number, (name, (false, true)) in enumerate(readings.points(labels).items()):
        read = readings.read[:, number]
        row: Figures = {"reader": name, "cases": int(read.sum()), "positives": int((read & labels).sum())}
        rows.append(row | {"sensitivity": true, "specificity": 1 - false})
    return rows


def _notes(readings: Readings, settings: Settings, margin: float | None) -> list[str]:
    notes = ["intervals of differences hold for these readers, not for readers at large: cases are drawn, readers not"]
    if not readings.read.all():
        notes.append("not every reader read every case: each is compared on the cases read")
    if margin is not None:
        side = (1 - settings.level) / 2
        notes.append(
            f"non-inferior: the interval's lower end is above -{margin:g}, a one-sided test at {side:g}; a claim needs "
            "it of sensitivity and specificity both"
        )
    return notes
