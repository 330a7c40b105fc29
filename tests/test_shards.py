"""Shards share everything out once, in order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioconv.errors import OptionError
from bioconv.shards import Shard, parse_shard


@given(st.integers(0, 10_000), st.integers(1, 300))
def test_stretches_and_strides_share_out_everything_once(total, number):
    items = range(total)
    shards = [Shard(which, number) for which in range(1, number + 1)]
    stretches = [shard.stretch(items) for shard in shards]
    assert [item for part in stretches for item in part] == list(items)
    assert max(map(len, stretches)) - min(map(len, stretches)) <= 1
    strides = [shard.every(items) for shard in shards]
    assert sorted(item for part in strides for item in part) == list(items)
    assert all(item % number == shard.which - 1 for shard, part in zip(shards, strides, strict=True) for item in part)
    assert [shard.is_last for shard in shards] == [False] * (number - 1) + [True]


def test_text():
    assert parse_shard("2/8") == Shard(2, 8)
    assert str(parse_shard("2/8")) == "2/8"
    assert parse_shard(None).is_whole


@pytest.mark.parametrize("text", ["", "2", "0/3", "4/3", "a/b", "1/2/3", "-1/3", "1.0/2", "²/3"])
def test_no_shard(text):
    with pytest.raises(OptionError, match="I/N"):
        parse_shard(text)
