"""A network as a table: its layers, what they make of an image, what they cost."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from bioconv.conv.receptive import LayerView, view_layers
from bioconv.errors import ModelError

COLUMNS = ("layer", "kind", "output", "receptive_field", "parameters", "memory_bytes")
_BYTES = 4  # of a float32
_KINDS = {
    "ConvTranspose": "transposed convolution",
    "Conv": "convolution",
    "MaxPool": "max pooling",
    "AvgPool": "mean pooling",
    "AdaptiveAvgPool": "mean pooling to",
    "AdaptiveMaxPool": "max pooling to",
    "BatchNorm": "batch normalisation",
    "InstanceNorm": "instance normalisation",
    "GroupNorm": "group normalisation",
    "Upsample": "upsampling",
    "UpSample": "upsampling",
    "Linear": "linear",
    "PReLU": "rectifier with learnt slope",
}


@dataclass(frozen=True)
class LayerRow:
    """One layer.

    Parameters
    ----------
    layer
        Its name in the network.
    kind
        What it does, in words.
    output
        Shape of what it makes of one image, channels first.
    receptive_field
        Pixels along each axis that one value can depend on; None: the whole image.
    parameters
        Numbers that are learnt; 0 where the layer was called before.
    memory_bytes
        Of the output, float32.
    """

    layer: str
    kind: str
    output: tuple[int, ...]
    receptive_field: tuple[int, ...] | None
    parameters: int
    memory_bytes: int


@dataclass(frozen=True)
class Summary:
    """The layers of a network and their sums.

    Parameters
    ----------
    input
        (C, *spatial) of the image.
    layers
        Those that have weights, or pool, or upsample, in the order they run.
    parameters
        Of the whole network.
    memory_bytes
        Of the outputs of `layers` for one image: about what training keeps.
    """

    input: tuple[int, ...]
    layers: tuple[LayerRow, ...]
    parameters: int
    memory_bytes: int

    def table(self) -> Iterator[tuple[str, ...]]:
        """Yield the rows of a table, `COLUMNS` first, the sums last."""
        yield COLUMNS
        for row in self.layers:
            field = "image" if row.receptive_field is None else _by(row.receptive_field)
            yield row.layer, row.kind, _by(row.output), field, str(row.parameters), str(row.memory_bytes)
        yield "total", "", "", "", str(self.parameters), str(self.memory_bytes)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as values JSON can hold."""
        return asdict(self)


def summarise(network: nn.Module, sizes: tuple[int, ...]) -> Summary:
    """Describe a network layer by layer; it is run without data.

    Parameters
    ----------
    network
        In evaluation mode; on any device, `meta` too.
    sizes
        (C, *spatial) of the image.

    Raises
    ------
    ModelError
        If the network does not take such an image.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2))
    >>> [row.kind for row in summarise(network.eval(), (1, 10, 10)).layers]
    ['convolution 3x3', 'max pooling 2x2 stride 2']
    """
    stride = int(getattr(network, "stride", 1))
    if any(size % stride for size in sizes[1:]):
        message = f"an image of {_by(sizes[1:])}: this network takes sizes that are multiples of {stride}"
        raise ModelError(message)
    seen: set[int] = set()
    rows = [_row(view, seen) for view in view_layers(network, sizes) if _counts(view.module)]
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Summary(sizes, tuple(rows), parameters, sum(row.memory_bytes for row in rows))


def _counts(module: nn.Module) -> bool:
    name = type(module).__name__
    return any(True for _ in module.parameters()) or "Pool" in name or "psample" in name.lower()


def _row(view: LayerView, seen: set[int]) -> LayerRow:
    new = [parameter for parameter in view.module.parameters() if id(parameter) not in seen]
    seen |= {id(parameter) for parameter in new}
    return LayerRow(
        view.name,
        _kind(view.module),
        view.shape,
        view.field,
        sum(parameter.numel() for parameter in new),
        math.prod(view.shape) * _BYTES,
    )


def _kind(module: nn.Module) -> str:
    name = type(module).__name__
    said = next((words for start, words in _KINDS.items() if name.startswith(start)), name)
    numbers = [said]
    if sizes := _axes(getattr(module, "kernel_size", None) or getattr(module, "output_size", None), module):
        numbers.append(_by(sizes))
    for word, plain in (("stride", 1), ("dilation", 1)):
        values = _axes(getattr(module, word, None), module)
        if values and set(values) != {plain}:
            numbers.append(f"{word} {values[0] if len(set(values)) == 1 else _by(values)}")
    if getattr(module, "groups", 1) > 1:
        numbers.append(f"groups {module.groups}")
    return " ".join(numbers)


def _axes(values: Any, module: nn.Module) -> tuple[int, ...]:
    """Return one number per axis; () for what is no number."""
    if isinstance(values, int):
        name = type(module).__name__
        return (values,) * (int(name[-2]) if name[-2:] in ("1d", "2d", "3d") else 1)
    return tuple(values) if isinstance(values, tuple | list) else ()


def _by(sizes: tuple[int, ...]) -> str:
    return "x".join(map(str, sizes))
