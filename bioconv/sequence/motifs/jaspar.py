"""Matrices of the JASPAR database, from the copies that the package pyjaspar carries."""

from __future__ import annotations

import re
import warnings
from typing import Any

from bioconv.errors import MissingDependencyError, MotifError
from bioconv.sequence.motifs.matrix import Matrix

_SPEC = re.compile(r"jaspar:(?:(?:JASPAR)?(?P<release>\d{4})(?:/|$))?(?P<what>[\w.]*)$", re.IGNORECASE)
_MATRIX_ID = re.compile(r"[A-Z]{2}\d+(\.\d+)?$", re.IGNORECASE)


def fetch_jaspar(spec: str) -> list[Matrix]:
    """Return the matrices named by `jaspar:[RELEASE/][MATRIX or taxonomic group]`, ordered by identifier.

    Without a release the newest is used; without a group, the CORE collection whole.

    Raises
    ------
    MissingDependencyError
        If pyjaspar is not installed.
    MotifError
        If there is no such release, matrix or group.
    """
    parts = _SPEC.match(spec)
    if parts is None:
        message = f"{spec!r} is not understood; write jaspar:MA0139.2 or jaspar:2024/vertebrates"
        raise MotifError(message)
    try:
        import pyjaspar
    except ModuleNotFoundError as error:
        message = f'{spec!r} needs pyjaspar; install it with: pip install "bioconv[jaspar]"'
        raise MissingDependencyError(message) from error
    release = f"JASPAR{parts['release']}" if parts["release"] else pyjaspar.JASPAR_LATEST_RELEASE
    if release not in pyjaspar.jaspar_releases:
        known = ", ".join(name.removeprefix("JASPAR") for name in pyjaspar.jaspar_releases)
        message = f"{spec!r}: there is no release {parts['release']}; choose one of {known}"
        raise MotifError(message)
    database = pyjaspar.jaspardb(release=release)
    try:
        found = _fetch(database, parts["what"])
    finally:
        database.conn.close()
    if not found:
        message = (
            f"{spec!r}: {release} has no matrix or taxonomic group {parts['what']!r}; "
            "write an identifier such as MA0139.2 or a group such as vertebrates, plants, insects, fungi"
        )
        raise MotifError(message)
    return [_to_matrix(motif) for motif in sorted(found, key=lambda motif: str(motif.matrix_id))]


def _fetch(database: Any, what: str) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pyjaspar warns where it finds nothing; the caller says so itself
        if _MATRIX_ID.match(what):
            motif = database.fetch_motif_by_id(what.upper())
            return [] if motif is None else [motif]
        return list(database.fetch_motifs(collection="CORE", tax_group=[what] if what else None))


def _to_matrix(motif: Any) -> Matrix:
    columns = list(zip(*(motif.counts[base] for base in "ACGT"), strict=True))
    return Matrix(motif.matrix_id, motif.name or "", 0, columns, [0] * len(columns), counts=True)
