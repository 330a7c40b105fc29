"""Background models: base frequencies and first-order Markov chains."""

from __future__ import annotations

import itertools
import math
import os
import re
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import OptionError
from bioconv.sequence.textfile import read_text

_SUM_TOLERANCE = 1e-2
_FORMS = "give 'uniform', four frequencies such as 0.3,0.2,0.2,0.3 (A,C,G,T), or a background file"


def read_background(spec: str) -> NDArray[np.float64]:
    """Return the base frequencies that a `--background` value stands for.

    Parameters
    ----------
    spec : str
        `uniform`; four comma-separated frequencies of A, C, G, T; or the path of a MEME-style Markov
        background file, of which the order-0 lines are used.

    Returns
    -------
    ndarray of float64, shape (4,)
        Frequencies of A, C, G, T, all above 0; they sum to 1.

    Raises
    ------
    OptionError
        If the value is none of these, a frequency is 0 or less, or they do not sum to 1 within 0.01.

    Examples
    --------
    >>> read_background("0.3,0.2,0.2,0.3")
    array([0.3, 0.2, 0.2, 0.3])
    """
    if spec == "uniform":
        return np.full(4, 0.25)
    words = spec.split(",")
    if len(words) == 1 or _exists(spec):
        return read_markov_background(spec)[0]
    values = [_number(word, f"background {spec!r}") for word in words]
    if len(values) != 4:
        message = f"background {spec!r} has {len(values)} numbers, 4 expected; {_FORMS}"
        raise OptionError(message)
    return _normalise(values, f"background {spec!r}")


def read_markov_background(
    path: str | os.PathLike[str],
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Read a MEME-style Markov background file (`A 0.3`, `AA 0.08`; `#` comments; lower case; U is T).

    Returns
    -------
    order0 : ndarray of float64, shape (4,)
        Frequencies of A, C, G, T.
    order1 : ndarray of float64, shape (4, 4), or None
        Probability of a base (column) given the one before (row); None if the file has no 2-mers. Higher
        orders are ignored.

    Raises
    ------
    OptionError
        Naming file and line, if the file cannot be read, a word is missing or given twice, or a number makes
        no sense.
    """
    name = os.fspath(path)
    if not _exists(path):
        message = f"no background file {name!r}; {_FORMS}"
        raise OptionError(message)
    words = _read_words(read_text(path, OptionError), name)
    order0 = _normalise(_complete(words, 1, name), name)
    if not any(len(word) == 2 for word in words):
        return order0, None
    pairs = np.array(_complete(words, 2, name)).reshape(4, 4)
    previous = pairs.sum(axis=1, keepdims=True)
    if abs(previous.sum() - 1) > _SUM_TOLERANCE or not previous.all():
        sums = f"the 2-mer frequencies sum to {previous.sum():.6g}"
        _refuse(name, f"{sums}; they must sum to 1, with each base coming first in some")
    return order0, pairs / previous


def symmetrise(background: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return base frequencies (shape (4,)) averaged with their complement: A with T, C with G."""
    return np.asarray((background + background[::-1]) / 2, dtype=np.float64)


def _exists(path: str | os.PathLike[str]) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # a name too long for a file
        return False


def _read_words(text: str, name: str) -> dict[str, float]:
    """Return the frequency of each 1-mer and 2-mer of the file."""
    words: dict[str, float] = {}
    for line, raw in enumerate(text.split("\n"), 1):
        fields = raw.partition("#")[0].split()
        if not fields:
            continue
        where = f"{name}:{line}"
        word = fields[0].upper().replace("U", "T")
        if len(fields) != 2 or not re.fullmatch("[ACGT]+", word):
            _refuse(
                where,
                f"{raw.strip()[:60]!r} is not a line of a background file; 'A 0.25' or 'AC 0.06' expected",
            )
        value = _number(fields[1], where)
        if len(word) > 2:
            continue
        if word in words:
            _refuse(where, f"{word} is given twice; keep one of them")
        words[word] = value
    return words


def _complete(words: dict[str, float], length: int, name: str) -> list[float]:
    """Return the frequencies of all words of a length, in the order of A, C, G, T."""
    wanted = ["".join(letters) for letters in itertools.product("ACGT", repeat=length)]
    missing = [word for word in wanted if word not in words]
    if missing:
        _refuse(name, f"no frequency for {', '.join(missing)}; a background file gives each once")
    return [words[word] for word in wanted]


def _number(word: str, where: str) -> float:
    try:
        value = float(word)
    except ValueError:
        _refuse(where, f"{word!r} is not a number; {_FORMS}")
    if not math.isfinite(value) or value < 0:
        _refuse(where, f"{word} is not a frequency; a number between 0 and 1 was expected")
    return value


def _normalise(values: list[float], where: str) -> NDArray[np.float64]:
    total = math.fsum(values)
    if min(values) <= 0:
        _refuse(where, f"the frequencies are {values}; each must be above 0, or scores have no bound")
    if abs(total - 1) > _SUM_TOLERANCE:
        _refuse(where, f"the frequencies sum to {total:.6g}; they must sum to 1 (within {_SUM_TOLERANCE})")
    return np.array(values) / total


def _refuse(where: str, problem: str) -> NoReturn:
    message = f"{where}: {problem}"
    raise OptionError(message)
