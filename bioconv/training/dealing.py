"""How samples and groups are dealt out to the parts of a split: as evenly as can be, at random beyond that."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def deal_samples(
    names: Sequence[str], classes: Sequence[str], shares: Mapping[str, float], seed: int
) -> dict[str, str]:
    """Return each sample's part: its share of each class; what does not divide goes where most is lacking so far."""
    parts, wanted = list(shares), np.array(list(shares.values()))
    by_class: dict[str, list[str]] = {}
    for name, own in zip(names, classes, strict=True):
        by_class.setdefault(own, []).append(name)
    dealt: dict[str, str] = {}
    totals = np.zeros(len(parts))
    for own in sorted(by_class):
        members = sorted(by_class[own], key=lambda name: _draw(seed, name))
        ideal = wanted * len(members)
        counts = np.floor(ideal + 1e-9).astype(int)
        lacking = wanted * (totals.sum() + len(members)) - totals - counts
        lacking[ideal - counts <= 1e-9] = -math.inf
        rest = len(members) - int(counts.sum())
        counts[np.argsort(-lacking.round(9), kind="stable")[:rest]] += 1
        totals += counts
        for part, name in zip(np.repeat(parts, counts).tolist(), members, strict=True):
            dealt[name] = part
    return dealt


def deal_groups(
    names: Sequence[str], classes: Sequence[str], groups: Sequence[str], shares: Mapping[str, float], seed: int
) -> dict[str, str]:
    """Return each sample's part, groups dealt out from the largest on, each to where it brings most."""
    known = {own: column for column, own in enumerate(sorted(set(classes)))}
    held: dict[str, NDArray[np.int64]] = {}
    for own, group in zip(classes, groups, strict=True):
        held.setdefault(group, np.zeros(len(known), np.int64))[known[own]] += 1
    parts = list(shares)
    totals = sum(held.values(), np.zeros(len(known)))
    lacking = np.outer(list(shares.values()), totals)  # (parts, classes)
    home: dict[str, str] = {}
    for group in sorted(held, key=lambda group: (-int(held[group].sum()), _draw(seed, group))):
        counts = held[group]
        # what the squared distance from the shares, each class in units of its size, would rise by
        costs = ((counts - 2 * lacking) * counts / totals).sum(1).round(9)
        best = np.lexsort((-lacking.sum(1).round(9), costs))[0]
        lacking[best] -= counts
        home[group] = parts[best]
    return {name: home[group] for name, group in zip(names, groups, strict=True)}


def _draw(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}\t{name}".encode()).digest()
