"""A batch of mammograms whose images are scored by the workers of a cluster, into one folder that all of them see.

Workers score images and write their pictures; the manifest, breasts, exams, tables and pages are made by the client, in
the order of the images, so that they are those of a single process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bioconv import runtime
from bioconv.cluster import Cluster, Lost, Work, check_visible, file_size
from bioconv.errors import ClusterError
from bioconv.mammography.batch import Batch, Outcome, Wanted
from bioconv.mammography.classifier import Choices, Classifier
from bioconv.mammography.finding import Failure
from bioconv.mammography.identifiers import Identifiers
from bioconv.mammography.model import load_classification_model
from bioconv.mammography.views import View
from bioconv.zoo import resolve


@dataclass(frozen=True)
class ClassifyJob:
    """What a worker must know to score.

    Parameters
    ----------
    models
        Name or absolute path of each, and the sha256 of its file.
    device
        `auto`, ...: on the worker.
    output
        Absolute.
    facts
        For every record; the device is the worker's.
    """

    models: tuple[tuple[str, str], ...]
    device: str
    choices: Choices
    output: Path
    wanted: Wanted
    identifiers: Identifiers
    overwrite: bool
    facts: dict[str, Any]


@dataclass(frozen=True)
class ClassifyPiece:
    """A view whose path is absolute, that path as it was given, and the bytes of the file as the client sees it."""

    view: View
    given: Path
    size: int


def job_of(batch: Batch, names: Sequence[str], device: str) -> ClassifyJob:
    """Return what workers must know to do what a batch does.

    Parameters
    ----------
    names
        Of the models, as they were given.
    """
    named = [str(_absolute(Path(name))) if Path(name).is_file() else name for name in names]
    models = tuple((name, model.hash) for name, model in zip(named, batch.classifier.models, strict=True))
    return ClassifyJob(
        models, device, batch.classifier.choices, _absolute(batch.output), batch.wanted, batch.identifiers,
        batch.overwrite, batch.facts,
    )  # fmt: skip


def run_on(
    cluster: Cluster, batch: Batch, job: ClassifyJob, views: Sequence[View], failures: Sequence[Failure]
) -> Iterator[Outcome]:
    """Classify views on a cluster; yields as `Batch.run` does.

    Raises
    ------
    ClusterError
        If the cluster cannot be used, or a worker does not see the files.
    OutputError
        As `Batch.run`.
    """
    yield from batch.unread(views, failures)
    work = Work(prepare, score_piece, job, alone=True)
    pieces = (
        ClassifyPiece(replace(view, path=_absolute(view.path)), view.path, file_size(view.path))
        for view in views
        if not view.excluded
    )
    results = cluster.results(work, pieces)
    for view in views:
        if view.excluded:
            yield batch.listed(view)
            continue
        piece, found = next(results)
        if isinstance(found, Lost):
            yield batch.note(batch.failed(view, f"{view.path}: {found.reason}"))
        else:
            yield batch.note(_as_given(found, view, str(piece.view.path)))


def _as_given(outcome: Outcome, view: View, path: str) -> Outcome:
    """Return what a worker found, with the path that was given in place of the absolute one."""
    given = str(view.path)
    record = replace(
        outcome.record, source=given, reason=outcome.record.reason.replace(path, given),
        warnings=tuple(text.replace(path, given) for text in outcome.record.warnings),
    )  # fmt: skip
    scored = outcome.scored
    if scored is not None:
        warnings = tuple(text.replace(path, given) for text in scored.warnings)
        scored = replace(scored, view=replace(scored.view, path=view.path), warnings=warnings)
    return replace(outcome, record=record, scored=scored, view=view)


def prepare(job: ClassifyJob) -> Batch:
    """Open the models and the folder of results on a worker.

    Raises
    ------
    ClusterError
        If a model is another one than the client's, or the folder is not there.
    """
    device = runtime.device_name(job.device)
    models = [load_classification_model(resolve(name), device=device) for name, _ in job.models]
    for model, (name, digest) in zip(models, job.models, strict=True):
        if model.hash != digest:
            message = f"model {name} is sha256 {digest} on the client and {model.hash} on {os.uname().nodename}"
            raise ClusterError(message)
    if not job.output.is_dir():
        message = (
            f"a worker on {os.uname().nodename} does not see the folder of results {job.output}; put it on a disk that "
            "all workers have at the same place"
        )
        raise ClusterError(message)
    facts = {**job.facts, "device": device}
    classifier = Classifier(models, job.choices)
    return Batch(
        classifier, job.output, wanted=job.wanted, identifiers=job.identifiers, overwrite=job.overwrite, facts=facts
    )


def score_piece(batch: Batch, piece: ClassifyPiece) -> Outcome:
    """Score one image on a worker."""
    if piece.size >= 0:
        check_visible(piece.view.path, piece.size)
    return batch.score(piece.view)


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - a link stays a link
