"""Every segmentation network: build, one step, save, load, same output; folded, exact sizes, published counts."""

from __future__ import annotations

import copy
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from bioconv.errors import ModelError
from bioconv.models import ARCHITECTURES, SEGMENTERS, model_class
from bioconv.models.configuration import read_config
from bioconv.models.fcn import FCN, FCNConfig, published_fcn
from bioconv.models.folding import fold_batch_norm, for_inference
from bioconv.models.model_file import ModelFile, read_model, write_model
from bioconv.models.unet import UNet, UNetConfig, published_unet
from bioconv.models.wnet import WNet, WNetConfig

SMALL = {
    "unet": {"widths": [4, 6, 8]},
    "fcn": {"widths": [4, 6, 8], "convolutions": [1, 2, 1], "classifier_width": 6, "skips": 2},
    "wnet": {"widths": [4, 6, 8]},
    "dynunet": {"widths": [4, 6, 8, 8]},
    "segresnet": {"width": 4, "blocks_down": [1, 1, 1], "blocks_up": [1, 1]},
    "attention-unet": {"widths": [4, 6, 8]},
}
DEEP = {"unet": [1, 2], "fcn": [1, 2, 4, 8], "wnet": [1, 1], "dynunet": [1, 1, 1]}
"""By what each output of deep supervision is smaller."""
CASES = [(name, ndim) for name in SMALL for ndim in (2, 3)]


def build(name, ndim=2, **changes):
    """A small network of two channels and three outputs, whose normalisations have seen something."""
    torch.manual_seed(1)
    found = model_class(name)
    known = {**SMALL[name], "channels_in": 2, "outputs": 3, "ndim": ndim}
    network = found(read_config(found.config_class, known | changes))
    stir(network)
    return network


def stir(network):
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
                module.running_mean.normal_(0, 0.5)
                module.running_var.uniform_(0.3, 3)
                if module.affine:
                    module.weight.normal_(0, 1)  # of either sign
                    module.bias.normal_(0, 0.5)


def images(network, ndim=2, count=2):
    sizes = [network.stride * size for size in (3, 2, 2)[:ndim]]
    return torch.randn(count, 2, *sizes, generator=torch.Generator().manual_seed(0))


def evaluated(network, batch):
    with torch.inference_mode():
        return network.eval()(batch)


