"""Weights by other libraries' names: the lists of keys and shapes are written from the published structure."""

from __future__ import annotations

import numpy as np
import pytest
import safetensors.torch
import torch

from bioconv.errors import ModelError
from bioconv.models.building import build_network, network_file, open_network
from bioconv.models.imported import RULES, expected_pixels, import_weights, read_tensors
from bioconv.models.model_file import read_model, write_model

Shapes = dict[str, tuple[int, ...]]


def normalised(name: str, channels: int, *, counter: bool = True) -> Shapes:
    shapes: Shapes = {f"{name}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")}
    return shapes | ({f"{name}.num_batches_tracked": ()} if counter else {})


def linear(name: str, outputs: int, inputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def resnet(depth: int) -> Shapes:
    blocks = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}[depth]
    wide = 1 if depth < 50 else 4
    shapes: Shapes = {"conv1.weight": (64, 3, 7, 7)} | normalised("bn1", 64)
    before = 64
    for level, count in enumerate(blocks):
        width = 64 * 2**level
        for number in range(count):
            at = f"layer{level + 1}.{number}"
            kernels = (3, 3) if wide == 1 else (1, 3, 1)
            inputs = before
            for place, kernel in enumerate(kernels):
                outputs = width * wide if place == len(kernels) - 1 else width
                shapes[f"{at}.conv{place + 1}.weight"] = (outputs, inputs, kernel, kernel)
                shapes |= normalised(f"{at}.bn{place + 1}", outputs)
                inputs = outputs
            if number == 0 and (level > 0 or wide > 1):
                shapes[f"{at}.downsample.0.weight"] = (width * wide, before, 1, 1)
                shapes |= normalised(f"{at}.downsample.1", width * wide)
            before = width * wide
    return shapes | linear("fc", 1000, before)


def vgg(depth: int, keys: str) -> Shapes:
    convolutions = {11: (0, 3, 6, 8, 11, 13, 16, 18), 16: (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)}[depth]
    widths = {
        11: (64, 128, 256, 256, 512, 512, 512, 512),
        16: (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512),
    }[depth]
    shapes: Shapes = {}
    for number, width, before in zip(convolutions, widths, (3, *widths), strict=False):
        shapes |= {f"features.{number}.weight": (width, before, 3, 3), f"features.{number}.bias": (width,)}
    if keys == "timm":
        shapes |= {"pre_logits.fc1.weight": (4096, 512, 7, 7), "pre_logits.fc1.bias": (4096,)}
        shapes |= {"pre_logits.fc2.weight": (4096, 4096, 1, 1), "pre_logits.fc2.bias": (4096,)}
        return shapes | linear("head.fc", 1000, 4096)
    shapes |= linear("classifier.0", 4096, 25088) | linear("classifier.3", 4096, 4096)
    return shapes | linear("classifier.6", 1000, 4096)


def alexnet() -> Shapes:
    layers = {0: (64, 3, 11, 11), 3: (192, 64, 5, 5), 6: (384, 192, 3, 3), 8: (256, 384, 3, 3), 10: (256, 256, 3, 3)}
    shapes: Shapes = {}
    for number, shape in layers.items():
        shapes |= {f"features.{number}.weight": shape, f"features.{number}.bias": shape[:1]}
    shapes |= linear("classifier.1", 4096, 9216) | linear("classifier.4", 4096, 4096)
    return shapes | linear("classifier.6", 1000, 4096)


def googlenet() -> Shapes:
    def convolution(name: str, outputs: int, inputs: int, kernel: int) -> Shapes:
        return {f"{name}.conv.weight": (outputs, inputs, kernel, kernel)} | normalised(f"{name}.bn", outputs)

    shapes = convolution("conv1", 64, 3, 7) | convolution("conv2", 64, 64, 1) | convolution("conv3", 192, 64, 3)
    modules = {  # inputs, 1x1, 3x3 reduced, 3x3, 5x5 reduced, 5x5, behind the pooling
        "3a": (192, 64, 96, 128, 16, 32, 32), "3b": (256, 128, 128, 192, 32, 96, 64),
        "4a": (480, 192, 96, 208, 16, 48, 64), "4b": (512, 160, 112, 224, 24, 64, 64),
        "4c": (512, 128, 128, 256, 24, 64, 64), "4d": (512, 112, 144, 288, 32, 64, 64),
        "4e": (528, 256, 160, 320, 32, 128, 128), "5a": (832, 256, 160, 320, 32, 128, 128),
        "5b": (832, 384, 192, 384, 48, 128, 128),
    }  # fmt: skip
    for name, (inputs, one, three_in, three, five_in, five, pooled) in modules.items():
        at = f"inception{name}"
        shapes |= convolution(f"{at}.branch1", one, inputs, 1)
        shapes |= convolution(f"{at}.branch2.0", three_in, inputs, 1) | convolution(
            f"{at}.branch2.1", three, three_in, 3
        )
        shapes |= convolution(f"{at}.branch3.0", five_in, inputs, 1) | convolution(f"{at}.branch3.1", five, five_in, 3)
        shapes |= convolution(f"{at}.branch4.1", pooled, inputs, 1)
    for name, inputs in (("aux1", 512), ("aux2", 528)):
        shapes |= convolution(f"{name}.conv", 128, inputs, 1)
        shapes |= linear(f"{name}.fc1", 1024, 2048) | linear(f"{name}.fc2", 1000, 1024)
    return shapes | linear("fc", 1000, 1024)


