"""Every classifier: build, one step, save, load, same output; published counts, and another library's networks."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from bioconv.errors import ModelError
from bioconv.models import ARCHITECTURES, CLASSIFIERS, RECURRENT, SEGMENTERS, model_class
from bioconv.models.building import build_network, network_file, open_network
from bioconv.models.classifier import Classifier
from bioconv.models.folding import fold_batch_norm, for_inference
from bioconv.models.model_file import read_model, write_model
from bioconv.models.residual import PreactivationBlock, ResNet18, ResNet50

WIDTH = {
    "alexnet": 0.02,
    "vgg11": 0.03,
    "vgg16": 0.03,
    "vgg19": 0.03,
    "googlenet": 0.1,
    "lenet5": 0.5,
    "residual": 0.25,
}
"""So narrow that a step is quick; the others have 0.07."""


def build(name, **changes):
    """A narrow network of two channels and three outputs, whose normalisations have seen something."""
    torch.manual_seed(1)
    known = {"channels_in": 2, "outputs": 3, "width": WIDTH.get(name, 0.07), "dropout": 0.0}
    network = build_network(name, known | changes)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 2)
    return network


def images(network, sizes=(0, 5), count=2):
    smallest = max(network.smallest, 33)
    shape = [count, 2, *(smallest + more for more in sizes)]
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def evaluated(network, batch):
    with torch.inference_mode():
        return network.eval()(batch)


def test_all_are_in_the_table_and_keep_the_contract():
    assert set(CLASSIFIERS) <= set(ARCHITECTURES)
    assert not set(CLASSIFIERS) & set(SEGMENTERS)
    assert all(issubclass(model_class(name), Classifier) for name in CLASSIFIERS)
    assert set(ARCHITECTURES) == {*CLASSIFIERS, *SEGMENTERS, *RECURRENT, "deepbind"}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_build_step_save_load(tmp_path, name):
    network = build(name).train()
    batch = images(network)
    before = copy.deepcopy(network.state_dict())
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    logits = network(batch)
    assert logits.shape == (2, 3)
    functional.cross_entropy(logits, torch.tensor([0, 2])).backward()
    assert not [n for n, p in network.named_parameters() if p.grad is None]
    optimiser.step()
    moved = [n for n, p in network.named_parameters() if not torch.equal(p, before[n])]
    assert {n for n, p in network.named_parameters() if p.ndim > 1} <= set(moved)

    write_model(tmp_path / "m", network_file(network, name, {"labels": ["a", "b", "c"]}))
    loaded = open_network(read_model(tmp_path / "m"))
    assert type(loaded) is type(network)
    assert loaded.config == network.config
    # Channels lie last in what was loaded: another order of sums.
    np.testing.assert_allclose(evaluated(loaded, batch), evaluated(network, batch), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_features_classify_and_head(name):
    network = build(name).eval()
    batch = images(network)
    with torch.inference_mode():
        features = network.features(batch)
        assert features.shape[:2] == (2, network.feature_channels)
        assert min(features.shape[2:]) >= 1
        logits = network(batch)
        assert torch.equal(network.classify(features), logits)
    assert logits.std() > 0
    network.head = nn.Linear(network.head.in_features, 7)
    assert evaluated(network, batch).shape == (2, 7)
    # The head holds all that depends on the number of outputs.
    five = build(name, outputs=5).state_dict()
    three = build(name).state_dict()
    assert {n for n in five if five[n].shape != three[n].shape} == {"head.weight", "head.bias"}
    assert network.head_names == ("head",)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_images_of_any_size_from_the_smallest_on(name):
    network = build(name).eval()
    for sizes in ((network.smallest, network.smallest), (network.smallest + 38, network.smallest), (70, 101)):
        batch = torch.randn(1, 2, *sizes)
        assert evaluated(network, batch).isfinite().all()
    if network.smallest > 1:
        with pytest.raises(RuntimeError, match=r"too small|Kernel size can't be greater|input size"):
            evaluated(network, torch.randn(1, 2, network.smallest - 1, network.smallest))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_an_image_is_classified_by_itself(name):
    network = build(name)
    batch = images(network, count=3)
    alone = torch.cat([evaluated(network, one[None]) for one in batch])
    np.testing.assert_allclose(evaluated(network, batch), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_made_ready_for_use_it_gives_the_same(name):
    network = build(name).eval()
    batch = images(network)
    expected = evaluated(network, batch)
    for ready in (fold_batch_norm, for_inference):
        np.testing.assert_allclose(evaluated(ready(network), batch), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_dropout_is_of_training_only(name):
    network = build(name, dropout=0.5)
    batch = images(network)
    assert torch.equal(evaluated(network, batch), evaluated(network, batch))
    assert [m.p for m in network.modules() if isinstance(m, nn.Dropout)].count(0.5) >= 1


# LeCun et al. 1998 count 60,000: theirs has 60 connections of C3 fewer (900 weights), 44 coefficients of subsampling
# more, and an output without weights (850). Krizhevsky's two towers of 2012 had 60.97 million; the one tower of
# arXiv 1404.5997 has 61,100,840. VGG: table 2 of the paper rounds to 133, 138, 144 million. ResNet and the others:
# as counted from the weights that are published for them (torchvision's and MONAI's documentation).
PUBLISHED = {
    "lenet5": 60_000 + 900 - 44 + 850,
    "alexnet": 61_100_840,
    "vgg11": 132_863_336,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "googlenet": 6_624_904,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "monai-resnet18": 11_689_512,
    "monai-resnet50": 25_557_032,
    "monai-densenet121": 7_978_856,
}


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_published_sizes(name):
    ends = {"channels_in": 1, "outputs": 10} if name == "lenet5" else {"channels_in": 3, "outputs": 1000}
    with torch.device("meta"):
        network = build_network(name, ends)
    if name == "residual":
        assert 300_000 < count(network) < 1_500_000
    else:
        assert count(network) == PUBLISHED[name]
    if name.startswith(("vgg", "resnet")):  # the number in the name: layers with weights, shortcuts left out
        layers = [n for n, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        assert len([n for n in layers if "downsample" not in n]) == int(name.lstrip("vgresnt"))


def test_sizes_of_the_paper_of_vgg():
    """Table 2 of the paper, in millions."""
    sizes = {}
    for name in ("vgg11", "vgg16", "vgg19"):
        with torch.device("meta"):
            sizes[name] = round(count(build_network(name, {"channels_in": 3, "outputs": 1000})) / 1e6)
    assert sizes == {"vgg11": 133, "vgg16": 138, "vgg19": 144}


@pytest.mark.parametrize(
    ("ours", "block", "blocks"), [(ResNet18, "basic", [2, 2, 2, 2]), (ResNet50, "bottleneck", [3, 4, 6, 3])]
)
def test_resnet_is_that_of_another_library(ours, block, blocks):
    from monai.networks.nets.resnet import ResNet

    torch.manual_seed(0)
    widths = [8, 16, 32, 64]
    other = ResNet(
        block, blocks, widths, spatial_dims=2, n_input_channels=3, num_classes=5, conv1_t_stride=2,
        bias_downsample=False,
    ).eval()  # fmt: skip
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    network = ours(ours.config_class(3, 5, width=1 / 8)).eval()
    weights = {n if n.startswith("fc.") else f"body.{n}": w for n, w in other.state_dict().items()}
    network.load_state_dict({n.replace("fc.", "head."): w for n, w in weights.items()})
    batch = torch.randn(2, 3, 65, 50)
    np.testing.assert_allclose(evaluated(network, batch), evaluated(other, batch), rtol=1e-4, atol=1e-4)


def test_sizes_of_the_maps():
    """At 224: VGG 14 x 14 before the last pooling, AlexNet 13, ResNet and GoogLeNet 7; LeNet-5 at 32: 10."""
    expected = {"vgg16": 14, "alexnet": 13, "resnet50": 7, "googlenet": 7, "lenet5": 10, "monai-densenet121": 7}
    for name, side in expected.items():
        with torch.device("meta"):
            network = build_network(name, {}).eval()
            size = 32 if name == "lenet5" else 224
            assert network.features(torch.zeros(1, 1, size, size)).shape[2:] == (side, side), name


def test_before_activation_the_shortcut_is_free():
    """With the last convolution of each block at 0, a level of one size changes nothing."""
    network = build("residual", blocks=[3], width=1.0)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "conv2" in name:
                parameter.zero_()
    maps = torch.randn(1, 16, 9, 9)
    assert torch.equal(network.body.layer1(maps), maps)
    after = build("residual", blocks=[3], width=1.0, preactivation=False).body.layer1(maps)
    assert not torch.equal(after, maps)
    assert after.min() == 0


def test_residual_learns():
    """Bars that lie against bars that stand, at any place: a few steps on the processor are enough."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    y, x = np.ogrid[:32, :32]

    def draw(kind):
        cy, cx = rng.integers(10, 22, 2)
        height, width = (8, 3) if kind else (3, 8)
        inside = (abs(y - cy) < height) & (abs(x - cx) < width)
        return inside + rng.normal(0, 0.3, (32, 32))

    kinds = np.arange(192) % 2
    pictures = torch.from_numpy(np.stack([draw(kind) for kind in kinds])[:, None].astype(np.float32))
    wanted = torch.from_numpy(kinds.astype(np.float32))
    network = build_network("residual", {"width": 0.5, "blocks": [1, 1, 1]}).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(12):
        for part in torch.randperm(128).split(32):
            optimiser.zero_grad()
            functional.binary_cross_entropy_with_logits(network(pictures[part])[:, 0], wanted[part]).backward()
            optimiser.step()
    right = (evaluated(network, pictures[128:])[:, 0] > 0) == (wanted[128:] > 0)
    assert right.float().mean() > 0.9


