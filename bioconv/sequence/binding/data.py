"""What a binding model is trained on: bound sequences of one length, and what they are told apart from."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bioconv import runtime
from bioconv.errors import InputError
from bioconv.sequence.byte_stream import open_bytes
from bioconv.sequence.fasta import UNKNOWN, encode
from bioconv.sequence.labelled import LabelledSequences, read_labelled
from bioconv.sequence.reference_genome import Genome
from bioconv.sequence.regions import read_bed
from bioconv.wording import counted

Codes = NDArray[np.uint8]

_LONGER = 2  # negatives of which one is this many times longer than the positives are a genome
_WINDOWS = 5  # genomic windows per positive
_FEWEST = 20
_PLACES = {".bed", ".narrowpeak", ".broadpeak"}
_COMPLEMENT = np.array([3, 2, 1, 0, 4], np.uint8)


@dataclass(frozen=True, eq=False)
class BindingData:
    """Sequences a model learns from.

    Parameters
    ----------
    names
        N names, of the positives, or of all sequences with measured values.
    codes
        (N, L) uint8 codes of these; shorter ones have unknown letters on both ends.
    values
        (N,) float32 measured affinities; None: the sequences are positives.
    negatives
        (M, L) codes; None: dinucleotide shuffles.
    sources
        Facts about the files, for the model's card: name and sha256.
    """

    names: list[str]
    codes: Codes
    values: NDArray[np.float32] | None
    negatives: Codes | None
    sources: list[dict[str, object]]

    @property
    def length(self) -> int:
        """Letters of a sequence, L."""
        return int(self.codes.shape[1])


def read_binding(
    path: str | Path,
    *,
    negatives: str | Path | None = None,
    genome: str | Path | None = None,
    width: int = 101,
    seed: int = 0,
) -> BindingData:
    """Read bound sequences, or sequences with measured affinities.

    Parameters
    ----------
    path
        FASTA of bound sequences; a table with columns `sequence` and, optionally, `label` (as
        `read_labelled`): 1 and 0 are bound and unbound, other numbers affinities; or BED with `genome`.
    negatives
        None: dinucleotide shuffles. A FASTA or table of unbound sequences, or a genome (a record more than
        twice as long as the positives), from which windows with the same share of G and C are drawn.
    genome
        Indexed FASTA that a BED file's intervals are places of.
    width
        Letters around the middle of each BED interval (or its narrowPeak summit).
    seed
        Of the genomic windows drawn.

    Raises
    ------
    InputError
        If a file cannot be read, holds too few sequences, or they do not fit together.
    """
    if genome is None and {suffix.lower() for suffix in Path(path).suffixes} & _PLACES:
        message = f"{path} holds places in a genome; give the genome's FASTA too (--genome)"
        raise InputError(message)
    table = _read_bed(path, genome, width) if genome is not None else read_labelled(path)
    rows, labels = list(table.codes), table.labels
    if str(negatives) == "-":
        message = "negatives cannot be read from stdin; give a file"
        raise InputError(message)
    given: Codes | None = None
    sources = [_source(path, rows), *(_source(other, []) for other in (genome, negatives) if other is not None)]
    _check_names(table.names, path)
    _check_letters(rows, path)
    if labels is not None and not np.isin(labels, (0, 1)).all():
        if negatives is not None:
            message = f"{path} holds measured values; negatives ({negatives}) make no sense beside them, leave them out"
            raise InputError(message)
        _check_enough(rows, path)
        return BindingData(table.names, padded(rows), labels, None, sources)
    bound = np.ones(len(rows), bool) if labels is None else labels == 1
    positives = [row for row, is_bound in zip(rows, bound, strict=True) if is_bound]
    _check_enough(positives, path)
    codes = padded(positives)
    if not bound.all():
        if negatives is not None:
            message = f"{path} has unbound sequences of its own; leave out the negatives in {negatives}, or these"
            raise InputError(message)
        unbound = [row for row, is_bound in zip(rows, bound, strict=True) if not is_bound]
        _check_enough(unbound, path, "unbound")
        given = padded(unbound, codes.shape[1])
    elif negatives is not None:
        given = _read_negatives(negatives, codes, seed)
    names = [name for name, is_bound in zip(table.names, bound, strict=True) if is_bound]
    return BindingData(names, codes, None, given, sources)


def padded(rows: Iterable[Codes], length: int | None = None) -> Codes:
    """Put sequences in one array, shorter ones in the middle of unknown letters.

    Examples
    --------
    >>> padded([encode("ACG"), encode("T")]).tolist()
    [[0, 1, 2], [4, 3, 4]]
    """
    rows = list(rows)
    longest = max(len(row) for row in rows)
    if length is not None and longest > length:
        message = f"negatives are up to {longest} letters long, the positives {length}; cut them to that length"
        raise InputError(message)
    codes = np.full((len(rows), length or longest), UNKNOWN, np.uint8)
    for line, row in zip(codes, rows, strict=True):
        start = (len(line) - len(row)) // 2
        line[start : start + len(row)] = row
    return codes


def fingerprints(codes: Codes) -> list[str]:
    """Return a digest per sequence that it shares with its reverse complement."""
    forward = [row.tobytes() for row in codes]
    reverse = [row.tobytes() for row in _COMPLEMENT[codes][:, ::-1]]
    return [hashlib.sha256(min(pair)).hexdigest()[:16] for pair in zip(forward, reverse, strict=True)]


def gc_matched_windows(genome: Iterable[Codes], codes: Codes, *, count: int, seed: int) -> Codes:
    """Draw windows of a genome with the same shares of G and C as given sequences.

    Parameters
    ----------
    genome
        Its sequences, codes.
    codes
        (N, L): what is matched, in 20 classes of G and C content.
    count
        Windows to draw at most; classes that the genome lacks stay short.

    Returns
    -------
    numpy.ndarray
        (count or fewer, L) uint8; windows with unknown letters are left out.

    Raises
    ------
    InputError
        If there is no window of known letters.
    """
    rng = np.random.default_rng(seed)
    long = [sequence for sequence in genome if len(sequence) >= codes.shape[1]]
    room = np.array([len(sequence) - codes.shape[1] + 1 for sequence in long], np.float64)
    windows = np.zeros((0, codes.shape[1]), np.uint8)
    if len(long):
        chosen = rng.choice(len(long), 8 * count, p=room / room.sum())
        starts = (rng.random(8 * count) * room[chosen]).astype(np.int64)
        windows = np.stack([long[k][s : s + codes.shape[1]] for k, s in zip(chosen, starts, strict=True)])
        windows = windows[(windows < UNKNOWN).all(axis=1)]
    if not len(windows):
        message = f"the genome has no {codes.shape[1]} known letters in a row to draw negatives from"
        raise InputError(message)
    wanted = np.bincount(_gc_class(codes), minlength=21) * (count / len(codes))
    classes = _gc_class(windows)
    kept = [np.flatnonzero(classes == number)[: int(np.ceil(share))] for number, share in enumerate(wanted)]
    drawn: Codes = windows[rng.permutation(np.concatenate(kept))[:count]]
    return drawn


def _gc_class(codes: Codes) -> NDArray[np.int64]:
    known = np.maximum((codes < UNKNOWN).sum(axis=1), 1)
    return np.asarray(np.rint(((codes == 1) | (codes == 2)).sum(axis=1) / known * 20), np.int64)


def _read_negatives(path: str | Path, codes: Codes, seed: int) -> Codes:
    rows = list(read_labelled(path).codes)
    if max(len(row) for row in rows) > _LONGER * codes.shape[1]:
        rows = list(gc_matched_windows(rows, codes, count=_WINDOWS * len(codes), seed=seed))
    _check_enough(rows, path, "unbound")
    return padded(rows, codes.shape[1])


def _read_bed(path: str | Path, genome: str | Path, width: int) -> LabelledSequences:
    reference = Genome(genome, "--genome")
    rows: dict[str, Codes] = {}
    outside = 0
    for region in read_bed(path, summits=True):
        contig = reference.contig(region.name)
        if contig is None:
            message = f"{path}: {region.name} is not in {genome}, which has {', '.join(list(reference.lengths)[:5])}"
            raise InputError(message)
        start = (region.start + region.end - width) // 2
        if start < 0 or start + width > reference.lengths[contig]:
            outside += 1
            continue
        # Two peaks may have one middle: such a place counts once.
        rows.setdefault(f"{region.name}:{start}-{start + width}", encode(reference.fetch(contig, start, start + width)))
    if outside:
        runtime.logger.warning("%s: %s too near an end of the sequence left out", path, counted(outside, "interval"))
    return LabelledSequences(list(rows), list(rows.values()), None)


def _check_enough(rows: list[Codes], path: str | Path, kind: str = "bound") -> None:
    if len(rows) < _FEWEST:
        message = (
            f"{path} holds {counted(len(rows), f'{kind} sequence')}; at least {_FEWEST} are needed to train a model"
        )
        raise InputError(message)


def _check_names(names: list[str], path: str | Path) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        message = f"{path}: {len(twice)} names are there more than once, {twice[0]!r} first; a split needs names that "
        message += "differ"
        raise InputError(message)


def _check_letters(rows: list[Codes], path: str | Path) -> None:
    letters = sum(map(len, rows))
    unknown = sum(int((row == UNKNOWN).sum()) for row in rows)
    if unknown > letters / 2:
        message = f"{path}: {unknown:,} of {letters:,} letters are none of A, C, G, T and U; DNA or RNA was expected"
        raise InputError(message)


def _source(path: str | Path, rows: list[Codes]) -> dict[str, object]:
    digest = hashlib.sha256()
    if str(path) == "-":  # read already, and gone
        for row in rows:
            digest.update(row.tobytes() + b"\n")
        return {"file": "stdin", "content_sha256": digest.hexdigest()}
    with open_bytes(path) as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return {"file": Path(path).name, "content_sha256": digest.hexdigest()}
