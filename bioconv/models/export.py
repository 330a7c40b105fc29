"""Networks as ONNX files, for programs that know no torch."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from bioconv.errors import MissingDependencyError, ModelError
from bioconv.models.classifier import Classifier
from bioconv.models.folding import fold_batch_norm
from bioconv.outputs import open_output

OPSET = 18
"""Version of the operators: what ONNX Runtime reads since 1.14."""
TOLERANCE = 1e-4
"""How far outputs may differ, as a share of the largest: two libraries add in another order."""


def to_onnx(
    network: nn.Module, path: str | Path, *, channels: int, ndim: int, sizes: tuple[int, ...] | None = None
) -> float | None:
    """Write a network as an ONNX file, batch normalisation folded, if what is written gives the same outputs.

    Its input is `images`, (n, channels, *spatial) float32; its output `logits`, (n, outputs, *spatial), or
    (n, outputs) of a classifier. The number of images is free, and so are the sizes unless they are given; they are
    multiples of the network's `stride`.

    Parameters
    ----------
    network
        Left as it is.
    path
        Of the file to write.
    channels
        Of the images.
    ndim
        2 or 3 spatial axes.
    sizes
        Spatial sizes that all images have: a classifier is written for one size.

    Returns
    -------
    float or None
        The largest difference of the file's outputs to the network's on noise, as a share of the largest output;
        None without ONNX Runtime, which computes the former.

    Raises
    ------
    MissingDependencyError
        If `onnx` or `onnxscript` is not installed.
    ModelError
        If the network is a classifier and has no sizes, has an operation that ONNX has not, or the outputs differ:
        then nothing is written.
    OutputError
        If the file cannot be written.
    """
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if missing:
        message = f'writing ONNX needs {" and ".join(missing)}: pip install "bioconv[onnx]"'
        raise MissingDependencyError(message)
    if isinstance(network, Classifier) and sizes is None:
        message = f"{type(network).__name__} is a classifier, which is written as ONNX for images of one size; give it"
        raise ModelError(message)
    ready = fold_batch_norm(network).cpu().float()
    stride = int(getattr(network, "stride", 1))
    # Sizes that differ and numbers above 1: what is 1 or alike in the example would be taken for fixed.
    example = sizes or tuple(stride * (2 + axis) for axis in range(ndim))
    data = _exported(ready, torch.zeros(2, channels, *example), free=sizes is None)
    # Where sizes are free, others than the example's must do as well.
    difference = _difference(data, ready, (3, channels, *(sizes or (stride * (5 - axis) for axis in range(ndim)))))
    if difference is not None and not difference <= TOLERANCE:
        message = f"{type(network).__name__} as ONNX gives other outputs: they differ by {difference:.2g} of the "
        message += f"largest, where {TOLERANCE:g} is allowed; nothing was written"
        raise ModelError(message)
    with open_output(path) as stream:
        stream.write(data)
    return difference


def _difference(data: bytes, network: nn.Module, shape: tuple[int, ...]) -> float | None:
    """Return how far the outputs of an ONNX file are from a network's, as a share of the largest."""
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    import onnxruntime

    images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = network(images)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    found = torch.from_numpy(session.run(["logits"], {"images": images.numpy()})[0])
    if found.shape != expected.shape:
        return float("inf")
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-12))


def _exported(network: nn.Module, example: Tensor, *, free: bool) -> bytes:
    stride = int(getattr(network, "stride", 1))
    axes = {axis: stride * torch.export.Dim(f"size{axis - 2}") for axis in range(2, example.ndim) if free}
    try:
        with _quiet():
            program = torch.onnx.export(
                network,
                (example,),
                dynamo=True,
                input_names=["images"],
                output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim("n"), **axes},),
                opset_version=OPSET,
                verbose=False,
            )
            assert program is not None
            data: bytes = program.model_proto.SerializeToString()
    except torch.onnx.OnnxExporterError as error:
        message = f"{type(network).__name__} cannot be written as ONNX: {str(error).splitlines()[0]}"
        raise ModelError(message) from error
    return data


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter from talking of packages that are not needed."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
