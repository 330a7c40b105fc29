"""Who trains, who is asked during training, who is asked once at the end: a split is a file.

What is decided here is a function of the seed and the samples' names, not of their order.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError, OptionError
from bioconv.outputs import open_output, provenance
from bioconv.training.dealing import deal_groups, deal_samples
from bioconv.wording import counted, unreadable

PARTS = ("train", "train-dev", "dev", "test")
_SHOWN = 5


@dataclass(frozen=True)
class Split:
    """Which part each sample belongs to.

    Parameters
    ----------
    parts
        Name of the sample to its part: one of `PARTS`, or the number of a fold, from 0.
    groups
        Name to group (patient, chromosome); empty where there are none.
    made
        How it was made, one line.
    """

    parts: Mapping[str, str]
    groups: Mapping[str, str]
    made: str = ""

    def names(self, part: str) -> list[str]:
        """Return the names of a part's samples, sorted."""
        return sorted(name for name, own in self.parts.items() if own == part)

    def indices(self, names: Sequence[str], part: str) -> NDArray[np.int64]:
        """Return the places (n,) of a part's samples in `names`, rising.

        Raises
        ------
        InputError
            If the split does not know a name: a sample in no part would silently be left out.
        """
        unknown = [name for name in names if name not in self.parts]
        if unknown:
            message = (
                f"{counted(len(unknown), 'sample')} not in the split: {_some(unknown)}; make the split of these data"
            )
            raise InputError(message)
        return np.array([place for place, name in enumerate(names) if self.parts[name] == part], np.int64)

    def fold(self, number: int) -> Split:
        """Return the split that holds fold `number` back: it is `dev`, all other folds are `train`.

        Raises
        ------
        OptionError
            If there is no such fold, or this is no split into folds.
        """
        folds = sorted(set(self.parts.values()))
        if str(number) not in folds or not all(part.isdecimal() for part in folds):
            message = f"no fold {number}: the split's parts are {', '.join(folds)}"
            raise OptionError(message)
        parts = {name: "dev" if part == str(number) else "train" for name, part in self.parts.items()}
        return Split(parts, self.groups, f"{self.made} fold={number}".strip())


def make_split(
    names: Sequence[str],
    *,
    labels: Sequence[object] | None = None,
    groups: Sequence[object] | None = None,
    fractions: Mapping[str, float] | None = None,
    folds: int | None = None,
    seed: int = 0,
) -> Split:
    """Divide samples into parts or folds at random, classes evenly, groups never apart.

    Without groups each class's number in each part is within one of its share. With groups they are dealt out
    from the largest to the smallest, each to the part that lacks most of what it holds: where a group has one
    class, each class's number in each part is within that class's largest group of its share.

    Parameters
    ----------
    labels
        Class of each sample; None: one class.
    groups
        Group of each sample (patient, chromosome, cluster of similar sequences); None: none.
    fractions
        Part (of `PARTS`) to its share; they sum to 1. Either this or `folds`.
    folds
        Number of folds, at least 2; the parts are then `0`, `1`, ...

    Raises
    ------
    InputError
        If a name is given twice or cannot stand in the file, or a part would be empty.
    OptionError
        If the shares make no sense.

    Examples
    --------
    >>> split = make_split(["a", "b", "c", "d"], labels=[0, 0, 1, 1], fractions={"train": 0.5, "test": 0.5})
    >>> sorted(split.parts[name] for name in "ab"), sorted(split.parts[name] for name in "cd")
    (['test', 'train'], ['test', 'train'])
    """
    shares = _shares(fractions, folds)
    _check_names(names, labels, groups)
    classes = [""] * len(names) if labels is None else [str(label) for label in labels]
    if groups is None:
        parts = deal_samples(names, classes, shares, seed)
    else:
        parts = deal_groups(names, classes, [str(group) for group in groups], shares, seed)
    empty = sorted(set(shares) - set(parts.values()))
    if empty:
        units = counted(len(names), "sample") if groups is None else counted(len(set(map(str, groups))), "group")
        message = f"no samples for {', '.join(empty)}: {units} for {len(shares)} parts; make fewer parts"
        raise InputError(message)
    how = f"folds={folds}" if folds else "fractions=" + ",".join(f"{part}:{share:g}" for part, share in shares.items())
    made = (
        f"{how} seed={seed} stratified={'no' if labels is None else 'yes'} grouped={'no' if groups is None else 'yes'}"
    )
    own = {} if groups is None else {name: str(group) for name, group in zip(names, groups, strict=True)}
    return Split(parts, own, made)


def check_split(
    split: Split, *, groups: Mapping[str, str] | None = None, fingerprints: Mapping[str, str] | None = None
) -> None:
    """Refuse a split in which a group or an identical input is in more than one part.

    Parameters
    ----------
    groups
        Name to group; None: those of the split.
    fingerprints
        Name to `fingerprint` of the input (of DNA: of the smaller of a sequence and its reverse complement).

    Raises
    ------
    InputError
        If one crosses, listing the first few with their samples, or a sample of the split has none.
    """
    for what, marks in (("group", split.groups if groups is None else groups), ("identical input", fingerprints)):
        if not marks:
            continue
        missing = sorted(set(split.parts) - set(marks))
        if missing:
            message = (
                f"{counted(len(missing), 'sample')} of the split without {what}: {_some(missing)}; is it of these data?"
            )
            raise InputError(message)
        _check_crossing(split, what, marks)


