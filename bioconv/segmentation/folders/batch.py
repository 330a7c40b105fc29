"""A batch of images: one after another, each by itself, what is done already left alone, everything in the manifest."""

from __future__ import annotations

import glob
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bioconv import runtime
from bioconv.errors import BioconvError, InputError, ModelError, OptionError, OutputError
from bioconv.images.reader import open_image
from bioconv.manifest import DONE, FAILED, Manifest, Record, input_hash, make_results_folder, refuse_among_inputs
from bioconv.segmentation.folders.naming import FOLDERS, Item
from bioconv.segmentation.folders.results import Wanted, output_path, write_results
from bioconv.segmentation.inference.pipeline import Segmenter
from bioconv.segmentation.inference.segmented import Segmented
from bioconv.wording import unreadable

_STOPS = (OptionError, ModelError, OutputError)  # the same for every file: not one file's failure


@dataclass(frozen=True)
class Outcome:
    """What became of one input.

    Parameters
    ----------
    skipped
        Whether the manifest proved it done before.
    """

    item: Item
    record: Record
    skipped: bool = False

    @property
    def failed(self) -> bool:
        """Whether there is no result."""
        return self.record.status == FAILED


class Batch:
    """Images to be segmented into one folder.

    Parameters
    ----------
    segmenter : Segmenter
    output : Path
        Folder of results; made if it is not there.
    wanted : Wanted
    overwrite : bool
        Whether what is done already is done again.
    facts : dict
        For every record: command, device.

    Raises
    ------
    OutputError
        If the folder cannot be used.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        output: Path,
        *,
        wanted: Wanted,
        overwrite: bool = False,
        facts: dict[str, Any] | None = None,
    ) -> None:
        self.segmenter, self.output, self.wanted, self.overwrite = segmenter, output, wanted, overwrite
        self.facts = facts or {}
        make_results_folder(output)
        self.manifest = Manifest(output)
        self._models = {runner.model.name: runner.model.hash for runner in segmenter.runners}
        self._settings = settings_of(segmenter)

    def run(self, items: Sequence[Item], progress: Callable[[], object] = lambda: None) -> Iterator[Outcome]:
        """Segment the items in order; yields what became of each as soon as it is in the manifest.

        Raises
        ------
        OptionError, ModelError, OutputError
            For what is wrong with the batch as a whole; what was done by then is in the manifest.
        """
        for item in items:
            yield self.note(self.segment(item, progress))

    def segment(self, item: Item, progress: Callable[[], object] = lambda: None) -> Outcome:
        """Segment one item and write its results; what became of it is not in the manifest yet.

        To do it again gives the same files, whatever an attempt that was killed has left.

        Raises
        ------
        OptionError, ModelError, OutputError
            As `run`.
        """
        begin = time.monotonic()
        wanted = self.record(item)
        try:
            if item.reason:
                raise InputError(item.reason)
            wanted = replace(wanted, sha256=_hash(item))
            if not self.overwrite:
                if known := self.manifest.proves(wanted, self.wanted.kinds()):
                    return Outcome(item, known, skipped=True)
                self._check_same_name(wanted)
        except InputError as error:
            if isinstance(error, _TakenError):  # under a name of its own: the other file's record stays
                wanted = replace(wanted, input=wanted.source)
            else:
                self._clear(item)
            return _outcome(item, replace(wanted, reason=str(error)), begin)
        self._clear(item)
        try:
            record = self._segment(item, wanted, progress)
        except _STOPS:
            raise
        except Exception as error:
            runtime.logger.debug("%s", item.source, exc_info=True)
            record = replace(wanted, reason=item.said(failure_reason(item, error)))
        return _outcome(item, record, begin)

    def record(self, item: Item) -> Record:
        """Return the record of an item of which nothing is known yet."""
        return Record(item.name, item.source, FAILED, models=self._models, settings=self._settings, facts=self.facts)

    def note(self, outcome: Outcome) -> Outcome:
        """Put what became of an item into the manifest, and log its warnings."""
        if not outcome.skipped:
            for warning in outcome.record.warnings:
                runtime.logger.warning("%s: %s", outcome.item.source, warning)
            self.manifest.append(outcome.record)
        return outcome

    def _segment(self, item: Item, wanted: Record, progress: Callable[[], object]) -> Record:
        path = item.files[0] if len(item.files) == 1 else list(item.files)
        with open_image(path, axes=self.segmenter.choices.axes) as source:
            source.info = replace(source.info, path=item.said(source.info.path))
            runtime.logger.debug("%s: axes %s, shape %s", item.source, source.info.axes, source.info.shape)
            result = self.segmenter.segment(source, progress)
            try:
                written = write_results(result, self.output, item.base, self.wanted)
            finally:
                result.close()
        return replace(
            wanted,
            status=DONE,
            outputs=tuple(self.manifest.output(place, kind) for place, kind in written),
            warnings=tuple(map(item.said, result.warnings)),
            facts={**self.facts, **result.facts, **_shown_plane(result)},
        )

    def _check_same_name(self, wanted: Record) -> None:
        """Refuse to replace the result of another file that happens to have the same name."""
        known = self.manifest.records.get(wanted.input)
        if known is None or known.status != DONE or known.source == wanted.source or known.sha256 == wanted.sha256:
            return
        if Path(known.source).exists():
            message = (
                f"{wanted.source}: {self.output} holds the result of another {wanted.input}, {known.source}; choose "
                "another folder with -o, or replace it with --overwrite"
            )
            raise _TakenError(message)

    def _clear(self, item: Item) -> None:
        """Remove what earlier runs left of an input: an old mask must never look like a new one."""
        known = self.manifest.records.get(item.name)
        for output in known.outputs if known is not None else ():
            (self.output / output.path).unlink(missing_ok=True)
        others = {
            output.path for name, record in self.manifest.records.items() if name != item.name
            for output in record.outputs
        }  # fmt: skip
        for kind in ("mask", *{folder: kind for kind, folder in FOLDERS.items()}.values()):
            # A run that was killed may have left a result that is not in the manifest, or a part of one.
            place = output_path(self.output, item.base, kind, "")
            stem = glob.escape(place.name)
            # In a fresh folder what lies there is not ours, parts apart.
            whole = place.parent.glob(f"{stem}.*") if self.manifest.exists else ()
            for found in (*whole, *place.parent.glob(f".{stem}.*.part")):
                if _is_output(found.name, place.name) and found.relative_to(self.output).as_posix() not in others:
                    found.unlink(missing_ok=True)


def _outcome(item: Item, record: Record, begin: float) -> Outcome:
    return Outcome(item, replace(record, seconds=round(time.monotonic() - begin, 3)))


def _is_output(name: str, base: str) -> bool:
    """Say whether a file's name is that of an output, or of a part of one that was being written."""
    if name.endswith(".part") and name.startswith("."):
        name = name[1:].removesuffix(".part").rpartition(".")[0]
    return name.startswith(base) and name.removeprefix(base) in _ENDINGS


