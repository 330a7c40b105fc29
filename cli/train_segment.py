"""`bioconv train segment`: masks of images."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from bioconv.cli.options import check_paths, device_option, events_option, log_options, training_threads_option
from bioconv.cli.train_options import recipe_options, resume_option, table_of

from bioconv import runtime
from bioconv.errors import InputError, OptionError
from bioconv.segmentation.learning.recipe import DEFAULTS

if TYPE_CHECKING:
    from bioconv.segmentation.learning.fit import SegmentationPlan, SegmentationRun

_CODES = "Exit codes: 0 done, 1 error, 2 usage, 4 no data could be read, 130 interrupted (go on with --resume)."


def _numbers(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError as error:
        message = f"{text!r} is no list of whole numbers, such as 0,1,2"
        raise click.BadParameter(message) from error


@click.command(name="segment", epilog=_CODES)
@click.argument("images", metavar="IMAGES|TABLE.csv")
@click.argument("masks", metavar="[MASKS]", required=False)
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False), metavar="FILE.safetensors",
    help="The model file to write.",
)  # fmt: skip
@click.option(
    "--kind",
    type=click.Choice(["auto", "binary", "classes", "instances"]),
    default="auto",
    show_default=True,
    help="What masks hold: one structure, a class per value, or an object per value.",
)
@click.option("--classes", callback=_numbers, metavar="0,1,...", help="Values of the masks, the background first.")
@click.option("--class-names", metavar="NAME,...", help="Names of the classes, the background's first.")
@click.option("--ignore", type=int, metavar="VALUE", help="Pixels of this value in masks are not known.")
@click.option("--allow-empty", is_flag=True, help="Let masks without foreground take part.")
@click.option(
    "--mask-suffix", default="", metavar="TEXT", help="What masks' names have after their images', e.g. _mask."
)
@click.option(
    "--channel",
    metavar="INDEX|NAME",
    help="Train on this channel of the images; of colour pictures also haematoxylin, eosin or dab.",
)
@click.option("--colour", is_flag=True, help="The model reads colour pictures too, though these are grey.")
@click.option("--axes", metavar="AXES", help="Axes of the images where files do not say, e.g. CYX.")
@click.option("--volumes", is_flag=True, help="Stacks are volumes for a 3-D model; else every plane is an image.")
@click.option(
    "--split", "split_file", type=click.Path(dir_okay=False), metavar="TSV", help="Who trains, who validates."
)
@click.option("--from", "start", metavar="NAME|FILE", help="Start from the weights of this model.")
@click.option(
    "--architecture",
    default="unet",
    show_default=True,
    metavar="NAME",
    help="Network; see docs/training-segmenters.md.",
)
@click.option("--widths", callback=_numbers, metavar="16,32,...", help="Channels of each level of a U-Net.")
@click.option("--decoder-convolutions", type=click.IntRange(min=1), help="Convolutions per level on the way up.  [1]")
@click.option("--deep-supervision", is_flag=True, help="Levels below the last learn from the masks too.")
@click.option("--dropout", type=click.FloatRange(0, 1, max_open=True), help="Share of the deepest features dropped.")
@click.option("--patch", type=click.IntRange(min=8), help="Side of a patch in pixels.  [128]")
@click.option("--per-epoch", type=click.IntRange(min=1), help="Patches drawn an epoch.  [1000]")
@click.option("--foreground", type=click.FloatRange(0, 1), help="Share of patches laid over the foreground.  [0.5]")
@click.option(
    "--balance", type=click.FloatRange(0, 1), help="Strata are drawn by their number of images to this power.  [0.5]"
)
@click.option(
    "--augment",
    type=click.Choice(["usual", "gentle", "exact", "none"]),
    default="usual",
    show_default=True,
    help="gentle: small turns, not mirrored, for images whose sides mean something; exact: nothing is interpolated, "
    "for structures a pixel thin.",
)
@click.option(
    "--polarity",
    type=click.Choice(["as-is", "dark-background"]),
    help="dark-background: images with a bright background are inverted.  [as-is]",
)
@click.option(
    "--gamma",
    type=click.FloatRange(min=0, max=10, min_open=True),
    help="Power of intensities from 0 to 1; 0.5 lifts faint objects beside bright ones.  [1]",
)
@click.option("--per-channel", is_flag=True, default=None, help="Scale each channel's intensities by itself.")
@click.option(
    "--pixel-size",
    type=click.FloatRange(min=0, min_open=True),
    metavar="UM",
    help="Size of a pixel, noted in the model.",
)
@click.option("--name", help="Name of the model.  [that of the file]")
@click.option("--licence", default="", help="Of the model, noted in it.")
@click.option("--citation", default="", help="Of the data, noted in the model.")
@resume_option
@events_option
@device_option
@training_threads_option
@recipe_options(DEFAULTS)
@log_options
@click.pass_context
def command(
    context: click.Context, /, images: str, masks: str | None, output: str, settings: dict[str, Any], **given: Any
) -> None:
    """Train a segmenter on IMAGES and their MASKS: folders paired by file name, one table, or dataset:NAME.

    The table (CSV or TSV) has columns image and mask with paths relative to it and, if wanted, name, stratum (kind
    of image, drawn evenly), group (a patient: never divided) and split (train, dev, test).

    The model is validated on whole images; those of the part dev choose the threshold too.
    """
    from bioconv.segmentation.learning.data import find_pairs, read_data
    from bioconv.segmentation.learning.training_run import train_to_file
    from bioconv.training.distributed import is_first
    from bioconv.training.run_folder import check_output

    images = table_of(images)
    check_paths((images, given["split_file"], given["start"]), {"-o": output, "--events": given["events"]})
    if is_first():
        check_output(Path(output), resume=given["resume"])
    else:
        runtime.show_log(quiet=True)
    runtime.set_torch_threads(given["threads"])
    try:
        data = read_data(find_pairs(images, masks, mask_suffix=given["mask_suffix"]), _reading(given))
    except InputError as error:
        runtime.logger.error("%s", error)
        context.exit(4)
    run = train_to_file(
        data,
        _plan(Path(output), settings, given),
        Path(output),
        split_file=given["split_file"],
        device=runtime.device_name(given["device"]),
        resume=given["resume"],
        events=given["events"],
        command=shlex.join(["bioconv", *sys.argv[1:]]),
    )
    _say(run, output)


def _reading(given: dict[str, Any]) -> Any:
    from bioconv.segmentation.learning.data import Reading

    return Reading(
        kind=given["kind"],
        classes=given["classes"],
        class_names=tuple(given["class_names"].split(",")) if given["class_names"] else None,
        ignore=given["ignore"],
        channel=given["channel"],
        axes=given["axes"],
        allow_empty=given["allow_empty"],
        ndim=3 if given["volumes"] else 2,
    )


def _plan(output: Path, settings: dict[str, Any], given: dict[str, Any]) -> SegmentationPlan:
    from dataclasses import replace

    from bioconv.segmentation.learning.fit import SegmentationPlan
    from bioconv.segmentation.learning.recipe import AUGMENTATIONS
    from bioconv.segmentation.learning.samples import PatchPlan
    from bioconv.segmentation.model import load_segmentation_model
    from bioconv.segmentation.preprocessing import Preprocessing
    from bioconv.training.config_file import complete_config
    from bioconv.zoo import resolve

    if not (given["name"] or output.stem).isprintable():
        message = f"the model's name is {given['name'] or output.stem!r}: leave out tabs and line ends"
        raise OptionError(message)
    start = Path(resolve(given["start"])) if given["start"] else None
    known = Preprocessing() if start is None else load_segmentation_model(start).preprocessing
    changed = {name: given[name] for name in ("polarity", "per_channel", "gamma") if given[name] is not None}
    patches = {"size": given["patch"]} | {name: given[name] for name in ("per_epoch", "foreground", "balance")}
    network = {name: given[name] for name in ("widths", "dropout", "decoder_convolutions")}
    network["deep_supervision"] = given["deep_supervision"] or None
    return SegmentationPlan(
        architecture=given["architecture"],
        network={name: value for name, value in network.items() if value is not None},
        preprocessing=replace(known, **changed),
        patches=replace(PatchPlan(), **{name: value for name, value in patches.items() if value is not None}),
        augmentation=AUGMENTATIONS[given["augment"]],
        config=complete_config(DEFAULTS.to_json(), settings),
        colour=given["colour"],
        start=start,
        spacing=given["pixel_size"],
        name=given["name"] or output.stem,
        licence=given["licence"],
        citation=given["citation"],
    )


def _say(run: SegmentationRun, output: str) -> None:
    found = run.metrics["dev"].items()
    figures = ", ".join(f"{name} {value.value:.4f} ({value.low:.4f} to {value.high:.4f})" for name, value in found)
    runtime.logger.info("held-out images, pooled: %s", figures)
    runtime.logger.info("wrote %s; report: %s", output, Path(output).with_suffix(".run") / "report.html")
