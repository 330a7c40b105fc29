"""From names to files: where a model lies, whether it is there, and how it gets there."""

from __future__ import annotations

from pathlib import Path

from bioconv.download import cache_folder, cached_path, fetch, is_cached, mirror
from bioconv.errors import ModelError
from bioconv.runtime import logger, progress
from bioconv.unpack import unpack_tar
from bioconv.zoo.registry import Model, ModelSet, find, sets

_PACKAGE = Path(__file__).parent


def resolve(name: str) -> Path:
    """Return the file of a model: `name` itself if that is a file, else that of the known model `name`.

    Nothing is downloaded here. A downloaded file is checked against its sha256 each time.

    Raises
    ------
    ModelError
        If there is no such model, if it has not been downloaded, or if its file is damaged.
    """
    if Path(name).is_file():
        return Path(name)
    entry = find(name)
    if isinstance(entry, ModelSet):
        message = f"{name!r} is a set of {len(entry.models)} models; name one, such as {entry.models[0].name!r}"
        raise ModelError(message)
    path = location(entry)
    if _is_there(entry):
        return path
    fault = "is damaged" if path.exists() else "has not been downloaded"
    message = f"the file of {name} {fault} ({path}); run: bioconv models get {entry.set or name}"
    raise ModelError(message)


def location(model: Model) -> Path:
    """Return where the model's file lies, or would lie once downloaded."""
    return cached_path(sets()[model.set].remote(model)) if model.set else _PACKAGE / model.file


def installed(name: str) -> bool:
    """Say whether a model, or every model of a set, is there and undamaged.

    Raises
    ------
    ModelError
        If there is no such model or set.
    """
    entry = find(name)
    return all(_is_there(model) for model in (entry.models if isinstance(entry, ModelSet) else [entry]))


def _is_there(model: Model) -> bool:
    return is_cached(sets()[model.set].remote(model)) if model.set else location(model).is_file()


def install(name: str) -> Path:
    """Download a model, or every model of a set, and return its file or the folder of the set.

    From the internet each model is a file of its own; a mirror, or the cache itself, may hold the archive
    with all of them. Either way each file is verified by its own sha256. What is already there is left alone,
    so an interrupted download goes on where it stopped.

    Raises
    ------
    ModelError
        If there is no such model or set.
    DownloadError
        If a file cannot be had, is not the known one, or cannot be written.
    """
    entry = find(name)
    if isinstance(entry, ModelSet):
        _install(entry, entry.models)
        return cache_folder() / entry.name
    if entry.set:
        _install(sets()[entry.set], (entry,))
    return location(entry)


def _install(origin: ModelSet, wanted: tuple[Model, ...]) -> None:
    missing = [model for model in wanted if not _is_there(model)]
    if not missing:
        return
    if mirror() or cached_path(origin.archive).is_file():
        archive = fetch(origin.archive)
        members = {model.file: model.sha256 for model in missing}
        # Twice what it should hold leaves ample room for headers and padding.
        limit = 2 * sum(model.size for model in origin.models)
        unpack_tar(archive, cache_folder() / origin.name, members, limit=limit)
        return
    logger.info("downloading %d file(s) from %s", len(missing), origin.source)
    with progress(len(missing), origin.name, unit="model") as bar:
        for model in missing:
            fetch(origin.remote(model))
            bar.update()
