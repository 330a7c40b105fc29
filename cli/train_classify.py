"""`bioconv train classify`: findings on mammograms, and other yes-or-no questions about images."""

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
from bioconv.mammography.learning.recipe import DEFAULTS

if TYPE_CHECKING:
    from bioconv.mammography.learning.data import ClassificationData, Reading
    from bioconv.mammography.learning.fit import ClassificationPlan, ClassificationRun
    from bioconv.mammography.preparation import Preparation

_CODES = "Exit codes: 0 done, 1 error, 2 usage, 4 no data could be read, 130 interrupted (go on with --resume)."


def _size(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    try:
        height, width = (int(word) for word in text.split(","))
        if min(height, width) < 1:
            raise ValueError
    except ValueError as error:
        message = f"{text!r} is no size; give HEIGHT,WIDTH in pixels, such as 512,384"
        raise click.BadParameter(message) from error
    return height, width


@click.command(name="classify", epilog=_CODES)
@click.argument("table", metavar="TABLE.csv")
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False), metavar="FILE.safetensors",
    help="The model file to write.",
)  # fmt: skip
@click.option("--label", default="label", show_default=True, metavar="COLUMN", help="The finding: two answers.")
@click.option(
    "--positive", metavar="ANSWER", help="The answer that scores speak for.  [1, yes, positive, malignant, ...]"
)
@click.option(
    "--also", multiple=True, metavar="COLUMN[:WEIGHT]", help="Learn this column too, by a head of its own; repeatable."
)
@click.option("--from", "start", metavar="NAME|FILE", help="Start from the weights of this model; see also --freeze.")
@click.option("--architecture", metavar="NAME", help="See docs/networks.md.  [residual, else that of --from]")
@click.option("--width", type=click.FloatRange(min=0, min_open=True), help="Factor on the network's channels.  [1]")
@click.option("--dropout", type=click.FloatRange(0, 1, max_open=True), help="Share of the features dropped.")
@click.option("--size", callback=_size, metavar="HEIGHT,WIDTH", help="Pixels of a prepared image.")
@click.option("--whole", is_flag=True, help="Images are used as they are: no breast is looked for, nothing mirrored.")
@click.option(
    "--augment", type=click.Choice(["usual", "none"]), default="usual", show_default=True, help="Random changes."
)
@click.option("--pooling", type=click.Choice(["mean", "max"]), help="Over the last map, of residual.  [mean]")
@click.option(
    "--fusion",
    type=click.Choice(["none", "views"]),
    help="views: CC and MLO of a breast are joined by the network, which then scores breasts.  [none, else as --from]",
)
@click.option(
    "--matched", is_flag=True,
    help="Compare both answers of one woman and view with each other; images without a counterpart are not trained on.",
)  # fmt: skip
@click.option(
    "--patches", type=click.Path(dir_okay=False), metavar="BOXES.csv",
    help="Tell patches of lesions from others of the same images: image with x0,y0,x1,y1, or x,y and size or radius.",
)  # fmt: skip
@click.option("--patch-size", type=click.IntRange(min=8), default=64, show_default=True, help="Pixels, once prepared.")
@click.option("--per-lesion", type=click.IntRange(min=1), default=4, show_default=True, help="Patches of a lesion.")
@click.option(
    "--top", type=click.IntRange(0, 8), metavar="N", help="Blocks on top of the body, as of a model of patches.  [0]"
)
@click.option(
    "--threshold", "rules", multiple=True, metavar="RULE",
    help="youden, sensitivity=X or specificity=X, chosen on dev; the first is the usual one.",
)  # fmt: skip
@click.option(
    "--split", "split_file", type=click.Path(dir_okay=False), metavar="TSV", help="Who trains, who validates."
)
@click.option("--domain", default="", metavar="TEXT", help="What was trained on; every later result warns with it.")
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
def command(context: click.Context, /, table: str, output: str, settings: dict[str, Any], **given: Any) -> None:
    """Train a classifier on the images of TABLE: research use only.

    The table (CSV or TSV) has columns path (relative to it), patient, laterality, view and label, and, if wanted,
    study, group (never divided; else the patient) and split (train, dev, test). TABLE may be dataset:NAME.

    The part dev chooses weights, calibration and thresholds; test is scored with them, once.
    """
    from bioconv.mammography.learning.beginning import network_of
    from bioconv.mammography.learning.training_run import train_to_file
    from bioconv.training.distributed import is_first
    from bioconv.training.run_folder import check_output

    table = table_of(table)
    check_paths(
        (table, given["split_file"], given["start"], given["patches"]), {"-o": output, "--events": given["events"]}
    )
    if is_first():
        check_output(Path(output), resume=given["resume"])
    else:
        runtime.show_log(quiet=True)
    runtime.set_torch_threads(given["threads"])
    start = _start(given["start"])
    if start is not None and given["architecture"] is not None:
        message = "--architecture is that of the model of --from; leave it out"
        raise OptionError(message)
    reading, plan = _reading(given), _plan(Path(output), settings, given, start)
    network_of(plan, patches=bool(given["patches"]))  # before images are read
    try:
        data = _data(Path(table), reading, _preparation(given, start), given, plan.config.seed)
    except InputError as error:
        runtime.logger.error("%s", error)
        context.exit(4)
    _warn_of_patches(start, data, given)
    run = train_to_file(
        data,
        plan,
        Path(output),
        split_file=given["split_file"],
        device=runtime.device_name(given["device"]),
        resume=given["resume"],
        events=given["events"],
        command=shlex.join(["bioconv", *sys.argv[1:]]),
    )
    _say(run, output)


