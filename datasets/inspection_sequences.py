"""What the sequences of a file are: how many, how long, of which letters, which are copies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bioconv.sequence.labelled import LABELS, NAMES, SEQUENCES
from bioconv.sequence.letters import Identity, Letters, are_nucleotides, fasta_letters
from bioconv.tables import Table

_BINS = 20
_MOST_CLASSES = 20


@dataclass(frozen=True)
class SeenSequences:
    """The sequences of one file.

    Parameters
    ----------
    kind
        `nucleotides`, `protein`, or `both`; by record.
    shortest, median, longest
        Letters of a record.
    gc
        Share of G and C of the known letters of nucleotides; None: there are none.
    unknown
        Share of letters of nucleotides that are none of A, C, G, T, U.
    odd
        Characters that are no letters, and how often they come.
    repeated_names
        Records whose name another had before.
    copies
        Records that are another's copy or reverse complement, in this file or one before it.
    copied_from
        Of these: file to number.
    labels
        Label to number of records.
    lengths, gc_shares
        For histograms: length to records; records by GC share, in 20 steps.
    """

    file: str
    records: int
    letters: int
    kind: str
    shortest: int
    median: float
    longest: int
    gc: float | None
    unknown: float
    odd: Mapping[str, int] = field(default_factory=dict)
    repeated_names: int = 0
    copies: int = 0
    copied_from: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=dict)
    lengths: Mapping[int, int] = field(default_factory=dict)
    gc_shares: tuple[int, ...] = ()


class SequenceReader:
    """Looks at files one after another, and knows in each the sequences of those before.

    Parameters
    ----------
    keep
        Whether names and digests are kept for a split.
    """

    def __init__(self, *, keep: bool = False) -> None:
        self.digests: dict[str, str] = {}
        self._keep = keep
        self._seen: dict[bytes, int] = {}
        self._files: list[str] = []

    def fasta(self, path: Path, name: str) -> SeenSequences:
        """Look at a FASTA file.

        Raises
        ------
        InputError
            If it cannot be read to its end.
        """
        return self._read(fasta_letters(path), name, {})

    def table(self, table: Table, name: str) -> SeenSequences | None:
        """Look at a table; None: it holds no sequences."""
        names, sequences, labels = (table.find(known) for known in (NAMES, SEQUENCES, LABELS))
        if sequences is None:
            return None
        letters = table.column(sequences)
        called = table.column(names) if names else [f"line {line}" for line in table.lines]
        pieces = (Letters(one, own.encode(), True) for one, own in zip(called, letters, strict=True))
        counts = Counter(table.column(labels)) if labels else {}
        return self._read(pieces, name, counts if len(counts) <= _MOST_CLASSES else {})

    def _read(self, pieces: Iterator[Letters], file: str, labels: Mapping[str, int]) -> SeenSequences:
        number = len(self._files)
        self._files.append(file)
        identity, sums = Identity(), _Sums()
        names: set[bytes] = set()
        copied: Counter[str] = Counter()
        repeated = 0
        for piece in pieces:
            sums.add(piece)
            digest = identity.add(piece)
            if digest is None:
                continue
            mark = bytes.fromhex(digest)[:16]
            if mark in self._seen:
                copied[self._files[self._seen[mark]]] += 1
            else:
                self._seen[mark] = number
            own = piece.name.encode()
            repeated += own in names
            names.add(own)
            if self._keep:
                self.digests[piece.name] = digest
        return sums.seen(file, repeated, copied, labels)


class _Sums:
    """Adds records up; nothing is kept of one but its length and its share of GC."""

    def __init__(self) -> None:
        self._bytes = np.zeros(256, np.int64)
        self._nucleotides = np.zeros(256, np.int64)
        self._record = np.zeros(256, np.int64)
        self._kinds: set[str] = set()
        self._lengths: Counter[int] = Counter()
        self._gc = np.zeros(_BINS, np.int64)

    def add(self, piece: Letters) -> None:
        self._record += np.bincount(np.frombuffer(piece.letters.upper(), np.uint8), minlength=256)
        if not piece.last:
            return
        counts = self._record
        self._lengths[int(counts.sum())] += 1
        self._bytes += counts
        if counts.any():
            kind = "nucleotides" if are_nucleotides(counts) else "protein"
            self._kinds.add(kind)
            if kind == "nucleotides":
                self._nucleotides += counts
                known = counts[list(b"ACGTU")].sum()
                if known:
                    self._gc[min(int(_BINS * counts[list(b"GC")].sum() / known), _BINS - 1)] += 1
        self._record = np.zeros(256, np.int64)

    def seen(self, file: str, repeated: int, copied: Mapping[str, int], labels: Mapping[str, int]) -> SeenSequences:
        lengths = sorted(self._lengths)
        numbers = np.array([self._lengths[length] for length in lengths], np.int64)
        records = int(numbers.sum())
        own = self._nucleotides
        known, total = int(own[list(b"ACGTU")].sum()), int(own.sum())
        odd = {repr(chr(n))[1:-1]: int(k) for n, k in enumerate(self._bytes) if k and not chr(n).isalpha()}
        return SeenSequences(
            file=file,
            records=records,
            letters=int(self._bytes.sum()),
            kind="both" if len(self._kinds) > 1 else next(iter(self._kinds), "none"),
            shortest=lengths[0] if lengths else 0,
            median=_median(lengths, numbers),
            longest=lengths[-1] if lengths else 0,
            gc=float(own[list(b"GC")].sum() / known) if known else None,
            unknown=1 - known / total if total else 0.0,
            odd=odd,
            repeated_names=repeated,
            copies=sum(copied.values()),
            copied_from=dict(copied),
            labels=dict(labels),
            lengths=dict(sorted(self._lengths.items())),
            gc_shares=tuple(self._gc.tolist()),
        )


def _median(values: list[int], numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
    """Return the median of values that each come a number of times."""
    if not values:
        return 0.0
    ends = np.cumsum(numbers)
    low, high = (int(np.searchsorted(ends, place, side="right")) for place in ((ends[-1] - 1) // 2, ends[-1] // 2))
    return (values[low] + values[high]) / 2
