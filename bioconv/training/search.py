"""Random search of settings, each on its proper scale, judged on the development part alone.

Bergstra & Bengio, JMLR 13:281-305 (2012). A finished setting is written down at once, so that a search that
was stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bioconv.errors import BioconvError, InputError, OptionError
from bioconv.outputs import open_output, provenance

Setting = dict[str, Any]
_COLUMNS = ("setting", "status", "score", "seconds", "chosen", "values", "error")


@dataclass(frozen=True)
class Uniform:
    """A number between `low` and `high`, all alike."""

    low: float
    high: float

    def at(self, share: float) -> float:
        """Return the number below which a share of the draws lies."""
        return self.low + (self.high - self.low) * share


@dataclass(frozen=True)
class LogUniform:
    """A number between `low` and `high`, every order of magnitude alike: learning rates, penalties."""

    low: float
    high: float

    def at(self, share: float) -> float:
        """Return the number below which a share of the draws lies."""
        drawn = math.exp(math.log(self.low) + (math.log(self.high) - math.log(self.low)) * share)
        return min(max(drawn, self.low), self.high)


@dataclass(frozen=True)
class OneMinusLogUniform:
    """1 minus a log-uniform number, between `low` and `high` below 1: momentum, decay of an average."""

    low: float
    high: float

    def at(self, share: float) -> float:
        """Return the number below which a share of the draws lies."""
        drawn = 1 - LogUniform(1 - self.high, 1 - self.low).at(1 - share)
        return min(max(drawn, self.low), self.high)


@dataclass(frozen=True)
class Integer:
    """A whole number from `low` to `high`, both included."""

    low: int
    high: int

    def at(self, share: float) -> int:
        """Return the number below which a share of the draws lies."""
        return min(self.low + math.floor((self.high - self.low + 1) * share), self.high)


@dataclass(frozen=True)
class Choice:
    """One of some values that JSON can hold."""

    values: tuple[Any, ...]

    def at(self, share: float) -> Any:
        """Return the value at a share of the list."""
        return self.values[min(math.floor(len(self.values) * share), len(self.values) - 1)]


Distribution = Uniform | LogUniform | OneMinusLogUniform | Integer | Choice
SearchSpace = Mapping[str, Distribution]
"""Name of a setting to what it is drawn from."""


@dataclass(frozen=True)
class Trial:
    """A setting that was tried.

    Parameters
    ----------
    score
        What it reached on the development part; None if it failed.
    error
        Why it failed; empty if it did not.
    """

    index: int
    values: Setting
    score: float | None
    seconds: float
    error: str = ""


def draw_settings(space: SearchSpace, count: int, seed: int) -> list[Setting]:
    """Draw settings: setting i is a function of (seed, i), and each of its values of its name besides.

    A longer search begins with the settings of a shorter one, and a further name changes no other's values.

    Raises
    ------
    OptionError
        If there is nothing to draw, or a distribution's ends make no sense.

    Examples
    --------
    >>> (setting,) = draw_settings({"learning_rate": LogUniform(1e-4, 1e-1)}, 1, seed=0)
    >>> 1e-4 <= setting["learning_rate"] <= 1e-1
    True
    """
    if not space or count < 1:
        message = f"a search of {count} settings over {sorted(space)}; at least one of each expected"
        raise OptionError(message)
    for name, distribution in space.items():
        _check_distribution(name, distribution)
    return [{name: space[name].at(_share(seed, index, name)) for name in sorted(space)} for index in range(count)]


class SearchTable:
    """The settings of a search and what came of them: a TSV file, rewritten whole after each.

    For settings that are trained side by side: take those `pending`, and `record` each.

    Parameters
    ----------
    path
        The table; one that is there is gone on with.
    settings
        Those of `draw_settings`.
    mode
        `max` (an AUROC) or `min` (a loss): which score is the best.

    Raises
    ------
    InputError
        If the file there is no such table, or one of other settings.
    """

    def __init__(self, path: str | Path, settings: Sequence[Setting], *, mode: str = "max") -> None:
        if mode not in {"max", "min"}:
            message = f"search mode {mode!r}; max or min expected"
            raise OptionError(message)
        self.path, self.settings, self.mode = Path(path), list(settings), mode
        self.trials: dict[int, Trial] = {}
        if self.path.exists():
            for trial in read_search(self.path):
                if trial.index < len(self.settings) and not _alike(trial.values, self.settings[trial.index]):
                    found = f"setting {trial.index} there is {trial.values}, here {self.settings[trial.index]}"
                    message = f"{self.path}: the table of another search: {found}; name another file or remove it"
                    raise InputError(message)
                self.trials[trial.index] = trial

    def pending(self) -> list[int]:
        """Return the settings without a score: not tried yet, or failed (a failure may have been mended)."""
        scored = {index for index, trial in self.trials.items() if trial.score is not None}
        return [index for index in range(len(self.settings)) if index not in scored]

    def record(self, index: int, *, score: float | None, seconds: float, error: str = "") -> None:
        """Note what a setting came to, on the disk too; a score that is not finite is a failure.

        Raises
        ------
        OutputError
            If the table cannot be written.
        """
        if score is not None and not math.isfinite(score):
            score, error = None, f"score {score}"
        self.trials[index] = Trial(index, self.settings[index], score, seconds, " ".join(error.split()))
        write_search(self.path, list(self.trials.values()), mode=self.mode)

    def best(self) -> Trial:
        """Return the best trial; of equal ones the first.

        Raises
        ------
        InputError
            If none was finished; the message says why the last failed.
        """
        chosen = best_trial(list(self.trials.values()), mode=self.mode)
        if chosen is None:
            why = [trial.error for trial in self.trials.values() if trial.error] or ["none was tried"]
            message = f"none of {len(self.settings)} settings could be trained; the last: {why[-1]}"
            raise InputError(message)
        return chosen


def search(table: SearchTable, run: Callable[[Setting, int], float]) -> Trial:
    """Try every setting that has no score yet, and return the best of all.

    Parameters
    ----------
    run
        (setting, index) -> score on the development part; the test part is not looked at. What it raises is
        recorded, and the search goes on.

    Raises
    ------
    InputError
        If no setting could be trained.
    """
    for index in table.pending():
        start, score, error = time.monotonic(), None, ""
        try:
            score = run(dict(table.settings[index]), index)
        except (BioconvError, ArithmeticError, ValueError, RuntimeError, MemoryError) as raised:
            error = f"{type(raised).__name__}: {raised}"
        table.record(index, score=score, seconds=time.monotonic() - start, error=error)
    return table.best()


def best_trial(trials: Sequence[Trial], *, mode: str) -> Trial | None:
    """Return the trial with the highest (`max`) or lowest (`min`) score, of equal ones the first; None: no score."""
    sign = 1 if mode == "max" else -1
    scored = [(sign * trial.score, -trial.index, trial) for trial in trials if trial.score is not None]
    return max(scored, key=lambda entry: entry[:2])[2] if scored else None


def write_search(path: str | Path, trials: Sequence[Trial], *, mode: str) -> None:
    """Write the table of a search.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    chosen = best_trial(trials, mode=mode)
    lines = [f"# {provenance()} search mode={mode}", "\t".join(_COLUMNS)]
    for trial in sorted(trials, key=lambda trial: trial.index):
        score = "" if trial.score is None else repr(float(trial.score))
        status, mark = "failed" if trial.score is None else "done", "yes" if trial is chosen else ""
        values = json.dumps(trial.values, sort_keys=True)
        lines.append("\t".join([str(trial.index), status, score, f"{trial.seconds:.1f}", mark, values, trial.error]))
    with open_output(path) as stream:
        stream.write(("\n".join(lines) + "\n").encode())


