"""`bioconv train lstm`: recurrent networks that put sequences, or each of their letters, into classes."""

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
from bioconv.sequence.recurrent.recipe import CELLS, DEFAULTS, POOLINGS

if TYPE_CHECKING:
    from bioconv.models.recurrent import RecurrentConfig
    from bioconv.sequence.recurrent.data import Reading
    from bioconv.sequence.recurrent.fit import RecurrentPlan, RecurrentRun

_CODES = "Exit codes: 0 done, 1 error, 2 usage, 4 no data could be read, 130 interrupted (go on with --resume)."
_OF_NETWORK = (
    "cell", "hidden", "layers", "pooling", "kmer", "embedding", "filters", "filter_length", "pool", "dropout",
    "truncate",
)  # fmt: skip


@click.command(name="lstm", epilog=_CODES)
@click.argument("data", metavar="DATA.csv|FASTA...", nargs=-1, required=True)
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False), metavar="FILE.safetensors",
    help="The model file to write.",
)  # fmt: skip
@click.option(
    "--alphabet", type=click.Choice(["auto", "dna", "protein"]), default="auto", show_default=True,
    help="Of the sequences; auto: found from their letters.",
)  # fmt: skip
@click.option("--classes", metavar="A,B,...", help="Labels in the order of the model's columns.  [sorted]")
@click.option("--labels", metavar="A,B,...", help="Labels of FASTA files, in their order.  [called as the files are]")
@click.option("--unknown", default="?", show_default=True, metavar="CHARACTERS", help="Labels of letters not known.")
@click.option("--class-names", metavar="H=helix,...", help="What classes are called.  [as the labels]")
@click.option("--background", metavar="CLASS", help="The class that means nothing is there; tracks leave it out.")
@click.option(
    "--feature", "features", multiple=True, metavar="CLASS=TERM@OFFSET[+LETTERS]",
    help="What a class is in GFF3, and how many letters behind the start of the sequence (or the labelled letter) it "
    "begins, such as EI=five_prime_cis_splice_site@30+2; repeatable.",
)  # fmt: skip
@click.option("--reverse-complement", is_flag=True, help="Train on the other strand of each sequence too.")
@click.option("--from", "start", metavar="NAME|FILE", help="Start from the weights of this model; see also --freeze.")
@click.option("--cell", type=click.Choice(CELLS), help="Kind of the recurrent cells.  [lstm]")
@click.option("--hidden", type=click.IntRange(min=1), help="Units of a layer in each direction.  [64]")
@click.option("--layers", type=click.IntRange(min=1), help="Recurrent layers.  [1]")
@click.option("--one-way/--both-ways", default=None, help="Read from start to end only.  [both ways]")
@click.option("--pooling", type=click.Choice(POOLINGS), help="What is read of the states.  [attention]")
@click.option("--kmer", type=click.IntRange(min=1), help="Letters read at a time; needs --embedding.  [1]")
@click.option("--embedding", type=click.IntRange(min=0), help="Size of learned vectors of letters or k-mers.  [none]")
@click.option("--filters", type=click.IntRange(min=0), help="Motif detectors in front.  [none]")
@click.option("--filter-length", type=click.IntRange(min=0), help="Letters of a detector.")
@click.option("--pool", type=click.IntRange(min=1), help="Letters of which a detector's best is kept.  [1]")
@click.option("--dropout", type=click.FloatRange(0, 1, max_open=True), help="Share of the values dropped.  [0.3]")
@click.option("--truncate", type=click.IntRange(min=0), help="Letters after which gradients stop.  [0: never]")
@click.option(
    "--split", "split_file", type=click.Path(dir_okay=False), metavar="TSV", help="Who trains, who validates."
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
    context: click.Context, /, data: tuple[str, ...], output: str, settings: dict[str, Any], **given: Any
) -> None:
    """Train a recurrent network (LSTM, GRU) on labelled sequences of any lengths.

    DATA is a table (CSV or TSV) with the columns name, sequence and label and, if wanted, group (never divided) and
    split (train, dev, test); or several FASTA files, one class each. A column labels instead of label, with a character
    per letter, trains a model of each letter. Identical sequences, of DNA on either strand, are never divided.

    The part dev chooses weights and calibration; test is scored once.
    """
    from bioconv.sequence.recurrent.data import read_data
    from bioconv.sequence.recurrent.training_run import train_to_file
    from bioconv.training.distributed import is_first
    from bioconv.training.run_folder import check_output

    data = tuple(table_of(one) for one in data)
    check_paths((*data, given["split_file"], given["start"]), {"-o": output, "--events": given["events"]})
    if is_first():
        check_output(Path(output), resume=given["resume"])
    else:
        runtime.show_log(quiet=True)
    runtime.set_torch_threads(given["threads"])
    reading, plan = _reading(given), _plan(Path(output), settings, given)
    try:
        sequences = read_data([Path(path) for path in data], reading)
    except InputError as error:
        runtime.logger.error("%s", error)
        context.exit(4)
    run = train_to_file(
        sequences,
        plan,
        Path(output),
        split_file=given["split_file"],
        device=runtime.device_name(given["device"]),
        resume=given["resume"],
        events=given["events"],
        command=shlex.join(["bioconv", *sys.argv[1:]]),
    )
    _say(run, output)


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",")) if text else ()