@pytest.mark.parametrize(
    ("name", "config", "match"),
    [
        ("resnet18", {"widths": [4]}, "widths is not known; known are channels_in, outputs, width, dropout"),
        ("resnet18", {"width": 0}, "makes no sense"),
        ("resnet18", {"width": 17.0}, "makes no sense"),
        ("vgg16", {"dropout": 1.0}, "makes no sense"),
        ("lenet5", {"outputs": 0}, "makes no sense"),
        ("residual", {"blocks": []}, "1 to 8 levels"),
        ("residual", {"blocks": [2, 0]}, "1 to 8 levels"),
        ("residual", {"blocks": 2}, "blocks is 2; expected a list"),
        ("residual", {"preactivation": 1}, "expected true or false"),
    ],
)
def test_damaged_hyper_parameters(name, config, match):
    with pytest.raises(ModelError, match=match):
        build_network(name, config)


def test_published_dropout_is_the_default():
    defaults = {name: model_class(name).config_class().dropout for name in CLASSIFIERS}
    assert {n: d for n, d in defaults.items() if d} == {
        "alexnet": 0.5, "vgg11": 0.5, "vgg16": 0.5, "vgg19": 0.5, "googlenet": 0.2,
    }  # fmt: skip


@pytest.mark.parametrize("channels", [4, 8])
def test_shortcuts_are_strided_convolutions(channels):
    """Of channels that lie last, forward and back: with torch's own stride, 8 of them end the process."""
    torch.manual_seed(0)
    block = PreactivationBlock(channels, 16, 2).to(memory_format=torch.channels_last)
    with torch.no_grad():
        block.conv2.weight.zero_()
    weight = block.downsample.weight.detach().double()
    for size in ((128, 96), (65, 49)):
        maps = torch.randn(16, channels, *size)
        mine = maps.contiguous(memory_format=torch.channels_last).requires_grad_()
        theirs = maps.double().requires_grad_()
        ready = functional.batch_norm(theirs, None, None, training=True).relu()
        plain = functional.conv2d(ready, weight, stride=2)
        found = block(mine)
        torch.testing.assert_close(found, plain.float(), rtol=1e-4, atol=1e-4)
        for one in (found, plain):
            (one**2).mean().backward()
        torch.testing.assert_close(mine.grad, theirs.grad.float(), rtol=1e-3, atol=1e-7)
