"""DICOM files, multi-frame files and series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.images.axes import Window, advice
from bioconv.images.dicom_file import DicomFile
from bioconv.images.dicom_geometry import affine, orientation, pixel_spacing, plane_affine, position, slice_order
from bioconv.images.dicom_geometry import slice_step as step_of
from bioconv.images.dicom_values import Chain, value_chain
from bioconv.images.failures import listening, reading, told
from bioconv.images.image import ImageInfo, ImageSource, Pixels

_TIME_POINTERS = {0x00181063, 0x00181065}
_SLICE_VECTOR = 0x00540080


def open_dicom(path: Path, axes: str | None, *, indices: bool = False) -> ImageSource:
    """Open one file; frames are planes or times as the file says, or as `axes` does."""
    with listening("pydicom") as heard:  # pydicom looks at a value when it is asked for, and warns then
        source, facts = _open_file(path, axes, indices=indices)
    facts["warnings"] += told(heard)
    return source


def _open_file(path: Path, axes: str | None, *, indices: bool) -> tuple[ImageSource, dict[str, Any]]:
    file = DicomFile(path)
    frames = _Frames(file, indices=indices)
    letter, order, geometry = _frame_axis(file, axes, anyhow=indices)
    spacing, source = pixel_spacing(file.header)
    facts: dict[str, Any] = {
        "values": frames.what, "spacing_source": source, "warnings": frames.warnings,
        "modality": str(file.header.get("Modality", "") or ""), "volume": letter == "Z",
    }  # fmt: skip
    matrix = None if isinstance(geometry, float) else geometry
    steps: tuple[float, ...] | None = spacing
    if file.frames == 1:
        matrix = plane_affine(file.header)
    elif letter == "Z" and spacing is not None:
        gap = geometry if isinstance(geometry, float) else _length(matrix)
        steps = (gap, *spacing) if gap else None
        facts |= {} if gap else {"spacing_yx": spacing}
    shape = ((file.frames,) if letter else ()) + (file.rows, file.columns)
    found = _described(str(path), letter + "YX", shape, frames, spacing=steps, affine=matrix, facts=facts)

    def fetch(window: Window) -> Pixels:
        return _gather(found, window, lambda number: frames.read(order[number]))

    return ImageSource(found, fetch, file.release), facts


def open_series(paths: Sequence[Path], axes: str | None) -> ImageSource:
    """Open the slices of one series as a volume, sorted along their normal.

    Raises
    ------
    InputError
        If they are not one series, or slices are missing, doubled, tilted or of several kinds.
    """
    if len(paths) == 1:
        return open_dicom(paths[0], axes)
    files: list[DicomFile] = []
    with listening("pydicom") as heard:
        for path in paths:
            with reading(path, "dicom"):
                files.append(DicomFile(path))
        _check_alike(files)
        directions = orientation(files[0].header)
        places = [position(file.header) for file in files]
        spacing, source = pixel_spacing(files[0].header)
        if directions is None or any(place is None for place in places):
            message = "slices without ImagePositionPatient and ImageOrientationPatient: their order is not known"
            raise InputError(message)
        known = [place for place in places if place is not None]
        order = slice_order(known, directions)
        known, files = [known[number] for number in order], [files[number] for number in order]
        step = step_of(known, directions, [file.path.name for file in files])
        frames = [_Frames(file) for file in files]
        modality = str(files[0].header.get("Modality", "") or "")
    matrix = affine(known[0], directions, spacing, step) if spacing is not None else None
    facts = {
        "values": frames[0].what, "spacing_source": source, "volume": True, "files": tuple(str(p) for p in paths),
        "modality": modality,
        "warnings": tuple(dict.fromkeys((*(text for each in frames for text in each.warnings), *told(heard)))),
    }  # fmt: skip
    first = frames[0]
    first.dtype = np.result_type(*[each.dtype for each in frames])
    if first.dtype.kind == "f" or first.dtype.itemsize > 4:
        first.dtype = np.dtype(np.float32)
    steps = (float(np.linalg.norm(step)), *spacing) if spacing is not None else None
    shape = (len(files), files[0].rows, files[0].columns)
    folder = str(paths[0].parent)
    info = _described(folder, "ZYX", shape, first, spacing=steps, affine=matrix, facts=facts)

    def plane(number: int) -> NDArray[Any]:
        with reading(files[number].path, "dicom"):
            found = frames[number].read(0, first.dtype)
        files[number].release()
        return found

    return ImageSource(info, lambda window: _gather(info, window, plane))


class _Frames:
    """The frames of a file as values or colours."""

    def __init__(self, file: DicomFile, *, indices: bool = False) -> None:
        self._file = file
        ds = file.header
        self.colour = file.samples == 3 or (file.photometric == "PALETTE COLOR" and not indices)
        self._palette = file.photometric == "PALETTE COLOR" and not indices
        self._chains: list[Chain] = []
        self.warnings: tuple[str, ...] = ()
        self.what, self.bits = "stored", int(ds.get("BitsStored", 32) or 32)
        if self._palette:
            self._colours = _palette(ds)
            self.dtype, self.what = self._colours.dtype, "colours of the palette"
        elif self.colour:
            self.dtype = np.dtype(f"u{max(int(ds.BitsAllocated), 8) // 8}")
        else:
            if file.photometric not in ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"):
                message = f"{file.photometric} colours are not read"
                raise InputError(message)
            per_frame = bool(ds.get("PerFrameFunctionalGroupsSequence"))
            display = False if indices else None
            self._chains = [value_chain(ds, n, display=display) for n in range(file.frames if per_frame else 1)]
            kinds = {chain.dtype for chain in self._chains}
            self.dtype = kinds.pop() if len(kinds) == 1 else np.dtype(np.float32)
            self.what = self._chains[0].what
            self.warnings = tuple(dict.fromkeys(text for chain in self._chains for text in chain.warnings))

    def read(self, number: int, dtype: np.dtype[Any] | None = None) -> NDArray[Any]:
        """Return a frame: (Y, X), or (Y, X, 3)."""
        stored = self._file.frame(number)
        if self._palette:
            return np.asarray(self._colours[stored])
        if self.colour:
            return stored
        chain = self._chains[min(number, len(self._chains) - 1)]
        return chain.apply(stored, dtype or self.dtype)


def _palette(ds: Any) -> NDArray[Any]:
    """Return the colours of every stored value, (values, 3); 8 bits where that is all they use."""
    from pydicom.pixels.processing import apply_color_lut

    bits = int(ds.BitsAllocated)
    if bits not in (8, 16) or int(ds.PixelRepresentation):
        message = f"a palette for {bits}-bit values; expected 8 or 16 bits without sign"
        raise InputError(message)
    table = np.asarray(apply_color_lut(np.arange(2**bits, dtype=f"u{bits // 8}"), ds))[..., :3]
    if table.dtype == np.uint16 and (not (table & 0xFF).any() or not (table % 257).any()):
        return (table >> 8).astype(np.uint8)
    return table


def _described(
    path: str, axes: str, shape: tuple[int, ...], frames: _Frames, *,
    spacing: tuple[float, ...] | None, affine: NDArray[np.float64] | None, facts: dict[str, Any],
) -> ImageInfo:  # fmt: skip
    if frames.colour:
        at = 1 if axes[0] == "T" else 0
        axes, shape = axes[:at] + "C" + axes[at:], (*shape[:at], 3, *shape[at:])
    count = shape[axes.index("C")] if "C" in axes else 1
    names = ("red", "green", "blue") if frames.colour else ("",) * count
    return ImageInfo(
        path=path, format="dicom", axes=axes, shape=shape, dtype=frames.dtype, channels=names, rgb=frames.colour,
        spacing=spacing, unit="mm" if spacing is not None else "", affine=affine, bit_depth=frames.bits, facts=facts,
    )  # fmt: skip


def _gather(info: ImageInfo, window: Window, plane: Callable[[int], NDArray[Any]]) -> Pixels:
    """Return a window, plane by plane."""
    parts = dict(zip(info.axes, window, strict=True))
    stack = next((axis for axis in info.axes[:-2] if not (axis == "C" and info.rgb)), None)
    numbers = range(parts[stack].start, parts[stack].stop) if stack else range(1)
    found = np.empty([part.stop - part.start for part in window], info.dtype)
    colour = info.axes.index("C") if info.rgb else None
    for place, number in enumerate(numbers):
        cut = plane(number)[parts["Y"], parts["X"]]
        if colour is not None:
            cut = cut[..., parts["C"]].transpose(2, 0, 1)
        index: list[Any] = [slice(None)] * found.ndim
        if stack:
            index[info.axes.index(stack)] = place
        found[tuple(index)] = cut
    return found


def _frame_axis(
    file: DicomFile, axes: str | None, *, anyhow: bool
) -> tuple[str, list[int], NDArray[np.float64] | float | None]:
    """Return the letter of the frames, their order, and the affine or the distance of the planes."""
    count, ds = file.frames, file.header
    order = list(range(count))
    if count == 1:
        return "", order, None
    given = (axes or "").upper()
    given = given[0] if given[:1] in ("T", "Z", "C") and len(given) in (3, 4) else ""
    places = [position(ds, number) for number in order] if ds.get("PerFrameFunctionalGroupsSequence") else []
    directions = orientation(ds) if places else None
    known = [place for place in places if place is not None]
    if directions is not None and len(known) == count and given in ("", "Z"):
        return _positioned(file, known, directions, given=given)
    if given:
        return given, order, None
    pointer = ds.get("FrameIncrementPointer")
    pointers = {int(p) for p in (pointer if not isinstance(pointer, int) else [pointer])} if pointer else set()
    if offsets := ds.get("GridFrameOffsetVector"):
        return _dose_grid(file, [float(offset) for offset in offsets])
    if pointers & _TIME_POINTERS:
        return "T", order, None
    if pointers == {_SLICE_VECTOR}:
        return "Z", order, abs(float(ds.get("SpacingBetweenSlices") or 0)) or None
    if anyhow:
        return "Z", order, None
    shape = (count, file.rows, file.columns)
    message = f"{count} frames of which the file does not say whether they are planes or times; {advice(shape)}"
    raise InputError(message)


def _positioned(
    file: DicomFile, known: list[NDArray[np.float64]], directions: NDArray[np.float64], *, given: str
) -> tuple[str, list[int], NDArray[np.float64] | None]:
    """Return planes in order where frames have positions of their own, times where all have the same."""
    ds, count = file.header, file.frames
    spread = np.ptp(np.asarray(known), axis=0).max()
    if spread < 0.001 and not given:
        return "T", list(range(count)), plane_affine(ds)
    for number in range(count):
        other = orientation(ds, number)
        if other is None or abs(other - directions).max() > 0.001:
            message = f"frame {number + 1} is tilted against the first: not one volume"
            raise InputError(message)
    order = slice_order(known, directions)
    sorted_places = [known[number] for number in order]
    step = step_of(sorted_places, directions, [f"frame {number + 1}" for number in order])
    spacing, _ = pixel_spacing(ds)
    matrix = affine(sorted_places[0], directions, spacing, step) if spacing is not None else None
    return "Z", order, matrix


def _dose_grid(file: DicomFile, offsets: list[float]) -> tuple[str, list[int], NDArray[np.float64] | None]:
    ds, count = file.header, file.frames
    place, directions, (spacing, _) = position(ds), orientation(ds), pixel_spacing(ds)
    if len(offsets) != count or place is None or directions is None or spacing is None:
        message = f"GridFrameOffsetVector with {len(offsets)} of {count} frames, or no position: the geometry is lost"
        raise InputError(message)
    normal = np.cross(directions[0], directions[1])
    places = [place + normal * (offset - offsets[0]) for offset in offsets]
    order = slice_order(places, directions)
    places = [places[number] for number in order]
    step = step_of(places, directions, [f"frame {number + 1}" for number in order])
    return "Z", order, affine(places[0], directions, spacing, step)


def _length(matrix: NDArray[np.float64] | None) -> float:
    return 0.0 if matrix is None else float(np.linalg.norm(matrix[:3, 2]))


def _check_alike(files: list[DicomFile]) -> None:
    """Check that the files are slices of one volume."""
    first = files[0]
    series = {str(file.header.get("SeriesInstanceUID", "")) for file in files}
    if len(series) > 1:
        message = f"{len(series)} series in one folder; give the folder of each, or the files themselves"
        raise InputError(message)
    for file in files:
        if file.frames > 1:
            message = f"{file.path.name} has {file.frames} frames; multi-frame files are images of their own"
            raise InputError(message)
        same = (file.rows, file.columns, file.samples) == (first.rows, first.columns, first.samples)
        if not same:
            message = (
                f"slices of several sizes: {first.path.name} is {first.rows} x {first.columns}, "
                f"{file.path.name} {file.rows} x {file.columns} (a localizer?); move the other away"
            )
            raise InputError(message)
        directions, other = orientation(first.header), orientation(file.header)
        if directions is not None and (other is None or abs(other - directions).max() > 0.001):
            message = f"slices tilted against each other: {first.path.name} and {file.path.name} (a localizer?)"
            raise InputError(message)
        if pixel_spacing(file.header)[0] != pixel_spacing(first.header)[0]:
            message = f"slices of several pixel spacings: {first.path.name} and {file.path.name}"
            raise InputError(message)
