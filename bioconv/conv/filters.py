"""The textbook filters, as kernels, and their convolution with an image.

Kernels are odd in size and float64; `apply_filter` correlates with them, as convolutional networks do and as
`scipy.ndimage.correlate` does: the kernel is not flipped. A derivative kernel is positive towards higher indices.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import OptionError

Kernel = NDArray[np.float64]

_BOUNDARIES = {"reflect": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap", "constant": "constant"}
"""Names of boundaries as scipy.ndimage has them, and those of `numpy.pad`."""


def identity(ndim: int = 2) -> Kernel:
    """Return the kernel that changes nothing, 3 pixels along each of `ndim` axes.

    Examples
    --------
    >>> identity(1)
    array([0., 1., 0.])
    """
    kernel = np.zeros((3,) * ndim)
    kernel[(1,) * ndim] = 1
    return kernel


def sobel(axis: int, *, ndim: int = 2) -> Kernel:
    """Return Sobel's derivative along an axis, smoothed by (1, 2, 1) along the others.

    Not divided by its weight, as is usual for edges: a slope of 1 per pixel gives 8 in 2-D.

    Parameters
    ----------
    axis
        That of the derivative, 0 to `ndim` - 1.
    ndim
        Axes of the kernel, 3 pixels along each.

    Raises
    ------
    OptionError
        If there is no such axis.

    Examples
    --------
    >>> sobel(1)
    array([[-1.,  0.,  1.],
           [-2.,  0.,  2.],
           [-1.,  0.,  1.]])
    """
    return _derivative(axis, (1, 2, 1), ndim)


def prewitt(axis: int, *, ndim: int = 2) -> Kernel:
    """Return Prewitt's derivative along an axis, smoothed by (1, 1, 1) along the others: 6 for a slope of 1 in 2-D.

    Parameters
    ----------
    axis, ndim
        As of `sobel`.

    Raises
    ------
    OptionError
        If there is no such axis.

    Examples
    --------
    >>> prewitt(0)
    array([[-1., -1., -1.],
           [ 0.,  0.,  0.],
           [ 1.,  1.,  1.]])
    """
    return _derivative(axis, (1, 1, 1), ndim)


def scharr(axis: int, *, ndim: int = 2) -> Kernel:
    """Return Scharr's derivative along an axis, (3, 10, 3) along the others: more even in direction than Sobel's.

    Parameters
    ----------
    axis, ndim
        As of `sobel`.

    Raises
    ------
    OptionError
        If there is no such axis.

    Examples
    --------
    >>> scharr(0)
    array([[ -3., -10.,  -3.],
           [  0.,   0.,   0.],
           [  3.,  10.,   3.]])
    """
    return _derivative(axis, (3, 10, 3), ndim)


def laplacian(ndim: int = 2, *, diagonals: bool = False) -> Kernel:
    """Return the sum of second derivatives, 3 pixels along each axis.

    Parameters
    ----------
    ndim
        Axes.
    diagonals
        Whether diagonal neighbours count like the others.

    Examples
    --------
    >>> laplacian()
    array([[ 0.,  1.,  0.],
           [ 1., -4.,  1.],
           [ 0.,  1.,  0.]])
    """
    distance = np.abs(np.indices((3,) * ndim) - 1).sum(axis=0)
    kernel = ((distance > 0) if diagonals else (distance == 1)).astype(np.float64)
    kernel[(1,) * ndim] = -kernel.sum()
    return np.asarray(kernel, np.float64)


def sharpen(ndim: int = 2, *, amount: float = 1.0) -> Kernel:
    """Return the identity of `ndim` axes less `amount` times the Laplacian; its weights sum to 1.

    Examples
    --------
    >>> sharpen()
    array([[ 0., -1.,  0.],
           [-1.,  5., -1.],
           [ 0., -1.,  0.]])
    """
    kernel: Kernel = identity(ndim) - amount * laplacian(ndim)
    return kernel


def emboss() -> Kernel:
    """Return the relief as lit from the upper left, added to the image: (3, 3), its weights sum to 1.

    Examples
    --------
    >>> emboss()
    array([[-2., -1.,  0.],
           [-1.,  1.,  1.],
           [ 0.,  1.,  2.]])
    """
    return np.array([[-2.0, -1.0, 0.0], [-1.0, 1.0, 1.0], [0.0, 1.0, 2.0]])


def box(size: int, *, ndim: int = 2) -> Kernel:
    """Return the mean over `size` pixels, an odd number, along each of `ndim` axes.

    Raises
    ------
    OptionError
        If the size is even or below 1.

    Examples
    --------
    >>> float(box(3).sum()), box(3).shape
    (1.0, (3, 3))
    """
    if size < 1 or size % 2 == 0:
        message = f"a box of {size} pixels has no middle; give an odd number"
        raise OptionError(message)
    return np.full((size,) * ndim, 1 / size**ndim)


def gaussian(sigma: float, *, ndim: int = 2, truncate: float = 4.0) -> Kernel:
    """Return a Gaussian that sums to 1, as wide along each axis.

    Parameters
    ----------
    sigma
        Standard deviation, pixels.
    ndim
        Axes of the kernel.
    truncate
        Standard deviations after which it is cut off.

    Raises
    ------
    OptionError
        If sigma is not a positive number.

    Examples
    --------
    >>> gaussian(0.5, ndim=1).round(3)
    array([0.   , 0.106, 0.787, 0.106, 0.   ])
    """
    if not 0 < sigma < math.inf:
        message = f"sigma is {sigma}; give a positive number of pixels"
        raise OptionError(message)
    radius = int(truncate * sigma + 0.5)
    line = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return _outer([line / line.sum()] * ndim)


def laplacian_of_gaussian(sigma: float, *, ndim: int = 2, truncate: float = 4.0) -> Kernel:
    """Return the Laplacian of a Gaussian (Marr and Hildreth 1980, doi 10.1098/rspb.1980.0020), summing to 0.

    Parameters
    ----------
    sigma, ndim, truncate
        As of `gaussian`.

    Raises
    ------
    OptionError
        As `gaussian`.

    Examples
    --------
    >>> kernel = laplacian_of_gaussian(1.0)
    >>> kernel.shape, bool(kernel[4, 4] < 0)
    ((9, 9), True)
    """
    smooth = gaussian(sigma, ndim=ndim, truncate=truncate)
    middle = len(smooth) // 2
    squares = (((np.indices(smooth.shape) - middle) / sigma) ** 2).sum(axis=0)
    kernel: Kernel = smooth * (squares - ndim) / sigma**2
    kernel -= kernel.mean()
    return kernel


FILTERS: dict[str, Callable[[], Kernel]] = {
    "identity": identity,
    "sobel-vertical": lambda: sobel(0),
    "sobel-horizontal": lambda: sobel(1),
    "prewitt-vertical": lambda: prewitt(0),
    "prewitt-horizontal": lambda: prewitt(1),
    "scharr-vertical": lambda: scharr(0),
    "scharr-horizontal": lambda: scharr(1),
    "laplacian": laplacian,
    "sharpen": sharpen,
    "emboss": emboss,
    "box": lambda: box(3),
    "gaussian": lambda: gaussian(1.0),
}
"""Two-dimensional kernels by name, with usual sizes; derivatives by the direction they are taken in.

