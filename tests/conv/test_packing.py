from __future__ import annotations

import doctest

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bioconv.conv import native, packing

codes = st.lists(st.sampled_from([0, 1, 2, 3, 4, 5, 8, 64, 255]), max_size=60).map(lambda c: np.array(c, np.uint8))


def spelled(packed, count):
    """Bit by bit, as the format is described."""
    groups = len(packed) // 3
    letters = sum(int(byte) << 8 * k for k, byte in enumerate(packed[: 2 * groups]))
    unknown = sum(int(byte) << 8 * k for k, byte in enumerate(packed[2 * groups :]))
    return [4 if unknown >> k & 1 else letters >> 2 * k & 3 for k in range(count)], unknown >> count, letters


@given(codes)
def test_packed_codes_spell_the_sequence(given_codes):
    packed = packing.pack(given_codes)
    assert len(packed) == packing.packed_size(len(given_codes))
    found, beyond, letters = spelled(packed, len(given_codes))
    assert found == np.minimum(given_codes, 4).tolist()
    assert beyond == (1 << (-len(given_codes) % 8)) - 1  # letters beyond the end are unknown
    assert letters >> 2 * len(given_codes) == 0
    np.testing.assert_array_equal(packing.unpack(packed, len(given_codes)), np.minimum(given_codes, 4))


@given(codes)
def test_numpy_packs_as_the_compiled_kernel(given_codes):
    compiled = packing.pack(given_codes)
    original, native.kernels = native.kernels, lambda: None
    try:
        np.testing.assert_array_equal(packing.pack(given_codes), compiled)
    finally:
        native.kernels = original


def test_example():
    assert doctest.testmod(packing).failed == 0
