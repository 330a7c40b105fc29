"""Thresholds from tables of validation samples, none of which may be among those judged."""

from __future__ import annotations

from collections.abc import Mapping

from bioconv.errors import InputError
from bioconv.evaluation.predictions import Predictions
from bioconv.evaluation.thresholds import ChosenThreshold, choose_threshold
from bioconv.tables import listed
from bioconv.wording import counted


def choose_thresholds(
    validation: Predictions, tested: Predictions, *, sensitivity: float | None = None, specificity: float | None = None
) -> Mapping[str, ChosenThreshold]:
    """Return each model's threshold, chosen on validation samples by the rule of `thresholds.choose_threshold`.

    Parameters
    ----------
    validation
        With a column of scores for each model of `tested`.
    tested
        The samples to be judged.
    sensitivity, specificity
        At least that much on the validation samples; neither: Youden's.

    Raises
    ------
    InputError
        If the labels are not 0 and 1, a class is missing, samples or groups are in both, or no score has the
        specificity.
    OptionError
        As `thresholds.choose_threshold`.
    """
    _apart("sample", validation.names, tested.names, validation.source)
    _apart("group", validation.groups or [], tested.groups or [], validation.source)
    if validation.task() != "binary":
        message = f"{validation.source}: a threshold needs labels 0 and 1"
        raise InputError(message)
    labels = validation.binary()
    chosen = {}
    for name in tested.scores:
        try:
            chosen[name] = choose_threshold(
                validation.scores[name], labels, sensitivity=sensitivity, specificity=specificity
            )
        except InputError as error:
            message = f"{validation.source}, {name}: {error}"
            raise InputError(message) from error
    return chosen


def _apart(what: str, ours: list[str], theirs: list[str], source: str) -> None:
    both = sorted(set(ours) & set(theirs))
    if both:
        known = counted(len(both), what, does=("is", "are"))
        message = (
            f"{source}: {known} among those to be judged too: {listed(both)}. A threshold chosen on "
            "them would look better than it is; leave them out of one of the two"
        )
        raise InputError(message)