def _reading(given: dict[str, Any]) -> Reading:
    from bioconv.sequence.recurrent.data import Reading

    names = []
    for word in _words(given["class_names"]):
        label, equals, name = word.partition("=")
        if not (label and equals and name):
            message = f"--class-names {word!r}: give LABEL=NAME, such as h=helix"
            raise OptionError(message)
        names.append((label, name))
    return Reading(
        alphabet=given["alphabet"],
        classes=_words(given["classes"]),
        labels=_words(given["labels"]),
        unknown=given["unknown"],
        class_names=tuple(names),
    )


def _features(words: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for word in words:
        label, _, rest = word.rpartition("=")
        term, _, place = rest.partition("@")
        offset, _, length = place.partition("+")
        if not (label and term and offset.removeprefix("-").isdecimal() and (length or "1").isdecimal()):
            message = f"--feature {word!r}: give CLASS=TERM@OFFSET or CLASS=TERM@OFFSET+LETTERS, such as "
            raise OptionError(message + "EI=five_prime_cis_splice_site@30+2")
        found[label] = {"type": term, "offset": int(offset)} | ({"length": int(length)} if length else {})
    return found


def _plan(output: Path, settings: dict[str, Any], given: dict[str, Any]) -> RecurrentPlan:
    from bioconv.sequence.recurrent.fit import RecurrentPlan
    from bioconv.training.config_file import complete_config
    from bioconv.zoo import resolve

    if not (given["name"] or output.stem).isprintable():
        message = f"the model's name is {given['name'] or output.stem!r}: leave out tabs and line ends"
        raise OptionError(message)
    start = Path(resolve(given["start"])) if given["start"] else None
    return RecurrentPlan(
        network=_network(given, start),
        config=complete_config(DEFAULTS.to_json(), settings),
        start=start,
        background=given["background"] or "",
        features=_features(given["features"]),
        reverse_complement=given["reverse_complement"],
        name=given["name"] or output.stem,
        licence=given["licence"],
        citation=given["citation"],
    )


def _network(given: dict[str, Any], start: Path | None) -> RecurrentConfig:
    """Return the hyper-parameters: the usual ones, or those of the model to start from, changed by what was given."""
    from dataclasses import replace

    from bioconv.sequence.recurrent.fit import NETWORK, network_like

    changes = {name: given[name] for name in _OF_NETWORK if given[name] is not None}
    if given["one_way"] is not None:
        changes["bidirectional"] = not given["one_way"]
    try:
        return replace(NETWORK if start is None else network_like(start), **changes)
    except ValueError as error:
        raise OptionError(str(error)) from error


def _say(run: RecurrentRun, output: str) -> None:
    for part, figures in run.metrics.items():
        said = ", ".join(f"{name} {one.value:.4f} ({one.low:.4f} to {one.high:.4f})" for name, one in figures.items())
        runtime.logger.info("%s: %s", part, said)
    for line in run.notes:
        runtime.logger.warning("%s", line)
    runtime.logger.info("wrote %s; report: %s", output, Path(output).with_suffix(".run") / "report.html")
