"""Networks made ready for use: batch normalisation folded into the convolution before it, memory laid out for speed."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
_PLAIN = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """Return a copy in evaluation mode whose batch normalisations are part of the convolutions before them.

    In evaluation batch normalisation multiplies and shifts each channel by fixed numbers; a convolution whose
    output goes nowhere else takes them over (Jacob et al., doi 10.1109/CVPR.2018.00286, section 3.2). Any other
    stays as it is, and so do instance and group normalisation, whose numbers depend on the image. The result is
    of the same class; its outputs differ by rounding only. It cannot be trained further.

    Parameters
    ----------
    network
        Any network; left as it is.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
    >>> fold_batch_norm(network)[1]
    Identity()
    """
    folded = copy.deepcopy(network).eval()
    for before, after in _neighbours(folded):
        convolution, normalisation = folded.get_submodule(before), folded.get_submodule(after)
        if isinstance(convolution, Convolution) and _fixed(normalisation):
            _fold(convolution, normalisation)
            _replace(folded, after, nn.Identity())
    return folded


def for_inference(network: nn.Module) -> nn.Module:
    """Return a copy for evaluation that is faster, and gives the same to rounding.

    Batch normalisation is folded, rectifiers overwrite their input where nobody else reads it, and the weights
    of a network over planes lie channels last; images given to it should too
    (`images.to(memory_format=torch.channels_last)`).

    Parameters
    ----------
    network
        Any network; left as it is.
    """
    ready = fold_batch_norm(network)
    for before, after in _neighbours(ready):
        rectifier = ready.get_submodule(after)
        # What a convolution or a dropped normalisation gives is nobody's but the rectifier's.
        if isinstance(rectifier, nn.ReLU | nn.LeakyReLU) and _fresh(ready.get_submodule(before)):
            rectifier.inplace = True
    if any(isinstance(module, nn.Conv2d) for module in ready.modules()):
        ready.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return ready.requires_grad_(False)


def _fixed(module: nn.Module) -> bool:
    return isinstance(module, _BatchNorm) and module.running_mean is not None and module.running_var is not None


def _fresh(module: nn.Module) -> bool:
    return isinstance(module, Convolution | _BatchNorm)


def _neighbours(network: nn.Module) -> list[tuple[str, str]]:
    """Return names of modules, the second reading what the first gives and nobody else; each called once.

    Identities in between are passed over.
    """
    copied = copy.deepcopy(network)  # tracing leaves marks in some networks
    try:
        graph = fx.Tracer().trace(copied)
    except Exception:  # tracing runs the network's own code, which may refuse in any way
        return list(_in_sequences(network))
    calls = [node for node in graph.nodes if node.op == "call_module"]
    # A module may go by several names: one that is called twice is told by the object.
    modules = {node: copied.get_submodule(str(node.target)) for node in calls}
    count = Counter(id(module) for module in modules.values())
    pairs = []
    for node in calls:
        before = node.args[0] if node.args else None
        while isinstance(before, fx.Node) and isinstance(modules.get(before), nn.Identity) and len(before.users) == 1:
            before = before.args[0]
        if not isinstance(before, fx.Node) or before not in modules or len(before.users) != 1:
            continue
        if count[id(modules[before])] == 1 and count[id(modules[node])] == 1:
            pairs.append((str(before.target), str(node.target)))
    return pairs


def _in_sequences(network: nn.Module) -> Iterator[tuple[str, str]]:
    """Yield neighbours within `nn.Sequential`: all that is sure of a network that cannot be traced."""
    seen = Counter(id(module) for _, module in network.named_modules(remove_duplicate=False))
    for name, module in network.named_modules():
        if type(module) is not nn.Sequential:
            continue
        prefix = f"{name}." if name else ""
        inner = [(key, part) for key, part in module.named_children() if not isinstance(part, nn.Identity)]
        for (before, first), (after, second) in pairwise(inner):
            if seen[id(first)] == seen[id(second)] == 1:
                yield prefix + before, prefix + after


def _fold(convolution: Convolution, normalisation: nn.Module) -> None:
    """Give a convolution the factors and shifts of the normalisation behind it; worked out in double precision."""
    assert isinstance(normalisation, _BatchNorm)
    mean, variance = normalisation.running_mean, normalisation.running_var
    assert mean is not None
    assert variance is not None
    factor = (variance.double() + normalisation.eps).rsqrt()
    if normalisation.weight is not None:
        factor = factor * normalisation.weight.detach().double()
    shift = -mean.double() * factor
    if normalisation.bias is not None:
        shift = shift + normalisation.bias.detach().double()
    weight = convolution.weight.detach()
    bias = factor.new_zeros(len(factor)) if convolution.bias is None else convolution.bias.detach().double()
    scaled = weight.double() * _as_weight(factor, convolution)
    convolution.weight = nn.Parameter(scaled.to(weight.dtype))
    convolution.bias = nn.Parameter((bias * factor + shift).to(weight.dtype))


def _as_weight(factor: Tensor, convolution: Convolution) -> Tensor:
    """Return one factor per output channel in a shape that multiplies the weights."""
    rest = (1,) * len(convolution.kernel_size)
    if isinstance(convolution, _PLAIN):
        return factor.reshape(-1, 1, *rest)
    # (in, out / groups, ...): inputs of a group lead to the outputs of that group.
    groups = convolution.groups
    within = factor.reshape(groups, 1, -1).expand(groups, convolution.in_channels // groups, -1)
    return within.reshape(convolution.in_channels, -1, *rest)


def _replace(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, attribute = name.rpartition(".")
    setattr(network.get_submodule(parent), attribute, module)
