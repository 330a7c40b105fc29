"""BigWig tracks of hits: -log10 p along the sequences, one file per motif or model."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import MissingDependencyError, OutputError
from bioconv.sequence.scanning.hits import HitBatch

_CEILING = 350.0  # -log10 of the smallest p a double can hold is 323


class TrackWriter:
    """Collects hits and writes one bigWig file per motif or model that has any.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    motifs : sequence of str
        Names of the run's motifs and models.
    lengths : mapping
        Length of each sequence; read when the tracks are written.

    Raises
    ------
    MissingDependencyError
        Without the `bigwig` extra.
    OutputError
        If the folder cannot be made.
    """

    def __init__(self, folder: str | Path, motifs: Sequence[str], lengths: Mapping[str, int]) -> None:
        try:
            import pybigtools  # noqa: F401
        except ImportError as error:
            message = '--track writes bigWig files with pybigtools: pip install "bioconv[bigwig]"'
            raise MissingDependencyError(message) from error
        self._folder = Path(folder)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"cannot make the track folder {folder}: {error.strerror}"
            raise OutputError(message) from error
        self._motifs = motifs
        self._lengths = lengths
        self._hits: dict[tuple[int, str], list[NDArray[np.float64]]] = {}

    def add(self, batch: HitBatch) -> None:
        """Add hits."""
        with np.errstate(divide="ignore"):
            height = np.minimum(-np.log10(batch.p), _CEILING)
        table = np.stack([batch.start, batch.end, height], axis=1)
        keys = batch.motif.astype(np.int64) * len(batch.names) + batch.record
        for key in np.unique(keys).tolist():
            motif, record = divmod(key, len(batch.names))
            self._hits.setdefault((motif, batch.names[record]), []).append(table[keys == key])

    def write(self) -> list[Path]:
        """Write the files, each whole or not at all; return their paths."""
        tables = {key: np.concatenate(parts) for key, parts in self._hits.items()}
        lengths = dict(self._lengths)
        for (_, name), table in tables.items():
            lengths[name] = max(lengths.get(name, 0), int(table[:, 1].max()))
        return [self._write_motif(motif, tables, lengths) for motif in sorted({motif for motif, _ in tables})]

    def _write_motif(
        self, motif: int, tables: Mapping[tuple[int, str], NDArray[np.float64]], lengths: dict[str, int]
    ) -> Path:
        import pybigtools

        path = self._folder / f"{re.sub(r'[^A-Za-z0-9._+-]+', '_', self._motifs[motif])}.bw"
        if self._motifs.count(self._motifs[motif]) > 1:
            path = path.with_name(f"{path.stem}.{motif + 1}.bw")
        names = sorted(name for index, name in tables if index == motif)

        def values() -> Iterator[tuple[str, int, int, float]]:
            for name in names:
                for start, end, height in flatten(tables[motif, name]):
                    yield name, start, end, height

        try:
            with tempfile.TemporaryDirectory(prefix=".tracks-", dir=self._folder) as temporary:
                partial = Path(temporary) / "track.bw"
                writer = pybigtools.open(str(partial), "w")
                writer.write(lengths, values())
                writer.close()
                partial.replace(path)
        except OSError as error:
            message = f"cannot write {path}: {error.strerror or error}; the track was not kept"
            raise OutputError(message) from error
        return path


def flatten(table: NDArray[np.float64]) -> Iterator[tuple[int, int, float]]:
    """Yield disjoint intervals in order, each with the largest height over it.

    Parameters
    ----------
    table : (n, 3) float64
        Start, end (0-based half-open) and height of intervals that may overlap.
    """
    edges = np.unique(table[:, :2])
    height = np.zeros(len(edges))
    first = np.searchsorted(edges, table[:, 0])
    last = np.searchsorted(edges, table[:, 1])
    for begin, end, value in zip(first.tolist(), last.tolist(), table[:, 2].tolist(), strict=True):
        np.maximum(height[begin:end], value, out=height[begin:end])
    start, current = 0.0, 0.0
    for edge, value in zip(edges.tolist(), height.tolist(), strict=True):
        if not math.isclose(value, current):
            if current > 0:
                yield int(start), int(edge), current
            start, current = edge, value
