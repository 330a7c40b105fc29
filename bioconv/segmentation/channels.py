"""Which channels of an image a model reads: said by the user or clear from the image, never guessed."""

from __future__ import annotations

from bioconv.errors import InputError
from bioconv.images.image import ImageInfo
from bioconv.segmentation.preprocessing import COLOUR

GREY = ("gray",)


def choose_channels(
    info: ImageInfo, channel: str | None = None, *, wanted: tuple[str, ...] | None = None
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return the numbers of the channels to read, and what they are.

    Parameters
    ----------
    channel
        A channel by number from 0 or by name, in any case of letters; it is read as grey.
    wanted
        Inputs of the model that will read them; None: any.

    Raises
    ------
    InputError
        If there is no such channel, the choice is not clear, or the model cannot read them; the message names the
        channels.
    """
    count = info.shape[info.axes.index("C")] if "C" in info.axes else 1
    listed = ", ".join(f"{number}: {name or 'no name'}" for number, name in enumerate(info.channels))
    if channel is not None:
        return (_find(info, channel, count, listed),), GREY
    names = COLOUR if info.rgb else GREY if count == 1 else tuple(info.channels)
    if wanted is None or names == wanted or (names == GREY and wanted == COLOUR):
        if wanted is None and len(set(names)) < len(names):
            names = tuple(f"channel-{number}" for number in range(count))
        return tuple(range(count)), names
    if set(wanted) <= set(names):
        return tuple(names.index(name) for name in wanted), wanted
    if names == COLOUR and wanted == GREY:
        message = f"{info.path}: in colour, and the model reads grey; choose a channel with --channel ({listed})"
        raise InputError(message)
    message = f"{info.path}: {count} channels ({listed}), and the model reads {', '.join(wanted)}; choose one with "
    message += "--channel"
    raise InputError(message)


def _find(info: ImageInfo, channel: str, count: int, listed: str) -> int:
    named = [number for number, name in enumerate(info.channels) if name.casefold() == channel.casefold() and name]
    if len(named) == 1:
        return named[0]
    if channel.isdecimal() and int(channel) < count:
        return int(channel)
    message = f"{info.path}: no channel {channel!r}; it has {listed}"
    raise InputError(message)
