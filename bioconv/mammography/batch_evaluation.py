"""How good what a batch was told is: the rows of its tables against their labels, decided as the models decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from bioconv.errors import InputError
from bioconv.evaluation.binary_summary import calibration_figures, summarise_binary
from bioconv.evaluation.figures import Figures, Settings
from bioconv.evaluation.inputs import Flags, Floats
from bioconv.mammography.classifier import Classifier
from bioconv.mammography.decisions import LEVELS
from bioconv.mammography.labels import FEWEST, Key, Label
from bioconv.mammography.results import Row, Tables
from bioconv.wording import counted

PARTIAL = (0.0, 0.2)
"""False-positive rates of the partial area: where screening works."""

_KEYS = {"image": ("image",), "breast": ("patient", "study", "laterality"), "exam": ("patient", "study")}


@dataclass(frozen=True, eq=False)
class LevelEvaluation:
    """Scores of one level beside their labels, and what is said of them.

    Parameters
    ----------
    scores, labels
        (n,) logits and (n,) bool: rows with a score and a known label.
    probabilities
        (n,), calibrated; None where the tables have none.
    counts
        `samples`, `positives`, `negatives`, `women`; `unlabelled` rows that have a score and no label, `unscored` ones
        that have a label and no score, and the `unscored_positives` among them.
    figures
        Figure -> value, low, high, error, method; empty where there are too few rows.
    reliability
        Bins, as `bioconv.evaluation.calibration.ReliabilityBin`.
    chosen
        Per model the threshold, its rule, and what it did on the validation data that it was chosen on.
    notes
        What a reader should know.
    """

    scores: Floats
    labels: Flags
    probabilities: Floats | None
    counts: Mapping[str, int]
    figures: Figures = field(default_factory=dict)
    reliability: Sequence[Figures] = ()
    chosen: Sequence[Figures] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Of a batch: each of `LEVELS`, and how intervals were made."""

    levels: Mapping[str, LevelEvaluation]
    settings: Settings


def evaluate_tables(
    classifier: Classifier,
    tables: Tables,
    labels: Mapping[str, Mapping[Key, Label]],
    *,
    settings: Settings | None = None,
) -> Evaluation:
    """Judge the rows of a batch against their labels.

    Thresholds and probabilities are those of the rows: nothing is chosen or fitted here.

    Parameters
    ----------
    labels
        As of `bioconv.mammography.labels.label_rows`, with the identifiers of the tables.
    settings
        Resamples, seed and level of the intervals; threshold, groups and prevalence are put in here.

    Returns
    -------
    Evaluation
        Intervals are DeLong's and Wilson's where each woman counts once, else women are drawn again.
    """
    settings = replace(settings or Settings(), partial=PARTIAL, prevalence=classifier.choices.prevalence)
    rows = dict(zip(LEVELS, (tables.images, tables.breasts, tables.exams), strict=True))
    levels = {level: _judge(classifier, level, rows[level], labels[level], settings) for level in LEVELS}
    return Evaluation(levels, settings)


def _judge(
    classifier: Classifier, level: str, rows: Sequence[Row], labels: Mapping[Key, Label], settings: Settings
) -> LevelEvaluation:
    judged, counts = _matched(level, rows, labels)
    scores = np.array([row["score"] for row, _ in judged], np.float64)
    truth = np.array([label.positive for _, label in judged], np.bool_)
    groups = [label.group for _, label in judged]
    likely = [row["probability"] for row, _ in judged]
    probabilities = None if None in likely else np.array(likely, np.float64)
    positives, women = int(truth.sum()), len(set(groups))
    counts = {
        "samples": len(truth), "positives": positives, "negatives": len(truth) - positives, "women": women, **counts
    }  # fmt: skip
    found = LevelEvaluation(scores, truth, probabilities, counts, notes=_left_out(level, rows, counts))
    if min(counts["positives"], counts["negatives"]) < FEWEST:
        few = f"{counts['positives']} positive and {counts['negatives']} negative"
        return replace(found, notes=[*found.notes, f"{few}: no figures with fewer than {FEWEST} of either"])
    settings = replace(settings, threshold=judged[0][0]["threshold"], groups=groups if women < len(groups) else None)
    try:
        return _figures(found, classifier, level, settings)
    except InputError as error:  # women drawn again that never are of both kinds
        return replace(found, notes=[*found.notes, f"no figures: {error}"])


