"""How a recurrent model is trained by default: plain values, without torch, so that `--help` can say them."""

from __future__ import annotations

from bioconv.training.config import TrainConfig

DEFAULTS = TrainConfig(
    epochs=30, batch_size=32, learning_rate=3e-3, l2=1e-4, clip_norm=1.0, schedule="one-cycle", decay=1e-2,
    warmup_steps=50, ema=0.99, loss="cross-entropy", monitor="loss",
)  # fmt: skip
CELLS = ("lstm", "gru", "rnn")
POOLINGS = ("last", "max", "mean", "attention", "centre", "none")
