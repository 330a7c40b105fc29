"""`bioconv.scan`: hits of motifs and models in sequences."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bioconv import runtime
from bioconv.errors import InputError, OptionError
from bioconv.sequence.background import read_background
from bioconv.sequence.motifs import Motif, read_motifs, select_motifs
from bioconv.sequence.scanning.engines import Engine, MotifEngine
from bioconv.sequence.scanning.hits import Hit, HitBatch
from bioconv.sequence.scanning.options import ScanOptions
from bioconv.sequence.scanning.pipeline import ScanRun, Source, open_reader

if TYPE_CHECKING:
    import pandas as pd

Sequences = str | os.PathLike[str] | Mapping[str, str] | Sequence[str | os.PathLike[str]]


def choose_background(options: ScanOptions, sources: Sequence[Source]) -> NDArray[np.float64]:
    """Return the (4,) letter frequencies of the sequences as they are given."""
    if options.background == "input":
        return _composition(sources, options)
    return read_background(options.background)


def _composition(sources: Sequence[Source], options: ScanOptions) -> NDArray[np.float64]:
    counts = np.zeros(4, dtype=np.int64)
    for source in sources:
        if isinstance(source, str | Path) and (source == "-" or _is_pipe(source)):
            message = f"--background input reads the sequences twice, and {source} can be read once; give a file"
            raise OptionError(message)
        try:
            for chunk in open_reader(source, options, 0, 0).chunks():
                counts += np.bincount(chunk.codes[: chunk.size], minlength=5)[:4]
        except InputError:
            continue  # reported when it is scanned
    if (counts == 0).any():
        message = "--background input: the sequences do not hold all four of A, C, G and T; give the frequencies"
        raise OptionError(message)
    return np.asarray(counts / counts.sum())


def _is_pipe(source: str | Path) -> bool:
    path = Path(source)
    return path.exists() and not path.is_file() and not path.is_dir()


class Hits:
    """The hits of a scan: iterate over them once, or turn them into a table.

    Parameters
    ----------
    run
        The scan, not yet run: that happens as the hits are read.
    sources
        The inputs, in this order.

    Attributes
    ----------
    summary : Summary
        Complete once the hits have been read.
    """

    def __init__(self, run: ScanRun, sources: Sequence[Source]) -> None:
        self._run = run
        self._sources = sources
        self.summary = run.summary

    def batches(self) -> Iterator[HitBatch]:
        """Yield the hits in columns."""
        try:
            if self._run.options.stream:
                for source in self._sources:
                    for batch in self._run.stream(source):
                        self.summary.hits += len(batch)
                        yield batch
                return
            for source in self._sources:
                self._run.add(source)
            yield from self._run.finish()
        finally:
            self._run.close()

    def __iter__(self) -> Iterator[Hit]:
        for batch in self.batches():
            yield from batch.hits(self._run.names, self._run.details)

    def to_pandas(self) -> pd.DataFrame:
        """Return all hits as a table with the fields of `Hit` as columns (needs pandas)."""
        import pandas as pd

        return pd.DataFrame(
            [{name: getattr(hit, name) for name in Hit.__slots__} for hit in self], columns=Hit.__slots__
        )


def scan(
    sequences: Sequences,
    *,
    motifs: str | os.PathLike[str] | Sequence[str | os.PathLike[str] | Motif] | None = None,
    model: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    p: float | None = None,
    options: ScanOptions | None = None,
) -> Hits:
    """Find the hits of motifs and models in sequences.

    Parameters
    ----------
    sequences : path, list of paths, or dict
        FASTA files (plain, gzip, bgzip; `-` is stdin), or sequences by name.
    motifs : path, list of paths or Motif, optional
        Motif files (MEME, JASPAR, TRANSFAC, HOMER), `jaspar:ID`, or motifs.
    model : name or path, or a list of them, optional
        A model file, a published DeepBind parameter file, or the name of a model.
    p : float, optional
        Largest p-value of a hit; short for `options=ScanOptions(p=...)`.
    options : ScanOptions, optional

    Returns
    -------
    Hits
        Iterate over it once for `Hit` records (0-based half-open), or call `to_pandas()`.

    Raises
    ------
    InputError, MotifError, ModelError, OptionError

    Examples
    --------
    >>> from bioconv import scan
    >>> from bioconv.sequence.motifs import Motif
    >>> import numpy as np
    >>> box = Motif("TATA", "", np.eye(4)[[3, 0, 3, 0, 0, 0, 0]], 20.0, "example")
    >>> [(hit.sequence_name, hit.start, hit.end, hit.strand) for hit in scan({"a": "GGTATAAAAGG"}, motifs=[box])]
    [('a', 2, 9, '+')]
    """
    chosen = options or ScanOptions()
    if p is not None:
        chosen = replace(chosen, p=p)
    sources = [sequences] if isinstance(sequences, (str, os.PathLike, Mapping)) else list(sequences)
    paths: list[Source] = [source if isinstance(source, Mapping) else os.fspath(source) for source in sources]
    engines = build_engines(_as_list(motifs), _as_list(model), chosen, paths)
    return Hits(ScanRun(engines, chosen), paths)


def _as_list(given: object) -> list[object]:
    if given is None:
        return []
    return [given] if isinstance(given, (str, os.PathLike)) else list(given)  # type: ignore[call-overload]


def read_given(motifs: Sequence[object]) -> list[Motif]:
    """Return the motifs of files and `jaspar:ID`s, in order; motifs stay as they are.

    Raises
    ------
    MotifError
    """
    return [motif for given in motifs for motif in ([given] if isinstance(given, Motif) else read_motifs(given))]  # type: ignore[arg-type]


def chosen_models(motifs: Sequence[object], models: Sequence[object]) -> Sequence[object]:
    """Return the models that are given; with no motifs either, the names of all packaged ones.

    Raises
    ------
    OptionError
        If none is packaged.
    """
    if motifs or models:
        return models
    from bioconv.zoo import packaged

    known = [name for name, model in packaged().items() if model.task == "binding"]
    if not known:
        message = "no motifs and no model: give --motifs FILE or --model NAME|FILE (bioconv models list)"
        raise OptionError(message)
    runtime.logger.info("no motifs and no model given: scanning with %s", ", ".join(known))
    return known


def build_engines(
    motifs: Sequence[object],
    models: Sequence[object],
    options: ScanOptions,
    sources: Sequence[Source],
    *,
    background: NDArray[np.float64] | None = None,
) -> list[Engine]:
    """Return the engines of a scan: one for all motifs, then one per model; with neither, all packaged models.

    background : (4,) float64, of the sequences as they are given; None: as the options say.

    Raises
    ------
    OptionError
        If options contradict each other.
    """
    if options.motif_ids and not motifs:
        message = "--motif-id chooses among motifs: give --motifs too"
        raise OptionError(message)
    models = chosen_models(motifs, models)
    if background is None:
        background = choose_background(options, sources)
    engines: list[Engine] = []
    if motifs:
        engines.append(MotifEngine(select_motifs(read_given(motifs), options.motif_ids), background, options))
    for given in models:
        from bioconv.sequence.deepbind import load_motif_model
        from bioconv.sequence.scanning.model_engine import ModelEngine
        from bioconv.zoo import resolve

        engines.append(ModelEngine(load_motif_model(resolve(os.fspath(given))), background, options))  # type: ignore[call-overload]
    return engines
