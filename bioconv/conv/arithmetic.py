"""Sizes, paddings, strides and receptive fields of convolutions: plain numbers, one axis at a time.

What a sequence scanner and an image segmenter have in common is worked out here: how many windows fit, what
neighbouring chunks share, how far a stack of layers sees. The relations are those of Dumoulin and Visin 2016
(arXiv 1603.07285) and, for receptive fields, Araujo, Norris and Sim 2019 (doi 10.23915/distill.00021).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bioconv.errors import OptionError


@dataclass(frozen=True)
class Layer:
    """A convolution or a pooling, along one axis.

    Parameters
    ----------
    kernel
        Taps.
    stride
        Inputs from one output to the next.
    dilation
        Inputs from one tap to the next.
    padding
        Inputs added on each side.
    """

    kernel: int
    stride: int = 1
    dilation: int = 1
    padding: int = 0

    @property
    def span(self) -> int:
        """Inputs from the first to the last that one output reads."""
        return span(self.kernel, self.dilation)


@dataclass(frozen=True)
class Geometry:
    """What a network whose output grid is its input grid needs of its input, per spatial axis.

    Attributes
    ----------
    stride
        Sizes of inputs, and origins of tiles, are multiples of it.
    reach
        Distance in pixels of the farthest input that can touch an output, over all phases of the stride.
    margin
        Outputs (before, after) that a tile with cut edges cannot know: those closer than this to the cut.
        By default the reach on both sides; never more is needed by a network whose every feature reads the
        pixels it lies on, and less where the stride puts no output at the farthest phase next to a cut.

    Raises
    ------
    OptionError
        If lengths differ, a stride is below 1, or a reach or margin is negative.

    Examples
    --------
    >>> Geometry(stride=(16, 16), reach=(92, 92)).margin
    ((92, 92), (92, 92))
    """

    stride: tuple[int, ...]
    reach: tuple[int, ...]
    margin: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        if not self.margin:
            object.__setattr__(self, "margin", tuple((reach, reach) for reach in self.reach))
        lengths = {len(self.stride), len(self.reach), len(self.margin)}
        smallest = min((*self.reach, *(side for sides in self.margin for side in sides)), default=0)
        if len(lengths) > 1 or not self.stride or min(self.stride) < 1 or smallest < 0:
            message = (
                f"geometry with stride {self.stride}, reach {self.reach}, margin {self.margin} makes no sense; give "
                "one of each per axis, strides of 1 or more, nothing negative"
            )
            raise OptionError(message)

    @property
    def overlap(self) -> tuple[int, ...]:
        """Pixels that neighbouring tiles share: both margins, rounded up to the stride."""
        return tuple(
            round_up(before + after, stride) for (before, after), stride in zip(self.margin, self.stride, strict=True)
        )


def round_up(size: int, multiple: int) -> int:
    """Return the smallest multiple that is not below `size`.

    Examples
    --------
    >>> round_up(17, 16), round_up(32, 16)
    (32, 32)
    """
    return -(-size // multiple) * multiple


def span(kernel: int, dilation: int = 1) -> int:
    """Return the inputs from the first to the last of `kernel` taps, each `dilation` after the one before.

    Examples
    --------
    >>> span(3, dilation=4)
    9
    """
    return dilation * (kernel - 1) + 1


def output_size(
    size: int, kernel: int, *, stride: int = 1, padding: int = 0, dilation: int = 1, ceil: bool = False
) -> int:
    """Return how many outputs a convolution or a pooling has; also how many windows fit.

    Parameters
    ----------
    size
        Inputs.
    kernel
        Taps; the letters of a window.
    stride, padding, dilation
        As in torch; `padding` is added on both ends.
    ceil
        Whether a last window that ends outside counts too, if it starts inside or in the padding before
        (`ceil_mode` of torch's poolings).

    Returns
    -------
    int
        0 where not even one fits.

    Examples
    --------
    >>> output_size(100, 20)  # windows of 20 letters in a sequence of 100
    81
    >>> output_size(5, 2, stride=2), output_size(5, 2, stride=2, ceil=True)
    (2, 3)
    """
    room = size + 2 * padding - span(kernel, dilation)
    if not ceil:
        return max(0, room // stride + 1)
    count = -(-room // stride) + 1
    if (count - 1) * stride >= size + padding:
        count -= 1
    return max(0, count)


def transposed_output_size(
    size: int, kernel: int, *, stride: int = 1, padding: int = 0, dilation: int = 1, output_padding: int = 0
) -> int:
    """Return how many outputs a transposed convolution has.

    Parameters
    ----------
    size
        Inputs.
    kernel, stride, dilation
        As of `output_size`.
    padding
        Outputs left out on each side.
    output_padding
        Outputs added at the end.

    Examples
    --------
    >>> transposed_output_size(8, 2, stride=2)
    16
    """
    return max(0, (size - 1) * stride - 2 * padding + span(kernel, dilation) + output_padding)


def padding_of(mode: str, kernel: int, *, dilation: int = 1) -> tuple[int, int]:
    """Return what `valid`, `same` or `full` adds before and after, at stride 1.

    An even kernel cannot be centred; `same` then adds the odd one after, as torch does.

    Parameters
    ----------
    mode
        `valid`, `same` or `full`.
    kernel
        Taps.
    dilation
        Inputs from one tap to the next.

    Raises
    ------
    OptionError
        If the mode is none of the three.

    Examples
    --------
    >>> padding_of("valid", 4), padding_of("same", 4), padding_of("full", 4)
    ((0, 0), (1, 2), (3, 3))
    """
    outside = span(kernel, dilation) - 1
    match mode:
        case "valid":
            return 0, 0
        case "same":
            return outside // 2, outside - outside // 2
        case "full":
            return outside, outside
    message = f"padding {mode!r} is not known; give valid, same or full"
    raise OptionError(message)


def chunk_overlap(window: int) -> int:
    """Return what consecutive chunks share so that each window lies whole in one of them.

    Examples
    --------
    >>> chunk_overlap(20)
    19
    """
    return padding_of("full", window)[0]


def receptive_field(layers: Iterable[Layer]) -> tuple[int, int]:
    """Return the inputs that one output of a stack of layers sees, and the stack's stride.

    Parameters
    ----------
    layers
        From the input on.

    Returns
    -------
    tuple of int
        Receptive field and total stride, in inputs.

    Examples
    --------
    >>> receptive_field([Layer(3), Layer(2, stride=2), Layer(3)])
    (8, 2)
    """
    field, stride = 1, 1
    for layer in layers:
        field += (layer.span - 1) * stride
        stride *= layer.stride
    return field, stride