def _matched(
    level: str, rows: Sequence[Row], labels: Mapping[Key, Label]
) -> tuple[list[tuple[Row, Label]], dict[str, int]]:
    """Return rows with score and label, and how many there are of which one is missing."""
    judged: list[tuple[Row, Label]] = []
    counts = dict.fromkeys(("unlabelled", "unscored", "unscored_positives"), 0)
    for row in rows:
        label = labels.get(tuple(row[name] for name in _KEYS[level]))
        known = label is not None and label.positive is not None
        if label is not None and known and row["score"] is not None:
            judged.append((row, label))
        elif label is not None and known:
            counts["unscored"] += 1
            counts["unscored_positives"] += bool(label.positive)
        elif row["score"] is not None:
            counts["unlabelled"] += 1
    return judged, counts


def _left_out(level: str, rows: Sequence[Row], counts: Mapping[str, int]) -> list[str]:
    notes = []
    if counts["unlabelled"]:
        why = (
            "they have no label" if level == LEVELS[0] else "not all of their images have a label, and none is positive"
        )
        notes.append(f"{counted(counts['unlabelled'], f'scored {level}')} left out: {why}")
    if counts["unscored"]:
        said = f"{counted(counts['unscored'], level)} with a label but without a score left out"
        notes.append(f"{said}, {counts['unscored_positives']} of them positive")
    if unread := sum(row.get("status") == "failed" and not row["patient"] for row in rows):
        notes.append(f"{counted(unread, 'input')} could not be read as mammograms: their labels count nowhere")
    return notes


def _figures(found: LevelEvaluation, classifier: Classifier, level: str, settings: Settings) -> LevelEvaluation:
    """Return it with all figures that its rows allow."""
    summary = summarise_binary({"score": found.scores}, found.labels, settings, calibrated=False)
    figures, notes = summary["models"]["score"], list(found.notes)
    reliability: list[Figures] = []
    chosen = [] if settings.threshold is None else _chosen(classifier, level)
    if chosen:
        rules = " and ".join(dict.fromkeys(one["rule"] for one in chosen))
        figures["threshold"]["method"] = f"the model's, chosen on its validation data: {rules}"
        notes.append("intervals at the threshold take it as fixed")
    else:
        notes.append(f"no threshold and no probabilities of one {level}: {_unsaid(classifier, level)}")
    if found.probabilities is not None:
        own, reliability, said = calibration_figures(found.probabilities, found.labels, settings)
        figures |= own
        notes += said
        notes += _moved(classifier, level, found)
    if settings.groups is not None:
        notes.append("intervals are of the women drawn again: several rows are of one woman")
    return replace(found, figures=figures, reliability=reliability, chosen=chosen, notes=notes)


def _chosen(classifier: Classifier, level: str) -> list[Figures]:
    """Return each model's threshold and what it did where it was chosen."""
    found = []
    for model in classifier.models:
        decisions = model.decisions[level]
        own = asdict(decisions.threshold(classifier.choices.threshold))
        counts = {"positives": decisions.positives, "negatives": decisions.negatives}
        found.append({"model": model.name, **own, **counts})
    return found


def _unsaid(classifier: Classifier, level: str) -> str:
    lacking = [model.name for model in classifier.models if level not in model.decisions]
    return f"not calibrated for it: {', '.join(lacking)}" if lacking else classifier.rule_warning


def _moved(classifier: Classifier, level: str, found: LevelEvaluation) -> list[str]:
    """Say of which share of positives the probabilities speak, beside the share that there is."""
    given = classifier.choices.prevalence
    own = [f"{model.decisions[level].prevalence:.3g}" for model in classifier.models]
    for_share = f"{given:g}" if given is not None else " and ".join(dict.fromkeys(own))
    said = f"probabilities hold for a share of positives of {for_share}, of these {level}s {found.labels.mean():.3g}"
    return [f"{said} are positive: calibration says so too"]
