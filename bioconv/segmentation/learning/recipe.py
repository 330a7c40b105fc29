"""How a segmenter is trained unless told otherwise: plain values, without torch, so that `--help` can say them."""

from __future__ import annotations

from bioconv.images.augmentation import Augmentation
from bioconv.training.config import TrainConfig

DEFAULTS = TrainConfig(
    epochs=40, batch_size=8, learning_rate=3e-3, l2=1e-4, schedule="one-cycle", decay=1e-3, warmup_steps=100, ema=0.995,
    loss="dice-ce", monitor="score",
)  # fmt: skip

# Neither cells nor vessels know up from down: `usual` turns by any angle.
AUGMENTATIONS = {
    "none": Augmentation(),
    "exact": Augmentation(
        flips=True, quarter_turns=True, gain=0.15, channel_gain=0.1, offset=0.1, channel_offset=0.05, gamma=0.3,
        noise=0.02, probability=0.4,
    ),
    "gentle": Augmentation(
        rotation_degrees=15, zoom=(0.85, 1.2), shear=0.05, elastic_pixels=1.5, gain=0.1, offset=0.05, gamma=0.15,
        blur_pixels=0.7, noise=0.02, probability=0.4,
    ),
    "usual": Augmentation(
        flips=True, rotation_degrees=180, zoom=(0.65, 1.6), shear=0.1, elastic_pixels=2, gain=0.15, channel_gain=0.2,
        offset=0.1, channel_offset=0.1, gamma=0.3, blur_pixels=1.2, noise=0.04, stain=0.1, probability=0.4,
    ),
}  # fmt: skip
"""`gentle` has no flips: for images whose sides mean something. `exact` moves pixels without interpolating between
them: for structures a pixel thin, which any interpolation blurs in training but not in use."""
