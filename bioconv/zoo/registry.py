"""What is known about models before any is opened: those in the package, and published sets to download.

The tables are JSON files beside this one. A model shipped in the package is one line of `packaged.json`:
`"name": {"file": "name.safetensors", "protein": "REST", "about": "..."}`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path, PurePosixPath

from bioconv.download import RemoteFile
from bioconv.errors import ModelError

_FOLDER = Path(__file__).parent
_SETS = ("deepbind_models_2015.json",)


@dataclass(frozen=True)
class Model:
    """One model: a name that commands accept, what it was trained on, and its file.

    `file` is relative to the package's `zoo` folder for a packaged model (`set` is empty), and to the set's
    folder in the cache for a published one; `size` (bytes) and `sha256` are known for the latter. `task` is what it
    does: `binding` (of sequences) or `segment` (images).
    """

    name: str
    file: str
    protein: str = ""
    type: str = ""
    species: str = ""
    family: str = ""
    experiment: str = ""
    details: str = ""
    cite: str = ""
    about: str = ""
    set: str = ""
    size: int = 0
    sha256: str = ""
    task: str = "binding"


@dataclass(frozen=True)
class ModelSet:
    """Published models that share a source, a citation and a licence.

    `url` is the address of one model's file, with its id in place of `{id}`; `archive` is the file with all
    of them that a mirror serves instead; `address_checked` says whether `url` was seen to serve these bytes.
    """

    name: str
    title: str
    about: str
    citation: str
    doi: str
    licence: str
    terms: str
    notice: str
    source: str
    url: str
    address_checked: bool
    address_note: str
    archive: RemoteFile
    files: tuple[RemoteFile, ...]
    models: tuple[Model, ...]

    def remote(self, model: Model) -> RemoteFile:
        """Return the file of one model as the internet serves it."""
        url = self.url.format(id=PurePosixPath(model.file).stem)
        return RemoteFile(self.name, model.file, url, model.size, model.sha256, self.archive.name)


@cache
def sets() -> dict[str, ModelSet]:
    """Return every published set by its name."""
    known = [_read_set(_FOLDER / name) for name in _SETS]
    return {one.name: one for one in known}


@cache
def packaged() -> dict[str, Model]:
    """Return every model shipped in the package by its name."""
    table = json.loads((_FOLDER / "packaged.json").read_text("utf-8"))
    return {name: Model(name, **fields) for name, fields in table.items()}


@cache
def models() -> dict[str, Model]:
    """Return every model by its name, the packaged ones first."""
    return packaged() | {model.name: model for one in sets().values() for model in one.models}


def _read_set(path: Path) -> ModelSet:
    fields = json.loads(path.read_text("utf-8"))
    prefix, member, columns = fields.pop("prefix"), fields.pop("member"), fields.pop("columns")[1:]
    rows = [
        Model(
            f"{prefix}:{row[0]}",
            member.format(id=row[0]),
            set=fields["name"],
            **dict(zip(columns, row[1:], strict=True)),
        )
        for row in fields.pop("models")
    ]
    # The files have no address of their own: only a mirror has them.
    files = {file["name"]: RemoteFile(fields["name"], url="", **file) for file in fields.pop("files")}
    archive = files[fields.pop("archive")]
    return ModelSet(archive=archive, files=tuple(files.values()), models=tuple(rows), **fields)


def find(name: str) -> Model | ModelSet:
    """Return the model or set of that name.

    Raises
    ------
    ModelError
        If there is none; the message lists names that are near.
    """
    if entry := models().get(name) or sets().get(name):
        return entry
    message = f"no model file or known model is called {name!r}{near_names(name)}. See: bioconv models list [PATTERN]"
    raise ModelError(message)


def near_names(name: str, count: int = 5) -> str:
    """Return `; near: ...` with up to `count` names that `name` may have meant, a protein's included."""
    proteins: dict[str, list[str]] = {}
    for model in models().values():
        proteins.setdefault(model.protein.casefold(), []).append(model.name)
    names = {known.casefold(): known for known in [*sets(), *models()]}
    word = name.casefold()
    protein = word.rpartition(":")[2]
    near = [*proteins.get(protein, []), *(names[one] for one in get_close_matches(word, names, count))]
    near += [one for alike in get_close_matches(protein, proteins, count) for one in proteins[alike]]
    first = list(dict.fromkeys(near))[:count]
    shown = [f"{one} ({own.protein})" if (own := models().get(one)) and own.protein else one for one in first]
    return f"; near: {', '.join(shown)}" if shown else ""


def search(pattern: str = "", *, protein: str = "", species: str = "", experiment: str = "") -> list[Model]:
    """Return the models that match, in the order of the tables.

    Each argument is a part of the text, or with `*`, `?` or `[...]` the whole of it; case does not matter.

    Parameters
    ----------
    pattern
        Looked for in the name and in every descriptive field.
    protein, species, experiment
        Looked for in that field only.

    Examples
    --------
    >>> [model.name for model in search("deepbind:*", protein="RFX3")]
    ['deepbind:D00616.002', 'deepbind:D00617.002']
    """
    return [
        model
        for model in models().values()
        if _matches(model.protein, protein)
        and _matches(model.species, species)
        and _matches(model.experiment, experiment)
        and any(_matches(text, pattern) for text in _texts(model))
    ]


def _texts(model: Model) -> tuple[str, ...]:
    described = (model.type, model.species, model.family, model.experiment, model.details, model.about)
    return (model.name, model.protein, *described)


def _matches(text: str, pattern: str) -> bool:
    text, pattern = text.casefold(), pattern.casefold()
    return fnmatchcase(text, pattern) if any(sign in pattern for sign in "*?[") else pattern in text
