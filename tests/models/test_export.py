"""ONNX files against the network they were made of, by ONNX Runtime."""

from __future__ import annotations

import copy
import importlib.util

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from bioconv.errors import MissingDependencyError, ModelError
from bioconv.models import export
from bioconv.models.export import to_onnx
from bioconv.models.fcn import FCN, FCNConfig
from bioconv.models.monai_networks import (
    AttentionUnet,
    AttentionUnetConfig,
    DynUNet,
    DynUNetConfig,
    SegResNet,
    SegResNetConfig,
)
from bioconv.models.residual import Residual, ResidualConfig
from bioconv.models.unet import UNet, UNetConfig
from bioconv.models.wnet import WNet, WNetConfig


def check(network, path, ndim=2):
    torch.manual_seed(0)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.running_mean.normal_(0, 0.5)
                module.running_var.uniform_(0.3, 3)
    to_onnx(network, path, channels=2, ndim=ndim)
    assert network.training
    network.eval()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for count, sizes in ((1, (1, 2, 1)), (3, (2, 1, 2))):
        batch = torch.randn(count, 2, *(network.stride * size for size in sizes[:ndim]))
        with torch.inference_mode():
            expected = network(batch)
        (found,) = session.run(["logits"], {"images": batch.numpy()})
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=1e-5 * float(expected.abs().max()), rtol=0)


def test_unet(tmp_path):
    check(UNet(UNetConfig(2, 3, widths=(4, 6, 8))), tmp_path / "m.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]
    graph = onnx.load(tmp_path / "m.onnx").graph
    assert "BatchNormalization" not in {node.op_type for node in graph.node}
    assert [i.name for i in graph.input] == ["images"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "ndim"),
    [
        (lambda: UNet(UNetConfig(2, 3, 3, widths=(4, 6), skip="concatenate", transposed=True)), 3),
        (lambda: FCN(FCNConfig(2, 3, widths=(4, 6), convolutions=(1, 1), skips=1)), 2),
        (lambda: WNet(WNetConfig(2, 3, widths=(4, 6))), 2),
        (lambda: DynUNet(DynUNetConfig(2, 3, widths=(4, 6, 8), deep_supervision=True)), 2),
        (lambda: SegResNet(SegResNetConfig(2, 3, 3, width=4, blocks_down=(1, 1), blocks_up=(1,))), 3),
        (lambda: AttentionUnet(AttentionUnetConfig(2, 3, widths=(4, 6))), 2),
    ],
)
def test_other_networks(tmp_path, network, ndim):
    check(network(), tmp_path / "m.onnx", ndim)


def test_missing_packages(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"ONNX needs onnx and onnxscript: pip install .bioconv\[onnx\]"):
        to_onnx(nn.Conv2d(1, 1, 1), tmp_path / "m.onnx", channels=1, ndim=2)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_exported(tmp_path):
    class Odd(nn.Module):
        def forward(self, x):
            return x if x.sum().item() > 0 else -x

    with pytest.raises(ModelError, match="Odd cannot be written as ONNX"):
        to_onnx(Odd(), tmp_path / "m.onnx", channels=1, ndim=2)
    assert not list(tmp_path.iterdir())


def test_what_gives_other_outputs_is_not_written(tmp_path, monkeypatch):
    network = nn.Sequential(nn.Conv2d(2, 3, 1))
    exported = export._exported

    def damaged(ready, example, *, free):
        twin = copy.deepcopy(ready)
        twin[0].bias.data += 1
        return exported(twin, example, free=free)

    monkeypatch.setattr(export, "_exported", damaged)
    with pytest.raises(ModelError, match="Sequential as ONNX gives other outputs: they differ by"):
        to_onnx(network, tmp_path / "m.onnx", channels=2, ndim=2)
    assert not list(tmp_path.iterdir())


def test_without_onnx_runtime_nothing_is_compared(tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else found(name))
    assert to_onnx(nn.Sequential(nn.Conv2d(1, 1, 1)), tmp_path / "m.onnx", channels=1, ndim=2) is None


def test_a_classifier_needs_a_size(tmp_path):
    network = Residual(ResidualConfig(width=0.25, blocks=(1,)))
    with pytest.raises(ModelError, match="Residual is a classifier, which is written as ONNX for images of one size"):
        to_onnx(network, tmp_path / "m.onnx", channels=1, ndim=2)
