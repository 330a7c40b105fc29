"""Decoding one frame of a DICOM file, with decoders that survive damaged data.

Native and RLE pixels by pydicom, JPEG by Pillow, JPEG 2000 by OpenJPEG, the rest (12-bit and lossless JPEG, JPEG-LS)
by imagecodecs. GDCM is left out: damaged data makes it end the whole program.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.images.failures import one_line

EXTRA = "pip install 'bioconv[dicom]'"
_JPEG = "1.2.840.10008.1.2.4."
_OTHERS = {
    "50": "jpeg", "51": "jpeg", "57": "jpeg", "70": "jpeg", "80": "jpegls", "81": "jpegls", "90": "jpeg2k",
    "91": "jpeg2k", "201": "jpeg2k", "202": "jpeg2k", "203": "jpeg2k",
}  # fmt: skip
_PLUGINS = ("pydicom", "pylibjpeg", "pillow")
_DECODED_AS_RGB = {"RGB", "YBR_ICT", "YBR_RCT"}


def decode_frame(source: Any, index: int, header: Any) -> NDArray[Any]:
    """Return one frame: (rows, columns), or (rows, columns, 3) in RGB.

    Parameters
    ----------
    source
        A data set with its pixels, or the path of its file.
    header
        The data set without its pixels.

    Raises
    ------
    InputError
        If it cannot be decoded.
    """
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.pixels.utils import pixel_array

    syntax = header.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated:
        return np.asarray(pixel_array(source, index=index))
    try:
        present = get_decoder(syntax).available_plugins
    except NotImplementedError as error:
        message = f"transfer syntax {syntax.name} is not read; decompress it first (gdcmconv --raw, dcmdjpeg)"
        raise InputError(message) from error
    reason = ""
    for plugin in _PLUGINS:
        if plugin not in present:
            continue
        try:
            return np.asarray(pixel_array(source, index=index, decoding_plugin=plugin))
        except Exception as error:  # a decoder's own kinds of errors; the next may read it
            reason = reason or _reason(error)
    found, other = _by_imagecodecs(source, index, header)
    if found is None:
        message = f"{syntax.name}: the pixel data cannot be decoded ({reason or other}): damaged, or a rare variant"
        raise InputError(message if present else f"{message}; more decoders: {EXTRA}")
    return found


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[1] if len(lines) > 1 else one_line(error))[:200]


def _by_imagecodecs(source: Any, index: int, header: Any) -> tuple[NDArray[Any] | None, str]:
    """Return a frame decoded by imagecodecs, or None and why not."""
    import imagecodecs
    import pydicom
    from pydicom.encaps import get_frame
    from pydicom.pixels.processing import convert_color_space

    name = _OTHERS.get(str(header.file_meta.TransferSyntaxUID).removeprefix(_JPEG))
    colours = str(header.get("PhotometricInterpretation", ""))
    if name is None:
        return None, "no decoder for it"
    ds = source if isinstance(source, pydicom.Dataset) else pydicom.dcmread(source, force=True)
    try:
        frame = get_frame(ds.PixelData, index, number_of_frames=int(header.get("NumberOfFrames", 1) or 1))
        found = np.asarray(getattr(imagecodecs, f"{name}_decode")(frame))
        lossy_jpeg = found.ndim == 3 and str(header.file_meta.TransferSyntaxUID)[len(_JPEG) :] in ("50", "51")
        if found.ndim == 3 and colours not in _DECODED_AS_RGB and not lossy_jpeg:
            found = convert_color_space(found, colours, "RGB")
    except Exception as error:  # as above
        return None, one_line(error)[:200]
    if int(header.get("PixelRepresentation", 0)) and found.dtype.kind == "u":
        found = found.view(found.dtype.str.replace("u", "i"))
    return found, ""