:meta hide-value:
"""


def apply_filter(
    image: NDArray[np.generic], kernel: Kernel, *, boundary: str = "reflect", value: float = 0.0
) -> NDArray[np.float64]:
    """Correlate an image with a kernel; the result has the image's size.

    Parameters
    ----------
    image
        (..., *spatial): the last axes, as many as the kernel's, are filtered; those before them are looped over.
    kernel
        As many axes as are filtered, of odd sizes.
    boundary
        What lies outside, named as in scipy.ndimage: `reflect` (d c b a | a b c d), `mirror` (d c b | a b c d),
        `nearest` (a a a a | a b c d), `wrap` (a b c d | a b c d) or `constant`.
    value
        Of the outside, where it is constant.

    Returns
    -------
    numpy.ndarray
        Float64.

    Raises
    ------
    OptionError
        If the boundary is not known, a kernel's size is even, or the image has too few axes or an empty one.

    Examples
    --------
    >>> apply_filter(np.array([0, 0, 1, 1]), np.array([-1.0, 0.0, 1.0]))
    array([0., 1., 1., 0.])
    """
    _check(image.shape, kernel, boundary)
    radii = [size // 2 for size in kernel.shape]
    options = {"constant_values": value} if boundary == "constant" else {}
    before = [(0, 0)] * (image.ndim - kernel.ndim)
    padded = np.pad(
        image.astype(np.float64),
        [*before, *((radius, radius) for radius in radii)],
        mode=_BOUNDARIES[boundary],  # type: ignore[call-overload]
        **options,
    )
    # One shifted copy per tap: memory is the image's, whatever the kernel.
    sizes = image.shape[image.ndim - kernel.ndim :]
    result = np.zeros(image.shape)
    for tap in np.argwhere(kernel):
        shifted = padded[..., *(slice(at, at + size) for at, size in zip(tap, sizes, strict=True))]
        result += kernel[tuple(tap)] * shifted
    return result


def _check(shape: tuple[int, ...], kernel: Kernel, boundary: str) -> None:
    if boundary not in _BOUNDARIES:
        message = f"boundary {boundary!r} is not known; give one of {', '.join(_BOUNDARIES)}"
        raise OptionError(message)
    if any(size % 2 == 0 for size in kernel.shape):
        message = f"a kernel of {kernel.shape} has no middle; give odd sizes"
        raise OptionError(message)
    if len(shape) < kernel.ndim or 0 in shape:
        message = f"an image of {shape} cannot be filtered with a kernel of {kernel.ndim} axes"
        raise OptionError(message)


def _derivative(axis: int, smoothing: tuple[int, ...], ndim: int) -> Kernel:
    if not 0 <= axis < ndim:
        message = f"axis is {axis}; an image of {ndim} axes has 0 to {ndim - 1}"
        raise OptionError(message)
    return _outer([np.array((-1, 0, 1) if number == axis else smoothing, np.float64) for number in range(ndim)])


def _outer(lines: list[Kernel]) -> Kernel:
    kernel = np.ones(())
    for line in lines:
        kernel = kernel[..., None] * line
    return kernel
