"""Changes of pixel values: stain, blur, gamma, gain, offset and noise, as drawn by `augmentation`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bioconv.images.augmentation_draws import Draw

STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
"""Optical density in red, green and blue of haematoxylin, eosin and DAB: Ruifrok & Johnston (2001)."""

DARKEST = 1 / 255
"""Share of the light that still counts: optical density has no value at none."""


def change_intensity(crop: NDArray[np.float32], draw: Draw, *, inverted: bool = False) -> NDArray[np.float32]:
    """Return a crop with its values changed as drawn; its space is not touched here.

    Parameters
    ----------
    crop
        (C, *spatial) float32, values of about 0 to 1.
    draw
        The change; no randomness beyond its seeds.
    inverted
        Whether white is 0 and not 1; only stains care.

    Returns
    -------
    NDArray
        (C, *spatial) float32; `crop` itself is left as it was. Values are not clipped.

    Examples
    --------
    >>> change_intensity(np.full((1, 1, 2), 0.25, np.float32), Draw(gamma=0.5, offsets=(1.0,)))
    array([[[1.5, 1.5]]], dtype=float32)
    """
    changed = crop.astype(np.float32)
    if draw.stain_gains:
        changed = _stain(changed, draw, inverted)
    if draw.blur_pixels:
        changed = ndimage.gaussian_filter(changed, (0, *[draw.blur_pixels] * (crop.ndim - 1)), truncate=3)
    if draw.gamma != 1:
        changed = np.copysign(np.abs(changed) ** np.float32(draw.gamma), changed)
    if draw.gains:
        changed *= _per_channel(draw.gains, changed)
    if draw.offsets:
        changed += _per_channel(draw.offsets, changed)
    if draw.noise:
        noise = np.random.default_rng(draw.noise_seed).standard_normal(changed.shape, np.float32)
        changed += np.float32(draw.noise) * noise
    return changed


def _per_channel(values: tuple[float, ...], crop: NDArray[np.float32]) -> NDArray[np.float32]:
    if len(values) != len(crop):
        message = f"drawn for {len(values)} channel(s), applied to {len(crop)}"
        raise ValueError(message)
    return np.array(values, np.float32).reshape(-1, *(1,) * (crop.ndim - 1))


def _stain(crop: NDArray[np.float32], draw: Draw, inverted: bool) -> NDArray[np.float32]:
    """Scale and shift each stain in optical density: Tellez et al., doi 10.1016/j.media.2019.101544."""
    if len(crop) != 3:
        message = f"stains of {len(crop)} channel(s); expected red, green and blue"
        raise ValueError(message)
    light = np.maximum(1 - crop if inverted else crop, np.float32(DARKEST))
    unmixed = np.linalg.inv(STAINS / np.linalg.norm(STAINS, axis=1, keepdims=True))
    # Gains and shifts of stains are one matrix and one vector on red, green and blue.
    gains = unmixed @ np.diag(draw.stain_gains) @ np.linalg.inv(unmixed)
    shifts = np.array(draw.stain_shifts) @ np.linalg.inv(unmixed)
    density = -np.log(light).reshape(3, -1)
    changed = gains.T.astype(np.float32) @ density + shifts.astype(np.float32)[:, None]
    lit: NDArray[np.float32] = np.exp(-changed).reshape(crop.shape)
    if inverted:
        lit = 1 - lit
    return lit
