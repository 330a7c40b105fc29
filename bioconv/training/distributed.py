"""More than one process: torch's own distributed data parallel, as `torchrun` starts it."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from bioconv.errors import OptionError


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this is.

    Parameters
    ----------
    rank
        From 0; the process with 0 writes and validates.
    world
        Number of processes; with 1 nothing here communicates.
    device
        The process's own device.
    """

    rank: int = 0
    world: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def first(self) -> bool:
        """Whether this process writes and validates."""
        return self.rank == 0

    def totals(self, *values: float) -> list[float]:
        """Return each value summed over the processes, the same on all of them."""
        if self.world == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(sums)
        return [float(number) for number in sums.cpu()]

    def from_first(self, value: Any) -> Any:
        """Return the first process's value (anything JSON can hold) on every process."""
        if self.world == 1:
            return value
        text = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8).to(self.device)
        size = torch.tensor([len(text)], device=self.device)
        dist.broadcast(size, 0)
        if not self.first:
            text = torch.empty(int(size), dtype=torch.uint8, device=self.device)
        dist.broadcast(text, 0)
        return json.loads(bytes(text.cpu().numpy()).decode())

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return what is called in training: the model, or DistributedDataParallel around it."""
        trains = any(parameter.requires_grad for parameter in model.parameters())
        if self.world == 1 or not trains:
            return model
        devices = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(model, device_ids=devices)


def is_first() -> bool:
    """Say whether this process is the one that writes: rank 0, or the only one."""
    return int(os.environ.get("RANK", "0")) == 0


def local_device(name: str | torch.device) -> torch.device:
    """Return the device of this process: under `torchrun`, `cuda` is the GPU of its local rank."""
    device = torch.device(name)
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return device


@contextmanager
def process_group(device: torch.device) -> Iterator[Ranks]:
    """Join the processes that `torchrun` started, if it did, and leave them at the end.

    A group that is there already is used and left as it is.

    Raises
    ------
    OptionError
        If the environment says there are several processes, but not which one this is.
    """
    if dist.is_available() and dist.is_initialized():
        yield Ranks(dist.get_rank(), dist.get_world_size(), device)
        return
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Ranks(device=device)
        return
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        message = f"WORLD_SIZE is {world} but {', '.join(missing)} is not set; start the command with torchrun"
        raise OptionError(message)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend = "nccl" if device.type == "cuda" else "gloo"
    # Long: the others wait while the first process validates.
    dist.init_process_group(backend, timeout=timedelta(hours=12))
    try:
        yield Ranks(dist.get_rank(), dist.get_world_size(), device)
        dist.barrier()  # nobody leaves while another still waits for its numbers
    finally:
        gc.collect()  # a wrapped model that outlives the group can hang when it is freed
        dist.destroy_process_group()


def share_of(size: int, rank: int, world: int) -> slice:
    """Return which part of a global batch is this rank's: contiguous, the sizes differing by 1 at most.

    Examples
    --------
    >>> [share_of(5, rank, 2) for rank in (0, 1)]
    [slice(0, 3, None), slice(3, 5, None)]
    """
    least, odd = divmod(size, world)
    start = rank * least + min(rank, odd)
    return slice(start, start + least + (rank < odd))
