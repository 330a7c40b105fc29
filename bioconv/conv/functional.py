"""The one choice of backend: which code runs a task on a device, and why.

On the CPU the compiled kernels run, where there are any. On a device a Triton kernel runs only where it was measured to
be faster than plain torch: the first time a task of some shape meets a device, both do a piece of the real work, their
results are compared, and the faster one is kept in the cache folder under the names of device, torch, triton and
bioconv's version.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bioconv import runtime
from bioconv.conv import native

Task = Literal["scan", "windows", "pooling"]
TASKS: tuple[Task, ...] = ("scan", "windows", "pooling")
ROUNDS = 3
OLDEST_CAPABILITY = (8, 0)
"""The kernels are compiled for no older CUDA device."""
NOT_MEASURED = "not measured yet"

_without_kernels: dict[Task, str] = {"scan": "numpy", "windows": "torch", "pooling": "torch"}
_measuring = threading.Lock()


@dataclass(frozen=True)
class Choice:
    """A backend, and why it is the one.

    Attributes
    ----------
    task : {"scan", "windows", "pooling"}
        Motifs over base codes; detector networks over all windows; detectors pooled over sequences, with gradients:
        training.
    device : str
    backend : str
        `native`, `numpy`, `torch` or `triton`.
    reason : str
    shape : str
        Of the work it holds for; empty where the shape does not matter.
    """

    task: Task
    device: str
    backend: str
    reason: str
    shape: str = ""


@dataclass(frozen=True)
class Contest:
    """A piece of real work, done by `torch` and by `triton`.

    Attributes
    ----------
    runs : mapping of str to function
        Each does the work and returns its result; both keys are there.
    agree : function
        Says whether two results are the same.
    """

    runs: Mapping[str, Callable[[], Any]]
    agree: Callable[[Any, Any], bool]


def choose(
    task: Task,
    device: str = "cpu",
    *,
    shape: str = "",
    contest: Callable[[], Contest] | None = None,
    anew: bool = False,
) -> Choice:
    """Choose the backend of a task.

    Parameters
    ----------
    device : str
        `cpu`, or a CUDA device as torch names it.
    shape : str
        What the speed depends on: measurements are kept by it.
    contest : function, optional
        Makes the contest; called only where nothing was measured yet.
    anew : bool
        Measure again what was measured before.
    """
    if device == "cpu":
        return _on_cpu(task)
    if missing := no_triton(device):
        runtime.warn_once(f"triton {device}", f"{device}: {missing}; running on torch, slower")
        return Choice(task, device, "torch", missing, shape)
    from bioconv.conv.measurements import measurements  # here: a scan on the CPU starts without it

    kept = measurements(device_title(device))
    key = f"{task} {shape}"
    with _measuring:
        entry = None if anew else kept.get(key)
        if entry is None:
            if contest is None:
                return Choice(task, device, "torch", NOT_MEASURED, shape)
            entry = _measured(contest(), task, device)
            if entry is None:
                return Choice(task, device, "torch", "out of memory while measuring", shape)
            kept.put(key, entry)
    return Choice(task, device, str(entry.get("backend", "torch")), str(entry.get("reason", NOT_MEASURED)), shape)


def choices(device: str) -> list[Choice]:
    """Return what is chosen on a device: per task one choice, or one per shape that was measured."""
    if device == "cpu" or no_triton(device):
        return [choose(task, device) for task in TASKS]
    from bioconv.conv.measurements import measurements

    found: list[Choice] = []
    keys = measurements(device_title(device)).names()
    for task in TASKS:
        shapes = [key.removeprefix(f"{task} ") for key in keys if key.startswith(f"{task} ")]
        found += [choose(task, device, shape=shape) for shape in shapes] or [choose(task, device)]
    return found


def no_triton(device: str) -> str:
    """Return why Triton kernels cannot run on a device; empty where they can."""
    if not device.startswith("cuda"):
        return f"Triton kernels do not run on {device}"
    from bioconv.conv.measurements import installed

    if installed("triton") == "none":
        return "triton is not installed (pip install 'bioconv[gpu]')"
    import torch

    capability = torch.cuda.get_device_capability(device)
    if capability < OLDEST_CAPABILITY:
        return f"compute capability {'.'.join(map(str, capability))}, the kernels need 8.0"
    return ""


def device_title(device: str) -> str:
    """Return what a device calls itself, for example `NVIDIA H100 80GB HBM3`."""
    if not device.startswith("cuda"):
        return device
    import torch

    return str(torch.cuda.get_device_name(device))


def _on_cpu(task: Task) -> Choice:
    if native.kernels() is None:
        return Choice(task, "cpu", _without_kernels[task], "no compiled kernels")
    return Choice(task, "cpu", "native", f"compiled kernels ({native.instructions()})")


def _measured(contest: Contest, task: Task, device: str) -> dict[str, Any] | None:
    """Return the entry of a contest; None where the device's memory was too small for it."""
    import torch

    try:
        expected = contest.runs["torch"]()
    except torch.OutOfMemoryError:
        return None
    title = device_title(device)
    try:
        found = contest.runs["triton"]()
    except torch.OutOfMemoryError:
        return None
    except Exception as error:  # whatever the compiler of kernels says: torch can do the work
        runtime.logger.warning("%s: the Triton kernel of %s fails (%s): torch is used", title, task, error)
        return {"backend": "torch", "reason": f"the Triton kernel fails on {title}: {type(error).__name__}"}
    if not contest.agree(expected, found):
        runtime.logger.warning("%s: the Triton kernel of %s gives other results: torch is used", title, task)
        return {"backend": "torch", "reason": f"the Triton kernel gives other results on {title}"}
    seconds: dict[str, list[float]] = {name: [] for name in contest.runs}
    for _ in range(ROUNDS):
        for name, run in contest.runs.items():
            seconds[name].append(timed(run, device))
    middle = {name: sorted(values)[ROUNDS // 2] for name, values in seconds.items()}
    ratio = middle["torch"] / middle["triton"]
    backend = "triton" if ratio > 1 else "torch"
    reason = f"triton {ratio:.2f}x torch on {title}"
    return {"backend": backend, "reason": reason, "seconds": middle}


def timed(run: Callable[[], object], device: str) -> float:
    """Return the seconds a run takes, the device's work included."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    begin = time.perf_counter()
    run()
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return time.perf_counter() - begin
