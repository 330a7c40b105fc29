"""`bioconv train deepbind`: a motif detector network."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from bioconv.cli.options import check_paths, events_option, index_files, log_options
from bioconv.cli.train_options import recipe_options, resume_option, table_of

from bioconv import runtime
from bioconv.errors import InputError, OptionError
from bioconv.sequence.binding.defaults import AFFINITY_DEFAULTS, DEFAULTS

if TYPE_CHECKING:
    from bioconv.sequence.binding.fit import BindingPlan, BindingRun


_CODES = "Exit codes: 0 done, 1 error, 2 usage, 4 no data could be read, 130 interrupted (go on with --resume)."


@click.command(name="deepbind", epilog=_CODES)
@click.argument("sequences", metavar="SEQUENCES")
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False), metavar="FILE.safetensors",
    help="The model file to write.",
)  # fmt: skip
@click.option(
    "--negatives",
    default="shuffle",
    show_default=True,
    metavar="shuffle|FILE",
    help="What to tell them from: dinucleotide shuffles drawn anew each epoch, the sequences of a file, or windows of "
    "a genome (a FASTA of long records) with the same GC content.",
)
@click.option("--genome", type=click.Path(dir_okay=False), metavar="FASTA", help="SEQUENCES is BED: its genome.")
@click.option(
    "--width", type=click.IntRange(min=8), default=101, show_default=True, help="Letters around BED middles or summits."
)
@click.option("--ranked", is_flag=True, help="SEQUENCES lists the best first: draw and validate on these most.")
@click.option(
    "--split", "split_file", type=click.Path(dir_okay=False), metavar="TSV", help="Who trains, who validates."
)
@click.option("--refit", is_flag=True, help="Train again on all sequences after validation, and keep that.")
@click.option(
    "--recipe",
    type=click.Choice(["bioconv", "published"]),
    default="bioconv",
    show_default=True,
    help="bioconv's, or DeepBind's own: random settings, cross-validation, restarts.",
)
@click.option("--quick", is_flag=True, help="published: as the original's --quick; bioconv: an eighth of the steps.")
@click.option("--search", "search_count", type=click.IntRange(min=1), metavar="N", help="Try N random settings first.")
@click.option("--detectors", type=click.IntRange(min=1), help="Motif detectors.  [128; published: 16]")
@click.option("--detector-length", type=click.IntRange(min=1), help="Letters of a detector.  [24]")
@click.option("--hidden", type=click.IntRange(min=0), help="Hidden units.  [32; published: both 0 and 32]")
@click.option(
    "--strand-pooling",
    type=click.Choice(["max", "mean"]),
    help="Score by the better strand, or by the mean of both.  [mean]",
)
@click.option("--dropout", type=click.FloatRange(0, 1, max_open=True), help="Share of features dropped.")
@click.option("--per-epoch", type=click.IntRange(min=1), help="Bound sequences drawn an epoch.  [8000]")
@click.option("--per-positive", type=click.IntRange(min=1), help="Unbound sequences beside each.  [1]")
@click.option(
    "--rank-scale", type=click.FloatRange(min=1),
    help="With --ranked: the rank at which sequences are drawn 1/e as often as the first.  [1500]",
)  # fmt: skip
@click.option("--from", "start", metavar="NAME|FILE", help="Go on from this model's weights (see --freeze).")
@click.option("--name", help="Of the model.  [the file's name]")
@click.option("--licence", default="", help="Of the model, for its card.")
@click.option("--citation", default="", help="Of the data, for the model's card.")
@click.option("--reference", type=float, help="A level to compare with in the report, such as another model's AUROC.")
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda[:N]", help="Where models run.")
@click.option(
    "--threads", type=click.IntRange(min=1),
    help="Default: the processors there are, or a process's share. With another number the weights differ in their "
    "last digits.",
)  # fmt: skip
@resume_option
@recipe_options(DEFAULTS)
@events_option
@log_options
@click.pass_context
def command(context: click.Context, /, sequences: str, output: str, settings: dict[str, Any], **given: Any) -> None:
    """Train a DeepBind-style model of binding.

    SEQUENCES are bound ones: FASTA, BED with --genome, or a table with a column `sequence` (CSV, TSV, DeepBind's
    .seq.gz); a column `label` of 1 and 0 gives unbound ones too, other numbers are measured affinities (PBM, SELEX);
    or dataset:NAME/SUBSET, see `bioconv datasets list`.
    """
    from bioconv.sequence.binding.data import read_binding
    from bioconv.sequence.binding.training_run import train_to_file
    from bioconv.training.distributed import is_first
    from bioconv.training.run_folder import check_output

    negatives = None if given["negatives"] == "shuffle" else given["negatives"]
    others = [*index_files(given["genome"]), given["split_file"], given["start"]]
    sequences = table_of(sequences)
    check_paths((sequences, negatives, *others), {"-o": output, "--events": given["events"]})
    if negatives == sequences:
        message = f"{sequences} is given as bound and as unbound sequences; give two files"
        raise OptionError(message)
    if is_first():
        check_output(Path(output), resume=given["resume"])
    else:
        runtime.show_log(quiet=True)
    runtime.set_torch_threads(given["threads"])
    try:
        data = read_binding(sequences, negatives=negatives, genome=given["genome"], width=given["width"])
    except InputError as error:
        runtime.logger.error("%s", error)
        context.exit(4)
    run = train_to_file(
        data,
        _plan(Path(output), settings, given, measured=data.values is not None),
        Path(output),
        split_file=given["split_file"],
        search_count=given["search_count"] or 0,
        device=runtime.device_name(given["device"]),
        resume=given["resume"],
        events=given["events"],
        reference=given["reference"],
        command=shlex.join(["bioconv", *sys.argv[1:]]),
    )
    _say(run, output)


def _plan(output: Path, settings: dict[str, Any], given: dict[str, Any], *, measured: bool) -> BindingPlan:
    from dataclasses import replace

    from bioconv.sequence.binding.fit import BindingPlan
    from bioconv.sequence.binding.recipe import Recipe, network_like
    from bioconv.training.config_file import complete_config
    from bioconv.zoo import resolve

    if not (given["name"] or output.stem).isprintable():
        message = f"the model's name is {given['name'] or output.stem!r}: leave out tabs and line ends"
        raise OptionError(message)
    recipe = Recipe()
    names = {"detectors": "detectors", "detector_length": "length", "hidden": "hidden", "dropout": "dropout"}
    names["strand_pooling"] = "strand_pooling"
    network = {field: given[option] for option, field in names.items() if given[option] is not None}
    sampling = {name: given[name] for name in ("per_epoch", "per_positive", "rank_scale") if given[name] is not None}
    start = Path(resolve(given["start"])) if given["start"] else None
    usual = recipe.network if start is None else network_like(start)
    recipe = replace(recipe, network=replace(usual, **network), **sampling)
    config = complete_config((AFFINITY_DEFAULTS if measured else DEFAULTS).to_json(), settings)
    if given["quick"] and given["recipe"] == "bioconv":
        config = replace(config, epochs=max(1, config.epochs // 8))
    return BindingPlan(
        recipe=recipe,
        config=config,
        published=_published(given, network) if given["recipe"] == "published" else None,
        ranked=given["ranked"],
        refit=given["refit"],
        name=given["name"] or output.stem,
        licence=given["licence"],
        citation=given["citation"],
        start=start,
    )


def _published(given: dict[str, Any], network: dict[str, Any]) -> Any:
    from dataclasses import replace

    from bioconv.sequence.binding.published import QUICK, PublishedPlan

    odd = {"dropout", "strand_pooling"} & set(network)
    if odd or given["start"] or given["refit"]:
        message = (
            "the published recipe draws dropout itself, pools strands by max, starts anew and uses all data: leave "
        )
        message += "out --dropout, --strand-pooling, --from and --refit"
        raise OptionError(message)
    plan = QUICK if given["quick"] else PublishedPlan()
    changes: dict[str, Any] = {name: network[name] for name in ("detectors", "length") if name in network}
    if "hidden" in network:
        changes["hidden"] = (network["hidden"],)
    if given["search_count"]:
        changes["settings"] = given["search_count"]
    return replace(plan, **changes)


def _say(run: BindingRun, output: str) -> None:
    found = run.metrics["dev"].items()
    figures = ", ".join(f"{name} {value.value:.4f} ({value.low:.4f} to {value.high:.4f})" for name, value in found)
    runtime.logger.info("held-out part: %s", figures)
    runtime.logger.info("wrote %s; report: %s", output, Path(output).with_suffix(".run") / "report.html")
