"""Whole records out of chunks: short ones in batches, long ones piece by piece, in input order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioconv.sequence.fasta import Chunk, Record

LONGEST = 1 << 16  # letters of a record that is held whole


@dataclass(frozen=True, eq=False)
class Batch:
    """Complete records and their codes."""

    records: list[Record]
    codes: list[NDArray[np.uint8]]


@dataclass(frozen=True, eq=False)
class Piece:
    """Consecutive letters of one record longer than `LONGEST`; `last`: the record ends here."""

    record: Record
    codes: NDArray[np.uint8]
    last: bool


def whole_records(chunks: Iterator[Chunk], *, longest: int = LONGEST) -> Iterator[Batch | Piece]:
    """Yield the records of chunks that were read without overlap.

    Whether a record comes whole depends on its length alone, not on where the chunks were cut.

    Parameters
    ----------
    chunks
        Of a reader with `overlap=0`.
    longest
        Letters of the longest record that is held whole.
    """
    held: list[NDArray[np.uint8]] = []  # of the open record
    streaming = False  # it is longer than `longest`, and its pieces have been given away
    for chunk in chunks:
        batch = Batch([], [])
        complete = len(chunk.records) - chunk.open
        for number, record in enumerate(chunk.records):
            held.append(chunk.codes[chunk.begins[number] : chunk.ends[number]])
            ends = number < complete
            if streaming or sum(map(len, held)) > longest:
                if batch.records:
                    yield batch
                    batch = Batch([], [])
                yield Piece(record, np.concatenate(held), ends)
                held, streaming = [], not ends
            elif ends:
                batch.records.append(record)
                batch.codes.append(held[0] if len(held) == 1 else np.concatenate(held))
                held = []
        if batch.records:
            yield batch
