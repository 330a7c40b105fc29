# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-untyped-call"
"""Triton kernels of the motif scan: unpack, find candidates, score them exactly. No score map is written.

The candidates of a tile of windows come from one matrix product with features made in registers (`find_candidates`) or,
for few motifs, from table look-ups (`find_candidates_by_lookup`); both use the whole numbers of `prefilter`, which lose
no hit. The answers of 16 neighbouring motif strands are one word, and words with a bit set are appended to a list in
device memory: one atomic addition per tile. `score_candidates` adds up the exact losses and keeps what is within the
budget. A list that overflows is counted to its end, and the caller runs the kernel again with the room it needs.

Counts that change from piece to piece are not specialised on: a kernel is compiled once per shape of launch.

Imported only where a device is used: `triton` is an optional dependency.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["groups", "count"])
def unpack_codes(packed, groups, codes, count, BLOCK: tl.constexpr):
    """Write one byte per code, 0 to 3 and 4 for unknown, from the form of `packing.pack`."""
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < count
    letters = tl.load(packed + place // 4, mask=inside, other=0).to(tl.int32)
    unknown = tl.load(packed + 2 * groups + place // 8, mask=inside, other=0).to(tl.int32)
    letter = (letters >> (2 * (place % 4))) & 3
    code = tl.where(((unknown >> (place % 8)) & 1) > 0, 4, letter)
    tl.store(codes + place, code.to(tl.uint8), mask=inside)


@triton.jit
def _append_words(word, row, group, places, groups, words, count, capacity, ROWS: tl.constexpr, GROUPS: tl.constexpr):
    """Append the (ROWS, GROUPS) words that are not 0, with their row and group, to the list."""
    flat = tl.reshape(word, (ROWS * GROUPS,))
    some = (flat != 0).to(tl.int32)
    number = tl.sum(some, 0)
    if number > 0:
        begin = tl.atomic_add(count, number.to(tl.int64), sem="relaxed")
        slot = begin + (tl.cumsum(some, 0) - some).to(tl.int64)
        keep = (some > 0) & (slot < capacity)
        place = tl.reshape(tl.broadcast_to(row[:, None], (ROWS, GROUPS)), (ROWS * GROUPS,))
        which = tl.reshape(tl.broadcast_to(group[None, :], (ROWS, GROUPS)), (ROWS * GROUPS,))
        tl.store(places + slot, place, mask=keep)
        tl.store(groups + slot, which, mask=keep)
        tl.store(words + slot, flat, mask=keep)


@triton.jit(do_not_specialize=["size", "owned", "capacity"])
def find_candidates(
    codes, size, owned, weights, limits, columns, places, groups, words, count, capacity,
    ROWS: tl.constexpr, FEATURES: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Windows [row, row + FEATURES / 4) whose features times weights are within the column's limit.

    codes: (size,) uint8, unknown beyond. Rows are 0 .. owned - 1; weights (FEATURES, columns), limits (columns,), with
    columns a multiple of COLUMNS. One program takes ROWS windows through all columns: the features stay in registers.
    """
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    feature = tl.arange(0, FEATURES)
    place = row[:, None] + (feature // 4)[None, :]
    code = tl.load(codes + place, mask=place < size, other=4).to(tl.int32)
    kind = feature % 4
    features = (code == tl.where(kind == 3, 4, kind)[None, :]).to(weights.dtype.element_ty)
    for first in range(0, columns, COLUMNS):
        column = first + tl.arange(0, COLUMNS)
        weight = tl.load(weights + feature[:, None] * columns + column[None, :])
        limit = tl.load(limits + column)
        within = tl.dot(features, weight) <= limit[None, :]
        bits = tl.where(within, (1 << (column % 16))[None, :], 0)
        word = tl.sum(tl.reshape(bits, (ROWS, COLUMNS // 16, 16)), 2)
        word = tl.where((row < owned)[:, None], word, 0)
        group = first // 16 + tl.arange(0, COLUMNS // 16)
        _append_words(word, row, group, places, groups, words, count, capacity, ROWS, COLUMNS // 16)


@triton.jit(do_not_specialize=["size", "owned", "letters", "capacity"])
def find_candidates_by_lookup(
    codes, size, owned, table, limits, letters, places, groups, words, count, capacity,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Find the same for one group of 16 columns, of which the first COLUMNS are used: table (letters, 8, 16) int32."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, COLUMNS)
    total = tl.zeros((ROWS, COLUMNS), tl.int32)
    for letter in range(0, letters):
        code = tl.load(codes + row + letter, mask=row + letter < size, other=4).to(tl.int32)
        total += tl.load(table + (letter * 8 + code)[:, None] * 16 + column[None, :])
    within = total <= tl.load(limits + column)[None, :]
    word = tl.sum(tl.where(within, (1 << column)[None, :], 0), 1)
    word = tl.where(row < owned, word, 0)
    _append_words(word[:, None], row, tl.zeros((1,), tl.int32), places, groups, words, count, capacity, ROWS, 1)


@triton.jit(do_not_specialize=["size", "candidates", "letters", "stride", "capacity"])
def score_candidates(
    codes, size, places, groups, words, candidates, losses, lengths, budgets, keys, letters,
    stride, orders, totals, count, capacity, ENTRIES: tl.constexpr,
):  # fmt: skip
    """Exact losses of the candidates; those within budget are appended as order = place * stride + key, and loss.

    losses: (S, letters, 4) int32, of which sums are taken in 64 bits.
    """
    entry = tl.program_id(0).to(tl.int64) * ENTRIES + tl.arange(0, ENTRIES)
    listed = entry < candidates
    place = tl.load(places + entry, mask=listed, other=0)[:, None]
    bit = tl.arange(0, 16)[None, :]
    wanted = ((tl.load(words + entry, mask=listed, other=0)[:, None] >> bit) & 1) > 0
    column = tl.load(groups + entry, mask=listed, other=0)[:, None] * 16 + bit
    length = tl.load(lengths + column, mask=wanted, other=0)
    total = tl.zeros((ENTRIES, 16), tl.int64)
    for letter in range(0, letters):
        inside = wanted & (letter < length)
        code = tl.load(codes + place + letter, mask=inside & (place + letter < size), other=4).to(tl.int32)
        known = inside & (code < 4)
        total += tl.load(losses + (column * letters + letter) * 4 + code, mask=known, other=0).to(tl.int64)
        total += tl.where(inside & (code >= 4), 1 << 31, 0).to(tl.int64)
    keep = wanted & (total <= tl.load(budgets + column, mask=wanted, other=-1).to(tl.int64))
    some = tl.reshape(keep.to(tl.int32), (ENTRIES * 16,))
    number = tl.sum(some, 0)
    if number > 0:
        begin = tl.atomic_add(count, number.to(tl.int64), sem="relaxed")
        slot = begin + (tl.cumsum(some, 0) - some).to(tl.int64)
        kept = (some > 0) & (slot < capacity)
        key = tl.load(keys + column, mask=keep, other=0)
        order = place.to(tl.int64) * stride + key.to(tl.int64)
        tl.store(orders + slot, tl.reshape(order, (ENTRIES * 16,)), mask=kept)
        tl.store(totals + slot, tl.reshape(total, (ENTRIES * 16,)).to(tl.int32), mask=kept)
