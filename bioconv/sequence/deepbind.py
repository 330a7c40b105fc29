"""DeepBind models for scanning: published parameter files, ours, and the scores the published program gives.

Alipanahi, Delong, Weirauch & Frey, Nat Biotechnol 33:831-838 (2015), doi 10.1038/nbt.3300.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from bioconv.conv.detectors import STRAND_POOLING, Codes, Detectors
from bioconv.errors import ModelError
from bioconv.models.model_file import ModelFile, read_model
from bioconv.sequence.deepbind_compat import published_scores
from bioconv.sequence.null_distribution import NullDistribution
from bioconv.wording import unreadable

_HEADER = "# deepbind 0.1"
_COUNTS = ("reverse_complement", "num_detectors", "detector_len", "has_avg_pooling", "num_hidden")
_LISTS = ("detectors", "thresholds", "weights1", "biases1", "weights2", "biases2")


@dataclass(frozen=True, eq=False)
class MotifModel:
    """A detector network and how it is slid over sequences.

    Parameters
    ----------
    name
        What hits are called.
    detectors
        The network.
    window
        Letters of a window inside longer records.
    padded
        Whether windows are padded by unknown letters (the published definition) or hold complete detectors
        only.
    null
        Distribution of window scores on random sequence, or None where it is not known yet.
    record_null
        The same of records of a window's length, scored whole and padded; None: `null` is used for them.
    logistic
        Slope and intercept that turn a record's score into a probability, 1 / (1 + exp(-(slope * score +
        intercept))); None where the model was not calibrated, as the published ones.
    """

    name: str
    detectors: Detectors
    window: int
    padded: bool
    null: NullDistribution | None = None
    logistic: tuple[float, float] | None = None
    record_null: NullDistribution | None = None

    def digest(self) -> str:
        """Return the sha256 of the weights."""
        digest = hashlib.sha256()
        for name in ("filters", "thresholds", "weights1", "biases1", "weights2"):
            array = getattr(self.detectors, name)
            digest.update(name.encode() + (b"" if array is None else array.tobytes()))
        digest.update(repr(float(self.detectors.bias2)).encode())
        return digest.hexdigest()

    def with_null(self, null: NullDistribution) -> MotifModel:
        """Return the same model with a null distribution."""
        return replace(self, null=null)


def load_motif_model(path: str | Path) -> MotifModel:
    """Return the model of a model file or a published DeepBind parameter file, told apart by content.

    Published files are slid as their program slides them: windows of one detector's length, padded.

    Raises
    ------
    ModelError
        If the file cannot be read, or is neither.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            published = stream.read(10) == b"# deepbind"
    except OSError as error:
        raise ModelError(unreadable(path, error)) from error
    if not published:
        file = read_model(path)
        try:
            return from_model_file(file, default_name=path.stem)
        except ModelError as error:
            message = f"{path}: {error}"
            raise ModelError(message) from error
    detectors = read_published(path)
    name = path.name.removesuffix(".txt")
    return MotifModel(name, detectors, window=detectors.length, padded=True)


def read_published(path_or_text: str | Path) -> Detectors:
    """Read a published parameter file ("# deepbind 0.1").

    Parameters
    ----------
    path_or_text
        Path of the file, or (a string with line breaks) its text.

    Raises
    ------
    ModelError
        If a line is missing, out of order, of the wrong length or not numbers; it names the line.
    """
    if isinstance(path_or_text, str) and "\n" in path_or_text:
        return _parse(path_or_text, "parameter text")
    try:
        text = Path(path_or_text).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path_or_text}: cannot be read as a DeepBind parameter file: {error}"
        raise ModelError(message) from error
    return _parse(text, str(path_or_text))


def _parse(text: str, where: str) -> Detectors:
    lines = text.splitlines()
    names = (*_COUNTS, *_LISTS)
    if not lines or lines[0].strip() != _HEADER:
        message = f"{where}, line 1: {lines[0][:40] if lines else ''!r}; expected {_HEADER!r}"
        raise ModelError(message)
    if any(line.strip() for line in lines[len(names) + 1 :]):
        message = f"{where}, line {len(names) + 2}: more lines than a parameter file has"
        raise ModelError(message)
    fields = {}
    for number, name in enumerate(names, 2):
        line = lines[number - 1] if number <= len(lines) else ""
        key, equals, value = line.partition("=")
        if key.strip() != name or not equals:
            message = f"{where}, line {number}: {line[:40]!r}; expected '{name} = ...'"
            raise ModelError(message)
        fields[name] = _numbers(value.strip(), f"{where}, line {number}, {name}")
    counts = {name: _count(fields[name], name, f"{where}, line {i}") for i, name in enumerate(_COUNTS, 2)}
    _check_lengths(fields, counts, where)
    return _assemble(fields, counts)