def densenet121(dot: str = "") -> Shapes:
    """`dot`: files of before 2018 say `norm.1` for `norm1`."""
    shapes: Shapes = {"features.conv0.weight": (64, 3, 7, 7)} | normalised("features.norm0", 64, counter=not dot)
    channels = 64
    for block, count in enumerate((6, 12, 24, 16), 1):
        for layer in range(1, count + 1):
            at = f"features.denseblock{block}.denselayer{layer}"
            shapes |= normalised(f"{at}.norm{dot}1", channels, counter=not dot)
            shapes |= normalised(f"{at}.norm{dot}2", 128, counter=not dot)
            shapes[f"{at}.conv{dot}1.weight"] = (128, channels, 1, 1)
            shapes[f"{at}.conv{dot}2.weight"] = (32, 128, 3, 3)
            channels += 32
        if block < 4:
            shapes |= normalised(f"features.transition{block}.norm", channels, counter=not dot)
            channels //= 2
            shapes[f"features.transition{block}.conv.weight"] = (channels, 2 * channels, 1, 1)
    return shapes | normalised("features.norm5", channels, counter=not dot) | linear("classifier", 1000, channels)


CASES = [
    ("resnet18", "torchvision", resnet(18)),
    ("resnet34", "timm", resnet(34)),
    ("resnet50", "torchvision", resnet(50)),
    ("resnet101", "timm", resnet(101)),
    ("resnet152", "torchvision", resnet(152)),
    ("alexnet", "torchvision", alexnet()),
    ("vgg11", "torchvision", vgg(11, "torchvision")),
    ("vgg16", "timm", vgg(16, "timm")),
    ("googlenet", "torchvision", googlenet()),
    ("monai-densenet121", "torchvision", densenet121(".")),
    ("monai-densenet121", "timm", densenet121()),
]


def fill(shapes: Shapes) -> dict[str, torch.Tensor]:
    """Tensors that take no memory: each of one number, its own."""
    numbers = {name: float(number) for number, name in enumerate(shapes)}
    kinds = {name: torch.long if "num_batches" in name else torch.float32 for name in shapes}
    return {n: torch.tensor(numbers[n], dtype=kinds[n]).expand(shape) for n, shape in shapes.items()}


@pytest.mark.parametrize(("name", "keys", "shapes"), CASES, ids=[f"{case[0]}-{case[1]}" for case in CASES])
def test_published_keys_fit_one_to_one(name, keys, shapes):
    tensors = fill(shapes)
    network = import_weights(tensors, name, keys=keys)
    assert not network.training
    own = network.state_dict()
    kept = {key for key in tensors if not key.startswith("aux")}
    counters = {n for n in own if n.endswith("num_batches_tracked")}
    assert {float(own[n].flatten()[0]) for n in set(own) - counters} == {
        float(tensors[key].flatten()[0]) for key in kept if "num_batches" not in key
    }
    # The last word of a name is what the tensor is; no layer's weight became a running mean.
    of = {float(t.flatten()[0]): key for key, t in tensors.items()}
    assert all(of[float(own[n].flatten()[0])].split(".")[-1] == n.split(".")[-1] for n in set(own) - counters)
    assert not any(t.is_meta for t in own.values())


def test_order_of_the_layers():
    """The first and the last of each kind, by hand."""
    cases = {
        "resnet50": {"layer3.5.conv2.weight": "body.layer3.5.conv2.weight", "fc.bias": "head.bias"},
        "vgg11": {"features.18.bias": "body.18.bias", "classifier.3.weight": "neck.fc7.weight"},
        "alexnet": {"features.10.bias": "body.10.bias", "classifier.4.bias": "neck.fc7.bias"},
        "googlenet": {"inception4e.branch3.1.bn.running_var": "body.inception4e.branch3.1.bn.running_var"},
    }
    shapes = {name: case for name, keys, case in CASES if keys == "torchvision"}
    for name, pairs in cases.items():
        tensors = fill(shapes[name])
        own = import_weights(tensors, name, keys="torchvision").state_dict()
        for key, ours in pairs.items():
            assert own[ours].flatten()[0] == tensors[key].flatten()[0]


