"""Data sets by name: what each is, what may be done with it, where it comes from.

A set is one file in this folder with a `SOURCE` and, if its records can be read, a `load`; its files' sizes and sums
lie in `file_lists/`. Adding one is such a file and its line in `MODULES`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from importlib import import_module
from pathlib import Path
from urllib.parse import quote

from bioconv.download import RemoteFile
from bioconv.errors import InputError

MODULES = (
    "chipseq", "lsgkm", "rbp_clip", "uci_splice", "splice_13k", "uci_promoters", "secondary_structure",
    "jaspar", "hocomoco", "motif_cases", "deepbind_models", "genomes", "giab", "mpra",
    "bbbc038", "monuseg", "drive", "chase_db1", "isbi2012", "lgg", "cbis_ddsm", "ddsm", "mini_mias",
    "fimo_oracle", "published_results", "dicom_readers", "nifti_readers", "tiff_readers",
)  # fmt: skip
KINDS = ("sequences", "images", "motifs", "models", "genomes", "variants", "results", "reader cases")
QUOTED = "its DOI was seen quoted with this paper, not followed"
UNVERIFIED = "not verified: it has no DOI"
UNSEEN = "not tried: it may have moved, or serve other bytes, which are then refused"
NO_RESULTS = "none that was verified, of the same samples and parts"
NO_SUMS = "none are known: of a copy only names, numbers, formats and sizes of images can be looked at"
_LISTS = Path(__file__).parent / "file_lists"


@dataclass(frozen=True)
class Result:
    """A published figure to compare with.

    Parameters
    ----------
    who
        Whose it is.
    measure
        Of what.
    value
        The figure, as published.
    source
        Where it stands: a DOI or an address.
    """

    who: str
    measure: str
    value: str
    source: str


@dataclass(frozen=True)
class Expected:
    """Files that a set without known sums is recognised by.

    Parameters
    ----------
    pattern, count
        At least `count` files whose names match (`*.tif`).
    holds
        Text among the first 4096 bytes of each; empty: anything.
    shape
        Rows and columns of each, which are images; empty: of any size, or no images.
    partner
        Ending of a file that must be there with the same name otherwise (`.xml`), in any folder; empty: none.
    """

    pattern: str
    count: int
    holds: str = ""
    shape: tuple[int, ...] = ()
    partner: str = ""


@dataclass(frozen=True)
class Source:
    """What is known about a data set.

    Parameters
    ----------
    name
        What commands call it.
    title
        One line.
    about
        What is in it.
    kind
        One of `KINDS`.
    citation
        Whom to cite.
    doi
        Of that paper; empty: none.
    licence
        Its name.
    terms
        What its licence allows, in words.
    weights
        What may be done with weights trained on it.
    accept
        Whether its terms have to be accepted before it is fetched.
    registration
        Where to register for it; empty: not needed.
    address
        Where the original is described or offered.
    address_note
        Whether the addresses were seen to serve these files.
    conversion
        How our form was made of the original; empty: the bytes are the original's.
    split
        The canonical division, or the one to use where there is none.
    results
        Published figures to compare with.
    loader
        Whether the module has a `load`.
    folder
        Its folder in a mirror and in the cache; empty: its name.
    members
        Patterns of its files, where the folder is shared with another set.
    expected
        What to look for in a user's copy, where no sums are known.
    subsets
        Experiments or releases that `load` is asked for by name.
    """

    name: str
    title: str
    about: str
    kind: str
    citation: str
    doi: str
    licence: str
    terms: str
    weights: str
    address: str
    accept: bool = False
    registration: str = ""
    address_note: str = UNSEEN
    conversion: str = ""
    split: str = ""
    results: tuple[Result, ...] = ()
    loader: bool = False
    folder: str = ""
    members: tuple[str, ...] = ("*",)
    expected: tuple[Expected, ...] = ()
    subsets: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Return its folder in a mirror and in the cache."""
        return self.folder or self.name

    @property
    def citation_note(self) -> str:
        """Say how far the citation was verified."""
        return QUOTED if self.doi else UNVERIFIED

    @property
    def sums_note(self) -> str:
        """Say by what the files can be verified."""
        return "sha256 of every file" if self.files else NO_SUMS

    @property
    def results_note(self) -> str:
        """Say that there is nothing to compare with, where one looks for it."""
        return "" if self.results or self.kind not in {"sequences", "images"} else NO_RESULTS

    @property
    def files(self) -> tuple[RemoteFile, ...]:
        """Return the files of our form; empty where none is known."""
        return tuple(
            one for one in listed_files(self.place) if any(fnmatchcase(one.name, pattern) for pattern in self.members)
        )

    @property
    def size(self) -> int:
        """Return the bytes of all files."""
        return sum(one.size for one in self.files)


@cache
def listed_files(folder: str) -> tuple[RemoteFile, ...]:
    """Return the files of a folder of the mirror as its list has them."""
    path = _LISTS / f"{folder}.json"
    if not path.is_file():
        return _model_files(folder)
    rows = json.loads(path.read_text("utf-8"))
    return tuple(RemoteFile(folder, row[0], _address(*row[3:]), row[1], row[2]) for row in rows)


def _address(origin: str = "") -> str:
    """Turn `owner/repository@commit:path` into the address of the file."""
    repository, _, path = origin.partition(":")
    owner, _, commit = repository.partition("@")
    return f"https://raw.githubusercontent.com/{owner}/{commit}/{quote(path)}" if origin else ""


def _model_files(folder: str) -> tuple[RemoteFile, ...]:
    """Return the files of a set of models, which are listed with the models."""
    from bioconv.zoo import sets

    return sets()[folder].files if folder in sets() else ()


@cache
def sources() -> dict[str, Source]:
    """Return every set by its name, in the order of `MODULES`."""
    found = (import_module(f"bioconv.datasets.{module}").SOURCE for module in MODULES)
    return {source.name: source for source in found}


def find(name: str) -> tuple[Source, ...]:
    """Return the set of that name, or all that share the folder of that name.

    Raises
    ------
    InputError
        If there is none; the message lists names that are near.
    """
    known = sources()
    if not name:
        message = "the name of the data set is empty; give one. See: bioconv datasets list"
        raise InputError(message)
    if name in known:
        return (known[name],)
    if found := tuple(source for source in known.values() if source.place == name):
        return found
    near = get_close_matches(name.casefold(), known, 3, 0.5) or [one for one in known if name.casefold() in one]
    hint = f"; near: {', '.join(near)}" if near else ""
    message = f"no data set is called {name!r}{hint}. See: bioconv datasets list"
    raise InputError(message)


def module_of(source: Source) -> str:
    """Return the module a set is described in, such as `bioconv.datasets.chipseq`."""
    place = list(sources()).index(source.name)
    return f"bioconv.datasets.{MODULES[place]}"


def search(pattern: str = "", *, kind: str = "") -> list[Source]:
    """Return the sets whose description holds `pattern` (case does not matter), of one kind or of all."""
    word = pattern.casefold()
    return [
        source
        for source in sources().values()
        if kind in {"", source.kind}
        and any(word in text.casefold() for text in (source.name, source.title, source.about, source.citation))
    ]
