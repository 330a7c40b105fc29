"""`bioconv models summary` and `features`: a network as a table, and what its layers see."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from bioconv.cli.options import log_options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bioconv.models.model_file import ModelFile

LARGEST = 1024
"""Pixels along a side that `features` looks at: the middle of a larger image."""


def parse_sizes(text: str) -> tuple[int, ...]:
    """Return the sizes of `3,224,224`.

    Raises
    ------
    OptionError
        If it is none.
    """
    from bioconv.errors import OptionError

    words = text.split(",")
    if not 3 <= len(words) <= 4 or not all(word.strip().isdecimal() and int(word) > 0 for word in words):
        message = f"--input {text}: expected channels and sizes, C,Y,X such as 3,224,224, or C,Z,Y,X of a volume"
        raise OptionError(message)
    return tuple(int(word) for word in words)


def image_network(name: str) -> tuple[ModelFile, Any]:
    """Open a model of images, by file or known name.

    Raises
    ------
    ModelError
        If there is none, or it is no model of images.
    """
    from bioconv.errors import ModelError
    from bioconv.models import CLASSIFIERS, SEGMENTERS
    from bioconv.models.building import open_network
    from bioconv.models.model_file import read_model
    from bioconv.zoo import resolve

    file = read_model(resolve(name))
    if file.architecture not in (*CLASSIFIERS, *SEGMENTERS):
        message = f"{name}: a model of architecture {file.architecture!r} does not take images"
        raise ModelError(message)
    return file, open_network(file)


@click.command(name="summary")
@click.argument("model", metavar="NAME|FILE")
@click.option("--input", "sizes", required=True, metavar="C,Y,X", help="Of the image; C,Z,Y,X of a volume.")
@click.option("--outputs", type=click.IntRange(min=1), metavar="N", help="Of an architecture. Default: 1.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@log_options
def summary(model: str, sizes: str, outputs: int | None, as_json: bool) -> None:
    """Show a network layer by layer: output size, receptive field, parameters, memory per image.

    NAME is an architecture (resnet50, unet) or one of `bioconv models list`, FILE a model file. The network is run
    without data. Memory is that of the listed layers' outputs, float32: about what training keeps of one image.
    """
    from bioconv.models.summary import summarise

    shape = parse_sizes(sizes)
    found = summarise(_network(model, shape, outputs), shape)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=1))
        return
    for row in found.table():
        click.echo("\t".join(row))


def _network(name: str, shape: tuple[int, ...], outputs: int | None) -> Any:
    """Return the network of a file or known model; else that of an architecture with its defaults, without weights."""
    from bioconv.errors import ModelError, OptionError
    from bioconv.models import CLASSIFIERS, SEGMENTERS
    from bioconv.models.building import sketch_network

    if name not in (*CLASSIFIERS, *SEGMENTERS) or Path(name).is_file():
        if outputs is not None:
            message = f"--outputs is for architectures ({', '.join((*CLASSIFIERS, *SEGMENTERS))}); {name} has its own"
            raise OptionError(message)
        file, network = image_network(name)
        axes = int(file.config.get("ndim", 2))
    else:
        axes = 2 if name in CLASSIFIERS else len(shape) - 1
        config = {"channels_in": shape[0], "outputs": outputs or 1}
        network = sketch_network(name, config if name in CLASSIFIERS else config | {"ndim": axes})
    if axes != len(shape) - 1:
        message = f"{name} takes images with {axes} axes and channels; --input has {len(shape)} numbers"
        raise ModelError(message)
    return network


@click.command(name="features")
@click.argument("model", metavar="NAME|FILE")
@click.argument("image", metavar="IMAGE")
@click.option("-o", "--output", metavar="FOLDER", help="Pictures go here. Default: cell.png gives cell-features/.")
@click.option(
    "--layer", "layers", multiple=True, metavar="NAME",
    help="Show this layer's maps; repeatable. Default: the first convolution, and the last maps.",
)  # fmt: skip
@click.option("--channel", metavar="INDEX|NAME", help="The channel to look at: number from 0, or name.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@log_options
def features(
    model: str, image: str, output: str | None, layers: tuple[str, ...], channel: str | None, as_json: bool
) -> None:
    """Draw what a network looks for and what it finds in an image: filters and feature maps, as PNG.

    NAME is one of `bioconv models list`, FILE a model file. Of an image larger than 1024 pixels the middle is shown;
    nothing is scaled to the model's pixel size. Names of layers: `bioconv models summary`.
    """
    from bioconv.models.activations import ends_of, first_filters, layer_outputs
    from bioconv.report.feature_maps import draw_filters, draw_input, draw_maps

    file, network = image_network(model)
    pixels, inputs = _prepared(image, file, channel, int(getattr(network, "stride", 1)))
    first, last = ends_of(network, pixels.shape)
    chosen = tuple(dict.fromkeys(layers or (first, last)))
    maps = layer_outputs(network, pixels, chosen)
    name, source = Path(model).name.removesuffix(".safetensors"), Path(image).name
    weights, colour = first_filters(network, first), inputs == ("red", "green", "blue")
    figures = {
        "input": draw_input(pixels, f"{source} as {name} reads it"),
        f"filters-{first}": draw_filters(weights, f"{name}: weights of {first}, the first layer", colour=colour),
    }
    labels = file.metadata.get("labels", [])
    for layer, values in maps.items():
        names = labels if layer == last and len(labels) == len(values) else ()
        figures[f"maps-{layer}"] = draw_maps(values, f"{name}: {layer} on {source}", names=names)
    folder = Path(output) if output else Path(image).with_name(f"{Path(image).stem}-features")
    paths = _save(figures, folder)
    if as_json:
        click.echo(json.dumps({"model": model, "image": image, "pictures": paths}, indent=1))
        return
    for path in paths:
        click.echo(path)


def _save(figures: dict[str, Any], folder: Path) -> list[str]:
    from bioconv.errors import OutputError
    from bioconv.report.curves import save_figure

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"cannot make the folder {folder}: {error.strerror}"
        raise OutputError(message) from error
    for name, figure in figures.items():
        save_figure(figure, folder / f"{name}.png")
    return [str(folder / f"{name}.png") for name in figures]


def _prepared(
    path: str, file: ModelFile, channel: str | None, stride: int
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Return the middle of an image (C, Y, X) as the model of a file reads it, and what the channels are."""
    import numpy as np

    from bioconv.errors import ModelError
    from bioconv.images.reader import open_image
    from bioconv.models.imported import normalise
    from bioconv.segmentation.channels import choose_channels
    from bioconv.segmentation.inference.views import View
    from bioconv.segmentation.preprocessing import COLOUR, Preprocessing

    if int(file.config.get("ndim", 2)) != 2:
        message = "features are shown of models that read planes; this one reads volumes"
        raise ModelError(message)
    said = dict(file.metadata.get("preprocessing", {}))
    if "preparation" in said:
        return _prepared_mammogram(path, said), ("gray",)
    fixed = "mean" in said  # ImageNet's; others take the window from the image
    plain = {"inputs": COLOUR} if file.config.get("channels_in") == len(COLOUR) else {}
    own = Preprocessing.from_json({"inputs": said["inputs"]} if fixed else said or plain)
    with open_image(path) as source:
        channels, _ = choose_channels(source.info, channel, wanted=own.inputs)
        view = View(source, channels, 2)
        window = tuple(slice((size - min(size, LARGEST)) // 2, (size + min(size, LARGEST)) // 2) for size in view.shape)
        stored = view.read(view.frames[0], window)
        found = normalise(stored, said) if fixed else own.prepare(stored, own.intensity(view.sample()))
    filled = [(0, 0), *((0, -size % stride) for size in found.shape[1:])]
    return np.pad(found, filled, mode="edge"), own.inputs


def _prepared_mammogram(path: str, said: dict[str, Any]) -> NDArray[np.float32]:
    """Return a mammogram (C, Y, X) as a classifier reads it; of which breast it is does not matter here."""
    from bioconv.mammography.model import network_inputs
    from bioconv.mammography.preparation import Preparation, prepare
    from bioconv.mammography.views import View, read_pixels
    from bioconv.training.normalisation import Normalisation

    pixels, view = read_pixels(View(Path(path), "", "", "L", "CC"))
    prepared = prepare(pixels, view, Preparation.from_json(said["preparation"])).pixels
    return network_inputs(prepared[None], Normalisation.from_json(said["normalisation"]))[0].contiguous().numpy()
