"""The training loop: it knows batches, losses and weights, and nothing of what they mean."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bioconv import runtime
from bioconv.errors import TrainingInterrupted
from bioconv.training import callbacks as looking_on
from bioconv.training.averaging import Average
from bioconv.training.checkpoints import Checkpoints
from bioconv.training.config import TrainConfig
from bioconv.training.data import Samples
from bioconv.training.distributed import Ranks, local_device, process_group
from bioconv.training.feeding import Feeder, Load
from bioconv.training.finetune import freeze, keep_frozen_eval, unfreeze
from bioconv.training.initialization import initialize
from bioconv.training.interruption import Interruption, preserved_randomness
from bioconv.training.losses import build_loss
from bioconv.training.monitoring import better, check_monitored, monitor_mode, monitored, why_stop
from bioconv.training.run import Run
from bioconv.training.schedules import Progress, count_plateaus, learning_rate_factor
from bioconv.training.state import Counters, data_fingerprint, load_state, to_cpu
from bioconv.training.stepping import Loss, Stepper
from bioconv.training.validation import Metric, evaluating, validate


class Trainer:
    """Trains a model on samples.

    Parameters
    ----------
    model
        Anything that maps a batch's inputs to outputs. It is trained in place; after `fit` it has the weights
        of the best validation.
    loss
        (outputs, targets) -> (N,) losses of the samples; None: what `config.loss` says.
    folder
        Where `last.safetensors` (all to resume from), `best.safetensors` and `history.csv` are kept.
    metrics
        Name -> function of all outputs and targets (arrays) of the validation.
    optimizer
        Replaces what `config.optimizer` says, penalties included; its rates are the schedule's factor 1.
    validate
        Replaces the validation: model (evaluating, with averaged weights) -> named numbers.
    validate_every
        Steps between validations; None: at the end of every epoch. The end of training is always validated.
    save_seconds, save_every_steps
        Save at the first step that one of them is over; the end of an epoch is always saved.
    """

    def __init__(
        self,
        model: nn.Module,
        train: Samples,
        config: TrainConfig,
        *,
        loss: Loss | None = None,
        validation: Samples | None = None,
        folder: Path | None = None,
        metrics: Mapping[str, Metric] | None = None,
        callbacks: Sequence[looking_on.Callback] = (),
        device: str | torch.device = "cpu",
        optimizer: torch.optim.Optimizer | None = None,
        validate: Callable[[nn.Module], dict[str, float]] | None = None,
        validate_every: int | None = None,
        save_seconds: float = 60.0,
        save_every_steps: int | None = None,
    ) -> None:
        self._device = local_device(device)
        self.model, self.train, self.config = model.to(self._device), train, config
        self._loss = build_loss(config) if loss is None else loss
        self._validation, self._metrics, self._validate_with = validation, metrics or {}, validate
        self._folder, self._callbacks, self._optimizer = folder, list(callbacks), optimizer
        self._validate_every, self._save_seconds, self._save_every = validate_every, save_seconds, save_every_steps
        self._mode = monitor_mode(config.monitor)
        self._validates = validation is not None or validate is not None
        check_monitored(config, self._validates, None if validate else {"loss", *self._metrics})

    def fit(self, *, resume: bool = False) -> Run:
        """Train to the end, or go on with what the folder holds.

        Raises
        ------
        TrainingError
            If the loss is no number, or there is no fitting state to resume; what is on the disk stays.
        InputError
            If a sample cannot be read.
        OptionError
            If the device's memory does not hold a single sample.
        OutputError
            If the state cannot be written; the one before stays.
        TrainingInterrupted
            After SIGINT or SIGTERM: the step was finished and the state saved.
        """
        config = self.config
        with process_group(self._device) as ranks, preserved_randomness(ranks.device), Interruption() as signals:
            self._start(ranks, resume=resume)
            done = self._counters
            reason = why_stop(config, done, out_of_time=bool(self._best) and self._out_of_time())
            with closing(self._stepper), closing(self._feeder.loads(done.epoch, done.batch)) as loads:
                while not reason:
                    load = next(loads)
                    self._enter(load.plan.epoch)
                    self._step(load)
                    over, interrupted = ranks.totals(float(self._out_of_time()), float(signals.requested))
                    if self._validation_due(load.plan.last, ends=bool(over) or bool(why_stop(config, done))):
                        self._validate()
                    reason = why_stop(config, done, out_of_time=bool(over))
                    if reason or interrupted or load.plan.last or self._checkpoints.due(done.step):
                        self._save(reason)
                    if interrupted and not reason:
                        self._interrupt()
            self.model.load_state_dict(self._best)
            for callback in self._callbacks:
                callback.on_end(reason)
        best = (done.best_epoch or 0, done.best_value)
        return Run(done.history, best, reason, done.seconds, self._best)

    def _start(self, ranks: Ranks, *, resume: bool) -> None:
        config = self.config
        self._ranks, self._counters, self._unfrozen = ranks, Counters(), False
        self._feeder = Feeder(self.train, config, ranks=ranks)
        self._total_steps = min(config.epochs * self._feeder.steps_per_epoch, config.max_steps or 2**62)
        if config.warmup_steps > self._total_steps:
            runtime.logger.warning(
                "the training has %d steps and the warm-up %d: the learning rate stays below its value; give "
                "fewer --warmup-steps, smaller batches or more epochs", self._total_steps, config.warmup_steps,
            )  # fmt: skip
        if not resume:
            initialize(self.model, config)
        freeze(self.model, config)
        self._stepper = Stepper(self.model, self._loss, config, ranks=ranks, optimizer=self._optimizer)
        self._average = Average(self.model, config.ema) if config.ema is not None else None
        self._best: dict[str, Any] = {}
        data = {} if self._folder is None else data_fingerprint(self.train)
        self._checkpoints = Checkpoints(self._folder, config, data, seconds=self._save_seconds, steps=self._save_every)
        if resume:
            self._resume()
        self._set_mode()
        self._began = time.monotonic() - self._counters.seconds
        if not ranks.first:
            self._callbacks = []
        elif self._folder is not None and not any(isinstance(c, looking_on.CsvLog) for c in self._callbacks):
            self._callbacks.append(looking_on.CsvLog(self._folder / "history.csv"))
        done = self._counters
        plan = looking_on.Plan(
            config.epochs, self._feeder.steps_per_epoch, self._total_steps, done.step, tuple(done.history)
        )
        for callback in self._callbacks:
            callback.on_start(plan)

    def _enter(self, epoch: int) -> None:
        if not self._unfrozen and self.config.unfreeze_at is not None and epoch >= self.config.unfreeze_at:
            unfreeze(self.model)
            self._unfrozen = True
            self._stepper.wrap()
            self._set_mode()

    def _set_mode(self) -> None:
        self.model.train()
        keep_frozen_eval(self.model)

    def _step(self, load: Load) -> None:
        done, config = self._counters, self.config
        plateaus = 0
        if config.schedule == "plateau" and done.history:
            values = monitored(done.history, config.monitor)
            plateaus = count_plateaus(values, config.plateau_patience, self._mode)
        steps_per_epoch = self._feeder.steps_per_epoch
        progress = Progress(done.step, load.plan.epoch, steps_per_epoch, self._total_steps, plateaus)
        result = self._stepper.step(load, done.step, learning_rate_factor(config, progress))
        done.step += 1
        done.epoch, done.batch = divmod(load.plan.epoch * steps_per_epoch + load.plan.batch + 1, steps_per_epoch)
        done.loss += result.loss
        done.weight += result.weight
        done.seconds = time.monotonic() - self._began
        if self._average is not None:
            self._average.update(done.step)
        step = looking_on.Step(load.plan.epoch + 1, done.step, result.loss / result.weight, self._stepper.rate)
        for callback in self._callbacks:
            callback.on_step(step)

    def _validation_due(self, epoch_ends: bool, *, ends: bool) -> bool:
        every = self._validate_every
        return ends or (epoch_ends if every is None else self._counters.step % every == 0)

    def _validate(self) -> None:
        done = self._counters
        entry: dict[str, Any] = {
            "epoch": done.epoch + (done.batch > 0),
            "step": done.step,
            "seconds": round(done.seconds, 3),
            "learning_rate": self._stepper.rate,
            "train_loss": done.loss / done.weight,
        }
        done.loss = done.weight = 0.0
        with nullcontext() if self._average is None else self._average.applied():
            if self._validates:
                entry |= self._ranks.from_first(self._validated() if self._ranks.first else None)
            value = monitored([entry], self.config.monitor)[0] if self._validates else None
            done.history.append(entry)
            if value is None or not self._best or better(value, done.best_value, self._mode):
                self._best = to_cpu(self.model.state_dict())
                done.best_epoch, done.best_value = entry["epoch"], None if value != value else value
                self._checkpoints.save(done, {"model": self._best}, writes=self._ranks.first, name="best")
        for callback in self._callbacks:
            callback.on_validation(entry)

    def _validated(self) -> dict[str, float]:
        with evaluating(self.model), torch.no_grad():
            if self._validate_with is not None:
                return {name: float(value) for name, value in self._validate_with(self.model).items()}
            assert self._validation is not None
            return validate(
                self.model, self._validation, self._loss, self._metrics,
                batch_size=self.config.batch_size, device=self._device, workers=self.config.workers,
            )  # fmt: skip

    def _out_of_time(self) -> bool:
        budget = self.config.time_budget
        return budget is not None and self._counters.seconds >= budget

    def _save(self, reason: str) -> None:
        self._counters.stopped = reason
        trees = {
            "model": self.model.state_dict(),
            "optimizer": self._stepper.optimizer.state_dict(),
            "best": self._best,
        }
        trees["scaler"] = self._stepper.scaler.state_dict()
        if self._average is not None:
            trees["average"] = self._average.weights
        self._checkpoints.save(self._counters, trees, writes=self._ranks.first)

    def _resume(self) -> None:
        state = self._checkpoints.read()
        load_state(self.model, self._stepper.optimizer, state)
        self._stepper.scaler.load_state_dict(state.trees["scaler"])
        if self._average is not None:
            self._average.load(state.trees["average"])
        self._best, self._counters = state.trees["best"], replace(state.counters, stopped="")

    def _interrupt(self) -> None:
        last, done = self._checkpoints.last, self._counters
        kept = "nothing was kept (no folder)" if last is None else f"the state is in {last}; resume with --resume"
        message = f"interrupted after step {done.step} (epoch {done.epoch + 1}); {kept}"
        raise TrainingInterrupted(message)
