"""Optimisers for models trained side by side, each with rates of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor


class _Columns:
    """Numbers of the members, kept on the device of the parameters: a copy at every step would wait for it."""

    def __init__(self) -> None:
        self._kept: dict[tuple[tuple[float, ...], torch.device], Tensor] = {}

    def like(self, values: Sequence[float], parameter: Tensor) -> Tensor:
        """Return (B, 1, ...) float32 of as many axes as a parameter."""
        key = tuple(values), parameter.device
        if key not in self._kept:
            self._kept[key] = torch.tensor(key[0], dtype=torch.float32, device=key[1])
        return self._kept[key].reshape(-1, *[1] * (parameter.ndim - 1))


class MemberSGD(torch.optim.Optimizer):
    """Nesterov momentum whose rates are vectors over the first axis of every parameter.

    Sutskever, Martens, Dahl & Hinton (ICML 2013), as `torch.optim.SGD(nesterov=True)` for each member. Where a
    member diverges its weights stay at their last finite values, so that the others can go on.

    Parameters
    ----------
    groups
        Groups with `params`, each parameter with the member as its first axis, and `l1`: (B,) strengths of
        the penalty on absolute values (None: none).
    rates, momenta
        (B,) learning rates and momenta.
    l1_from
        Step (from 0) at which the penalties begin.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        *,
        rates: Sequence[float],
        momenta: Sequence[float],
        l1_from: int = 0,
    ) -> None:
        # "lr" is what schedules set; here it is a factor on every member's rate.
        super().__init__(list(groups), {"lr": 1.0, "l1": None})
        self._rates, self._momenta, self._columns = rates, momenta, _Columns()
        self._l1_from = l1_from

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take one step."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group)

    def _move(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state, column = self.state[parameter], self._columns.like
        if not state:
            state["step"] = torch.zeros((), dtype=torch.int64)
            state["momentum"] = torch.zeros_like(parameter)
        assert parameter.grad is not None
        grad = parameter.grad
        if group["l1"] is not None and int(state["step"]) >= self._l1_from:
            grad = grad + column(group["l1"], parameter) * parameter.sign()
        momenta = column(self._momenta, parameter)
        state["momentum"].mul_(momenta).add_(grad)
        moved = parameter - group["lr"] * column(self._rates, parameter) * (grad + momenta * state["momentum"])
        parameter.copy_(moved.where(moved.isfinite(), parameter))
        state["step"] += 1


class MemberAdamW(torch.optim.Optimizer):
    """AdamW whose learning rates and weight decays are vectors over the first axis of every parameter.

    Loshchilov & Hutter (ICLR 2019, arXiv 1711.05101), as `torch.optim.AdamW` for each member.

    Parameters
    ----------
    groups
        Groups with `params`, each parameter with the member as its first axis, and `decays`: (B,) weight
        decays (None: none).
    rates
        (B,) learning rates.
    betas, epsilon
        As in `torch.optim.AdamW`.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        *,
        rates: Sequence[float],
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        super().__init__(list(groups), {"lr": 1.0, "decays": None})
        self._rates, self._columns = rates, _Columns()
        self._betas, self._epsilon = betas, epsilon

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take one step."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group)

    def _move(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state, column, (first, second) = self.state[parameter], self._columns.like, self._betas
        if not state:
            state["step"] = torch.zeros((), dtype=torch.int64)
            state["mean"], state["square"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        state["step"] += 1
        count = int(state["step"])
        assert parameter.grad is not None
        state["mean"].lerp_(parameter.grad, 1 - first)
        state["square"].mul_(second).addcmul_(parameter.grad, parameter.grad, value=1 - second)
        rates = group["lr"] * column(self._rates, parameter)
        scale = (state["square"] / (1 - second**count)).sqrt().add_(self._epsilon)
        moved = parameter - rates * (state["mean"] / (1 - first**count)) / scale
        if group["decays"] is not None:
            moved -= rates * column(group["decays"], parameter) * parameter
        parameter.copy_(moved.where(moved.isfinite(), parameter))
