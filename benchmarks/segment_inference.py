"""How fast segmentation models run on the processor: as trained, as they are used, and as ONNX files.

Claimed: folding batch normalisation into the convolutions, overwriting in rectifiers and keeping channels last in
memory makes them faster with the same output, to 1e-5 of the largest logit; an ONNX file gives the same too.

Run: python benchmarks/segment_inference.py [--model nuclei] [--side 1024] [--rounds 11] (see README.md)
`--model unet` is a compact U-Net with random weights; any model file will do.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import onnxruntime
import timing
import torch
from torch import Tensor, nn

from bioconv.models import SEGMENTERS, model_class
from bioconv.models.configuration import read_config
from bioconv.models.export import to_onnx
from bioconv.models.folding import fold_batch_norm, for_inference
from bioconv.models.model_file import read_model
from bioconv.models.unet import UNet, UNetConfig
from bioconv.version import __version__
from bioconv.zoo.files import resolve

Task = Callable[[], Tensor]


@dataclass(frozen=True)
class Way:
    """A way to run a network, and what the table calls it."""

    name: str
    run: Callable[[int], Tensor]


def open_network(name: str) -> nn.Module:
    """Open a model by name or file, or build the compact U-Net; as trained: plain layout, nothing folded."""
    if name != "unet":
        file = read_model(resolve(name))
        if file.architecture not in SEGMENTERS:
            message = f"{name} does not segment images; give one of {', '.join(SEGMENTERS)}"
            raise SystemExit(message)
        found = model_class(file.architecture)
        network = found(read_config(found.config_class, file.config))
        network.load_state_dict({n: torch.from_numpy(a) for n, a in file.tensors.items()})
        return network.eval()
    torch.manual_seed(0)
    network = UNet(UNetConfig(channels_in=3, outputs=3))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


def ways(network: nn.Module, image: Tensor, folder: Path) -> list[Way]:
    last = image.to(memory_format=torch.channels_last)

    def eager(model: nn.Module, given: Tensor, threads: int) -> Tensor:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            return model(given)

    found = [
        Way("as trained", partial(eager, network, image)),
        Way("folded", partial(eager, fold_batch_norm(network), image)),
        Way("as used: folded, overwriting, channels last", partial(eager, for_inference(network), last)),
    ]
    path = folder / "model.onnx"
    to_onnx(network, path, channels=image.shape[1], ndim=2)
    sessions: dict[int, onnxruntime.InferenceSession] = {}

    def onnx(threads: int) -> Tensor:
        if threads not in sessions:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            sessions[threads] = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return torch.from_numpy(sessions[threads].run(["logits"], {"images": image.numpy()})[0])

    return [*found, Way("ONNX Runtime", onnx)]


def measure(name: str, side: int, rounds: int, threads: list[int]) -> str:
    """Return the heading and table of a model."""
    network = open_network(name)
    channels, stride = network.config.channels_in, network.stride
    side = -(-side // stride) * stride
    image = torch.randn(1, channels, side, side, generator=torch.Generator().manual_seed(0))
    with tempfile.TemporaryDirectory() as folder:
        found = ways(network, image, Path(folder))
        expected = found[0].run(1)
        off = {way.name: float((way.run(1) - expected).abs().max() / expected.abs().max()) for way in found}
        tasks = {f"{way.name} {count}": partial(way.run, count) for count in threads for way in found}
        seconds = timing.interleave(tasks, rounds)
    rows = []
    for count in threads:
        plain = seconds[f"{found[0].name} {count}"]
        for way in found:
            took = seconds[f"{way.name} {count}"]
            faster = timing.shown_ratio(plain, took) if way is not found[0] else ""
            rows.append([way.name, count, timing.shown_seconds(took), faster, f"{off[way.name]:.1e}"])
    parameters = sum(parameter.numel() for parameter in network.parameters())
    kind = type(network).__name__
    head = f"## {Path(name).stem}\n\n{kind} of {parameters:,} parameters; one image of {side} x {side} pixels, "
    head += f"{channels} channel(s).\n\n"
    columns = ["network", "threads", "seconds", "times faster than as trained", "largest difference / largest logit"]
    return head + timing.table(columns, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--model", action="append", help="name or file of a model, or unet; may be given again")
    parser.add_argument("--side", type=int, default=1024, help="of the image, in pixels")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, os.cpu_count() or 1}))
    given = parser.parse_args()
    parts = [
        f"# Inference on the processor\n\n{timing.machine()}; torch {torch.__version__}, ONNX Runtime "
        f"{onnxruntime.__version__}, bioconv {__version__}.\n\n{given.rounds} rounds, every network once in each: "
        "median and range of the seconds, and of the ratios within a round."
    ]
    parts += [measure(name, given.side, given.rounds, given.threads) for name in given.model or ["nuclei", "vessels"]]
    timing.write_report(__file__, parts)


if __name__ == "__main__":
    main()
