"""Which sequences train and which validate: the table's word, or chance; groups whole, classes evenly."""

from __future__ import annotations

import numpy as np

from bioconv.errors import InputError
from bioconv.sequence.recurrent.data import SequenceData
from bioconv.training.losses import MISSING
from bioconv.training.splits import Split, make_split
from bioconv.wording import counted

PARTS = ("train", "dev", "test")
_HELD_OUT = 0.2


def make_recurrent_split(data: SequenceData, seed: int) -> Split:
    """Divide sequences into `train` and `dev`: as the table says, else at random; groups whole, classes evenly.

    Where the table names no `dev`, a fifth of its `train` becomes that.

    Raises
    ------
    InputError
        If the table names a part for some sequences only.
    """
    groups = dict(zip(data.names, data.groups, strict=True))
    given = {name: part for name, part in zip(data.names, data.parts, strict=True) if part}
    if given and len(given) < len(data.names):
        without = counted(len(data.names) - len(given), "sequence")
        message = f"the column split is empty for {without}; fill it, or leave it out"
        raise InputError(message)
    if "dev" in given.values():
        return Split(given, groups, "as the table says")
    own = [place for place, part in enumerate(data.parts) if part != "test"]
    divided = make_split(
        [data.names[place] for place in own],
        labels=None if data.per_position else [int(data.targets[place][0]) for place in own],
        groups=[data.groups[place] for place in own],
        fractions={"train": 1 - _HELD_OUT, "dev": _HELD_OUT},
        seed=seed,
    )
    made = f"test as the table says, {divided.made}" if given else divided.made
    return Split({**given, **divided.parts}, groups, made)


def parts_of(data: SequenceData, split: Split) -> dict[str, SequenceData]:
    """Return the data of each part.

    Raises
    ------
    InputError
        If the split does not know a sequence, nothing validates, or a class is missing from training.
    """
    parts = {part: data.of(split.indices(data.names, part)) for part in PARTS}
    for part in ("train", "dev"):
        if not parts[part].names:
            message = f"the part {part} has no sequences; give more sequences, or another split"
            raise InputError(message)
    there = set(np.unique(np.concatenate(parts["train"].targets)).tolist()) - {MISSING}
    absent = [name for number, name in enumerate(data.classes) if number not in there]
    if absent:
        message = f"the part train has nothing of the class {', '.join(absent)}; it cannot be learnt"
        raise InputError(message)
    return parts
