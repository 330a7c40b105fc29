"""What a training came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True, eq=False)
class Run:
    """The result of a training.

    Parameters
    ----------
    history
        One dict per validation: `epoch` (from 1), `step`, `seconds`, `learning_rate`, `train_loss` (mean since
        the validation before), then what was validated.
    best
        (epoch, monitored value) of the best validation; the value is None where nothing is validated.
    stopped
        Why it ended, a sentence.
    seconds
        Time spent, over all resumed parts.
    weights
        The best validation's weights (averaged ones with `ema`), on the CPU; without validation the last ones.
    """

    history: list[dict[str, Any]]
    best: tuple[int, float | None]
    stopped: str
    seconds: float
    weights: dict[str, torch.Tensor]
