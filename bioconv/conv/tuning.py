"""The shape in which a kernel is launched on a device: the fastest one, measured once and kept with the choices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, TypeVar

from bioconv import runtime
from bioconv.conv.functional import device_title, timed
from bioconv.conv.measurements import measurements

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Launch = TypeVar("Launch", bound="DataclassInstance")

REPEATS = 3
"""Runs timed per shape; the fastest counts."""


def tuned_launch(
    key: str, device: str, launches: Sequence[Launch], prepare: Callable[[Launch], Callable[[], object]] | None = None
) -> Launch:
    """Return the shape measured to be the fastest; without a measurement the first.

    Parameters
    ----------
    key : str
        What kernel and work it is for: measurements are kept by it.
    device : str
    launches : sequence
        The shapes worth measuring. Results do not depend on them but for rounding.
    prepare : function, optional
        Gives for a shape what is timed. Called where nothing was measured yet; without it nothing is measured.
    """
    kept, name = measurements(device_title(device)), f"launch {key}"
    entry = kept.get(name)
    if entry is None and prepare is not None:
        entry = asdict(_fastest(launches, prepare, device))
        kept.put(name, entry)
    try:
        return replace(launches[0], **(entry or {}))
    except TypeError:  # kept by hand, or cut off
        return launches[0]


def _fastest(launches: Sequence[Launch], prepare: Callable[[Launch], Callable[[], object]], device: str) -> Launch:
    """Return the fastest; those that the device cannot run are left out."""
    seconds: list[tuple[float, int]] = []
    for place, launch in enumerate(launches):
        try:
            run = prepare(launch)
            run()  # compiled here
            seconds.append((min(timed(run, device) for _ in range(REPEATS)), place))
        except Exception as error:  # too many registers, too little shared memory: as the compiler puts it
            runtime.logger.debug("%s on %s: %s", launch, device, error)
    return launches[min(seconds)[1]] if seconds else launches[0]
