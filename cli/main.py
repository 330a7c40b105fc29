"""The `bioconv` command: a lazy table of commands, and the one place where errors become exit codes."""

from __future__ import annotations

import os
import signal
import sys

import click
from bioconv.cli.lazy import LazyGroup

from bioconv.errors import BioconvError
from bioconv.version import __version__

# command -> module and one-line help; a command's module is imported only when that command is used.
COMMANDS = {
    "scan": ("bioconv.cli.scan", "Find motif and model hits in DNA or RNA sequences."),
    "predict": ("bioconv.cli.predict", "Score whole sequences with models, one row per record."),
    "variants": ("bioconv.cli.variants", "Score the variants of a VCF with models, reference against alternative."),
    "mutation-map": ("bioconv.cli.mutation_map", "Score every single substitution of a sequence: table and plot."),
    "segment": ("bioconv.cli.segment", "Segment images of any format and size: masks, objects, measurements."),
    "classify": ("bioconv.cli.classify", "Classify mammograms: images, breasts, exams, heat maps."),
    "train": ("bioconv.cli.train", "Train a model: deepbind, segment, classify, lstm."),
    "evaluate": ("bioconv.cli.evaluate", "Judge a model's or anybody's predictions, with intervals."),
    "motifs": ("bioconv.cli.motifs", "Write a model's detectors as motifs, and name the known ones they resemble."),
    "datasets": ("bioconv.cli.datasets", "Data sets by name: list, describe, download, verify, split, make."),
    "models": ("bioconv.cli.models", "List, describe, download, look into, train again, import and export models."),
    "info": ("bioconv.cli.info", "Show versions, devices, kernels, and which backend is chosen and why."),
}


@click.group(cls=LazyGroup, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bioconv")
def cli() -> None:
    """Motif scanning and convolutional models for genomics and biomedical imaging."""


def _end(signal_number: int, frame: object) -> None:
    """Leave by an exception, so that temporary files are removed."""
    raise SystemExit(128 + signal_number)


def _forget_stdout() -> None:
    """Keep the interpreter from writing what is left to a stdout that does not take it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> None:
    """Run the command line; exit 0, 1 (error), 2 (usage), 3/4 (some/all inputs failed) or 130 (interrupted)."""
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _end)
    try:
        # Not `cli.main`: it ends a closed pipe with exit code 1.
        with cli.make_context("bioconv", sys.argv[1:]) as context:
            status = cli.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        status = stop.exit_code
    except click.ClickException as usage:
        usage.show()
        status = usage.exit_code
    except BioconvError as error:
        click.echo(f"error: {error}", err=True)
        status = 1
    except (click.Abort, KeyboardInterrupt) as stop:
        click.echo(str(stop) or "interrupted", err=True)
        status = 130
    except BrokenPipeError:
        # The reader has gone (`| head`): end quietly.
        _forget_stdout()
        status = 0
    except OSError as error:
        click.echo(f"error: cannot write: {error.strerror or error}", err=True)
        _forget_stdout()
        status = 1
    sys.exit(status if isinstance(status, int) else 0)
