"""`bioconv models import` and `export`: weights from other libraries, and networks for other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from bioconv.cli.options import check_paths, log_options

from bioconv import runtime


@click.command(name="import")
@click.argument("weights", metavar="WEIGHTS.safetensors")
@click.option("--as", "architecture", required=True, metavar="NAME", help="The network they are of, such as resnet50.")
@click.option("--keys", required=True, type=click.Choice(["torchvision", "timm"]), help="Whose names the tensors have.")
@click.option("-o", "--output", required=True, metavar="MODEL.safetensors", help="The model file to write.")
@click.option("--channels-in", type=click.IntRange(min=1), default=3, show_default=True, help="Channels of the images.")
@click.option("--outputs", type=click.IntRange(min=1), default=1000, show_default=True, help="Classes of the weights.")
@click.option("--licence", default="", help="Under which the weights are; kept in the file.")
@click.option("--citation", default="", help="What to cite for them; kept in the file.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@log_options
def import_(weights: str, architecture: str, keys: str, output: str, as_json: bool, **given: Any) -> None:
    """Make a model file of ImageNet weights you have, to start training from.

    The weights are safetensors with torchvision's or timm's key names. Every tensor must find its place: a key too
    many, a key too few or another shape is an error. What pixels such weights expect is noted in the file.
    """
    from bioconv.manifest import file_hash
    from bioconv.models.building import network_file
    from bioconv.models.imported import expected_pixels, import_weights, read_tensors
    from bioconv.models.model_file import write_model
    from bioconv.version import __version__

    check_paths([weights], {"-o": output})
    network = import_weights(
        read_tensors(weights), architecture, keys=keys, channels_in=given["channels_in"], outputs=given["outputs"]
    )
    metadata: dict[str, Any] = {
        "name": Path(output).stem,
        "source": f"{Path(weights).name}, {keys}'s key names, sha256 {file_hash(Path(weights))}",
        "bioconv": __version__,
        **{name: given[name] for name in ("licence", "citation") if given[name]},
    }
    if given["channels_in"] == 3:
        metadata["preprocessing"] = expected_pixels(architecture, keys)
    write_model(output, network_file(network, architecture, metadata))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    if not given["licence"]:
        runtime.logger.info("no --licence given: the file does not say under which licence the weights are")
    facts = {"model": output, "architecture": architecture, "parameters": parameters}
    click.echo(json.dumps(facts, indent=1) if as_json else output)


@click.command(name="export")
@click.argument("model", metavar="NAME|FILE")
@click.option("-o", "--output", required=True, metavar="FILE.onnx", help="The ONNX file to write.")
@click.option(
    "--input", "sizes", metavar="C,Y,X",
    help="Images of this size alone; needed for classifiers. Default: any size the network takes.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@log_options
def export(model: str, output: str, sizes: str | None, as_json: bool) -> None:
    """Write a model's network as ONNX, for programs that know no torch.

    What is written takes pixels that are prepared as the model wants them, and gives logits. With ONNX Runtime
    installed, its outputs are compared with the model's first; a file that differs is not written. Needs
    `pip install "bioconv[onnx]"`.
    """
    from bioconv.cli.models_look import image_network, parse_sizes

    from bioconv.errors import OptionError
    from bioconv.models import CLASSIFIERS
    from bioconv.models.export import to_onnx

    check_paths([model], {"-o": output})
    file, network = image_network(model)
    channels, ndim = int(file.config.get("channels_in", 1)), int(file.config.get("ndim", 2))
    shape = parse_sizes(sizes) if sizes else None
    if shape is None and file.architecture in CLASSIFIERS:
        message = f"{model} is a classifier, which is written for images of one size: give --input {channels},Y,X"
        raise OptionError(message)
    if shape and (shape[0] != channels or len(shape) != ndim + 1):
        message = f"--input {sizes}: {model} takes {channels} channels and {ndim} axes"
        raise OptionError(message)
    difference = to_onnx(network, output, channels=channels, ndim=ndim, sizes=shape[1:] if shape else None)
    if difference is None:
        runtime.logger.warning("not compared with the model: ONNX Runtime is not installed")
    else:
        runtime.logger.info("its outputs differ from the model's by %.1e of the largest", difference)
    facts = {"model": model, "file": output, "difference": difference}
    click.echo(json.dumps(facts, indent=1) if as_json else output)
