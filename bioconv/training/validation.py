"""What a model makes of samples it does not learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bioconv.conv.device_memory import PieceSize, in_pieces
from bioconv.training.data import Batch, Samples
from bioconv.training.feeding import prefetch, read, sliced, to_device, worker_count

Metric = Callable[[Any, Any], float]


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model in evaluation mode; each of its modules gets its own mode back."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def outputs_of(
    model: nn.Module, samples: Samples, *, batch_size: int, device: torch.device, workers: int | None = None
) -> Iterator[tuple[Any, Any, torch.Tensor | None]]:
    """Yield (outputs, targets, weights) of all samples in their order, batch by batch, on `device`.

    Random parts of samples are those of epoch 0, so that every validation sees the same. A batch that the device's
    memory does not hold is divided.

    Raises
    ------
    OptionError
        If it does not hold a single sample.
    """
    piece = PieceSize(batch_size, smallest=1)

    indices = np.arange(len(samples), dtype=np.int64)
    groups = [indices[start : start + batch_size] for start in range(0, len(indices), batch_size)]
    batches = prefetch(lambda group: read(samples, group, 0), groups, worker_count(workers))
    with torch.no_grad(), evaluating(model):
        for group, batch in zip(groups, batches, strict=True):

            def work(begin: int, end: int, whole: Batch = batch) -> tuple[Any, Any, torch.Tensor | None]:
                here = to_device(sliced(whole, slice(begin, end)), device)
                outputs = model(*here.inputs) if isinstance(here.inputs, tuple) else model(here.inputs)
                return outputs, here.targets, here.weights

            yield from in_pieces(work, 0, len(group), piece=piece, device=str(device))


def validate(
    model: nn.Module,
    samples: Samples,
    loss: Callable[[Any, Any], torch.Tensor],
    metrics: Mapping[str, Metric],
    *,
    batch_size: int,
    device: torch.device,
    workers: int | None = None,
) -> dict[str, float]:
    """Return `loss` (weighted mean over samples) and each metric of all outputs and targets.

    Metrics get NumPy arrays, or tuples of them where the model has several heads.
    """
    total, weight = 0.0, 0.0
    kept: list[tuple[Any, Any]] = []
    for outputs, targets, weights in outputs_of(model, samples, batch_size=batch_size, device=device, workers=workers):
        losses = loss(outputs, targets).double()
        total += float((losses if weights is None else losses * weights).sum())
        weight += len(losses) if weights is None else float(weights.double().sum())
        if metrics:
            kept.append((_arrays(outputs), _arrays(targets)))
    values = {"loss": total / weight if weight else float("nan")}
    if metrics and kept:
        outputs, targets = (_joined(side) for side in zip(*kept, strict=True))
        values |= {name: float(metric(outputs, targets)) for name, metric in metrics.items()}
    return values


def _arrays(tree: Any) -> Any:
    if isinstance(tree, torch.Tensor):
        return (tree.float() if tree.dtype == torch.bfloat16 else tree).detach().cpu().numpy()
    return tuple(_arrays(branch) for branch in tree)


def _joined(pieces: tuple[Any, ...]) -> Any:
    if isinstance(pieces[0], tuple):
        return tuple(_joined(side) for side in zip(*pieces, strict=True))
    whole: NDArray[Any] = np.concatenate(pieces)
    return whole
