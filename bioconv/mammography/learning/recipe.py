"""How a classifier is trained unless told otherwise: plain values, without torch, so that `--help` can say them."""

from __future__ import annotations

from bioconv.images.augmentation import Augmentation
from bioconv.training.config import TrainConfig

DEFAULTS = TrainConfig(
    epochs=30, batch_size=16, learning_rate=1e-3, l2=1e-3, schedule="one-cycle", decay=1e-3, warmup_steps=100,
    ema=0.995, loss="bce", monitor="auroc",
)  # fmt: skip

# Never mirrored left to right: prepared breasts all look to one side.
AUGMENTATIONS = {
    "none": Augmentation(),
    "usual": Augmentation(
        rotation_degrees=12, zoom=(0.9, 1.15), shear=0.05, elastic_pixels=1.0, gain=0.1, offset=0.05, gamma=0.15,
        blur_pixels=0.7, noise=0.02, probability=0.5,
    ),
}  # fmt: skip
