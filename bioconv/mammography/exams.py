"""Views to breasts to exams, and scores along the same way."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from bioconv.errors import OptionError
from bioconv.mammography.view_codes import SCORED
from bioconv.mammography.views import View

LATERALITIES = ("R", "L")
RULES: Mapping[str, Callable[[Sequence[float]], float]] = {"mean": fmean, "max": max}
NETWORK = "network"
"""As a rule of views: the network joins what it finds in them, and scores the breast."""
_DIGITS = 16


@dataclass(frozen=True)
class Rule:
    """How scores are joined: of a breast's views, then of a woman's breasts; each `mean` or `max`.

    Of views also `network`, where a model joins them itself (`bioconv.mammography.fusion`).

    Repeats of one view are joined first, by the rule of views, so that a repeated CC weighs no more than an MLO.

    Examples
    --------
    >>> str(Rule())
    'mean of views, max of breasts'
    """

    views: str = "mean"
    breasts: str = "max"

    def __post_init__(self) -> None:
        for name, known in ((self.views, (*RULES, NETWORK)), (self.breasts, tuple(RULES))):
            if name not in known:
                message = f"rule {name!r}; expected {' or '.join(known)}"
                raise OptionError(message)

    def __str__(self) -> str:
        return f"{self.views} of views, {self.breasts} of breasts"


@dataclass(frozen=True)
class BreastViews:
    """The views of one breast in one exam.

    Parameters
    ----------
    laterality
        `L` or `R`.
    views
        Those that are scored.
    missing
        Of CC and MLO, those that are not there.
    extra
        Those that are listed and not scored; `View.excluded` says why.
    """

    laterality: str
    views: tuple[View, ...]
    missing: tuple[str, ...]
    extra: tuple[View, ...]


@dataclass(frozen=True)
class Exam:
    """One study of one patient: both breasts, right first, even where one has no view."""

    patient: str
    study: str
    study_date: str
    breasts: tuple[BreastViews, ...]
    warnings: tuple[str, ...] = ()

    @property
    def views(self) -> tuple[View, ...]:
        """Views that are scored."""
        return tuple(view for breast in self.breasts for view in breast.views)

    @property
    def missing(self) -> tuple[str, ...]:
        """Standard views that are not there, such as `L-MLO`."""
        return tuple(f"{breast.laterality}-{view}" for breast in self.breasts for view in breast.missing)

    @property
    def extra(self) -> tuple[View, ...]:
        """Views that are listed and not scored."""
        return tuple(view for breast in self.breasts for view in breast.extra)


@dataclass(frozen=True)
class BreastScore:
    """A breast's score; None where no view of it has one."""

    patient: str
    study: str
    laterality: str
    score: float | None
    views: tuple[str, ...]
    missing: tuple[str, ...]
    rule: str


@dataclass(frozen=True)
class ExamScore:
    """An exam's score; None where no breast has one. `views` and `missing` are such as `R-CC`."""

    patient: str
    study: str
    score: float | None
    breasts: tuple[BreastScore, ...]
    views: tuple[str, ...]
    missing: tuple[str, ...]
    rule: str
    warnings: tuple[str, ...] = ()


def group_exams(views: Sequence[View]) -> list[Exam]:
    """Group views to exams: same patient, same study; without a study same patient and date.

    Patients are kept apart even where they share a study, and exams come in the order of patient, date and study.

    Examples
    --------
    >>> from pathlib import Path
    >>> views = [View(Path(f"{n}.png"), "p1", "", side, "CC") for n, side in enumerate("LR")]
    >>> [exam.missing for exam in group_exams(views)]
    [('R-MLO', 'L-MLO')]
    """
    groups: dict[tuple[str, str], list[View]] = {}
    for view in views:
        groups.setdefault((view.patient, view.study or view.study_date), []).append(view)
    patients: dict[str, set[str]] = {}
    for view in views:
        if view.study:
            patients.setdefault(view.study, set()).add(view.patient)
    exams = [_exam(members, shared=len(patients.get(members[0].study, ())) > 1) for members in groups.values()]
    return sorted(exams, key=lambda exam: (exam.patient, exam.study_date, exam.study))