def read_search(path: str | Path) -> list[Trial]:
    """Read the table of a search.

    Raises
    ------
    InputError
        Naming file and line, if it cannot be read or is no such table.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path}: cannot be read as the table of a search: {error}"
        raise InputError(message) from error
    trials = []
    try:
        place = 1
        if tuple(lines[1].split("\t")) != _COLUMNS:
            message = f"columns {', '.join(_COLUMNS)} expected"
            raise ValueError(message)
        for place, line in enumerate(lines[2:], 2):  # noqa: B007 - named in the error
            if line:
                index, _, score, seconds, _, values, error_text = line.split("\t")
                number = float(score) if score else None
                trials.append(Trial(int(index), json.loads(values), number, float(seconds), error_text))
    except (ValueError, IndexError) as error:
        message = f"{path}:{place + 1}: no line of the table of a search: {error}; remove the file to begin anew"
        raise InputError(message) from error
    return trials


def _alike(first: Setting, second: Setting) -> bool:
    """Compare as written: a tuple comes back as a list."""
    return json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)


def _share(seed: int, index: int, name: str) -> float:
    own = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return float(np.random.default_rng([seed, index, own]).random())


def _check_distribution(name: str, distribution: Distribution) -> None:
    if isinstance(distribution, Choice):
        fits, expected = len(distribution.values) > 0, "at least one value"
    else:
        low, high = distribution.low, distribution.high
        fits, expected = low <= high and math.isfinite(high - low), "low of at most high"
        if isinstance(distribution, LogUniform):
            fits, expected = fits and low > 0, "0 < low <= high"
        elif isinstance(distribution, OneMinusLogUniform):
            fits, expected = fits and high < 1, "low <= high < 1"
    if not fits:
        message = f"search over {name}: {type(distribution).__name__} {asdict(distribution)}; {expected} expected"
        raise OptionError(message)