_ENDINGS = {".tif", ".png", ".nii.gz", ".nii", ".npy", ".mgz", ".csv", ".zip", ".geojson", ".jpg"}


class _TakenError(InputError):
    """The place of a result is taken by that of another file."""


def _hash(item: Item) -> str:
    try:
        return input_hash(item.files)
    except OSError as error:
        raise InputError(unreadable(item.source, error)) from error


def failure_reason(item: Item, error: Exception) -> str:
    """Return what to say of an image that could not be segmented."""
    if isinstance(error, BioconvError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"{item.source}: there is not enough memory for it; give less with --max-memory"
    words = str(error).replace("\n", " ")
    return f"{item.source}: unexpected {type(error).__name__}: {words}"


def settings_of(segmenter: Segmenter) -> dict[str, Any]:
    """Return what the results depend on beside the images and models, for the manifest."""
    choices = asdict(segmenter.choices)
    if choices["uncertainty"] != "mc-dropout":
        choices.pop("seed")
    if any(runner.geometry is None for runner in segmenter.runners):
        choices["tile"] = segmenter.resources.tile  # blended windows leave traces
    return choices


def _shown_plane(result: Segmented) -> dict[str, Any]:
    """Return which plane of a stack the overlay shows: the one with the most foreground."""
    if len(result.label_shape) == 2:
        return {}
    return {"overlay_plane": result.shown_plane()}


def check_output(output: Path, items: Sequence[Item], given: Sequence[Path]) -> None:
    """Refuse to put results among the images.

    Raises
    ------
    OptionError
        If the folder is one that was given, or directly holds an image.
    """
    refuse_among_inputs(output, given, (path for item in items for path in item.files))
