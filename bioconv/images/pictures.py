"""Pictures for people: RGB arrays as PNG or JPEG bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def to_png(picture: NDArray[np.uint8 | np.uint16], *, texts: Mapping[str, str] | None = None) -> bytes:
    r"""Return a picture, (Y, X, 3) or (Y, X) of uint8, or (Y, X) of uint16, as the bytes of a PNG file.

    Parameters
    ----------
    texts
        Keyword to text, kept in the file: `Description`, `Source`.

    Examples
    --------
    >>> to_png(np.zeros((2, 2, 3), np.uint8))[:4]
    b'\x89PNG'
    """
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for keyword, text in (texts or {}).items():
        info.add_text(keyword, text)
    return _encode(picture, format="PNG", optimize=False, pnginfo=info)


def to_jpeg(picture: NDArray[np.uint8], *, quality: int = 82) -> bytes:
    r"""Return a picture, (Y, X, 3) or (Y, X) of uint8, as the bytes of a JPEG file: for pages, not for measuring.

    Examples
    --------
    >>> to_jpeg(np.zeros((2, 2, 3), np.uint8))[:2]
    b'\xff\xd8'
    """
    return _encode(picture, format="JPEG", quality=quality)


def _encode(picture: NDArray[np.uint8 | np.uint16], **options: Any) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(stream, **options)
    return stream.getvalue()
