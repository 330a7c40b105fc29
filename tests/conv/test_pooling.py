"""The pooling kernels give the definition's values and torch's gradients, at every level and thread count."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from bioconv.conv import pooling
from bioconv.conv.pooling import pool_detectors

LEVELS = ["torch", "plain", "avx2", "avx512"]


@pytest.fixture(params=LEVELS)
def level(request, monkeypatch):
    if request.param == "torch":
        monkeypatch.setattr(pooling, "_kernel", lambda: None)
    elif pooling._kernel() is None:
        pytest.skip("no compiled kernels")
    else:
        monkeypatch.setattr(pooling, "_FASTEST", {"plain": 0, "avx2": 2, "avx512": 3}[request.param])


def definition(codes, filters, thresholds, both, average):
    """In float64, by one-hot letters and torch's convolution."""
    letters = np.concatenate([np.eye(4), np.full((252, 4), 0.25)])[codes.numpy()].transpose(0, 2, 1)
    letters = torch.from_numpy(np.ascontiguousarray(letters))
    strands = []
    for strand in [letters, letters.flip(1, 2)] if both else [letters]:
        padded = functional.pad(strand, (filters.shape[2] - 1,) * 2, value=0.25)
        values = functional.conv1d(padded, filters, thresholds).relu()
        features = [values.amax(2), values.mean(2)] if average else [values.amax(2)]
        strands.append(torch.stack(features, 2).flatten(1))
    return torch.stack(strands)


def by_cpu(codes, filters, thresholds, both, average):
    return pool_detectors(codes, filters, thresholds, reverse_complement=both, average=average)


def assert_same(pools, definition, case, both, average):
    """Values and gradients in float32 against a definition in float64."""
    codes, *parameters = case
    parameters = [parameter.requires_grad_() for parameter in parameters]
    expected = definition(codes, *parameters, both, average)
    single = [parameter.detach().float().requires_grad_() for parameter in parameters]
    found = pools(codes, *single, both, average)
    torch.testing.assert_close(found, expected.float(), rtol=1e-5, atol=1e-5)
    direction = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1)).double()
    wanted = torch.autograd.grad(expected, parameters, direction)
    for found_grad, grad in zip(torch.autograd.grad(found, single, direction.float()), wanted, strict=True):
        torch.testing.assert_close(found_grad, grad.float(), rtol=1e-4, atol=1e-4)


def random_case(rng, count, length, letters):
    codes = torch.from_numpy(rng.integers(0, 6, (7, letters)).astype(np.uint8))
    filters = torch.from_numpy(rng.normal(size=(count, 4, length)))
    return codes, filters, torch.from_numpy(rng.normal(size=count))


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize(("count", "length", "letters"), [(16, 24, 40), (5, 7, 12), (33, 1, 3), (40, 8, 2), (3, 11, 1)])
def test_values_and_gradients_are_the_definition_s(level, count, length, letters, both, average):
    assert_same(by_cpu, definition, random_case(np.random.default_rng(count), count, length, letters), both, average)


def test_results_do_not_depend_on_threads_or_company(level):
    codes, filters, thresholds = random_case(np.random.default_rng(0), 40, 9, 30)
    single = [filters.float().requires_grad_(), thresholds.float().requires_grad_()]

    def run(rows):
        pooled = pool_detectors(codes[rows], *single, reverse_complement=True, average=True)
        return [pooled, *torch.autograd.grad(pooled.square().sum(), single)]

    before = torch.get_num_threads()
    try:
        runs = []
        for threads in (1, 3):
            torch.set_num_threads(threads)
            runs.append(run(slice(None)))
    finally:
        torch.set_num_threads(before)
    if pooling._kernel() is not None:
        for one, three in zip(*runs, strict=True):
            assert torch.equal(one, three)
    torch.testing.assert_close(run(slice(2, 3))[0], runs[0][0][:, 2:3])


def test_a_lane_s_result_does_not_depend_on_its_neighbours():
    codes, filters, thresholds = random_case(np.random.default_rng(0), 40, 9, 30)
    whole = pool_detectors(codes, filters.float(), thresholds.float(), reverse_complement=True, average=True)
    part = pool_detectors(codes, filters[5:7].float(), thresholds[5:7].float(), reverse_complement=True, average=True)
    torch.testing.assert_close(part, whole[:, :, 10:14])


def grouped_case(seed, groups, count, length, letters):
    """Groups of random sequences and detectors: (N, G, L), (G, D, 4, m) and (G, D)."""
    cases = [random_case(np.random.default_rng([seed, group]), count, length, letters) for group in range(groups)]
    codes, filters, thresholds = zip(*cases, strict=True)
    return torch.stack(codes, 1), torch.stack(filters), torch.stack(thresholds)


def by_group(codes, filters, thresholds, both, average):
    """The definition, group after group."""
    each = zip(codes.unbind(1), filters, thresholds, strict=True)
    return torch.stack([definition(*own, both, average) for own in each], 2)


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize(
    ("groups", "count", "length", "letters"), [(3, 5, 4, 9), (2, 33, 3, 7), (4, 1, 6, 2), (1, 4, 2, 5)]
)
def test_groups_are_each_by_itself(level, groups, count, length, letters, both, average):
    assert_same(by_cpu, by_group, grouped_case(0, groups, count, length, letters), both, average)


@given(st.integers(1, 6), st.integers(1, 9), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_the_reverse_complement_swaps_the_strands(count, length, letters, seed):
    codes, filters, thresholds = random_case(np.random.default_rng(seed), count, length, letters)
    other = torch.where(codes > 3, codes, 3 - codes).flip(1)
    pooled = [
        pool_detectors(one, filters.float(), thresholds.float(), reverse_complement=True, average=True)
        for one in (codes, other)
    ]
    torch.testing.assert_close(pooled[0], pooled[1].flip(0))
