"""Small sequences with an answer in them: two motifs whose order decides, and letters labelled by what came before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bioconv.models.recurrent import RecurrentConfig
from bioconv.sequence.alphabets import DNA
from bioconv.sequence.recurrent.data import SequenceData
from bioconv.sequence.recurrent.fit import RecurrentPlan
from bioconv.sequence.recurrent.recipe import DEFAULTS

CLASSES = ("first", "none", "second")
SMALL = RecurrentConfig(hidden=12)
CONFIG = replace(DEFAULTS, epochs=2, batch_size=16, warmup_steps=2, workers=0)
PLAN = RecurrentPlan(network=SMALL, config=CONFIG)


def ordered(size: int = 90, *, seed: int = 0, lengths: tuple[int, int] = (14, 22)) -> SequenceData:
    """AAAA before CCCC is `first`, after it `second`; neither is `none`."""
    rng = np.random.default_rng(seed)
    codes, targets = [], []
    for number in range(size):
        own = rng.choice([2, 3], int(rng.integers(*lengths))).astype(np.uint8)
        begin, gap = int(rng.integers(0, 3)), int(rng.integers(4, 7))
        answer = number % 3
        if answer != 1:
            own[begin : begin + 4] = 0 if answer == 0 else 1
            own[begin + gap : begin + gap + 4] = 1 if answer == 0 else 0
        codes.append(own)
        targets.append(np.array([answer], np.int64))
    names = tuple(f"s{number}" for number in range(size))
    return SequenceData(names, tuple(codes), tuple(targets), names, ("",) * size, CLASSES, DNA)


def remembered(size: int = 60, *, seed: int = 0) -> SequenceData:
    """Each letter's label is whether an A (`1`) or a C (`0`) came last; before either it is not known."""
    rng = np.random.default_rng(seed)
    codes = tuple(rng.integers(0, 4, int(rng.integers(10, 30))).astype(np.uint8) for _ in range(size))
    targets = []
    for own in codes:
        state, labels = -100, []
        for letter in own.tolist():
            state = {0: 1, 1: 0}.get(letter, state)
            labels.append(state)
        targets.append(np.array(labels, np.int64))
    names = tuple(f"s{number}" for number in range(size))
    return SequenceData(names, codes, tuple(targets), names, ("",) * size, ("c", "a"), DNA, True)


def write_table(path, data: SequenceData, *, parts: tuple[str, ...] = ()) -> None:
    """Write data as the table that `bioconv train lstm` reads."""
    called = dict(enumerate(data.classes)) | {-100: "?"}
    labels = ["".join(called[label] for label in own.tolist()) for own in data.targets]
    lines = [",".join(["name", "sequence", "labels" if data.per_position else "label", *(["split"] if parts else [])])]
    for number, (name, codes, label) in enumerate(zip(data.names, data.codes, labels, strict=True)):
        letters = "".join("ACGTN"[code] for code in codes)
        lines.append(",".join([name, letters, label, *([parts[number % len(parts)]] if parts else [])]))
    path.write_text("\n".join([*lines, ""]))