def test_hidden_layers_read_places_in_the_same_order():
    """What timm keeps as a 7 x 7 convolution is a layer over the flattened map, channel by channel."""
    shapes = vgg(16, "timm")
    tensors = fill(shapes)
    weight = torch.zeros(1, 512, 7, 7)
    weight[0, 300, 2, 6] = 1
    tensors["pre_logits.fc1.weight"] = weight.expand(4096, -1, -1, -1)
    network = import_weights(tensors, "vgg16", keys="timm")
    assert network.neck.fc6.weight[5].nonzero().flatten().tolist() == [300 * 49 + 2 * 7 + 6]


def test_round_trip_by_outputs(tmp_path):
    """Weights of one of ours, renamed by hand to torchvision's names, give the same outputs when imported."""
    torch.manual_seed(0)
    network = build_network("resnet18", {"channels_in": 1, "outputs": 4}).eval()
    with torch.no_grad():
        for name, buffer in network.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.1)
    theirs = {
        n.removeprefix("body.").replace("head.", "fc."): t.half().float() for n, t in network.state_dict().items()
        if not n.endswith("tracked")
    }  # fmt: skip
    network.load_state_dict({n: t.half().float() for n, t in network.state_dict().items()})
    safetensors.torch.save_file({n: t.half() for n, t in theirs.items()}, tmp_path / "w.safetensors")
    found = import_weights(read_tensors(tmp_path / "w.safetensors"), "resnet18", keys="timm", channels_in=1, outputs=4)
    write_model(tmp_path / "m.safetensors", network_file(found, "resnet18", {}))
    again = open_network(read_model(tmp_path / "m.safetensors"))
    batch = torch.randn(2, 1, 40, 33)
    with torch.inference_mode():
        assert torch.equal(found(batch), network(batch))
        np.testing.assert_allclose(again(batch), network(batch), rtol=1e-4, atol=1e-5)


def changed(**changes):
    tensors = fill(resnet(18))
    for name, shape in changes.items():
        key = name.replace("__", ".")
        tensors.pop(key, None)
        if shape is not None:
            tensors[key] = torch.zeros(1).expand(shape)
    return tensors


@pytest.mark.parametrize(
    ("changes", "options", "match"),
    [
        ({"fc__bias": None}, {}, r"missing \(by our names\) are head.bias; is it"),
        ({"conv1__weight": (64, 1, 7, 7)}, {}, r"shape are conv1.weight \(64, 1, 7, 7\) instead of \(64, 3, 7, 7\)"),
        ({"extra__weight": (3,)}, {}, "unexpected are extra.weight; is it"),
        ({}, {"outputs": 10}, r"fc.weight \(1000, 512\) instead of \(10, 512\), fc.bias"),
        ({}, {"architecture": "resnet34"}, r"are body.layer1.2.conv1.weight, .* and \d+ more"),
        ({}, {"architecture": "resnet50"}, "of another shape are layer1.0.conv1.weight"),
        ({}, {"architecture": "alexnet", "keys": "timm"}, "'alexnet' by timm's names cannot be imported; those of"),
        ({}, {"architecture": "unet"}, "'unet' by torchvision's names cannot be imported"),
        ({}, {"keys": "keras"}, "'keras' are not known; known are torchvision, timm"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(changes, options, match):
    given = {"architecture": "resnet18", "keys": "torchvision"} | options
    with pytest.raises(ModelError, match=match):
        import_weights(changed(**changes), given.pop("architecture"), **given)


def test_a_model_of_ours_is_no_import(tmp_path):
    network = build_network("resnet18", {"width": 0.125})
    write_model(tmp_path / "ours.safetensors", network_file(network, "resnet18", {}))
    with pytest.raises(ModelError, match="already"):
        read_tensors(tmp_path / "ours.safetensors")


def test_a_pickle_is_refused(tmp_path):
    torch.save({"fc.bias": torch.zeros(3)}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"w.pth: cannot be read as safetensors: .*can run any code"):
        read_tensors(tmp_path / "w.pth")
    with pytest.raises(ModelError, match="cannot be read"):
        read_tensors(tmp_path / "none.safetensors")


def test_pixels():
    assert expected_pixels("resnet50", "timm")["mean"] == [0.485, 0.456, 0.406]
    own = expected_pixels("googlenet", "torchvision")
    # torchvision's documentation: x * (0.229 / 0.5) + (0.485 - 0.5) / 0.5 of pixels that were normalised before.
    usual = expected_pixels("resnet50", "torchvision")
    for channel in range(3):
        before = (0.3 - usual["mean"][channel]) / usual["std"][channel]
        after = before * (usual["std"][channel] / 0.5) + (usual["mean"][channel] - 0.5) / 0.5
        assert after == pytest.approx((0.3 - own["mean"][channel]) / own["std"][channel])
    assert set(RULES["timm"]) < set(RULES["torchvision"])
