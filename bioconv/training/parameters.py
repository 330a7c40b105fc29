"""Which parameters are weights, which layer they belong to, and what the head of a model is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

NORMALISATIONS: tuple[type[nn.Module], ...] = (
    nn.modules.batchnorm._NormBase,  # batch and instance normalisation of any dimension
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
)


@dataclass(frozen=True, eq=False)
class Tensor:
    """One parameter tensor of a model.

    Parameters
    ----------
    name
        As in `model.named_parameters()`.
    own_name
        Its name in `module`.
    module
        The module that owns it.
    layer
        0 for the head, 1 for the layer before it, and so on to the input.
    """

    name: str
    own_name: str
    module: nn.Module
    parameter: nn.Parameter
    layer: int

    @property
    def is_weight(self) -> bool:
        """Whether it multiplies inputs: no bias, nothing of a normalisation, no lone scale."""
        return _is_weight(self.module, self.own_name, self.parameter)

    @property
    def is_bias(self) -> bool:
        """Whether it is added to something, outside normalisations."""
        return _is_bias(self.own_name) and not isinstance(self.module, NORMALISATIONS)


def list_tensors(model: nn.Module) -> list[Tensor]:
    """Return the parameters of a model from the input on: each once, in the order its modules were registered.

    A layer is a module that owns weights; a normalisation that follows belongs to it. The head is what the
    architecture names in `head_names` (prefixes of parameter names), else the last module that owns
    parameters.

    Examples
    --------
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Conv1d(4, 8, 5), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
    >>> [(tensor.name, tensor.layer, tensor.is_weight) for tensor in list_tensors(model)][1:4]
    [('0.bias', 1, False), ('1.weight', 1, False), ('1.bias', 1, False)]
    """
    owned = list(_owned(model))
    heads = head_prefixes(model)
    numbers: list[int] = []
    number, last = 0, None
    for name, _, module, _ in owned:
        if module is not last and _has_weights(module) and not _under(name, heads):
            number += 1
        last = module
        numbers.append(number)
    return [
        Tensor(name, own_name, module, parameter, 0 if _under(name, heads) else number - place + 1)
        for (name, own_name, module, parameter), place in zip(owned, numbers, strict=True)
    ]


def head_prefixes(model: nn.Module) -> tuple[str, ...]:
    """Return the prefixes of the names of the head's parameters; () for a model without parameters."""
    named = tuple(getattr(model, "head_names", ()))
    if named:
        return named
    owners = [name.rpartition(".")[0] for name, _, _, _ in _owned(model)]
    return (owners[-1],) if owners else ()


def _owned(model: nn.Module) -> Iterator[tuple[str, str, nn.Module, nn.Parameter]]:
    seen: set[int] = set()
    for prefix, module in model.named_modules():
        for own_name, parameter in module.named_parameters(recurse=False):
            if id(parameter) not in seen:  # shared weights count once
                seen.add(id(parameter))
                yield f"{prefix}.{own_name}" if prefix else own_name, own_name, module, parameter


def _under(name: str, prefixes: tuple[str, ...]) -> bool:
    # a prefix is a whole name, or its first words; "" is the model itself
    return any(
        name == prefix or name.startswith(f"{prefix}.") or ("." not in name and prefix == "") for prefix in prefixes
    )


def _has_weights(module: nn.Module) -> bool:
    return any(_is_weight(module, *own) for own in module.named_parameters(recurse=False))


def _is_weight(module: nn.Module, own_name: str, parameter: nn.Parameter) -> bool:
    return parameter.ndim >= 2 and not _is_bias(own_name) and not isinstance(module, NORMALISATIONS)


def _is_bias(own_name: str) -> bool:
    return own_name.endswith("bias") or own_name.startswith("bias")  # in_proj_bias; bias_ih_l0