def score_exam(
    exam: Exam, scores: Mapping[Path, float], rule: Rule | None = None, *, joined: Mapping[str, float] | None = None
) -> ExamScore:
    """Join the scores of images to scores of breasts and of the exam.

    Parameters
    ----------
    exam
        Its views.
    scores
        By the path of the view; views without one (they could not be read) do not count, and are missing.
    rule
        Default: mean of views, max of breasts.
    joined
        Laterality to score of the breasts that have a view with a score, for the rule `network of views`.

    Returns
    -------
    ExamScore
    """
    rule = rule or Rule()
    breasts = tuple(_breast_score(exam, breast, scores, (rule, joined or {})) for breast in exam.breasts)
    known = [breast.score for breast in breasts if breast.score is not None]
    warnings = list(exam.warnings)
    if lacking := [breast.laterality for breast in breasts if breast.score is None]:
        of_rest = f"no score for breast {' and '.join(lacking)}: the exam's is that of the other one"
        warnings.append(of_rest if known else "no view has a score")
    return ExamScore(
        exam.patient, exam.study, RULES[rule.breasts](known) if known else None, breasts,
        tuple(f"{breast.laterality}-{view}" for breast in breasts for view in breast.views),
        tuple(f"{breast.laterality}-{view}" for breast in breasts for view in breast.missing),
        str(rule), tuple(warnings),
    )  # fmt: skip


def new_salt() -> bytes:
    """Return a random salt: hashes of two runs cannot be joined."""
    return secrets.token_bytes(32)


def identify(value: str, salt: bytes) -> str:
    """Return what stands for an identifier in results: the first 16 hexadecimal digits of its HMAC-SHA256.

    The same value and salt always give the same digits; without the salt they cannot be traced back by trying
    identifiers. Nothing stands for nothing.

    Parameters
    ----------
    value
        PatientID, a UID, ...
    salt
        Secret, at least 16 bytes; `new_salt` makes one. Keep it to join results of several runs.

    Examples
    --------
    >>> identify("patient 1", bytes(16)), identify("", bytes(16))
    ('734793907d346491', '')
    """
    if len(salt) < 16:
        message = f"a salt of {len(salt)} bytes; expected at least 16, or hashes can be traced back by trying"
        raise OptionError(message)
    if not value:
        return ""
    return hmac.new(salt, value.encode(), hashlib.sha256).hexdigest()[:_DIGITS]


def _exam(views: Sequence[View], *, shared: bool) -> Exam:
    breasts = []
    for laterality in LATERALITIES:
        own = [view for view in views if view.laterality == laterality]
        scored = sorted((view for view in own if not view.excluded), key=lambda view: (view.view, view.name))
        missing = tuple(name for name in SCORED if name not in {view.view for view in scored})
        extra = tuple(view for view in own if view.excluded)
        breasts.append(BreastViews(laterality, tuple(scored), missing, extra))
    date = min((view.study_date for view in views if view.study_date), default="")
    warnings = ("its study has views of several patients; they were kept apart",) if shared else ()
    return Exam(views[0].patient, views[0].study, date, tuple(breasts), warnings)


def _breast_score(
    exam: Exam, breast: BreastViews, scores: Mapping[Path, float], how: tuple[Rule, Mapping[str, float]]
) -> BreastScore:
    rule, joined = how
    by_view: dict[str, list[float]] = {}
    for view in breast.views:
        if view.path in scores:
            by_view.setdefault(view.view, []).append(scores[view.path])
    score = None
    if by_view and rule.views == NETWORK:
        score = joined[breast.laterality]
    elif by_view:
        join = RULES[rule.views]
        score = join([join(repeats) for repeats in by_view.values()])
    missing = tuple(name for name in SCORED if name not in by_view)
    return BreastScore(exam.patient, exam.study, breast.laterality, score, tuple(by_view), missing, str(rule))
