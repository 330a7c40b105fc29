"""Random changes of training images: numbers are drawn apart from applying them.

A `Draw` gives the same change every time, whatever the crop: to an image, and to its labels.
"""

from __future__ import annotations

from bioconv.images.augmentation_draws import Augmentation, Draw, draw
from bioconv.images.intensity import change_intensity
from bioconv.images.warping import warp_image, warp_labels

__all__ = ["Augmentation", "Draw", "change_intensity", "draw", "warp_image", "warp_labels"]
