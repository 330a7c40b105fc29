"""Probabilities along sequences as files: bedGraph tracks of the classes, and GFF3 of the places they are high at."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import IO, Self
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError, OptionError
from bioconv.outputs import open_output
from bioconv.sequence.recurrent.model import SequenceModel
from bioconv.sequence.recurrent.positions import PositionBlock, PositionRun

Floats = NDArray[np.float64]
_DIGITS = 4  # of a probability in a track
_STRAND_NAMES = {"+": "plus", "-": "minus"}
_SEQID = ".:^*$@!+?|-_"  # what GFF3 lets stand in a sequence's name


@dataclass(frozen=True)
class Placement:
    """Where a class stands for something.

    Parameters
    ----------
    kind
        Term of the Sequence Ontology.
    offset, length
        Letters from a window's start, or from the labelled letter, to its first letter, and how many it has; length 0:
        all letters of a run.
    window
        Letters of a window; 0: each letter has probabilities of its own.
    """

    kind: str
    offset: int
    length: int
    window: int

    def shift(self, strand: str) -> int:
        """Return how far behind a window's first letter, in coordinates, its probabilities are drawn."""
        if not self.window:
            return 0
        return self.window - 1 - self.offset if strand == "-" else self.offset

    def span(self, run: Run, strand: str) -> tuple[int, int]:
        """Return the feature, 0-based half-open, of a run of high probabilities where they are drawn."""
        if not self.length:
            return run.first, run.last + 1
        begin = run.best if self.window else run.best + self.offset
        return (begin - self.length + 1, begin + 1) if strand == "-" else (begin, begin + self.length)


@dataclass(frozen=True)
class Run:
    """Neighbouring letters at or above the threshold: the first, the last, the best of them, the probability there."""

    first: int
    last: int
    best: int
    value: float


