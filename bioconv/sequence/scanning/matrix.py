"""One row per sequence, one column per motif or model: the best score of any window."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bioconv.sequence.fasta import Chunk, Record
from bioconv.sequence.parts import Part
from bioconv.sequence.scanning.pipeline import ScanRun, Source, in_order


def best_scores(run: ScanRun, source: Source) -> Iterator[tuple[Record, NDArray[np.float64]]]:
    """Yield each record of one input with its best score per motif and model of the run: (M,), NaN for none.

    A record that spans several chunks is yielded once, when it is complete.

    Raises
    ------
    InputError
    """

    def best(chunk: Chunk) -> NDArray[np.float64]:
        return np.concatenate([engine.best(chunk) for engine in run.engines], axis=1)

    reader = run.reader(source)
    held: NDArray[np.float64] | None = None
    for chunk, scores in in_order(best, reader.chunks(), run.threads):
        run.see(chunk)
        if held is not None:
            scores[0] = np.fmax(scores[0], held)
        complete = len(chunk.records) - chunk.open
        held = scores[-1] if chunk.open else None
        yield from zip(chunk.records[:complete], scores[:complete], strict=True)
    run.count(reader, whole=not isinstance(source, Part))


def matrix_head(run: ScanRun) -> str:
    """Return the header line."""
    return "\t".join(["sequence_name", *(name.replace("\t", " ") for name in run.names)]) + "\n"


def matrix_row(name: str, scores: NDArray[np.float64]) -> str:
    """Return one row: six decimals, `NA` where no window could be scored."""
    values = ("NA" if np.isnan(score) else f"{score:.6f}" for score in scores.tolist())
    return "\t".join([name, *values]) + "\n"