def _data(
    table: Path, reading: Reading, preparation: Preparation, given: dict[str, Any], seed: int
) -> ClassificationData:
    from bioconv.mammography.learning.data import read_data
    from bioconv.mammography.learning.patches import Patching, read_patches

    if not given["patches"]:
        return read_data(table, reading, preparation)
    patching = Patching(Path(given["patches"]), given["patch_size"], given["per_lesion"], seed)
    return read_patches(table, reading, preparation, patching)


def _warn_of_patches(start: Path | None, data: ClassificationData, given: dict[str, Any]) -> None:
    """Say that women may have been learnt from who are to be held out now."""
    from bioconv.models.model_file import read_model

    divided = given["split_file"] or any(image.part for image in data.images)
    if start is not None and not divided and read_model(start).metadata.get("classification", {}).get("patch"):
        message = "%s learnt from patches of some of these women, and a new split may hold out the same: give both "
        runtime.logger.warning(
            message + "trainings a column split, or figures of dev and test will flatter", start.name
        )


def _start(name: str | None) -> Path | None:
    from bioconv.zoo import resolve

    return Path(resolve(name)) if name else None


def _reading(given: dict[str, Any]) -> Reading:
    from bioconv.mammography.learning.data import Reading

    if given["patches"] and (given["label"] != "label" or given["positive"]):
        message = "--label, --positive: patches are told apart by whether they show a lesion; leave both out"
        raise OptionError(message)
    also = []
    for text in given["also"]:
        column, _, weight = text.partition(":")
        try:
            also.append((column, float(weight or 1)))
        except ValueError as error:
            message = f"--also {text!r}: give COLUMN or COLUMN:WEIGHT, such as density:0.3"
            raise OptionError(message) from error
    return Reading(label=given["label"], positive=given["positive"], also=tuple(also))


def _preparation(given: dict[str, Any], start: Path | None) -> Preparation:
    """Return how images are prepared: as the model to start from has it, changed by what was given."""
    from dataclasses import replace

    from bioconv.mammography.model import preparation_of

    changed: dict[str, Any] = {} if given["size"] is None else {"size": given["size"]}
    changed |= {"crop": False, "side": "as-is", "background": "keep"} if given["whole"] else {}
    return replace(preparation_of(start), **changed)


def _plan(output: Path, settings: dict[str, Any], given: dict[str, Any], start: Path | None) -> ClassificationPlan:
    from bioconv.mammography.decisions import RULES
    from bioconv.mammography.learning.fit import ClassificationPlan
    from bioconv.mammography.learning.recipe import AUGMENTATIONS
    from bioconv.training.config_file import complete_config

    if not (given["name"] or output.stem).isprintable():
        message = f"the model's name is {given['name'] or output.stem!r}: leave out tabs and line ends"
        raise OptionError(message)
    return ClassificationPlan(
        architecture=given["architecture"] or "residual",
        network={
            name: given[name] for name in ("width", "dropout", "pooling", "fusion", "top") if given[name] is not None
        },
        augmentation=AUGMENTATIONS[given["augment"]],
        config=complete_config(DEFAULTS.to_json(), settings),
        start=start,
        rules=given["rules"] or RULES,
        matched=given["matched"],
        domain=given["domain"],
        name=given["name"] or output.stem,
        licence=given["licence"],
        citation=given["citation"],
    )


def _say(run: ClassificationRun, output: str) -> None:
    for part, levels in run.metrics.items():
        for level, own in levels.items():
            said = ", ".join(f"{name} {one.value:.3f} ({one.low:.3f} to {one.high:.3f})" for name, one in own.items())
            runtime.logger.info("%s, %s: %s", part, level, said or "too few of one answer")
    for line in run.uncalibrated:
        runtime.logger.warning("%s", line)
    runtime.logger.info("wrote %s; report: %s", output, Path(output).with_suffix(".run") / "report.html")
