"""`bioconv classify --labels`: what was found beside what a table knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bioconv import runtime
from bioconv.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bioconv.mammography.batch import Batch, Outcome
    from bioconv.mammography.batch_evaluation import Evaluation
    from bioconv.mammography.classifier import Classifier
    from bioconv.mammography.results import Tables
    from bioconv.mammography.views import View

SAID = ("auroc", "sensitivity", "specificity")


def warn_of_labels(classifier: Classifier, views: Sequence[View], given: dict[str, Any]) -> None:
    """Say before any image is scored that its labels will not do."""
    from bioconv.mammography.labels import read_labels

    if given["labels"]:
        try:
            read_labels(views, classifier.models[0].objective.heads[0])
        except InputError as error:
            runtime.logger.warning("there will be results and no evaluation: %s", error)


def evaluate_batch(
    batch: Batch, outcomes: Sequence[Outcome], tables: Tables, given: dict[str, Any]
) -> tuple[Evaluation | None, InputError | None]:
    """Write the evaluation of a batch if it is asked for, and remove that of an earlier run.

    Returns
    -------
    evaluation : Evaluation or None
        None where it is not asked for, or cannot be had.
    fault : InputError or None
        Why it cannot be had: to be raised when all else is written.
    """
    from bioconv.mammography.evaluation_results import remove_evaluation

    remove_evaluation(batch.output)
    if not given["labels"]:
        return None, None
    from bioconv.mammography.batch_evaluation import evaluate_tables
    from bioconv.mammography.evaluation_results import write_evaluation
    from bioconv.mammography.labels import label_rows, read_labels

    views = [one.view for one in outcomes if one.view is not None]
    try:
        positive = read_labels(views, batch.classifier.models[0].objective.heads[0])
    except InputError as error:
        return None, error
    evaluation = evaluate_tables(batch.classifier, tables, label_rows(views, positive, batch.identifiers))
    write_evaluation(batch.output, batch.classifier, evaluation)
    _say(evaluation)
    return evaluation, None


def _say(evaluation: Evaluation) -> None:
    for level, own in evaluation.levels.items():
        said = [
            f"{name} {one['value']:.3f} ({one['low']:.3f} to {one['high']:.3f})"
            for name in SAID
            if (one := own.figures.get(name)) is not None
        ]
        runtime.logger.info("%ss: %s", level, "; ".join(said or own.notes[-1:]))
