"""How a binding model is trained by default: plain values, without torch, so that `--help` can say them."""

from __future__ import annotations

from dataclasses import replace

from bioconv.training.config import TrainConfig

DEFAULTS = TrainConfig(
    epochs=24, batch_size=32, learning_rate=2e-3, l2=1e-3, schedule="cosine", decay=0.0, warmup_steps=100,
    monitor="auroc",
)  # fmt: skip


AFFINITY_DEFAULTS = replace(DEFAULTS, loss="mse", monitor="pearson")
