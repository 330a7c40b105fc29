"""Networks as ONNX files, for programs that know no torch."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from bioconv.errors import MissingDependencyError, ModelError
from bioconv.models.folding import fold_batch_norm
from bioconv.outputs import open_output

OPSET = 18
"""Version of the operators: what ONNX Runtime reads since 1.14."""


def to_onnx(network: nn.Module, path: str | Path, *, channels: int, ndim: int) -> None:
    """Write a network as an ONNX file, batch normalisation folded.

    Its input is `images`, (n, channels, *spatial) float32; its output `logits`, (n, outputs, *spatial). The number
    of images and the sizes are free; sizes are multiples of the network's `stride`.

    Parameters
    ----------
    network
        A segmentation network; left as it is.
    path
        Of the file to write.
    channels
        Of the images.
    ndim
        2 or 3 spatial axes.

    Raises
    ------
    MissingDependencyError
        If `onnx` or `onnxscript` is not installed.
    ModelError
        If the network has an operation that ONNX has not.
    OutputError
        If the file cannot be written.
    """
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if missing:
        message = f'writing ONNX needs {" and ".join(missing)}: pip install "bioconv[onnx]"'
        raise MissingDependencyError(message)
    data = _exported(fold_batch_norm(network).cpu().float(), channels, ndim)
    with open_output(path) as stream:
        stream.write(data)


def _exported(network: nn.Module, channels: int, ndim: int) -> bytes:
    stride = int(getattr(network, "stride", 1))
    # Sizes that differ and numbers above 1: what is 1 or alike in the example would be taken for fixed.
    example = torch.zeros(2, channels, *(stride * (2 + axis) for axis in range(ndim)))
    axes = {2 + axis: stride * torch.export.Dim(f"size{axis}") for axis in range(ndim)}
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