def _numbers(value: str, where: str) -> NDArray[np.float64]:
    try:
        numbers = np.array([float(word) for word in value.split(",")] if value else [], np.float64)
    except ValueError as error:
        message = f"{where}: {error}; expected numbers separated by commas"
        raise ModelError(message) from error
    if not np.isfinite(numbers).all():
        message = f"{where}: holds numbers that are not finite"
        raise ModelError(message)
    return numbers


def _count(value: NDArray[np.float64], name: str, where: str) -> int:
    highest = 1 if name in ("reverse_complement", "has_avg_pooling") else 10_000
    lowest = 1 if name in ("num_detectors", "detector_len") else 0
    if len(value) != 1 or value[0] != int(value[0]) or not lowest <= value[0] <= highest:
        message = f"{where}: {name} is {value.tolist()}; expected one whole number from {lowest} to {highest}"
        raise ModelError(message)
    return int(value[0])


def _check_lengths(fields: dict[str, NDArray[np.float64]], counts: dict[str, int], where: str) -> None:
    detectors, hidden = counts["num_detectors"], counts["num_hidden"]
    features = detectors * (1 + counts["has_avg_pooling"])
    expected = {
        "detectors": detectors * 4 * counts["detector_len"],
        "thresholds": detectors,
        "weights1": features * max(hidden, 1),
        "biases1": max(hidden, 1),
        "weights2": hidden,
        "biases2": min(hidden, 1),
    }
    for line, name in enumerate(_LISTS, 2 + len(_COUNTS)):
        if len(fields[name]) != expected[name]:
            message = f"{where}, line {line}: {name} has {len(fields[name])} numbers; expected {expected[name]}"
            raise ModelError(message)


def _assemble(fields: dict[str, NDArray[np.float64]], counts: dict[str, int]) -> Detectors:
    hidden = counts["num_hidden"]
    # Written position by position, letter by letter, detector by detector.
    filters = fields["detectors"].reshape(counts["detector_len"], 4, counts["num_detectors"])
    return Detectors(
        filters=filters.transpose(2, 1, 0).astype(np.float32),
        thresholds=fields["thresholds"].astype(np.float32),
        average_pooling=bool(counts["has_avg_pooling"]),
        weights1=fields["weights1"].reshape(-1, max(hidden, 1)).astype(np.float32),
        biases1=fields["biases1"].astype(np.float32),
        weights2=fields["weights2"].astype(np.float32) if hidden else None,
        bias2=float(fields["biases2"][0]) if hidden else 0.0,
        reverse_complement=bool(counts["reverse_complement"]),
    )


def compat_score(codes: Codes, detectors: Detectors) -> float:
    """Score a record as the published program (v0.1) does, its slip included.

    A record no longer than a detector is scored whole, padded. A longer one gets the highest score of its
    padded windows of one detector's length, of which the last is left out; the reverse complement is treated
    as a record of its own, so that there the forward strand's first window is left out.

    Parameters
    ----------
    codes
        (n,) uint8, n >= 1.

    Returns
    -------
    float
        The better strand's score where the model reads both, else the forward strand's.
    """
    if len(codes) <= detectors.length:
        return float(published_scores(codes[None, :], detectors).max())
    scores = published_scores(np.lib.stride_tricks.sliding_window_view(codes, detectors.length), detectors)
    strands = [scores[:-1, 0].max()]
    if detectors.reverse_complement:
        strands.append(scores[1:, 1].max())
    return float(max(strands))


