"""Sizes of outputs against torch's own, receptive fields against walks through the taps."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.nn import functional

from bioconv.conv.arithmetic import (
    Layer,
    chunk_overlap,
    output_size,
    padding_of,
    receptive_field,
    transposed_output_size,
)
from bioconv.errors import OptionError

layers = st.builds(
    Layer, kernel=st.integers(1, 5), stride=st.integers(1, 4), dilation=st.integers(1, 3), padding=st.integers(0, 4)
)


@given(st.integers(1, 40), layers)
def test_output_size_is_that_of_torch(size, layer):
    expected = output_size(size, layer.kernel, stride=layer.stride, padding=layer.padding, dilation=layer.dilation)
    image, weight = torch.zeros(1, 1, size), torch.zeros(1, 1, layer.kernel)
    if size + 2 * layer.padding < layer.span:
        assert expected == 0
        return
    result = functional.conv1d(image, weight, None, layer.stride, layer.padding, layer.dilation)
    assert result.shape[2] == expected


@given(st.integers(1, 40), layers)
def test_output_size_with_a_last_window_beyond_the_end(size, layer):
    padding = min(layer.padding, layer.kernel // 2)
    assume(size + 2 * padding >= layer.span)
    pooled = functional.max_pool1d(
        torch.zeros(1, 1, size), layer.kernel, layer.stride, padding, layer.dilation, ceil_mode=True
    )
    got = output_size(size, layer.kernel, stride=layer.stride, padding=padding, dilation=layer.dilation, ceil=True)
    assert got == pooled.shape[2]


@given(st.integers(1, 20), layers, st.integers(0, 3))
def test_transposed_output_size_is_that_of_torch(size, layer, extra):
    assume(extra < max(layer.stride, layer.dilation))
    expected = transposed_output_size(
        size,
        layer.kernel,
        stride=layer.stride,
        padding=layer.padding,
        dilation=layer.dilation,
        output_padding=extra,
    )
    assume(expected > 0)
    result = functional.conv_transpose1d(
        torch.zeros(1, 1, size),
        torch.zeros(1, 1, layer.kernel),
        None,
        layer.stride,
        layer.padding,
        extra,
        1,
        layer.dilation,
    )
    assert result.shape[2] == expected


@pytest.mark.parametrize("kernel", range(1, 8))
def test_paddings_are_those_of_numpy(kernel):
    """`numpy.convolve` knows the three by name."""
    for mode in ("valid", "same", "full"):
        before, after = padding_of(mode, kernel)
        assert len(np.convolve(np.zeros(20), np.zeros(kernel), mode)) == output_size(20 + before + after, kernel)


def test_unknown_padding():
    with pytest.raises(OptionError, match=r"'wide'.*valid, same or full"):
        padding_of("wide", 3)


@given(st.lists(layers, max_size=4))
def test_receptive_field_is_that_of_the_taps(stack):
    """Walk back from two neighbouring outputs through every tap."""

    def seen(output):
        places = {output}
        for layer in reversed(stack):
            places = {
                place * layer.stride - layer.padding + layer.dilation * tap
                for place in places
                for tap in range(layer.kernel)
            }
        return places

    field, stride = receptive_field(stack)
    assert max(seen(0)) - min(seen(0)) + 1 == field
    assert min(seen(1)) - min(seen(0)) == stride


@given(st.integers(1, 30), st.integers(1, 60), st.integers(1, 200))
def test_chunks_that_overlap_hold_every_window_once(window, step, letters):
    """A chunk of `step` starts and the overlap has just the windows that start among them."""
    starts = []
    for begin in range(0, letters, step):
        chunk = min(letters, begin + step + chunk_overlap(window)) - begin
        starts += [begin + start for start in range(output_size(chunk, window))]
    assert starts == list(range(output_size(letters, window)))


def test_plain_numbers_import_no_torch():
    code = "import sys, bioconv.conv.arithmetic; sys.exit(bool({'torch', 'numpy', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
