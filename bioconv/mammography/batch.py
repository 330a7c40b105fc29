"""A batch of mammograms: each image by itself, what is done already left alone, then breasts, exams and pages.

Identifiers in tables, pictures and pages are hashes; the salt lies beside the results, in a file only its owner can
read. `manifest.jsonl` names the files and is not meant to leave the house.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bioconv.errors import BioconvError, InputError, OutputError
from bioconv.images.pictures import to_jpeg, to_png
from bioconv.mammography.classifier import Classifier, ImageScore
from bioconv.mammography.exams import identify, new_salt
from bioconv.mammography.finding import Failure
from bioconv.mammography.pictures import draw_heat, shrunk
from bioconv.mammography.preparation import Prepared
from bioconv.mammography.results import (
    BREAST_COLUMNS,
    EXAM_COLUMNS,
    IMAGE_COLUMNS,
    Tables,
    make_tables,
    write_table,
)
from bioconv.mammography.views import View, read_pixels
from bioconv.manifest import DONE, FAILED, Manifest, Output, Record, file_hash
from bioconv.outputs import open_output

SALT = "identifiers.salt"
HEAT_MAPS, THUMBNAILS = "heat_maps", "thumbnails"
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
    """

    heat_maps: bool = True
    thumbnails: bool = True

    def kinds(self) -> list[str]:
        """Return the kinds of output that each image has."""
        return [kind for kind, own in (("heat_map", self.heat_maps), ("thumbnail", self.thumbnails)) if own]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of one input.

    Parameters
    ----------
    name
        Of the input, for messages.
    scored
        None: it failed, or is listed only.
    skipped
        Whether the manifest proved it done before.
    """

    name: str
    record: Record
    scored: ImageScore | None = None
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
    keep_ids
        Whether patients, studies and files go by their own names in the results.
    salt
        For the hashes; None: that of the folder, which is made with the first run.
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
        keep_ids: bool = False,
        salt: bytes | None = None,
        overwrite: bool = False,
        facts: dict[str, Any] | None = None,
    ) -> None:
        self.classifier, self.output, self.overwrite = classifier, output, overwrite
        self.wanted, self.facts = wanted or Wanted(), facts or {}
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"cannot make the folder {output}: {error.strerror}; give another -o"
            raise OutputError(message) from error
        self.manifest = Manifest(output)
        self.identify: Callable[[str], str] = str
        if not keep_ids:
            self.identify = partial(identify, salt=kept_salt(output) if salt is None else salt)
        self._models = {model.name: model.hash for model in classifier.models}
        self._settings = {"keep_ids": keep_ids}

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
        for failure in failures:
            record = self._record(failure.name, failure.path, FAILED)
            yield Outcome(failure.name, self._noted(replace(record, reason=failure.reason)))
        for view in views:
            if view.excluded:
                record = self._record(view.name, view.path, DONE)
                yield Outcome(
                    view.name, self._noted(replace(record, facts={**record.facts, "excluded": view.excluded}))
                )
            else:
                yield self._one(view)

    def _one(self, view: View) -> Outcome:
        begin = time.monotonic()
        record = self._record(view.name, view.path, FAILED)
        try:
            record = replace(record, sha256=file_hash(view.path))
            known = None if self.overwrite else self.manifest.proves(record, self.wanted.kinds())
            if known is not None and (scored := _scored(view, known)) is not None:
                return Outcome(view.name, known, scored, skipped=True)
            scored, prepared = self.classifier.score(view)
            outputs = self._pictures(scored, prepared)
        except OutputError:
            raise
        except (BioconvError, OSError) as error:
            reason = str(error) if isinstance(error, BioconvError) else f"{view.path}: {error.strerror}"
            return Outcome(view.name, self._noted(replace(record, reason=reason)))
        facts = {**record.facts, "scores": list(scored.scores), "answers": scored.answers}
        done = replace(
            record, status=DONE, outputs=outputs, warnings=scored.warnings, facts=facts,
            seconds=round(time.monotonic() - begin, 3),
        )  # fmt: skip
        return Outcome(view.name, self._noted(done), scored)

    def _record(self, name: str, path: Path, status: str) -> Record:
        facts = {**self.facts, "id": self.identify(name)}
        return Record(name, str(path), status, models=self._models, settings=self._settings, facts=facts)

    def _noted(self, record: Record) -> Record:
        self.manifest.append(record)
        return record

    def _pictures(self, scored: ImageScore, prepared: Prepared) -> tuple[Output, ...]:
        if not self.wanted.kinds():
            return ()
        heat = self.classifier.heat_map(prepared)
        picture = draw_heat(read_pixels(scored.view)[0], prepared, heat)
        written = []
        for kind, folder, suffix, data in (
            ("heat_map", HEAT_MAPS, ".png", lambda: to_png(picture)),
            ("thumbnail", THUMBNAILS, ".jpg", lambda: to_jpeg(shrunk(picture, _THUMBNAIL))),
        ):
            if kind in self.wanted.kinds():
                path = self.output / folder / f"{_plain(self.identify(scored.view.name))}{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                with open_output(path) as stream:
                    stream.write(data())
                written.append(self.manifest.output(path, kind))
        return tuple(written)

    def tables(self, outcomes: Sequence[Outcome], views: Sequence[View]) -> Tables:
        """Return the rows of all inputs that are mammograms."""
        scored = [one.scored for one in outcomes if one.scored is not None]
        listed = [view for view in views if view.excluded]
        maps = {}
        for one in outcomes:
            path = next((own.path for own in one.record.outputs if own.kind == "heat_map"), "")
            if one.scored is not None:
                maps[one.scored.view.path] = path
        return make_tables(self.classifier, scored, listed, identify=self.identify, heat_maps=maps)

    def write(self, tables: Tables) -> None:
        """Write images.csv, breasts.csv and exams.csv.

        Raises
        ------
        OutputError
            If one cannot be written.
        """
        write_table(self.output / "images.csv", IMAGE_COLUMNS, tables.images)
        write_table(self.output / "breasts.csv", BREAST_COLUMNS, tables.breasts)
        write_table(self.output / "exams.csv", EXAM_COLUMNS, tables.exams)


def kept_salt(folder: Path) -> bytes:
    """Return the salt of a folder of results, made and kept there for its owner alone if there is none.

    Raises
    ------
    OutputError
        If it cannot be read or written.
    """
    path = folder / SALT
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return read_salt(path)
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}; give another -o"
        raise OutputError(message) from error
    with os.fdopen(descriptor, "w") as stream:
        stream.write(new_salt().hex() + "\n")
    return read_salt(path)


def read_salt(path: Path) -> bytes:
    """Return the salt of a file: hexadecimal digits, at least 32.

    Raises
    ------
    InputError
        If it cannot be read, or is none.
    """
    try:
        salt = bytes.fromhex(path.read_text("ascii").strip())
    except (OSError, ValueError) as error:
        message = f"{path}: no salt: {error}; at least 32 hexadecimal digits are expected"
        raise InputError(message) from error
    if len(salt) < 16:
        message = f"{path}: a salt of {len(salt)} bytes; at least 16, 32 hexadecimal digits, are expected"
        raise InputError(message)
    return salt


def _scored(view: View, record: Record) -> ImageScore | None:
    """Return what a record says was found, None if it does not say."""
    try:
        scores = tuple(float(one) for one in record.facts["scores"])
        return ImageScore(view, scores, dict(record.facts["answers"]), tuple(record.warnings))
    except (KeyError, TypeError, ValueError):
        return None


def _plain(name: str) -> str:
    """Return a name as a file's: folders in it become part of it."""
    return name.replace("/", "_").replace("\\", "_").lstrip(".") or "image"


def settings_said(classifier: Classifier) -> dict[str, object]:
    """Return models and choices, for pages."""
    models = {f"model {model.name}": f"sha256 {model.hash}" for model in classifier.models}
    choices = asdict(classifier.choices) | {"rule": str(classifier.choices.rule)}
    return {**models, **{name: value for name, value in choices.items() if value is not None}}
