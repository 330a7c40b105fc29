"""A batch of images whose images are segmented by the workers of a cluster, into one folder that all of them see.

Workers write the results of an image, whole or not at all; the manifest is written by the client, in the order of the
images, so that it is the one of a single process.
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
from bioconv.segmentation.folders.batch import Batch, Outcome
from bioconv.segmentation.folders.naming import Item
from bioconv.segmentation.folders.results import Wanted
from bioconv.segmentation.inference.choices import Choices, Resources
from bioconv.segmentation.inference.pipeline import Segmenter
from bioconv.segmentation.inference.running import Runner
from bioconv.segmentation.model import load_segmentation_model
from bioconv.zoo import resolve


@dataclass(frozen=True)
class SegmentJob:
    """What a worker must know to segment.

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
    resources: Resources
    output: Path
    wanted: Wanted
    keep_probabilities: bool
    overwrite: bool
    facts: dict[str, Any]


@dataclass(frozen=True)
class SegmentPiece:
    """An image, and the bytes of its files as the client sees them."""

    item: Item
    sizes: tuple[int, ...]


def job_of(batch: Batch, names: Sequence[str], device: str) -> SegmentJob:
    """Return what workers must know to do what a batch does.

    Parameters
    ----------
    names
        Of the models, as they were given.
    """
    segmenter, output = batch.segmenter, _absolute(batch.output)
    named = [str(_absolute(Path(name))) if Path(name).is_file() else name for name in names]
    models = tuple((name, runner.model.hash) for name, runner in zip(named, segmenter.runners, strict=True))
    resources = replace(segmenter.resources, folder=output)
    return SegmentJob(
        models, device, segmenter.choices, resources, output, batch.wanted, segmenter.keep_probabilities,
        batch.overwrite, batch.facts,
    )  # fmt: skip


def run_on(cluster: Cluster, batch: Batch, job: SegmentJob, items: Sequence[Item]) -> Iterator[Outcome]:
    """Segment items on a cluster; yields as `Batch.run` does.

    Raises
    ------
    ClusterError
        If the cluster cannot be used, or a worker does not see the files.
    OptionError, ModelError, OutputError
        As `Batch.run`.
    """
    work = Work(prepare, segment_piece, job, alone=True)
    pieces = (SegmentPiece(item.absolute(), tuple(file_size(path) for path in item.files)) for item in items)
    for item, (_, found) in zip(items, cluster.results(work, pieces), strict=True):
        if isinstance(found, Lost):
            outcome = Outcome(item, replace(batch.record(item), reason=f"{item.source}: {found.reason}"))
        else:
            outcome = replace(found, item=item)
        yield batch.note(outcome)


def prepare(job: SegmentJob) -> Batch:
    """Open the models and the folder of results on a worker.

    Raises
    ------
    ClusterError
        If a model is another one than the client's, or the folder is not there.
    """
    device = runtime.device_name(job.device)
    runners = []
    for name, digest in job.models:
        model = load_segmentation_model(resolve(name), device=device)
        if model.hash != digest:
            message = f"model {name} is sha256 {digest} on the client and {model.hash} on {os.uname().nodename}"
            raise ClusterError(message)
        runners.append(Runner.of(model))
    if not job.output.is_dir():
        message = (
            f"a worker on {os.uname().nodename} does not see the folder of results {job.output}; put it on a disk that "
            "all workers have at the same place"
        )
        raise ClusterError(message)
    segmenter = Segmenter(runners, job.choices, job.resources, keep_probabilities=job.keep_probabilities)
    facts = {**job.facts, "device": device}
    return Batch(segmenter, job.output, wanted=job.wanted, overwrite=job.overwrite, facts=facts)


def segment_piece(batch: Batch, piece: SegmentPiece) -> Outcome:
    """Segment one image on a worker."""
    for path, size in zip(piece.item.files, piece.sizes, strict=True):
        if size >= 0:
            check_visible(path, size)
    return batch.segment(piece.item)


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - a link stays a link