def normalisations(network):
    return [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


def test_all_are_tried():
    assert set(SEGMENTERS) == set(SMALL)
    assert set(SEGMENTERS) <= set(ARCHITECTURES)


@pytest.mark.parametrize(("name", "ndim"), CASES)
def test_build_step_save_load(tmp_path, name, ndim):
    network = build(name, ndim).train()
    batch = images(network, ndim)
    before = copy.deepcopy(network.state_dict())
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    outputs = network(batch)
    logits = outputs[0] if isinstance(outputs, tuple) else outputs
    assert logits.shape == (2, 3, *batch.shape[2:])
    functional.cross_entropy(logits, torch.zeros_like(logits[:, 0], dtype=torch.long)).backward()
    # What has no gradient is not in use.
    idle = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not [n for n in idle if "bias" not in n], idle
    optimiser.step()
    assert not [n for n, p in network.named_parameters() if "bias" not in n and torch.equal(p, before[n])]

    tensors = {n: t.detach().numpy() for n, t in network.state_dict().items()}
    write_model(tmp_path / "m", ModelFile(name, asdict(network.config), tensors))
    file = read_model(tmp_path / "m")
    found = model_class(file.architecture)
    loaded = found(read_config(found.config_class, file.config))
    loaded.load_state_dict({n: torch.from_numpy(a) for n, a in file.tensors.items()})
    assert loaded.config == network.config
    assert torch.equal(evaluated(loaded, batch), evaluated(network, batch))
    # Nothing is kept twice.
    assert sum(t.numel() for t in network.parameters()) == sum(
        a.size for n, a in file.tensors.items() if n in dict(network.named_parameters())
    )
    assert len(file.tensors) == len({t.data_ptr() for t in network.state_dict().values()})


@pytest.mark.parametrize(("name", "ndim"), CASES)
def test_head_names_are_the_layers_that_know_the_outputs(name, ndim):
    changes = {"deep_supervision": True} if name in DEEP else {}
    three = build(name, ndim, **changes).state_dict()
    two = build(name, ndim, outputs=2, **changes).state_dict()
    heads = model_class(name).head_names
    assert set(two) == set(three)
    other = {n for n in two if two[n].shape != three[n].shape}
    assert other
    assert all(n.startswith(heads) for n in other)
    # A head's own layers need not be named one by one, but no body is among them.
    kept = [n for n in two if not n.startswith(heads)]
    assert len(kept) > len(two) / 2


@pytest.mark.parametrize(("name", "ndim"), [(name, ndim) for name, ndim in CASES if name in DEEP])
def test_deep_supervision(name, ndim):
    network = build(name, ndim, deep_supervision=True)
    batch = images(network, ndim)
    outputs = network.train()(batch)
    assert [tuple(o.shape) for o in outputs] == [
        (2, 3, *(size // smaller for size in batch.shape[2:])) for smaller in DEEP[name]
    ]
    sum(o.square().mean() for o in outputs).backward()
    assert all(p.grad is not None for p in network.parameters())
    copy.deepcopy(network)  # as averaging of weights does
    final = evaluated(network, batch)
    assert isinstance(final, torch.Tensor)
    # The same network without it gives the same.
    alone = build(name, ndim, deep_supervision=False)
    alone.load_state_dict({n: t for n, t in network.state_dict().items() if n in alone.state_dict()})
    assert torch.equal(evaluated(alone, batch), final)


@pytest.mark.parametrize("ready", [fold_batch_norm, for_inference])
@pytest.mark.parametrize(("name", "ndim"), CASES)
def test_folded_gives_the_same(name, ndim, ready):
    network = build(name, ndim).eval()
    batch = images(network, ndim)
    expected, before = evaluated(network, batch), copy.deepcopy(network.state_dict())
    folded = ready(network.train())
    assert network.training
    assert not folded.training
    kept = batch.clone()
    found = evaluated(folded, batch)
    np.testing.assert_allclose(found, expected, atol=1e-5 * float(expected.abs().max()), rtol=0)
    assert torch.equal(batch, kept)
    assert all(torch.equal(t, before[n]) for n, t in network.state_dict().items())
    assert type(folded) is type(network)
    assert folded.stride == network.stride
    left = len(normalisations(folded))
    # SegResNet normalises before its convolutions: only the second of each block follows one.
    assert left == (len(normalisations(network)) - 5 if name == "segresnet" else 0)


def test_folding_says_what_it_must_not():
    torch.manual_seed(0)

    class Forked(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 1)
            self.norm, self.shared = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
            self.instance = nn.InstanceNorm2d(2)
            self.still = nn.BatchNorm2d(2, track_running_stats=False)

        def forward(self, x):
            y = self.first(x)
            z = self.norm(y) + y  # the convolution's output is used twice
            z = self.shared(self.second(z)) + self.shared(z)  # a normalisation of two inputs
            return self.still(self.instance(self.second(z)))  # and a convolution of two

    network = Forked().eval()
    stir(network)
    batch = torch.randn(2, 2, 8, 8)
    for ready in (fold_batch_norm, for_inference):
        found = ready(network)
        assert len(normalisations(found)) == 3
        np.testing.assert_allclose(evaluated(found, batch), evaluated(network, batch), atol=1e-5)


def test_networks_that_cannot_be_traced_fold_in_their_sequences():
    class Branching(nn.Module):
        def __init__(self):
            super().__init__()
            shared = nn.Conv2d(4, 4, 1)
            self.one = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
            self.two = nn.Sequential(shared, nn.BatchNorm2d(4))
            self.three = nn.Sequential(shared, nn.ReLU())

        def forward(self, x):
            x = self.one(x)
            return self.two(x) + x if x.sum() > 0 else self.three(x)

    network = Branching().eval()
    stir(network)
    for ready in (fold_batch_norm, for_inference):
        found = ready(network)
        assert [len(normalisations(part)) for part in (found.one, found.two)] == [0, 1]
        for batch in (torch.ones(1, 2, 8, 8), -torch.ones(1, 2, 8, 8)):
            np.testing.assert_allclose(evaluated(found, batch), evaluated(network, batch), atol=1e-5)


@pytest.mark.parametrize(
    ("convolution", "normalisation", "shape"),
    [
        (nn.Conv1d(4, 6, 3, groups=2, bias=False), nn.BatchNorm1d(6), (2, 4, 9)),
        (nn.Conv2d(4, 6, 3, dilation=2, stride=2), nn.BatchNorm2d(6, affine=False), (2, 4, 9, 9)),
        (nn.ConvTranspose1d(4, 6, 3), nn.BatchNorm1d(6, eps=0.1), (2, 4, 9)),
        (nn.ConvTranspose2d(4, 6, 4, stride=2, groups=2), nn.BatchNorm2d(6), (2, 4, 5, 5)),
        (nn.ConvTranspose3d(4, 6, 2, stride=2, bias=False), nn.BatchNorm3d(6), (2, 4, 5, 5, 4)),
    ],
)
def test_all_kinds_of_convolution_fold(convolution, normalisation, shape):
    network = nn.Sequential(convolution, normalisation).eval()
    stir(network)
    folded = fold_batch_norm(network)
    assert isinstance(folded[1], nn.Identity)
    batch = torch.randn(shape)
    np.testing.assert_allclose(evaluated(folded, batch), evaluated(network, batch), atol=1e-5)


def test_rectifiers_overwrite_only_what_nobody_else_reads():
    class Skip(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution, self.free, self.bound, self.entry = nn.Conv2d(2, 2, 1), nn.ReLU(), nn.ReLU(), nn.ReLU()

        def forward(self, x):
            y = self.convolution(self.entry(x))
            z = self.convolution(y)
            return self.bound(y) + y + self.free(z)

    network = Skip().eval()
    ready = for_inference(network)
    assert not ready.entry.inplace  # the caller's images
    assert not ready.bound.inplace
    batch = torch.randn(1, 2, 4, 4)
    np.testing.assert_allclose(evaluated(ready, batch), evaluated(network, batch), atol=1e-6)
    plain = for_inference(nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2), nn.ReLU()))
    assert plain[2].inplace


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_published_sizes():
    # Ronneberger: 31.0 million, 23 convolutional layers.
    with torch.device("meta"):
        unet = UNet(published_unet(batch_norm=False))
        fcn = FCN(published_fcn(skips=0))
    assert count(unet) == 31_030_658
    assert len([m for m in unet.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]) == 23
    # Long et al., table 1: FCN-VGG16 has 134 million parameters and a stride of 32.
    assert round((count(fcn) - count(fcn.last_up)) / 1e6) == 134
    assert fcn.stride == 32


@pytest.mark.parametrize(("stages", "published"), [(1, 34_201), (2, 68_482)])
def test_published_sizes_of_the_little_networks(stages, published):
    # Galdran et al., table 3: there the convolutions before a normalisation have biases, which do nothing.
    network = WNet(WNetConfig(stages=stages))
    shortcuts = sum(m.shortcut[1].num_features for m in network.modules() if hasattr(m, "shortcut"))
    biases = sum(m.num_features for m in normalisations(network)) - shortcuts
    assert count(network) + biases == published


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("skips", [0, 1, 2])
def test_fcn_begins_as_linear_interpolation(ndim, skips):
    config = FCNConfig(1, 2, ndim, widths=(2, 2, 2), convolutions=(1, 1, 1), classifier_width=2, skips=skips)
    layer = FCN(config).last_up
    factor = 2 ** (3 - skips)
    coarse = torch.randn(1, 2, *(6, 5, 5)[:ndim])
    mode = {2: "bilinear", 3: "trilinear"}[ndim]
    expected = functional.interpolate(coarse, scale_factor=float(factor), mode=mode, align_corners=False)
    inside = (slice(None), slice(None), *[slice(factor, -factor)] * ndim)  # beyond the border is nothing
    np.testing.assert_allclose(layer(coarse)[inside].detach(), expected[inside], atol=1e-6)


def test_fcn_adds_the_scores_of_each_scale():
    network = build("fcn").eval()
    batch = images(network)
    with torch.inference_mode():
        first, second, third = network.levels
        a = first(batch)
        b = second(a)
        score = network.score(network.classifier(third(b)))
        score = network.up[0](score) + network.skip_scores[0](b)
        score = network.up[1](score) + network.skip_scores[1](a)
        np.testing.assert_allclose(network(batch), network.last_up(score), atol=1e-6)


def test_the_second_network_reads_the_image_and_the_firsts_logits():
    network = build("wnet")
    batch = images(network)
    last, _ = network.train()(batch)
    assert torch.equal(last, network(batch)[0])
    network.eval()
    with torch.inference_mode():
        logits = network.heads[0](network.networks[0](batch))
        again = network.heads[1](network.networks[1](torch.cat([batch, logits], 1)))
        assert torch.equal(network(batch), again)
    assert build("wnet", stages=1).train()(batch).shape == (2, 3, *batch.shape[2:])


@pytest.mark.parametrize("name", ["unet", "fcn", "wnet"])
def test_dropout_is_of_training_only(name):
    network = build(name, dropout=0.5)
    batch = images(network)
    assert torch.equal(evaluated(network, batch), evaluated(network, batch))
    network.train()
    first, second = (network(batch) for _ in range(2))
    first, second = (o[0] if isinstance(o, tuple) else o for o in (first, second))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("norm", ["batch", "instance", "group"])
def test_norms_of_monai(norm):
    for name in ("dynunet", "segresnet"):
        if (name, norm) == ("dynunet", "group"):
            with pytest.raises(ModelError, match="norm is 'group'; expected one of batch, instance"):
                build(name, norm=norm)
            continue
        network = build(name, norm=norm, **({"width": 8} if norm == "group" else {}))
        kinds = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d, "group": nn.GroupNorm}
        assert {k for k, kind in kinds.items() if any(isinstance(m, kind) for m in network.modules())} == {norm}


@pytest.mark.parametrize(
    ("name", "config", "match"),
    [
        ("unet", {"widht": [4]}, "widht is not known; known are channels_in, outputs"),
        ("unet", {"widths": 5}, "widths is 5; expected a list"),
        ("unet", {"widths": [4, "8"]}, r"widths is \[4, '8'\]"),
        ("unet", {"widths": [4] * 40}, "widths is .*at most 32"),
        ("unet", {"widths": [10**9]}, "widths is .*up to 65536"),
        ("unet", {"widths": []}, "makes no sense"),
        ("unet", {"outputs": 0}, "makes no sense"),
        ("unet", {"outputs": 2.0}, "outputs is 2.0; expected a whole number"),
        ("unet", {"outputs": True}, "outputs is True"),
        ("unet", {"batch_norm": "no"}, "batch_norm is 'no'; expected true or false"),
        ("unet", {"dropout": "much"}, "dropout is 'much'; expected a number"),
        ("unet", {"dropout": 1}, "makes no sense"),
        ("unet", {"skip": None}, "skip is None; expected a text"),
        ("unet", {"skip": "jump"}, "skip is 'jump'; expected one of add, concatenate"),
        ("unet", {"ndim": 4}, "makes no sense"),
        ("fcn", {"skips": 3}, "fewer skips than widths"),
        ("fcn", {"convolutions": [1]}, "one number of convolutions per width"),
        ("fcn", {"classifier_kernel": 4}, "classifier_kernel is 4; expected an odd"),
        ("wnet", {"stages": 0}, "makes no sense"),
        ("dynunet", {"widths": [4, 8]}, "3 or more levels"),
        ("segresnet", {"blocks_up": [1]}, "one level fewer"),
        ("segresnet", {"norm": "group"}, "width is 4; group normalisation needs a multiple of 8"),
        ("attention-unet", {"widths": [4]}, "2 or more levels"),
        ("attention-unet", {"norm": "batch"}, "norm is not known"),
    ],
)
def test_damaged_hyper_parameters(name, config, match):
    with pytest.raises(ModelError, match=match):
        build(name, **config)


def test_hyper_parameters_left_out_are_the_defaults():
    assert read_config(UNetConfig, {"dropout": 0, "widths": [4, 8]}) == replace(UNetConfig(), widths=(4, 8))
