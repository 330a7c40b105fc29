"""The common trainer: one loop for sequence and image models, which knows nothing of either."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bioconv.training.config import TrainConfig
    from bioconv.training.run import Run
    from bioconv.training.trainer import Trainer

_ROOMS = {"Run": "run", "TrainConfig": "config", "Trainer": "trainer"}
__all__ = ["Run", "TrainConfig", "Trainer"]


def __getattr__(name: str) -> Any:
    """Import torch only where a training is run: `bioconv.training.config` does without."""
    from importlib import import_module

    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"bioconv.training.{_ROOMS[name]}"), name)
