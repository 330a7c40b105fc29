"""The training kernels (interpreted without a GPU) against the definition in float64, and their choice."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bioconv.conv import pooling, pooling_device
from bioconv.conv.functional import Choice
from bioconv.conv.pooling_device import PoolLaunch, choose_pooling, triton_pools
from tests.conv.test_pooling import assert_same, by_cpu, by_group, definition, grouped_case, random_case

pytest.importorskip("triton")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SMALL = PoolLaunch(rows=16, channels=16)


def by_triton(codes, filters, thresholds, both, average, launch=SMALL):
    """As `pool_detectors` returns it."""
    own = [one.to(DEVICE) for one in (codes, filters, thresholds)]
    top, total = triton_pools(*own, both, average, launch)
    if not average:
        return top.relu().cpu()
    mean = total / (codes.shape[-1] + filters.shape[-1] - 1)
    return torch.stack([top.relu(), mean], dim=-1).flatten(-2).cpu()


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize(("count", "length", "letters"), [(16, 24, 40), (5, 7, 12), (33, 1, 3), (18, 8, 2), (3, 11, 1)])
def test_values_and_gradients_are_the_definition_s(count, length, letters, both, average):
    assert_same(by_triton, definition, random_case(np.random.default_rng(count), count, length, letters), both, average)


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize(("groups", "count", "length", "letters"), [(3, 5, 4, 9), (2, 33, 3, 7), (2, 16, 24, 30)])
def test_groups_are_each_by_itself(groups, count, length, letters, both, average):
    assert_same(by_triton, by_group, grouped_case(1, groups, count, length, letters), both, average)


@settings(max_examples=4, deadline=None)
@given(st.integers(1, 20), st.integers(1, 9), st.integers(1, 20), st.sampled_from([16, 32]), st.integers(0, 2**32 - 1))
def test_results_do_not_depend_on_tiles(count, length, letters, rows, seed):
    codes, filters, thresholds = random_case(np.random.default_rng(seed), count, length, letters)
    results = []
    for launch in (SMALL, PoolLaunch(rows=rows, channels=32)):
        single = [filters.float().requires_grad_(), thresholds.float().requires_grad_()]
        found = by_triton(codes, *single, True, True, launch)
        results.append([found, *torch.autograd.grad(found.square().sum(), single)])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("pools", [by_triton, by_cpu], ids=["triton", "CPU"])
def test_of_equal_maxima_the_first_gets_the_gradient(pools):
    """The detector asks for an A; what comes after it is all the same to it, but gets a gradient."""
    codes = torch.full((1, 60), 1, dtype=torch.uint8)
    codes[0, [5, 9, 40]] = 0  # two in one tile, the third in another
    codes[0, [6, 10, 41]] = torch.tensor([2, 3, 3], dtype=torch.uint8)
    filters = torch.zeros(1, 4, 2)
    filters[0, 0, 0] = 1
    filters.requires_grad_()
    pools(codes, filters, torch.zeros(1), False, False).sum().backward()
    expected = torch.zeros(1, 4, 2)
    expected[0, 0, 0] = expected[0, 2, 1] = 1
    torch.testing.assert_close(filters.grad, expected)


def test_many_sequences_share_the_parts_of_the_gradient(monkeypatch):
    codes, filters, thresholds = random_case(np.random.default_rng(3), 5, 4, 9)
    monkeypatch.setattr(pooling_device, "_PROGRAMS", 3)  # 14 strands in 3 parts
    single = [filters.float().requires_grad_(), thresholds.float().requires_grad_()]
    expected = pooling.pool_detectors(codes, *single, reverse_complement=True, average=True)
    found = by_triton(codes, *single, True, True)
    wanted = torch.autograd.grad(expected.square().sum(), single)
    for one, two in zip(torch.autograd.grad(found.square().sum(), single), wanted, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)


def test_no_sequences_and_no_letters():
    filters, thresholds = torch.randn(3, 4, 5, requires_grad=True), torch.randn(3, requires_grad=True)
    assert by_triton(torch.zeros((0, 9), dtype=torch.uint8), filters, thresholds, True, True).shape == (2, 0, 6)
    empty = torch.zeros((2, 0), dtype=torch.uint8)  # padding alone
    expected = pooling.pool_detectors(empty, filters, thresholds, reverse_complement=True, average=True)
    torch.testing.assert_close(by_triton(empty, filters, thresholds, True, True), expected)


def test_a_contest_is_about_values_and_gradients(monkeypatch):
    codes, filters, _ = random_case(np.random.default_rng(4), 5, 6, 20)
    seen = []

    def choose(task, device, *, shape, contest, anew):
        runs = contest()
        seen.append((shape, runs.agree(runs.runs["torch"](), runs.runs["triton"]())))
        assert not runs.agree(runs.runs["torch"](), runs.runs["triton"]() * 1.02)
        return Choice(task, device, "triton", "")

    monkeypatch.setattr(pooling_device, "choose", choose)
    monkeypatch.setattr(pooling_device, "tuned_launch", lambda key, device, launches, prepare: launches[-1])
    with torch.inference_mode():  # a validation may be the first
        choose_pooling(codes.to(DEVICE), filters.float().to(DEVICE), True, True, pooling.torch_pools)
        grouped = grouped_case(4, 2, 5, 6, 20)
        choose_pooling(grouped[0].to(DEVICE), grouped[1].float().to(DEVICE), True, True, pooling.torch_pools)
    assert seen == [("8x20 by 5x6 2 strands mean", True), ("8x20 by 2 groups of 5x6 2 strands mean", True)]
    long = torch.zeros(1, 4, 65)
    assert "too long" in choose_pooling(codes, long, True, True, pooling.torch_pools).reason


def test_a_training_asks_once_per_shape(monkeypatch):
    codes, filters, thresholds = random_case(np.random.default_rng(5), 3, 4, 9)
    asked = []

    def choose_once(codes, *rest):
        asked.append(codes.shape)
        return Choice("pooling", "cuda", backends[len(asked) - 1], "")

    backends = ["triton", "torch"]
    monkeypatch.setattr(pooling_device, "choose_pooling", choose_once)
    monkeypatch.setattr(pooling_device, "_chosen", {})
    monkeypatch.setattr(pooling_device, "tuned_launch", lambda key, device, launches: launches[len(asked)])
    given = (filters.float(), thresholds.float(), True, True)
    expected = pooling.torch_pools(codes, *given[:3])
    for rows in (7, 6, 2, 2):
        on = [one.to(DEVICE) for one in (codes[:rows], *given[:2])]
        found = pooling_device.device_pools(*on, True, True, pooling.torch_pools)
        for one, two in zip(found, expected, strict=True):
            torch.testing.assert_close(one.cpu(), two[:, :rows], rtol=1e-5, atol=1e-5)
    assert asked == [(7, 9), (2, 9)]
