"""A batch of mammograms: each image by itself, what is done already left alone, then breasts, exams and pages.

Identifiers in tables, pictures and pages are hashes; the salt lies beside the results, in a file only its owner can
read. `manifest.jsonl` names the files and is not meant to leave the house.
"""

from __future__ import annotations

import glob
import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bioconv.errors import BioconvError, OutputError
from bioconv.images.pictures import to_jpeg, to_png
from bioconv.mammography.captures import can_be_captured, heat_map_capture
from bioconv.mammography.classifier import Classifier, ImageScore
from bioconv.mammography.finding import Failure
from bioconv.mammography.fusion import vector_of_text, vector_text
from bioconv.mammography.identifiers import Identifiers
from bioconv.mammography.pictures import Picture, draw_heat, shrunk
from bioconv.mammography.results import (
    BREAST_COLUMNS,
    EXAM_COLUMNS,
    IMAGE_COLUMNS,
    Inputs,
    Tables,
    make_tables,
    write_table,
)
from bioconv.mammography.views import View, read_pixels
from bioconv.manifest import DONE, FAILED, Manifest, Output, Record, file_hash, make_results_folder
from bioconv.outputs import open_output
from bioconv.wording import unreadable

RESULTS = ("images.csv", "breasts.csv", "exams.csv", "evaluation.json", "evaluation.csv", "report.html")
"""Files about a batch as a whole, in its folder."""
HEAT_MAPS, THUMBNAILS, CAPTURES = "heat_maps", "thumbnails", "dicom"
_THUMBNAIL = 640


