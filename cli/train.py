"""`bioconv train`: one subcommand per family of models, imported when it is used."""

from __future__ import annotations

import click
from bioconv.cli.lazy import LazyGroup

FAMILIES = {
    "deepbind": ("bioconv.cli.train_deepbind", "A motif detector network: which sequences a protein binds."),
    "lstm": ("bioconv.cli.train_lstm", "A recurrent network: classes of sequences, or of each of their letters."),
    "segment": ("bioconv.cli.train_segment", "A segmenter: objects, structures or classes of pixels in images."),
    "classify": ("bioconv.cli.train_classify", "A classifier of mammograms, with calibration and thresholds."),
}


@click.group(
    cls=LazyGroup, table=FAMILIES, heading="Families", context_settings={"help_option_names": ["-h", "--help"]}
)
def command() -> None:
    """Train a model and write it to one file.

    Beside the file a folder `NAME.run/` keeps the state to resume from, the log, the split and report.html.
    """
