"""What is known of images, breasts and exams: the labels of a table, joined as scores are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bioconv.errors import InputError
from bioconv.mammography.decisions import LEVELS
from bioconv.mammography.exams import Exam, group_exams
from bioconv.mammography.identifiers import Identifiers
from bioconv.mammography.objective import Head
from bioconv.mammography.views import View
from bioconv.tables import listed
from bioconv.wording import counted

FEWEST = 5
"""Of either label, to say how well they are told apart."""

Key = tuple[str, ...]


@dataclass(frozen=True)
class Label:
    """The label of one image, breast or exam.

    Parameters
    ----------
    positive
        None where it is not known.
    group
        The woman, or the table's group of women: drawn again as a whole.
    """

    positive: bool | None
    group: str


def joined_label(labels: Iterable[bool | None]) -> bool | None:
    """Return the label of a breast from its images', of an exam from its breasts'.

    It is positive where one of them is, negative where all are, else not known.

    Examples
    --------
    >>> joined_label([False, True, None]), joined_label([False, None]), joined_label([False, False])
    (True, None, False)
    """
    known = set(labels)
    return True if True in known else None if None in known else False


def read_labels(views: Sequence[View], head: Head) -> dict[Path, bool | None]:
    """Return whether each view is positive, by its path; None where its label is empty.

    Labels are the answers that the model was trained on, whatever their case, or 0 and 1 where it knows neither.

    Raises
    ------
    InputError
        If no view has a label, or some have one that is no answer: the message names them.
    """
    answers = {word.lower(): word == head.classes[1] for word in head.classes}
    if not {"0", "1"} & set(answers):
        answers |= {"0": False, "1": True}
    if not any(view.label for view in views):
        message = f"none of {counted(len(views), 'image')} has a label; give a table with a filled column `label`"
        raise InputError(message)
    odd = [f"{view.label!r} of {view.name}" for view in views if view.label and view.label.lower() not in answers]
    if odd:
        message = f"labels that are no answers of the model, {len(odd)} of {len(views)}: {listed(odd)}; it knows "
        raise InputError(message + f"{', '.join(answers)}, and empty cells where the answer is not known")
    return {view.path: answers.get(view.label.lower()) for view in views}


def label_rows(
    views: Sequence[View], positive: Mapping[Path, bool | None], identifiers: Identifiers
) -> dict[str, dict[Key, Label]]:
    """Return the labels of images, breasts and exams, by what tells their rows apart.

    Parameters
    ----------
    views
        All of a batch: those that are listed only, or could not be read, may be positive too.
    positive
        As of `read_labels`.

    Returns
    -------
    dict
        Level to what stands for (image,), (patient, study, laterality) or (patient, study) to label.
    """
    of = identifiers.of
    images: dict[Key, Label] = {}
    breasts: dict[Key, Label] = {}
    exams: dict[Key, Label] = {}
    for view in views:
        images[of(view.name),] = Label(positive[view.path], view.group or view.patient)
    for exam in group_exams(views):
        who = of(exam.patient), of(exam.study or exam.study_date)
        first = next(view for breast in exam.breasts for view in (*breast.views, *breast.extra))
        group, own = first.group or first.patient, _breasts(exam, positive)
        breasts |= {(*who, laterality): Label(label, group) for laterality, label in own.items()}
        if own:
            exams[who] = Label(joined_label(own.values()), group)
    return dict(zip(LEVELS, (images, breasts, exams), strict=True))


def _breasts(exam: Exam, positive: Mapping[Path, bool | None]) -> dict[str, bool | None]:
    """Return the label of each breast with a view; one that is listed only counts where its label is known."""
    found = {}
    for breast in exam.breasts:
        labels = [positive[view.path] for view in breast.views]
        labels += [known for view in breast.extra if (known := positive[view.path]) is not None]
        if labels:
            found[breast.laterality] = joined_label(labels)
    return found
