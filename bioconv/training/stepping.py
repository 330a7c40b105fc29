"""One optimiser step: precision, accumulated parts, clipping, penalties."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from bioconv import runtime
from bioconv.conv.device_memory import must_fit, release
from bioconv.errors import OptionError, TrainingError
from bioconv.training.config import TrainConfig
from bioconv.training.data import Batch
from bioconv.training.distributed import Ranks
from bioconv.training.feeding import Load, divided, to_device
from bioconv.training.interruption import seed_step
from bioconv.training.optim import add_penalties, build_optimizer, parameter_groups
from bioconv.wording import counted

Loss = Callable[[Any, Any], torch.Tensor]
_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
_SMALLEST_SCALE = 2.0**-14  # gradients that overflow even so are no matter of scale


@dataclass(frozen=True)
class StepResult:
    """Sums over the whole batch, all processes together.

    Parameters
    ----------
    loss
        Sum of weighted sample losses.
    weight
        Sum of weights; the batch's loss is `loss / weight`.
    """

    loss: float
    weight: float


class Stepper:
    """Takes the steps of a training on one model.

    The loss of a step is sum(w l) / sum(w) over the whole batch, in however many parts and processes it is
    computed. Where a device runs out of memory, the step is done again in twice as many parts, and those that follow
    too.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        config: TrainConfig,
        *,
        ranks: Ranks,
        optimizer: torch.optim.Optimizer | None = None,
    ) -> None:
        self._model, self._loss, self._config, self._ranks = model, loss, config, ranks
        self._own, self._division = optimizer is None, 1
        self.optimizer = build_optimizer(config, parameter_groups(model, config)) if optimizer is None else optimizer
        self._rates = [group["lr"] for group in self.optimizer.param_groups]
        self.scaler = torch.amp.GradScaler(ranks.device.type, enabled=config.precision == "float16")
        self.wrap()

    def close(self) -> None:
        """Let go of the other processes; no step can be taken after it."""
        self._net = self._model

    def wrap(self) -> None:
        """Take note of which parameters learn; call it when that has changed."""
        self._net = self._ranks.wrap(self._model)

    @property
    def rate(self) -> float:
        """The largest learning rate of the groups."""
        return max(float(group["lr"]) for group in self.optimizer.param_groups)

    def step(self, load: Load, step: int, factor: float) -> StepResult:
        """Take one step at `factor` times the learning rate.

        Raises
        ------
        TrainingError
            If the loss is no finite number; the weights are then as before.
        OptionError
            If the device's memory does not hold a single sample.
        """
        ranks = self._ranks
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
        (weight,) = ranks.totals(load.weight)
        if weight <= 0:
            message = f"the samples of step {step + 1} have weights that sum to {weight:g}; more than 0 is needed"
            raise TrainingError(message)
        load, loss = self._computed(load, step, weight)
        (total,) = ranks.totals(loss)
        if not abs(total) < float("inf"):
            raise TrainingError(self._no_number(load, step, total / weight))
        with must_fit(ranks.device, "the model, its gradients and the optimiser's state"):
            self._apply()
        return StepResult(total, weight)

    def _computed(self, load: Load, step: int, weight: float) -> tuple[Load, float]:
        """Compute the gradients, and return the load as it was divided for that, and its summed loss."""
        kept = [(buffer, buffer.clone()) for buffer in self._model.buffers()]
        while True:
            now = divided(load, self._division)
            try:
                return now, self._gradients(now, step, weight)
            except torch.OutOfMemoryError as error:
                self._divide(now, error)
            # Not in the block above: there the error keeps what was computed so far.
            release()
            with torch.no_grad():
                for buffer, before in kept:  # of batch normalisation, which has seen some parts
                    buffer.copy_(before)

    def _gradients(self, load: Load, step: int, weight: float) -> float:
        """Compute the gradients, and return the summed loss of this process's samples."""
        ranks = self._ranks
        seed_step(self._config.seed, step, ranks.rank, ranks.device)
        self.optimizer.zero_grad(set_to_none=True)
        loss = torch.zeros((), dtype=torch.float64, device=ranks.device)
        for number, batch in enumerate(load.batches):
            net, waits = self._net, number + 1 < len(load.batches)
            shared = waits and isinstance(net, nn.parallel.DistributedDataParallel)
            with net.no_sync() if shared else nullcontext():  # type: ignore[operator]
                part = self._part_losses(batch).sum()
                # Processes' gradients are averaged, hence times their number.
                torch.autograd.backward(self.scaler.scale(part * ranks.world / weight))
            loss += part.detach()
        return float(loss)

    def _divide(self, load: Load, error: torch.OutOfMemoryError) -> None:
        """Take twice as many parts from here on."""
        ranks, config = self._ranks, self._config
        most = max(map(len, load.plan.parts))
        if ranks.world > 1 or most == 1:
            of = f" in process {ranks.rank} of {ranks.world}" if ranks.world > 1 else ""
            message = f"--device {ranks.device}: out of memory{of} with {counted(most, 'sample')} at once; "
            if most > 1:  # the others may be done with their backward pass
                message += "several processes do not divide their batches by themselves: "
                message += "give a smaller --batch-size or a larger --accumulate"
            else:
                message += "a smaller --batch-size or a larger --accumulate cannot help: give smaller samples or a "
                message += "smaller model, end what else uses the device, or give --device cpu"
            raise OptionError(message) from error
        self._division *= 2
        parts = self._division * config.accumulate
        said = f"{ranks.device} is out of memory: batches are computed in {parts} parts from here on, "
        said += f"as by --accumulate {parts}"
        normalisations = (m for m in self._model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm))
        if any(module.training for module in normalisations):
            said += "; batch normalisation sees these smaller parts"
        runtime.warn_once(f"parts {ranks.device} {parts}", said)

    def forward(self, batch: Batch) -> Any:
        """Return the model's outputs in float32 (or better)."""
        dtype = _DTYPES.get(self._config.precision)
        with torch.autocast(self._ranks.device.type, dtype=dtype, enabled=dtype is not None):
            inputs = batch.inputs
            outputs = self._net(*inputs) if isinstance(inputs, tuple) else self._net(inputs)
        return _full_precision(outputs) if dtype is not None else outputs

    def _part_losses(self, batch: Batch) -> torch.Tensor:
        try:
            return self._losses(to_device(batch, self._ranks.device))
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            message = (
                "a batch, or one of its parts, is left with a single sample, of which batch normalisation cannot "
                "take statistics; change --batch-size or --accumulate so that 2 or more are left at the end of an epoch"
            )
            if self._division > 1:
                message += f" (the device was out of memory: each part was divided into {self._division})"
            raise TrainingError(message) from error

    def _losses(self, batch: Batch) -> torch.Tensor:
        losses = self._loss(self.forward(batch), batch.targets)
        if losses.ndim != 1:
            message = f"the loss has shape {tuple(losses.shape)}; one number per sample was expected, (N,)"
            raise OptionError(message)
        return losses if batch.weights is None else losses * batch.weights

    def _apply(self) -> None:
        config = self._config
        self.scaler.unscale_(self.optimizer) if config.precision == "float16" else None
        parameters = [p for group in self.optimizer.param_groups for p in group["params"] if p.grad is not None]
        if config.clip_value is not None:
            nn.utils.clip_grad_value_(parameters, config.clip_value)
        if config.clip_norm is not None:
            nn.utils.clip_grad_norm_(parameters, config.clip_norm)
        if self._own:
            add_penalties(self.optimizer.param_groups, config)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if config.precision == "float16" and self.scaler.get_scale() < _SMALLEST_SCALE:
            message = "gradients stay infinite in float16 however small they are scaled; use --precision bfloat16"
            raise TrainingError(message)

    def _no_number(self, load: Load, step: int, loss: float) -> str:
        plan = load.plan
        found = []
        with torch.no_grad():
            for indices, batch in zip(plan.parts, load.batches, strict=True):
                losses = self._losses(to_device(batch, self._ranks.device)).cpu()
                found += [int(i) for i, value in zip(indices, losses, strict=True) if not value.isfinite()]
        of = f"sample(s) {_listed(found)}" if found else "the batch as a whole"
        return (
            f"the loss is {loss:g} at epoch {plan.epoch + 1}, step {step + 1}, learning rate {self.rate:g}; it comes "
            f"from {of} of the batch {_listed([int(i) for part in plan.parts for i in part])} (counted from 0). "
            "Look at these samples for missing or huge values; then try a lower --learning-rate, --clip-norm 1, "
            "--warmup-steps, or --precision float32. The last saved state is as it was"
        )


def _listed(numbers: list[int], most: int = 12) -> str:
    text = ", ".join(map(str, numbers[:most]))
    return text if len(numbers) <= most else f"{text} and {len(numbers) - most} more"


def _full_precision(outputs: Any) -> Any:
    if isinstance(outputs, torch.Tensor):
        return outputs.float() if outputs.dtype in {torch.float16, torch.bfloat16} else outputs
    if isinstance(outputs, dict):
        return {name: _full_precision(branch) for name, branch in outputs.items()}
    if isinstance(outputs, (tuple, list)):
        return tuple(_full_precision(branch) for branch in outputs)
    return outputs