def to_model_file(model: MotifModel, **metadata: object) -> ModelFile:
    """Return what `write_model` keeps of a model; `metadata` as in `ModelFile`."""
    detectors = model.detectors
    tensors = {
        "filters": detectors.filters,
        "thresholds": detectors.thresholds,
        "weights1": detectors.weights1,
        "biases1": detectors.biases1,
    }
    if detectors.weights2 is not None:
        tensors["weights2"] = detectors.weights2
        tensors["bias2"] = np.array(detectors.bias2, np.float32)
    elif detectors.bias2:
        tensors["biases1"] = detectors.biases1 + np.float32(detectors.bias2)
    config = {
        "detectors": detectors.count,
        "length": detectors.length,
        "hidden": 0 if detectors.weights2 is None else len(detectors.biases1),
        "average_pooling": detectors.average_pooling,
        "reverse_complement": detectors.reverse_complement,
        "strand_pooling": detectors.strand_pooling,
    }
    facts: dict[str, Any] = {"name": model.name, "window": {"length": model.window, "padded": model.padded}, **metadata}
    for key in ("null", "record_null"):
        null: NullDistribution | None = getattr(model, key)
        if null is not None:
            tensors |= {f"{key}.{name}": array for name, array in null.tensors().items()}
            facts["calibration"] = {**_calibration(facts), key: null.description}
    if model.logistic is not None:
        facts["calibration"] = {**_calibration(facts), "logistic": list(model.logistic)}
    return ModelFile("deepbind", config, dict(tensors), facts)


def from_model_file(file: ModelFile, *, default_name: str = "model") -> MotifModel:
    """Build the model a file describes.

    Raises
    ------
    ModelError
        If it is of another architecture, a hyper-parameter or tensor is missing, unknown or does not fit.
    """
    if file.architecture != "deepbind":
        message = f"a model of architecture {file.architecture!r} has no motif detectors; 'deepbind' has, see: "
        message += "bioconv models list"
        raise ModelError(message)
    detectors = _detectors(file)
    window = file.metadata.get("window")
    length, padded = (window.get("length"), window.get("padded")) if isinstance(window, dict) else (None, None)
    shortest = 1 if padded else detectors.length
    if type(length) is not int or type(padded) is not bool or length < shortest:
        message = f"window is {window}; expected length ({shortest} or more) and padded (true or false)"
        raise ModelError(message)
    calibration = _calibration(file.metadata)
    nulls = {}
    for key in ("null", "record_null"):
        if key in calibration:
            arrays = {k.removeprefix(f"{key}."): v for k, v in file.tensors.items() if k.startswith(f"{key}.")}
            nulls[key] = NullDistribution.from_tensors(arrays, calibration[key])
    logistic = _logistic(calibration.get("logistic"))
    name = file.metadata.get("name", default_name)
    if not isinstance(name, str) or not name.isprintable() or not name:
        message = f"name is {name!r}; expected text without tabs and line ends, a column of tables is called by it"
        raise ModelError(message)
    return MotifModel(name, detectors, length, padded, logistic=logistic, **nulls)


def _calibration(metadata: dict[str, Any]) -> dict[str, Any]:
    calibration = metadata.get("calibration")
    return calibration if isinstance(calibration, dict) else {}


def _logistic(given: object) -> tuple[float, float] | None:
    if given is None:
        return None
    numbers = [float(value) for value in given if type(value) in (int, float)] if isinstance(given, list) else []
    if not isinstance(given, list) or not len(given) == len(numbers) == 2 or not np.isfinite(numbers).all():
        message = f"calibration logistic is {given!r}; expected two numbers, slope and intercept"
        raise ModelError(message)
    return numbers[0], numbers[1]


def _detectors(file: ModelFile) -> Detectors:
    types = {
        "detectors": int,
        "length": int,
        "hidden": int,
        "average_pooling": bool,
        "reverse_complement": bool,
        "strand_pooling": str,
    }
    odd = sorted(set(types) ^ (set(file.config) - {"dropout"}))
    odd += sorted(name for name, kind in types.items() if type(file.config.get(name)) is not kind)
    if odd:
        message = f"hyper-parameters {odd} are missing, unknown or of a wrong type; expected {sorted(types)}"
        raise ModelError(message)
    config = file.config
    if config["strand_pooling"] not in STRAND_POOLING:
        message = f"strand_pooling is {config['strand_pooling']!r}; expected one of {', '.join(STRAND_POOLING)}"
        raise ModelError(message)
    count, hidden = config["detectors"], config["hidden"]
    features = count * (2 if config["average_pooling"] else 1)
    return Detectors(
        filters=file.tensor("filters", (count, 4, config["length"])),
        thresholds=file.tensor("thresholds", (count,)),
        average_pooling=config["average_pooling"],
        weights1=file.tensor("weights1", (features, hidden or 1)),
        biases1=file.tensor("biases1", (hidden or 1,)),
        weights2=file.tensor("weights2", (hidden,)) if hidden else None,
        bias2=float(cast("float", file.tensor("bias2", ()))) if hidden else 0.0,
        reverse_complement=config["reverse_complement"],
        strand_pooling=config["strand_pooling"],
    )
