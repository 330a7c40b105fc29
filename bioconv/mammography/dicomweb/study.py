"""The mammograms of one study: listed, retrieved one by one into a folder of their own, and read as files are."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bioconv.errors import BioconvError, DownloadError, InputError, OptionError, OutputError
from bioconv.mammography.dicom_views import TOMOSYNTHESIS
from bioconv.mammography.dicomweb.multipart import MalformedError, TruncatedError, first_part
from bioconv.mammography.dicomweb.server import Body, MissingResourceError, PassingError, Server
from bioconv.mammography.finding import Failure
from bioconv.mammography.views import View, read_view
from bioconv.runtime import logger, progress
from bioconv.wording import counted

_RAW = "1.2.840.10008.5.1.4.1.1.1.2.1"
_LIST = "application/dicom+json"
_FILE = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_PAGE, _MOST = 200, 20_000
_MODALITY, _CLASS, _INSTANCE, _SERIES = "00080060", "00080016", "00080018", "0020000E"


@dataclass(frozen=True)
class Instance:
    """One instance of an archive.

    Parameters
    ----------
    study, series, uid
        StudyInstanceUID, SeriesInstanceUID, SOPInstanceUID.
    storage
        SOPClassUID; empty where the archive does not say.
    """

    study: str
    series: str
    uid: str
    storage: str = ""


def is_uid(text: str) -> bool:
    """Say whether a text is a UID (PS3.5, section 9.1)."""
    return len(text) <= 64 and re.fullmatch(r"[0-9]+(\.[0-9]+)*", text) is not None


@contextmanager
def fetch_study(server: Server, study: str, *, force: bool = False) -> Iterator[tuple[list[View], list[Failure]]]:
    """Fetch a study's mammograms into a folder that only its owner can look into; it is gone when the block ends.

    Tomosynthesis, and raw data unless they are forced, are named as failures and not fetched. One bad instance never
    takes the rest down.

    Parameters
    ----------
    server
        As `open_server` gives it.
    study
        StudyInstanceUID.
    force
        Take raw data (For Processing) too.

    Yields
    ------
    views : list of View
        Called by their SOPInstanceUID, in the order of these.
    failures : list of Failure
        What could not be fetched or read; a study that is not there is one.

    Raises
    ------
    OptionError
        If `study` is no UID.
    DownloadError
        If the server cannot be asked.
    OutputError
        If the folder cannot be written.
    """
    if not is_uid(study):
        message = f"--study {study!r} is no UID; give a StudyInstanceUID, digits and dots"
        raise OptionError(message)
    with tempfile.TemporaryDirectory(prefix="bioconv-dicomweb-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        try:
            instances = list_mammograms(server, study)
        except (MissingResourceError, InputError) as error:
            yield [], [Failure(folder / "study", study, str(error))]
            return
        yield _read(server, instances, folder, force=force)


def list_mammograms(server: Server, study: str) -> list[Instance]:
    """Return the instances of a study's series of modality MG, in the order of their UIDs (QIDO-RS).

    Raises
    ------
    DownloadError
        If the server cannot be asked.
    InputError
        If it has no such study, or no mammograms of it.
    """
    what = f"study {study}"
    series = {_value(one, _SERIES): _value(one, _MODALITY) for one in _listed(server, f"/studies/{study}/series", what)}
    if not series:
        message = f"{server.url}: {what}: the server has no such study; see whether the UID is right"
        raise InputError(message)
    found = []
    for uid in sorted(uid for uid, modality in series.items() if modality in ("MG", "") and is_uid(uid)):
        for one in _listed(server, f"/studies/{study}/series/{uid}/instances", what):
            if is_uid(_value(one, _INSTANCE)):
                found.append(Instance(study, uid, _value(one, _INSTANCE), _value(one, _CLASS)))
    if not found:
        kinds = ", ".join(sorted({modality or "?" for modality in series.values()}))
        message = f"{server.url}: {what}: no mammograms: its series are of modality {kinds}, and MG is expected"
        raise InputError(message)
    return sorted({one.uid: one for one in found}.values(), key=lambda one: one.uid)


def _listed(server: Server, path: str, what: str) -> list[dict[str, Any]]:
    """Return all entries of a list: servers send no more at once than they like, and may not say so."""
    key = _INSTANCE if path.endswith("/instances") else _SERIES
    known: dict[str, dict[str, Any]] = {}
    while len(known) < _MOST:
        page = server.repeated(what, partial(_page, server, f"{path}?limit={_PAGE}&offset={len(known)}"))
        new = {_value(one, key): one for one in page}
        if set(new) <= set(known):
            return list(known.values())
        known = new | known
    message = f"{server.url}: {what}: more than {_MOST} entries; no study of mammograms has as many"
    raise DownloadError(message)


def _page(server: Server, question: str) -> list[dict[str, Any]]:
    with server.get(question, _LIST) as response:
        if response.status == 204:
            return []
        kind = response.headers.get_content_type()
        body = Body(response, server.limits, server.limits.longest)
        if kind not in (_LIST, "application/json"):
            message = f"no DICOMweb server: it answered {kind} where {_LIST} is expected; give the part of the address "
            raise DownloadError(message + "that comes before /studies, often https://HOST/dicom-web")
        text = b"".join(iter(body.read, b""))
    try:
        page = json.loads(text) if text.strip() else []
    except (ValueError, RecursionError):
        page = None
    if not isinstance(page, list) or not all(isinstance(one, dict) for one in page):
        message = f"no DICOMweb server: it answered {kind} that is no list of data sets; is the address right?"
        raise DownloadError(message)
    return page


def _value(entry: dict[str, Any], tag: str) -> str:
    """Return the first value of a tag (PS3.18, annex F), empty where there is none."""
    element = entry.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return str(values[0]).strip() if isinstance(values, list) and values and values[0] is not None else ""


def _read(
    server: Server, instances: Sequence[Instance], folder: Path, *, force: bool
) -> tuple[list[View], list[Failure]]:
    views: list[View] = []
    failures: list[Failure] = []
    with progress(len(instances), "fetching", unit="image") as bar:
        for number, one in enumerate(instances, start=1):
            path = folder / f"{number:04d}.dcm"
            try:
                views.append(_view(server, one, path, force=force))
            except OutputError:
                raise
            except BioconvError as error:
                failures.append(Failure(path, one.uid, str(error).replace(f"{path}: ", f"instance {one.uid}: ")))
                path.unlink(missing_ok=True)
            bar.update()
    logger.info("%s of modality MG fetched from %s", counted(len(views), "instance"), server.url)
    return views, failures


def _view(server: Server, instance: Instance, path: Path, *, force: bool) -> View:
    reason = ""
    if instance.storage in TOMOSYNTHESIS:
        reason = f"{TOMOSYNTHESIS[instance.storage]}; it is neither fetched nor scored"
    elif instance.storage == _RAW and not force:
        reason = (
            "raw data (For Processing), not fetched: models for looking-at images misjudge them; --force takes them"
        )
    if reason:
        message = f"{server.url}: instance {instance.uid}: {reason}"
        raise InputError(message)
    what = f"instance {instance.uid}"
    server.repeated(what, partial(fetch_instance, server, instance, path))
    view = read_view(path, name=instance.uid, force=force)
    if view.sop_uid != instance.uid:
        message = f"{server.url}: {what}: the server sent another instance"
        raise InputError(message)
    return replace(view, name=instance.uid)


def fetch_instance(server: Server, instance: Instance, path: Path) -> None:
    """Retrieve one instance into a file, as the archive stores it (WADO-RS); one attempt.

    Raises
    ------
    PassingError
        If another attempt may do better.
    DownloadError
        If it will not.
    OutputError
        If the file cannot be written.
    """
    place = f"/studies/{instance.study}/series/{instance.series}/instances/{instance.uid}"
    with server.get(place, _FILE) as response:
        body = Body(response, server.limits, server.limits.largest)
        kind, length, content = response.headers.get_content_type(), body.length, iter(body.read, b"")
        try:
            if kind == "multipart/related":
                header, content = first_part(body.read, str(response.headers.get_boundary("")))
                kind = header.get("content-type", "application/dicom").partition(";")[0].strip().lower()
                said = header.get("content-length", "")
                length = int(said) if said.isascii() and said.isdigit() else None
            if kind != "application/dicom":
                message = f"the server sent {kind} where application/dicom is expected; see whether it retrieves by "
                raise DownloadError(message + "WADO-RS")
            _written(content, length, path)
        except TruncatedError as error:
            raise PassingError(str(error)) from error
        except MalformedError as error:
            message = f"the answer is not as PS3.18 has it: {error}"
            raise DownloadError(message) from error


def _written(content: Iterator[bytes], length: int | None, path: Path) -> None:
    """Write what comes; refuse what is not as long as was said, or no DICOM file."""
    count = 0
    try:
        with path.open("wb") as stream:
            for block in content:
                stream.write(block)
                count += len(block)
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}; set TMPDIR to a folder that has room"
        raise OutputError(message) from error
    if length is not None and count != length:
        message = f"{count} bytes came where the server said {length}"
        raise PassingError(message)
    with path.open("rb") as written:
        if written.read(132)[128:] != b"DICM":
            message = "what the server sent is no DICOM file"
            raise DownloadError(message)
