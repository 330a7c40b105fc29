"""`bioconv.classify`: mammograms from Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

from bioconv import runtime
from bioconv.errors import BioconvError, InputError, OptionError
from bioconv.mammography.classifier import Choices, Classifier, ImageScore
from bioconv.mammography.exams import Rule
from bioconv.mammography.finding import Failure, find_views
from bioconv.mammography.model import ClassificationModel, load_classification_model
from bioconv.mammography.results import Inputs, Row, make_tables
from bioconv.mammography.views import View
from bioconv.zoo import resolve

if TYPE_CHECKING:
    import pandas

_Path = str | PathLike[str]
Model = str | PathLike[str] | ClassificationModel


@dataclass(frozen=True, eq=False)
class Exams:
    """What models say of mammograms. Research use only, not a medical device.

    Parameters
    ----------
    images, breasts, exams
        Rows as of images.csv, breasts.csv and exams.csv: dictionaries from column to value, None where there is none.
    failures
        What could not be read.
    domain_warning
        What the models were trained on; every row says so too.
    """

    images: list[Row]
    breasts: list[Row]
    exams: list[Row]
    failures: tuple[Failure, ...] = ()
    domain_warning: str = ""

    def to_pandas(self) -> dict[str, pandas.DataFrame]:
        """Return the three tables by name."""
        import pandas

        return {name: pandas.DataFrame(getattr(self, name)) for name in ("images", "breasts", "exams")}


def classify(
    paths: _Path | Sequence[_Path],
    *,
    model: Model | Sequence[Model],
    threshold: str | None = None,
    prevalence: float | None = None,
    rule: Rule | None = None,
    force: bool = False,
    device: str = "auto",
) -> Exams:
    """Classify mammograms: DICOM files, folders, or a table of pictures.

    Parameters
    ----------
    paths
        What `bioconv classify` takes.
    model
        Name, file or opened model; several are averaged.
    threshold
        Rule of the models' threshold, such as `sensitivity=0.9`; None: their usual one.
    prevalence
        Share of positives that probabilities are to hold for; None: that of the models' validation data.
    rule
        How scores are joined; None: mean of views, max of breasts.
    force
        Take raw data (For Processing) too.
    device
        `auto`, `cpu`, `cuda` or `cuda:N`; an opened model stays where it is.

    Returns
    -------
    Exams
        Patients, studies and files go by their own names here. Files that cannot be read are among `failures`.

    Raises
    ------
    InputError
        If nothing can be read.
    ModelError, OptionError
        If a model cannot be used, or has no threshold of that rule or no probabilities to move.
    """
    given = [paths] if isinstance(paths, str | PathLike) else list(paths)
    named = [model] if isinstance(model, str | PathLike | ClassificationModel) else list(model)
    if not named:
        message = "no model; give the name or the file of one"
        raise OptionError(message)
    chosen = runtime.device_name(device)
    models = [
        one if isinstance(one, ClassificationModel) else load_classification_model(resolve(fspath(one)), device=chosen)
        for one in named
    ]
    classifier = Classifier(models, Choices(threshold, prevalence, rule or Rule()))
    views, failures = find_views([Path(fspath(path)) for path in given], force=force)
    scored: list[ImageScore] = []
    unread: list[tuple[View, str]] = []
    listed = [view for view in views if view.excluded]
    for view in views:
        if not view.excluded:
            try:
                scored.append(classifier.score(view))
            except BioconvError as error:
                unread.append((view, str(error)))
    failed = [*failures, *(Failure(view.path, view.name, reason) for view, reason in unread)]
    if not scored and not listed:
        message = "no mammogram could be read" + (f": {failed[0].reason}" if failed else "")
        raise InputError(message)
    tables = make_tables(classifier, Inputs(scored, listed, unread, failures))
    return Exams(tables.images, tables.breasts, tables.exams, tuple(failed), classifier.domain_warning)