def fingerprint(content: bytes) -> str:
    """Return the SHA-256 of an input's content, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def write_split(path: str | Path, split: Split) -> None:
    """Write a split as `name`, `part` and, if it has groups, `group`: tab-separated, sorted by name.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    columns = ["name", "part", *(["group"] if split.groups else [])]
    lines = [f"# {provenance()} split {split.made}".strip(), "\t".join(columns)]
    for name in sorted(split.parts):
        own = [split.groups[name]] if split.groups else []
        lines.append("\t".join([name, split.parts[name], *own]))
    with open_output(path) as stream:
        stream.write(("\n".join(lines) + "\n").encode())


def read_split(path: str | Path) -> Split:
    """Read a split.

    Raises
    ------
    InputError
        Naming file and line, if it cannot be read, a name is given twice, a part is unknown, or parts and
        folds are mixed.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(unreadable(path, error)) from error
    except UnicodeDecodeError as error:
        message = f"{path}: cannot be read as a split: {error}"
        raise InputError(message) from error
    head = next((place for place, line in enumerate(lines) if not line.startswith("#")), len(lines))
    columns = lines[head].split("\t") if head < len(lines) else []
    if columns not in (["name", "part"], ["name", "part", "group"]):
        _refuse(path, head, f"columns {columns}; 'name', 'part' and perhaps 'group', tab-separated, expected")
    parts: dict[str, str] = {}
    groups: dict[str, str] = {}
    for place, line in enumerate(lines[head + 1 :], head + 1):
        fields = line.split("\t")
        if len(fields) != len(columns):
            _refuse(path, place, f"{len(fields)} columns; {len(columns)} expected")
        name, part = fields[:2]
        if name in parts:
            _refuse(path, place, f"sample {name!r} for the second time; keep one of them")
        if part not in PARTS and not part.isdecimal():
            _refuse(path, place, f"part {part!r}; one of {', '.join(PARTS)} or the number of a fold expected")
        parts[name] = part
        if len(fields) == 3:
            groups[name] = fields[2]
    if not parts or len({part.isdecimal() for part in parts.values()}) > 1:
        _refuse(path, len(lines) - 1, "no samples" if not parts else "both folds and parts; either was expected")
    made = lines[0].partition(" split ")[2] if head else ""
    return Split(parts, groups, made)


def _shares(fractions: Mapping[str, float] | None, folds: int | None) -> dict[str, float]:
    """Return each part's share."""
    if (fractions is None) == (folds is None):
        message = "a split needs either fractions or a number of folds"
        raise OptionError(message)
    if folds is not None:
        if folds < 2:
            message = f"a split into {folds} folds; 2 or more expected"
            raise OptionError(message)
        return {str(number): 1 / folds for number in range(folds)}
    shares = {part: share for part, share in (fractions or {}).items() if share}
    unknown = sorted(set(shares) - set(PARTS))
    if unknown or not shares or min(shares.values()) < 0 or not math.isclose(sum(shares.values()), 1, abs_tol=1e-6):
        message = f"shares {dict(fractions or {})}; parts of {', '.join(PARTS)} with shares that sum to 1 expected"
        raise OptionError(message)
    return shares


def _check_names(names: Sequence[str], *columns: Sequence[object] | None) -> None:
    for column in columns:
        if column is not None and len(column) != len(names):
            message = f"{len(names)} samples, but {len(column)} labels or groups; one for each expected"
            raise InputError(message)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        message = f"{counted(len(twice), 'name')} given more than once: {_some(twice)}; names must differ"
        raise InputError(message)
    groups = columns[1]
    texts = [*names, *([] if groups is None else map(str, groups))]
    odd = [text for text in texts if not text or len(f".{text}.".splitlines()) > 1 or "\t" in text]
    if odd:
        message = f"names or groups that cannot stand in a table: {_some(odd)}; no tab or line end, and not empty"
        raise InputError(message)


def _check_crossing(split: Split, what: str, marks: Mapping[str, str]) -> None:
    members: dict[str, dict[str, list[str]]] = {}
    for name in sorted(split.parts):
        members.setdefault(marks[name], {}).setdefault(split.parts[name], []).append(name)
    crossing = {mark: parts for mark, parts in members.items() if len(parts) > 1}
    if not crossing:
        return
    shown = []
    for mark, parts in list(crossing.items())[:_SHOWN]:
        where = " and ".join(f"{part} ({_some(names, 3)})" for part, names in sorted(parts.items()))
        shown.append(f"{mark if what == 'group' else 'the same input'} in {where}")
    more = f"; and {len(crossing) - _SHOWN} more" if len(crossing) > _SHOWN else ""
    listed = "; ".join(shown)
    message = f"the split lets {counted(len(crossing), what)} cross its parts: {listed}{more}; keep each in one part"
    raise InputError(message)


def _some(names: Iterable[str], count: int = _SHOWN) -> str:
    listed = list(names)
    return ", ".join(listed[:count]) + (f" and {len(listed) - count} more" if len(listed) > count else "")


def _refuse(path: str | Path, place: int, problem: str) -> NoReturn:
    message = f"{path}:{place + 1}: {problem}"
    raise InputError(message)
