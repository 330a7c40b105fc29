"""Read motifs from any of the field's files, or from JASPAR itself, and choose among them."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from importlib import import_module

from bioconv.errors import MotifError
from bioconv.runtime import logger
from bioconv.sequence.motifs.matrix import Matrix, Motif, finish
from bioconv.sequence.textfile import read_text

__all__ = ["Motif", "read_motifs", "select_motifs"]


# What a file of each format looks like, and the module and function that read it, imported when it is needed.
_FORMATS = (
    (r"(?is)\A\s*(<!--.*?-->\s*)*<(!doctype\s+)?html\b", "markup", "read_html"),
    (r"\A\s*<", "markup", "read_xml"),
    (r"(?m)^\s*(MEME version\b|MOTIF\s|letter-probability matrix|log-odds matrix)", "meme", "read_meme"),
    (r"(?m)^P[0Oo]\s", "tables", "read_transfac"),
    (r"(?i)\A\s*(#.*\s*)*(>|[-+.\d]|[ACGTU][\s|:\[])", "tables", "read_tables"),
)


def read_motifs(path: str | os.PathLike[str]) -> list[Motif]:
    r"""Read every motif of a file, or of JASPAR.

    The format is known from the content: MEME text (minimal, or written by MEME, DREME, STREME), MEME's XML
    and HTML, JASPAR, bare four-row tables, HOMER, TRANSFAC; plain, gzip or bgzip.

    Parameters
    ----------
    path : path
        A motif file; or `jaspar:MA0139.2`, `jaspar:MA0139` (its latest version), `jaspar:vertebrates`,
        `jaspar:2024/vertebrates`, `jaspar:2024` (the CORE collection), read from the package pyjaspar.

    Returns
    -------
    list of Motif
        In the order of the file, at least one. Motifs that share a name are all kept, with a warning.

    Raises
    ------
    MotifError
        If the file cannot be read or a motif in it makes no sense; it names file and line.
    MissingDependencyError
        If `jaspar:` is asked for and pyjaspar is not installed.

    Examples
    --------
    >>> from tempfile import NamedTemporaryFile
    >>> with NamedTemporaryFile("w") as file:
    ...     print(">m1 first", "4 0", "0 1", "0 1", "0 2", sep="\n", file=file, flush=True)
    ...     motifs = read_motifs(file.name)
    >>> motifs[0].name, motifs[0].alt, motifs[0].frequencies.tolist()
    ('m1', 'first', [[1.0, 0.0, 0.0, 0.0], [0.0, 0.25, 0.25, 0.5]])
    """
    name = os.fspath(path)
    if name.startswith("jaspar:"):
        from bioconv.sequence.motifs.jaspar import fetch_jaspar

        matrices = fetch_jaspar(name)
    else:
        matrices = _parse(read_text(path, MotifError), name)
    motifs = finish(matrices, name)
    repeated = [key for key, count in Counter(motif.name for motif in motifs).items() if count > 1]
    if repeated:
        logger.warning("%s: several motifs are named %s; all are kept", name, ", ".join(repeated[:5]))
    return motifs


def _parse(text: str, path: str) -> list[Matrix]:
    for pattern, module, function in _FORMATS:
        if re.search(pattern, text):
            read: Callable[[str, str], list[Matrix]] = getattr(
                import_module(f"bioconv.sequence.motifs.{module}"), function
            )
            return read(text, path)
    first = text.strip().split("\n", 1)[0][:60]
    message = (
        f"{path}:1: not a motif file (it starts with {first!r}); "
        "give MEME (text, XML, HTML), JASPAR, HOMER, TRANSFAC or a table of four rows"
    )
    raise MotifError(message)


def select_motifs(motifs: Sequence[Motif], patterns: Sequence[str]) -> list[Motif]:
    """Return the motifs whose name or alternate name matches one of the patterns, in their own order.

    Parameters
    ----------
    motifs : sequence of Motif
    patterns : sequence of str
        Names or shell globs (`*`, `?`, `[seq]`), case-sensitive. None at all selects everything.

    Raises
    ------
    MotifError
        If a pattern matches no motif; it lists a few near names.

    Examples
    --------
    >>> select_motifs(read_motifs("jaspar.meme"), ["CTCF", "MA0004.*"])  # doctest: +SKIP
    """
    for pattern in patterns:
        if not any(_matches(motif, pattern) for motif in motifs):
            message = f"no motif is named {pattern!r}{_near_names(motifs, pattern)}"
            raise MotifError(message)
    return [motif for motif in motifs if not patterns or any(_matches(motif, each) for each in patterns)]


def _matches(motif: Motif, pattern: str) -> bool:
    """Compare literally too, so that a name holding a bracket can be given as it stands."""
    return any(name and (name == pattern or fnmatchcase(name, pattern)) for name in (motif.name, motif.alt))


def _near_names(motifs: Sequence[Motif], pattern: str) -> str:
    import difflib

    names = {name.lower(): name for motif in motifs for name in (motif.alt, motif.name) if name}
    near = difflib.get_close_matches(pattern.lower(), names, n=5, cutoff=0.5) or list(names)[:5]
    return f"; near names are {', '.join(names[key] for key in near)}" if near else "; there are no motifs at all"
