"""How much memory an image may take, and what of it is then kept on the disk."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from bioconv.errors import OptionError

DEFAULT = "2GB"
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
          "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}  # fmt: skip
_LEAST = 64 << 20
_PER_PIXEL = 72  # bytes that splitting a plane into objects takes, its maps and labels included


def parse_memory(text: str) -> int:
    """Return a number of bytes.

    Raises
    ------
    OptionError
        If it is no size.

    Examples
    --------
    >>> parse_memory("2GB"), parse_memory("512 MiB")
    (2000000000, 536870912)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text.strip())
    unit = match[2].upper() if match else "?"
    unit += "B" if unit in {"K", "M", "G", "T"} else ""
    if match is None or unit not in _UNITS or not float(match[1]):
        message = f"--max-memory {text!r} is no size; give one such as 2GB or 800MB"
        raise OptionError(message)
    return int(float(match[1]) * _UNITS[unit])


def resident_bytes() -> int:
    """Return the memory this process takes now; 0 where the system does not say."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize()
    except (ImportError, OSError, ValueError, IndexError):
        return 0


@dataclass(frozen=True)
class MemoryPlan:
    """What is kept where.

    Parameters
    ----------
    budget
        Bytes for everything that belongs to the image.
    frame_on_disk
        Whether the maps of a plane (a volume) go to a file.
    results_on_disk
        Whether labels, and maps that are wanted, go to a file.
    tile_bytes
        For the network.
    """

    budget: int
    frame_on_disk: bool
    results_on_disk: bool
    tile_bytes: int


def left_over(max_memory: int, taken: int) -> int:
    """Return how many bytes are left of those allowed.

    Raises
    ------
    OptionError
        If that is next to nothing.
    """
    budget = max_memory - taken
    if budget < _LEAST:
        message = (
            f"--max-memory {max_memory / 1e6:,.4g} MB leaves too little: the program and the model take "
            f"{taken / 1e6:,.0f} MB; give {math.ceil((taken + 4 * _LEAST) / 1e8) / 10:g}GB or more"
        )
        raise OptionError(message)
    return budget


def plan_memory(
    max_memory: int, *, taken: int, shape: tuple[int, ...], frames: int, result_bytes: int, channels: int
) -> MemoryPlan:
    """Decide what is kept where.

    Parameters
    ----------
    max_memory
        Bytes the process may take.
    taken
        Bytes it takes already.
    shape
        Of a frame.
    frames
        How many there are.
    result_bytes
        Bytes per pixel of what is kept to the end: labels, and maps that are wanted.
    channels
        Of the image, those that are read.

    Raises
    ------
    OptionError
        If next to nothing is left.
    """
    budget = left_over(max_memory, taken)
    pixels = math.prod(shape)
    frame, results = pixels * (_PER_PIXEL + 4 * channels), pixels * frames * result_bytes
    results_on_disk = results > budget // 4
    frame_on_disk = frame > budget // 2 - (0 if results_on_disk else results)
    held = (0 if results_on_disk else results) + (0 if frame_on_disk else pixels * 8)
    return MemoryPlan(budget, frame_on_disk, results_on_disk, int(0.7 * (budget - held)))
