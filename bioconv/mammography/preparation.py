"""From a mammogram's pixels to what a network reads, and back to the original grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bioconv.errors import ModelError
from bioconv.images.resampling import resize
from bioconv.mammography.breast import Box, Breast, find_breast
from bioconv.mammography.views import View

SIDES = ("left", "right", "as-is")
BACKGROUNDS = ("zero", "keep")
_OTHER = {"left": "right", "right": "left"}
_ENLARGED = 1.5
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Preparation:
    """How a model wants its mammograms; part of the model file.

    Parameters
    ----------
    size
        Rows and columns of what the network reads.
    crop
        Whether to cut the breast out; else the whole image is taken.
    margin
        Left around the breast, as a share of the image's longer side.
    low, high
        Percentiles of the pixels inside the breast that become 0 and 1; what lies outside is clipped.
    side
        Where the chest wall comes to lie: `left`, `right`, or `as-is` for no flip.
    background
        What becomes of pixels away from the breast: `zero`, so that letters and labels vanish, or `keep`.

    Raises
    ------
    ValueError
        If a value makes no sense.
    """

    size: tuple[int, int] = (1024, 512)
    crop: bool = True
    margin: float = 0.02
    low: float = 1.0
    high: float = 99.5
    side: str = "left"
    background: str = "zero"

    def __post_init__(self) -> None:
        size = tuple(self.size)
        object.__setattr__(self, "size", size)
        whole = len(size) == 2 and all(isinstance(part, int) and part >= 1 for part in size)
        ranges = 0 <= self.low < self.high <= 100 and 0 <= self.margin < 1 and isinstance(self.crop, bool)
        if not whole or not ranges or self.side not in SIDES or self.background not in BACKGROUNDS:
            message = (
                f"{self} makes no sense: two sizes of at least 1, 0 <= low < high <= 100, 0 <= margin < 1, "
                f"side {', '.join(SIDES)}, background {', '.join(BACKGROUNDS)}"
            )
            raise ValueError(message)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as values JSON can hold."""
        return asdict(self) | {"size": list(self.size)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Preparation:
        """Return the preparation of such `values`.

        Raises
        ------
        ModelError
            If a key is unknown or a value makes no sense.
        """
        known = {field.name for field in fields(cls)}
        if odd := sorted(set(values) - known):
            message = f"preparation: unknown keys {odd}; known are {sorted(known)}"
            raise ModelError(message)
        try:
            return cls(**values)
        except (TypeError, ValueError) as error:
            message = f"preparation: {error}"
            raise ModelError(message) from error


@dataclass(frozen=True)
class Placement:
    """Where a box of the original grid lies in the prepared one.

    Pixel indices are those of centres: pixel 0 reaches from -0.5 to 0.5.

    Parameters
    ----------
    original
        Rows and columns of the image.
    box
        What was cut out of it.
    flipped
        Whether left and right of the box changed places.
    content
        Where the box lies in the prepared grid; around it is padding.
    size
        Rows and columns of the prepared grid.
    """

    original: tuple[int, int]
    box: Box
    flipped: bool
    content: Box
    size: tuple[int, int]

    def to_prepared(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Return points (..., 2) of y and x in the prepared grid."""
        y, x = self._steps()
        points = np.asarray(points, np.float64)
        rows = (points[..., 0] + 0.5 - self.box.top) * y + self.content.top - 0.5
        columns = (points[..., 1] + 0.5 - self.box.left) * x
        if self.flipped:
            columns = self.content.shape[1] - columns
        return np.stack([rows, columns + self.content.left - 0.5], axis=-1)

    def to_original(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Return points (..., 2) of y and x in the original grid."""
        y, x = self._steps()
        points = np.asarray(points, np.float64)
        rows = (points[..., 0] + 0.5 - self.content.top) / y + self.box.top - 0.5
        columns = points[..., 1] + 0.5 - self.content.left
        if self.flipped:
            columns = self.content.shape[1] - columns
        return np.stack([rows, columns / x + self.box.left - 0.5], axis=-1)

    def place(self, plane: NDArray[Any]) -> Floats:
        """Return a plane (Y, X) of the original grid on the prepared one, 0 around it.

        Raises
        ------
        ValueError
            If the plane has another shape than the original grid.
        """
        if plane.shape != self.original:
            message = f"a plane of {plane.shape}; expected {self.original}, the original grid"
            raise ValueError(message)
        cut = resize(plane[self.box.window], self.content.shape)
        placed = np.zeros(self.size, np.float32)
        placed[self.content.window] = cut[:, ::-1] if self.flipped else cut
        return placed

    def restore(self, plane: NDArray[Any]) -> Floats:
        """Return a plane on the original grid (Y, X), 0 outside the box.

        Parameters
        ----------
        plane
            (H, W) of the prepared grid, or coarser by the same share along each axis, such as a heat map.

        Raises
        ------
        ValueError
            If the plane has not two axes.
        """
        if plane.ndim != 2:
            message = f"a plane of shape {plane.shape}; expected (rows, columns)"
            raise ValueError(message)
        cut = resize(plane, self.size)[self.content.window]
        restored = np.zeros(self.original, np.float32)
        restored[self.box.window] = resize(cut[:, ::-1] if self.flipped else cut, self.box.shape)
        return restored

    def _steps(self) -> tuple[float, float]:
        (height, width), (rows, columns) = self.content.shape, self.box.shape
        return height / rows, width / columns


@dataclass(frozen=True, eq=False)
class Prepared:
    """A mammogram as a network reads it.

    Parameters
    ----------
    pixels
        (1, H, W) float32, 0 to 1.
    mask
        (H, W) bool: the breast.
    breast
        What was found on the original grid: mask, box, side of the chest wall.
    placement
        From the original grid to this one and back.
    window
        Pixel values that became 0 and 1.
    warnings
        What a reader of the results should know, those of the view not among them.
    """

    pixels: Floats
    mask: Mask
    breast: Breast
    placement: Placement
    window: tuple[float, float]
    warnings: tuple[str, ...] = ()

    @property
    def flipped(self) -> bool:
        """Whether left and right changed places."""
        return self.placement.flipped

    @property
    def box(self) -> Box:
        """What was cut out of the original grid."""
        return self.placement.box


def prepare(pixels: NDArray[Any], view: View, settings: Preparation | None = None) -> Prepared:
    """Cut the breast out of a mammogram, turn its chest wall to one side, scale it to a size and its greys to 0..1.

    The side is that of the pixels; where they do not tell, that which the file or custom says. The laterality is
    never touched. The aspect ratio stays; padding is 0 and goes to the side away from the chest wall, above and below
    alike.

    Parameters
    ----------
    pixels
        (Y, X) real numbers with dark air, as of `read_pixels`.
    view
        What the file says of itself.
    settings
        Those of the model.

    Returns
    -------
    Prepared

    Examples
    --------
    >>> from pathlib import Path
    >>> image = np.zeros((200, 100))
    >>> image[50:150, 60:] = np.arange(60, 100)
    >>> view = View(Path("a.png"), "p1", "", "R", "CC")
    >>> prepared = prepare(image, view, Preparation(size=(64, 32), margin=0))
    >>> prepared.box, prepared.flipped, prepared.pixels.shape
    (Box(top=50, bottom=150, left=60, right=100), True, (1, 64, 32))
    """
    settings = settings or Preparation()
    pixels = np.asarray(pixels)
    breast = find_breast(pixels, margin=settings.margin)
    box = breast.box if settings.crop else Box(0, pixels.shape[0], 0, pixels.shape[1])
    side = breast.side or view.expected_side
    flipped = settings.side not in ("as-is", side)
    content = _content(box.shape, settings.size, _OTHER[side] if flipped else side)
    placement = Placement((pixels.shape[0], pixels.shape[1]), box, flipped, content, settings.size)
    window = _window(pixels, breast.mask, settings)
    low, high = window if window[1] > window[0] else (window[0], window[0] + 1)
    greys = placement.place(np.clip((np.nan_to_num(pixels.astype(np.float32), nan=low) - low) / (high - low), 0, 1))
    mask = placement.place(breast.mask) >= 0.5
    if settings.background == "zero" and breast.found:
        reach = settings.margin * max(pixels.shape) * content.shape[0] / box.shape[0]
        greys[ndimage.distance_transform_edt(~mask) > reach] = 0  # what lies close to the skin stays
    warnings = [*breast.warnings, *_doubts(breast, view)]
    if (enlarged := content.shape[0] / box.shape[0]) > _ENLARGED:
        warnings.append(f"enlarged {enlarged:.1f} times: it holds less detail than the model reads")
    if window[0] >= window[1]:
        warnings.append("an image of one grey")
    return Prepared(greys[None], mask, breast, placement, (low, high), tuple(warnings))


def _content(shape: tuple[int, int], size: tuple[int, int], side: str) -> Box:
    """Return where a box comes to lie: as large as fits, at the side of the chest wall, in the middle of the rows."""
    scale = min(size[0] / shape[0], size[1] / shape[1])
    rows, columns = (min(max(round(part * scale), 1), most) for part, most in zip(shape, size, strict=True))
    top = (size[0] - rows) // 2
    left = 0 if side == "left" else size[1] - columns
    return Box(top, top + rows, left, left + columns)


def _window(pixels: NDArray[Any], mask: Mask, settings: Preparation) -> tuple[float, float]:
    values = pixels[mask & np.isfinite(pixels)]
    if not values.size:
        return 0.0, 0.0
    low, high = np.percentile(values, [settings.low, settings.high])
    return float(low), float(high)


def _doubts(breast: Breast, view: View) -> tuple[str, ...]:
    """Say where header and pixels disagree on the side, or the pixels say nothing."""
    expected = view.expected_side
    if not breast.side:
        return (f"the pixels do not tell the side of the chest wall; {expected} was taken, as of {view.laterality}",)
    if breast.side == expected:
        return ()
    source = "PatientOrientation puts" if view.chest_side else f"custom puts, for laterality {view.laterality},"
    return (
        f"the pixels show the chest wall on the {breast.side} of the image where {source} it on the {expected}: "
        f"mirrored, or the wrong breast? It was scored as {view.laterality}",
    )