@dataclass(frozen=True)
class Wanted:
    """Which outputs are wanted beside the tables.

    Parameters
    ----------
    heat_maps
        PNG overlays on the original grid.
    thumbnails
        Small ones, for pages.
    captures
        The overlays as DICOM Secondary Captures, of images that have a SOPInstanceUID.
    """

    heat_maps: bool = True
    thumbnails: bool = True
    captures: bool = False

    def kinds(self, view: View) -> list[str]:
        """Return the kinds of output that an image has."""
        captures = self.captures and can_be_captured(view)
        kinds = (("heat_map", self.heat_maps), ("thumbnail", self.thumbnails), ("capture", captures))
        return [kind for kind, own in kinds if own]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of one input.

    Parameters
    ----------
    name
        Of the input, for messages.
    scored
        None: it failed, or is listed only.
    view
        None: it is no mammogram, and no table says what it should have been.
    failure
        What was found in place of a mammogram.
    skipped
        Whether the manifest proved it done before.
    """

    name: str
    record: Record
    scored: ImageScore | None = None
    view: View | None = None
    failure: Failure | None = None
    skipped: bool = False

    @property
    def failed(self) -> bool:
        """Whether it could not be read."""
        return self.record.status == FAILED


class Batch:
    """Mammograms to be classified into one folder.

    Parameters
    ----------
    output
        Folder of results; made if it is not there.
    wanted
        Which outputs.
    identifiers
        What stands for patients, studies and files in the results; None: they themselves.
    overwrite
        Whether what is done already is done again.
    facts
        For every record: command, device.

    Raises
    ------
    OutputError
        If the folder cannot be used.
    """

    def __init__(
        self,
        classifier: Classifier,
        output: Path,
        *,
        wanted: Wanted | None = None,
        identifiers: Identifiers | None = None,
        overwrite: bool = False,
        facts: dict[str, Any] | None = None,
    ) -> None:
        self.classifier, self.output, self.overwrite = classifier, output, overwrite
        self.wanted, self.facts = wanted or Wanted(), facts or {}
        self.identifiers = identifiers or Identifiers()
        make_results_folder(output)
        self.manifest = Manifest(output)
        # Scores are kept in the models' order, and the first one draws the heat maps.
        self._order = [model.hash for model in classifier.models]
        self._models = {f"{n}. {model.name}": model.hash for n, model in enumerate(classifier.models, start=1)}

    def run(self, views: Sequence[View], failures: Sequence[Failure]) -> Iterator[Outcome]:
        """Classify views; yields what became of each input as soon as it is in the manifest.

        Parameters
        ----------
        failures
            Inputs that could not be read as mammograms: noted first.

        Raises
        ------
        OutputError
            If the results cannot be written; what was done by then is in the manifest.
        """
        yield from self.unread(views, failures)
        for view in views:
            yield self.listed(view) if view.excluded else self.note(self.score(view))

    def unread(self, views: Sequence[View], failures: Sequence[Failure]) -> Iterator[Outcome]:
        """Note what could not be read as mammograms, under names that are no view's."""
        for failure in _apart(failures, {view.name for view in views}):
            record = replace(self._record(failure.name, failure.path), reason=failure.reason)
            words = self.identifiers.words_of(failure.path, failure.name, table=failure.table)
            yield Outcome(failure.name, self._noted(record, words), view=failure.view, failure=failure)

    def listed(self, view: View) -> Outcome:
        """Note an image that is not scored, if it is not noted yet."""
        record = self._record(view.name, view.path)
        record = replace(record, status=DONE, facts={**record.facts, "excluded": view.excluded})
        known = self.manifest.records.get(record.input)
        if known is not None and known.status == DONE and known.facts.get("excluded") == view.excluded:
            return Outcome(view.name, known, view=view, skipped=True)
        return Outcome(view.name, self._noted(record, self._words(view)), view=view)

    def score(self, view: View) -> Outcome:
        """Score an image and write its pictures; what became of it is not in the manifest yet.

        Raises
        ------
        OutputError
            As `run`.
        """
        begin = time.monotonic()
        record = self._record(view.name, view.path)
        # An image of no clear side is turned by its header's; names of pictures come of the identifier.
        settings = {"models": self._order, "id": self.identifiers.of(view.name), "laterality": view.laterality}
        record = replace(record, settings=settings)
        try:
            record = replace(record, sha256=file_hash(view.path))
            known = None if self.overwrite else self.manifest.proves(record, self.wanted.kinds(view))
            if known is not None and (scored := _scored(view, known)) is not None:
                return Outcome(view.name, known, scored, view, skipped=True)
            pixels, heard = read_pixels(view)
            scored, prepared = self.classifier.score_pixels(pixels, heard)
            outputs: tuple[Output, ...] = ()
            if self.wanted.kinds(view):
                heat = self.classifier.heat_map(prepared, view)
                outputs = self._pictures(scored, draw_heat(pixels, prepared, heat))
                record = replace(record, facts={**record.facts, "heat": heat.strength})
        except OutputError:
            raise
        except (BioconvError, OSError) as error:
            reason = str(error) if isinstance(error, BioconvError) else unreadable(view.path, error)
            return Outcome(view.name, replace(record, reason=reason), view=view)
        facts = {**record.facts, "scores": list(scored.scores), "answers": scored.answers}
        if scored.vectors:  # breasts are scored from them, in later runs too
            facts["vectors"] = [vector_text(one) for one in scored.vectors]
        done = replace(
            record, status=DONE, outputs=outputs, warnings=scored.warnings, facts=facts,
            seconds=round(time.monotonic() - begin, 3),
        )  # fmt: skip
        return Outcome(view.name, done, scored, view)

    def note(self, outcome: Outcome) -> Outcome:
        """Put what became of a view into the manifest."""
        if not outcome.skipped and outcome.view is not None:
            self._noted(outcome.record, self._words(outcome.view))
        return outcome

    def failed(self, view: View, reason: str) -> Outcome:
        """Return the outcome of a view of which nothing came."""
        return Outcome(view.name, replace(self._record(view.name, view.path), reason=reason), view=view)

    def _record(self, name: str, path: Path) -> Record:
        """Return the record of an input of which nothing is known yet."""
        facts = {**self.facts, "id": self.identifiers.of(name)}
        noted = facts["id"] if self.identifiers.everywhere else name
        return Record(noted, str(path), FAILED, models=self._models, facts=facts)

    def _words(self, view: View) -> dict[str, str]:
        return self.identifiers.words_of(view.path, view.name, view)

    def _noted(self, record: Record, words: dict[str, str]) -> Record:
        """Write a record, and remove the pictures of an earlier one: they may go by another name."""
        known = self.manifest.records.get(record.input)
        kept = {output.path for output in record.outputs}
        self.manifest.append(self._unnamed(record, words) if self.identifiers.everywhere else record)
        for output in known.outputs if known is not None else ():
            if output.path not in kept and ".." not in Path(output.path).parts:
                (self.output / output.path).unlink(missing_ok=True)
        return record

    def _unnamed(self, record: Record, words: dict[str, str]) -> Record:
        """Return a record whose texts name nobody."""
        warnings = tuple(self.identifiers.without(text, words) for text in record.warnings)
        return replace(record, reason=self.identifiers.without(record.reason, words), warnings=warnings)

    def _pictures(self, scored: ImageScore, picture: Picture) -> tuple[Output, ...]:
        """Write the pictures that are wanted of an image."""
        view, written = scored.view, []
        kinds = (("heat_map", HEAT_MAPS, ".png"), ("thumbnail", THUMBNAILS, ".jpg"), ("capture", CAPTURES, ".dcm"))
        for kind, folder, suffix in kinds:
            if kind in self.wanted.kinds(view):
                path = self._place(view, self.output / folder, suffix)
                try:
                    path.parent.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    message = f"cannot make the folder {path.parent}: {error.strerror}; give another -o"
                    raise OutputError(message) from error
                for left in path.parent.glob(f".{glob.escape(path.name)}.*.part"):  # by a run that was killed
                    left.unlink(missing_ok=True)
                with open_output(path) as stream:
                    stream.write(self._drawn(kind, scored, picture))
                written.append(self.manifest.output(path, kind))
        return tuple(written)

    def _drawn(self, kind: str, scored: ImageScore, picture: Picture) -> bytes:
        if kind == "capture":
            return heat_map_capture(scored, picture, self.classifier, self.identifiers)
        return to_png(picture) if kind == "heat_map" else to_jpeg(shrunk(picture, _THUMBNAIL))

    def _place(self, view: View, folder: Path, suffix: str) -> Path:
        """Return where a picture goes: the tree of the inputs, where names are kept and lead nowhere else."""
        name = self.identifiers.of(view.name)
        if Path(name).is_absolute() or ".." in Path(name).parts:
            name = f"{Path(name).name}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        return folder / f"{name}{suffix}"

    def tables(self, outcomes: Sequence[Outcome]) -> Tables:
        """Return the rows of all inputs."""
        maps = {
            one.view.path: own.path
            for one in outcomes
            for own in one.record.outputs
            if one.view is not None and own.kind == "heat_map"
        }
        inputs = Inputs(
            scored=[one.scored for one in outcomes if one.scored is not None],
            listed=[one.view for one in outcomes if one.view is not None and one.view.excluded and one.failure is None],
            unread=[
                (one.view, one.record.reason)
                for one in outcomes
                if one.failed and one.view is not None and one.failure is None
            ],
            unknown=[one.failure for one in outcomes if one.failure is not None],
        )
        return make_tables(self.classifier, inputs, identifiers=self.identifiers, heat_maps=maps)

    def write(self, tables: Tables) -> None:
        """Write images.csv, breasts.csv and exams.csv.

        Raises
        ------
        OutputError
            If one cannot be written.
        """
        columns = (*IMAGE_COLUMNS, *self.classifier.further_columns)
        write_table(self.output / "images.csv", columns, tables.images)
        write_table(self.output / "breasts.csv", BREAST_COLUMNS, tables.breasts)
        write_table(self.output / "exams.csv", EXAM_COLUMNS, tables.exams)


def _apart(failures: Sequence[Failure], taken: set[str]) -> Iterator[Failure]:
    """Yield failures under names of their own, so that a record never takes the place of another's."""
    for failure in failures:
        name, number = failure.name or failure.path.name, 1
        while name in taken:
            number += 1
            name = f"{failure.name or failure.path.name} ({number})"
        taken.add(name)
        yield failure.renamed(name)


def _scored(view: View, record: Record) -> ImageScore | None:
    """Return what a record says was found, None if it does not say."""
    try:
        scores = tuple(float(one) for one in record.facts["scores"])
        vectors = tuple(vector_of_text(one) for one in record.facts.get("vectors", ()))
        return ImageScore(view, scores, dict(record.facts["answers"]), tuple(record.warnings), vectors)
    except (KeyError, TypeError, ValueError):
        return None
