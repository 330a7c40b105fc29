"""Which samples a step trains on, and their preparation ahead of time in threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from bioconv.errors import InputError, OptionError
from bioconv.runtime import thread_count
from bioconv.training.balancing import class_weights, sampling_probabilities
from bioconv.training.bucketing import bucketed_order
from bioconv.training.config import TrainConfig
from bioconv.training.data import Batch, Samples
from bioconv.training.distributed import Ranks, share_of
from bioconv.training.draws import epoch_order

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True, eq=False)
class Plan:
    """What one step of one process trains on.

    Parameters
    ----------
    epoch, batch
        Counted from 0.
    parts
        Index arrays, (n,) int64 each, computed one after another.
    idle
        Whether the batch is too small for every process to have a share, and this one has none: it goes
        along with one sample of no weight.
    last
        Whether the epoch ends with it.
    """

    epoch: int
    batch: int
    parts: list[NDArray[np.int64]]
    idle: bool
    last: bool


@dataclass(frozen=True, eq=False)
class Load:
    """A plan, its batches on the CPU, and the sum of this process's sample weights."""

    plan: Plan
    batches: list[Batch]
    weight: float


class Feeder:
    """Gives out the batches of a training from any point on, prepared ahead.

    The order, and with it every result, is independent of the number of workers.
    """

    def __init__(self, samples: Samples, config: TrainConfig, *, ranks: Ranks) -> None:
        if not len(samples):
            message = "there are no training samples; check the data and the split"
            raise OptionError(message)
        self._samples, self._config, self._ranks = samples, config, ranks
        self._factors: NDArray[np.float32] | None = None
        self._probabilities: NDArray[np.float64] | None = None
        if config.class_weights == "balanced":
            classes = _classes(samples, "class_weights balanced")
            self._factors = np.asarray(class_weights(classes), np.float32)[classes]
        if config.balanced_sampling:
            self._probabilities = sampling_probabilities(_classes(samples, "balanced_sampling"))
        of_samples = getattr(samples, "lengths", None)
        self._lengths: NDArray[np.int64] | None = None if of_samples is None else of_samples()
        self.steps_per_epoch = -(-len(samples) // config.batch_size)

    def loads(self, epoch: int, batch: int) -> Generator[Load, None, None]:
        """Return what steps train on, from a batch of an epoch to the end of the training."""
        return prefetch(self._load, self._plans(epoch, batch), worker_count(self._config.workers))

    def _plans(self, epoch: int, batch: int) -> Iterator[Plan]:
        config, ranks = self._config, self._ranks
        for now in range(epoch, config.epochs):
            order = self._order(now)
            for number in range(batch if now == epoch else 0, self.steps_per_epoch):
                whole = order[number * config.batch_size : (number + 1) * config.batch_size]
                share = whole[share_of(len(whole), ranks.rank, ranks.world)]
                idle = not len(share)
                parts = np.array_split(whole[:1] if idle else share, config.accumulate)
                yield Plan(now, number, [p for p in parts if len(p)], idle, number + 1 == self.steps_per_epoch)

    def _order(self, epoch: int) -> NDArray[np.int64]:
        config = self._config
        order = epoch_order(config.seed, epoch, len(self._samples), self._probabilities)
        if self._lengths is None:
            return order
        return bucketed_order(order, self._lengths, config.batch_size, seed=config.seed, epoch=epoch)

    def _load(self, plan: Plan) -> Load:
        batches = [self._weighted(read(self._samples, part, plan.epoch), part, plan.idle) for part in plan.parts]
        weight = sum(len(part) if b.weights is None else float(b.weights.double().sum())
                     for part, b in zip(plan.parts, batches, strict=True))  # fmt: skip
        pinned = self._ranks.device.type == "cuda"
        return Load(plan, [_mapped(b, torch.Tensor.pin_memory) for b in batches] if pinned else batches, weight)

    def _weighted(self, batch: Batch, indices: NDArray[np.int64], idle: bool) -> Batch:
        if idle:
            return replace(batch, weights=torch.zeros(len(indices)))
        if self._factors is None:
            return batch
        factors = torch.from_numpy(self._factors[indices])
        return replace(batch, weights=factors if batch.weights is None else factors * batch.weights)


def _classes(samples: Samples, option: str) -> NDArray[np.int64]:
    classes = samples.classes()
    if classes is None:
        message = f"{option} needs samples with classes; these have none, leave it out"
        raise OptionError(message)
    return classes


def worker_count(requested: int | None) -> int:
    """Return the number of threads that prepare batches: as requested, or half the processors, 8 at most."""
    return min(8, max(1, thread_count() // 2)) if requested is None else requested


def prefetch(
    prepare: Callable[[_Item], _Result], items: Iterable[_Item], workers: int
) -> Generator[_Result, None, None]:
    """Yield `prepare(item)` in the order of the items, up to two per worker ahead; 0 workers: when asked for."""
    if not workers:
        for item in items:
            yield prepare(item)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="bioconv-feed")
    waiting: deque[Future[_Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(prepare, item))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def read(samples: Samples, indices: NDArray[np.int64], epoch: int) -> Batch:
    """Return a batch.

    Raises
    ------
    InputError
        If a sample cannot be read; the message names it.
    """
    try:
        return samples.batch(indices, epoch)
    except Exception as error:
        for index in indices:
            try:
                samples.batch(np.array([index]), epoch)
            except Exception as culprit:
                message = f"sample {index} (counted from 0) cannot be read: {culprit}; mend it or leave it out"
                raise InputError(message) from culprit
        message = f"samples {list(map(int, indices))} cannot be read together: {error}"
        raise InputError(message) from error


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Return the batch on a device; from pinned memory the copy does not wait."""
    return _mapped(batch, lambda tensor: tensor.to(device, non_blocking=True))


def divided(load: Load, times: int) -> Load:
    """Return a load with each of its parts divided into `times`, of the sizes that `--accumulate` makes.

    A part of fewer samples becomes as many as it has. Nothing is copied.
    """
    if times == 1:
        return load
    parts, batches = [], []
    for indices, batch in zip(load.plan.parts, load.batches, strict=True):
        for own in np.array_split(np.arange(len(indices)), min(times, len(indices))):
            span = slice(int(own[0]), int(own[-1]) + 1)
            parts.append(indices[span])
            batches.append(sliced(batch, span))
    return replace(load, plan=replace(load.plan, parts=parts), batches=batches)


def sliced(batch: Batch, span: slice) -> Batch:
    """Return some of a batch's samples, next to each other; nothing is copied."""
    return _mapped(batch, lambda tensor: tensor[span])


def _mapped(batch: Batch, act: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
    return Batch(*(_map_tree(part, act) for part in (batch.inputs, batch.targets, batch.weights)))


def _map_tree(tree: Any, act: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    if isinstance(tree, torch.Tensor):
        return act(tree)
    if isinstance(tree, (tuple, list)):
        return tuple(_map_tree(branch, act) for branch in tree)
    return tree