def placement_of(model: SequenceModel, label: str) -> Placement:
    """Return where a class stands for something; what the model does not say is in the middle of the window."""
    window = 0 if model.per_position else model.window
    feature = model.features.get(label)
    if feature is None:  # all letters of a run that has the class belong to it
        return Placement("sequence_feature", window // 2, 0, window)
    return Placement(feature["type"], feature["offset"], feature.get("length", 1), window)


class PositionFiles:
    """Collects blocks and writes, when all are there, a bedGraph file per class and strand and one GFF3 file.

    Use it in a `with` block: what is collected lies in temporary files.

    Parameters
    ----------
    prefix
        What the files' names begin with: `PREFIX.CLASS.bedGraph`, `PREFIX.CLASS.plus.bedGraph`, `PREFIX.gff3`.
    run
        Whose blocks are written; of the class that is the background nothing is.
    threshold
        Lowest probability of a feature.

    Raises
    ------
    OptionError
        If the threshold is no probability.
    """

    def __init__(self, prefix: str, run: PositionRun, *, threshold: float = 0.5) -> None:
        if not 0 < threshold <= 1:
            message = f"--threshold is {threshold}; expected a probability above 0, up to 1"
            raise OptionError(message)
        model = run.model
        names = _file_names(model.labels)
        self._features: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed at the end of the block
        self._path = Path(f"{prefix}.gff3")
        self._rows: list[tuple[int, int, str, str, float]] = []
        self._names: dict[str, str] = {}  # of records that have ended, to the input they are of
        self._tracks = [
            _Track(label, strand, placement_of(model, label), column, threshold, _path(prefix, names[column], strand))
            for column, label in enumerate(model.labels)
            if label != model.background
            for strand in run.strands
        ]

    def __enter__(self) -> Self:
        """Begin to collect."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the temporary files."""
        for kept in (self._features, *(track.kept for track in self._tracks)):
            kept.close()

    @property
    def paths(self) -> list[Path]:
        """Return the files that are written."""
        return [*(track.path for track in self._tracks), self._path]

    def add(self, block: PositionBlock) -> None:
        """Take the next block of a record.

        Raises
        ------
        InputError
            If there was another record of that name: nothing in a track could tell them apart.
        """
        name = block.record.name
        if name in self._names:
            message = f"{block.record.source}: a record {name!r} was there before, in {self._names[name]}; tracks and "
            raise InputError(message + "features are placed by name: rename one, or run it with another prefix")
        mine = [track for track in self._tracks if track.strand == block.strand]
        for track in mine:
            self._rows += track.add(block)
        # Of both strands the one that comes last ends the record.
        if block.last and block.strand == self._tracks[-1].strand:
            self._end(block)
            self._names[name] = block.record.source

    def _end(self, block: PositionBlock) -> None:
        end = block.begin + len(block.values) + max(self._tracks[-1].place.window, 1) - 1
        name = quote(block.record.name, safe=_SEQID)
        kinds = {track.label: track.place.kind for track in self._tracks}
        for first, last, label, strand, value in sorted(self._rows):
            if first >= 0 and last <= end:
                text = f"{name}\tbioconv\t{kinds[label]}\t{first + 1}\t{last}\t{value:.4g}\t{strand}\t.\t"
                self._features.write(f"{text}Name={quote(label, safe=' ' + _SEQID)}\n".encode())
        self._rows = []

    def mark(self) -> list[int]:
        """Return the place to go back to with `forget_since`."""
        return [len(self._names), self._features.tell(), *(track.kept.tell() for track in self._tracks)]

    def forget_since(self, mark: list[int]) -> None:
        """Drop what was added since a mark."""
        self._names = dict(list(self._names.items())[: mark[0]])
        for stream, place in zip([self._features, *(track.kept for track in self._tracks)], mark[1:], strict=True):
            stream.seek(place)
            stream.truncate()
        self._rows = []
        for track in self._tracks:
            track.forget()

    def write(self, head: str = "") -> None:
        """Write the files, each whole or not at all; `head`: a line that says how they were made.

        Raises
        ------
        OutputError
            If one cannot be written.
        """
        line = f"# {head}\n".encode() if head else b""
        for track in self._tracks:
            _copy(track.kept, track.path, line)
        _copy(self._features, self._path, b"##gff-version 3\n" + line)


@dataclass(eq=False)
class _Track:
    """One class on one strand: its stretches of equal probability, and its runs of high ones."""

    label: str
    strand: str
    place: Placement
    column: int
    threshold: float
    path: Path
    kept: IO[bytes] = field(default_factory=tempfile.TemporaryFile)
    stretch: tuple[int, int, float] = (0, 0, 0.0)  # begin, end, value; not yet written
    run: Run | None = None  # may go on in the next block

    def forget(self) -> None:
        self.stretch, self.run = (0, 0, 0.0), None

    def add(self, block: PositionBlock) -> list[tuple[int, int, str, str, float]]:
        """Keep a block's stretches; return the features (begin, end, label, strand, probability) that end in it."""
        values = block.values[:, self.column]
        begin = block.begin + self.place.shift(self.strand)
        self._add_stretches(block.record.name, begin, np.round(values, _DIGITS), block.last)
        runs = self._ended_runs(begin, values, block.last)
        return [(*self.place.span(run, self.strand), self.label, self.strand, run.value) for run in runs]

    def _add_stretches(self, name: str, begin: int, values: Floats, last: bool) -> None:
        cuts = np.flatnonzero(np.diff(values)) + 1
        bounds = [0, *cuts.tolist(), len(values)]
        lines = []
        for at, to in pairwise(bounds):
            value = float(values[at])
            if begin + at == self.stretch[1] and value == self.stretch[2]:
                self.stretch = (self.stretch[0], begin + to, value)
                continue
            lines.append(_line(name, self.stretch))
            self.stretch = (begin + at, begin + to, value)
        if last:
            lines.append(_line(name, self.stretch))
            self.stretch = (0, 0, 0.0)
        self.kept.write("".join(lines).encode())

    def _ended_runs(self, begin: int, values: Floats, last: bool) -> list[Run]:
        """Return the runs that are known to have ended."""
        ended: list[Run] = []
        high = np.flatnonzero(values >= self.threshold)
        for letters in np.split(high, np.flatnonzero(np.diff(high) > 1) + 1) if len(high) else ():
            best = int(letters[np.argmax(values[letters])])
            run = Run(begin + int(letters[0]), begin + int(letters[-1]), begin + best, float(values[best]))
            if self.run is not None and self.run.last + 1 == run.first:
                better = run if run.value > self.run.value else self.run
                run = Run(self.run.first, run.last, better.best, better.value)
            elif self.run is not None:
                ended.append(self.run)
            self.run = run
        if self.run is not None and (last or self.run.last + 1 < begin + len(values)):
            ended.append(self.run)
            self.run = None
        return ended


def _line(name: str, stretch: tuple[int, int, float]) -> str:
    begin, end, value = stretch
    return f"{name}\t{begin}\t{end}\t{value:g}\n" if value > 0 and end > begin else ""


def _file_names(labels: tuple[str, ...]) -> list[str]:
    """Return what files of classes are called: letters that a name of a file had better not have are `_`."""
    names = [re.sub(r"[^A-Za-z0-9._+-]+", "_", label) for label in labels]
    return [f"{name}.{column + 1}" if names.count(name) > 1 else name for column, name in enumerate(names)]


def _path(prefix: str, name: str, strand: str) -> Path:
    middle = f".{_STRAND_NAMES[strand]}" if strand in _STRAND_NAMES else ""
    return Path(f"{prefix}.{name}{middle}.bedGraph")


def _copy(kept: IO[bytes], path: Path, head: bytes) -> None:
    with open_output(path) as stream:
        stream.write(head)
        kept.seek(0)
        while text := kept.read(1 << 20):
            stream.write(text)
