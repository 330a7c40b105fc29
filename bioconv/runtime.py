"""What depends on the machine and the session: logger, progress, threads, device.

Decided here only. Library code never prints, never seeds globally and never picks a device by itself.
"""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bioconv.errors import OptionError

if TYPE_CHECKING:
    import torch
    from tqdm import tqdm


@dataclass(frozen=True)
class CudaDevice:
    """A CUDA device.

    Parameters
    ----------
    device
        `cuda:N`.
    name
        What it calls itself.
    memory_bytes
        All of its memory.
    capability
        Compute capability, such as `9.0`.
    processors
        Multiprocessors.
    """

    device: str
    name: str
    memory_bytes: int
    capability: str
    processors: int


logger = logging.getLogger("bioconv")
logger.addHandler(logging.NullHandler())

_warned: set[str] = set()


def warn_once(key: str, message: str) -> None:
    """Log a warning (`message`) the first time `key` is seen in this process."""
    if key not in _warned:
        _warned.add(key)
        logger.warning(message)


def show_log(*, quiet: bool = False, verbose: int = 0) -> None:
    """Send the log to stderr: warnings and summaries, errors only (`quiet`), or more (`verbose`)."""
    level = logging.ERROR if quiet else logging.DEBUG if verbose else logging.INFO
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False


class _Formatter(logging.Formatter):
    """`warning: ...`, `error: ...`, and plain text for everything else."""

    def format(self, record: logging.LogRecord) -> str:
        prefix = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        return prefix + record.getMessage()


def shows_progress() -> bool:
    """Return whether a progress bar would be seen: stderr is a terminal and the log is shown."""
    return sys.stderr.isatty() and logger.isEnabledFor(logging.INFO)


def progress(total: int | None, description: str, *, unit: str) -> tqdm:
    """Return a bar for stderr: seen on a terminal, when the log is shown and a second has passed.

    Parameters
    ----------
    total
        Steps; None: not known.
    description
        What the bar is called.
    unit
        Of a step; bytes (`B`) and bases (`b`) are shown in thousands and millions.
    """
    from tqdm import tqdm

    return tqdm(
        total=total,
        desc=description,
        unit=unit,
        unit_scale=unit in {"B", "b"},
        delay=1,
        leave=False,
        disable=None if logger.isEnabledFor(logging.INFO) else True,  # None: disabled off a terminal
    )


def thread_count(requested: int | None = None) -> int:
    """Return the number of worker threads: `requested`, or the processors this process may use.

    Raises
    ------
    OptionError
        If `requested` is below 1.
    """
    if requested is None:
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity else os.cpu_count() or 1
    if requested < 1:
        message = f"--threads is {requested}; give 1 or more"
        raise OptionError(message)
    return requested


def set_torch_threads(requested: int | None = None) -> None:
    """Let torch compute with `requested` threads; None: the processors there are, shared with those `torchrun` started.

    Raises
    ------
    OptionError
        As `thread_count`.
    """
    import torch

    beside = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    torch.set_num_threads(max(1, thread_count() // beside) if requested is None else thread_count(requested))


def device_name(name: str = "auto") -> str:
    """Return the device that a `name` means, `cpu` or `cuda[:N]`; torch is not imported where there is no GPU.

    Raises
    ------
    OptionError
        As `resolve_device`.
    """
    if name == "cpu" or (name == "auto" and not Path("/dev/nvidiactl").exists()):
        return "cpu"
    return str(resolve_device(name))


def resolve_device(name: str = "auto") -> torch.device:
    """Return the device that a `name` means, `auto`, `cpu`, `cuda` or `cuda:N`; it exists.

    Raises
    ------
    OptionError
        If the name is not a device, or the device is not there.
    """
    import torch

    available = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if available else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        message = f"--device {name!r} is not a device; give auto, cpu, cuda or cuda:N"
        raise OptionError(message) from error
    if device.type not in {"cpu", "cuda"}:
        message = f"--device {name!r} is not supported; give auto, cpu, cuda or cuda:N"
        raise OptionError(message)
    if device.type == "cuda" and (not available or (device.index or 0) >= torch.cuda.device_count()):
        message = f"--device {name}: this machine has {torch.cuda.device_count()} CUDA devices; use --device cpu"
        raise OptionError(message)
    return device


def cuda_devices() -> list[CudaDevice]:
    """Return the CUDA devices of this machine that torch can use."""
    import torch

    found = []
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        facts = torch.cuda.get_device_properties(index)
        capability = f"{facts.major}.{facts.minor}"
        found.append(
            CudaDevice(f"cuda:{index}", facts.name, facts.total_memory, capability, facts.multi_processor_count)
        )
    return found
