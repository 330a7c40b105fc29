"""The options of `bioconv evaluate`, in sections, and what may go together."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click
from bioconv.cli.options import failures_option, log_options

from bioconv.errors import OptionError

if TYPE_CHECKING:
    from bioconv.evaluation.figures import Settings

_Command = TypeVar("_Command", bound=Callable[..., Any])

FORMS = ("model", "scores", "masks", "marks")
_BINARY = ("model", "scores")
_SCORES = ("scores",)


@dataclass(frozen=True)
class Request:
    """What the command was given, beside its inputs."""

    settings: Settings
    regression: bool
    plot: str | None
    output: str | None
    as_json: bool


_SECTIONS: dict[str, list[tuple[str, tuple[str, ...], dict[str, Any]]]] = {
    "Sequences and models": [
        ("--negatives", ("model",), {"metavar": "FILE", "help": "DATA holds positives only, this file negatives."}),
    ],
    "Scores and labels": [
        ("--scores", _SCORES, {
            "metavar": "FILE", "help": "CSV or TSV: a name, then one column of scores per model or class."}),
        ("--labels", _SCORES, {
            "metavar": "FILE", "help": "CSV or TSV: a name, `label` (0/1 or a class), `group` or `patient` if there "
            "are any, columns for --by."}),
        ("--column", _SCORES, {
            "multiple": True, "metavar": "NAME", "help": "Only this column of scores; repeatable."}),
        ("--regression", _BINARY, {"is_flag": True, "help": "Labels are measured numbers."}),
        ("--partial-auroc", _BINARY, {
            "nargs": 2, "type": float, "metavar": "LOW HIGH", "help": "Also the standardised area between these false-"
            "positive rates."}),
        ("--by", _SCORES, {
            "metavar": "COLUMN,...", "help": "Every figure by these columns of the labels too; numbers in "
            "bins: age:10, or age:50,60,70."}),
    ],
    "Operating point": [
        ("--threshold", (*_BINARY, "marks"), {
            "type": float, "help": "Scores from here on are positive; choose it on validation data."}),
        ("--validation-scores", _SCORES, {
            "metavar": "FILE", "help": "Choose each model's threshold on these scores; Youden's, or as below."}),
        ("--validation-labels", _SCORES, {"metavar": "FILE", "help": "Their labels; none of the samples judged."}),
        ("--at-sensitivity", _SCORES, {
            "type": float, "metavar": "SHARE", "help": "Highest threshold with at least this validation sensitivity."}),
        ("--at-specificity", _SCORES, {
            "type": float, "metavar": "SHARE", "help": "Lowest threshold with at least this validation specificity."}),
        ("--prevalence", _BINARY, {
            "type": float, "metavar": "SHARE", "help": "Also the predictive values where this share is positive."}),
    ],
    "Readers": [
        ("--readers", _SCORES, {
            "metavar": "FILE",
            "help": "CSV or TSV: a name, `reader`, and `decision` (0/1) or `score` and `threshold`."}),
        ("--margin", _SCORES, {
            "type": float, "metavar": "SHARE", "help": "Non-inferior: the difference's lower end is above -SHARE."}),
    ],
    "Masks": [
        ("--masks", ("masks",), {
            "nargs": 2, "metavar": "PRED TRUTH",
            "help": "Two folders of masks (PNG, TIFF, BMP, GIF, NPY), paired by name."}),
        ("--classes", ("masks",), {
            "metavar": "all|1,2,...", "help": "Values that are classes. Default: what is not 0 is foreground."}),
        ("--instances", ("masks",), {
            "is_flag": True, "help": "Each value is an object; AP, F1, panoptic quality."}),
    ],
    "Marks and lesions": [
        ("--marks", ("marks",), {"metavar": "FILE", "help": "CSV or TSV: image, x, y, score."}),
        ("--lesions", ("marks",), {
            "metavar": "FILE", "help": "CSV or TSV: image, x, y, radius, or image, x0, y0, x1, y1."}),
        ("--images", ("marks",), {
            "metavar": "N|FILE",
            "help": "How many images there are, or a table of them, with `patient` if there are any."}),
    ],
    "Intervals": [
        ("--level", FORMS, {"type": float, "default": 0.95, "show_default": True, "help": "Level of the intervals."}),
        ("--resamples", FORMS, {
            "type": click.IntRange(min=2), "default": 2000, "show_default": True, "metavar": "N",
            "help": "Of the bootstrap."}),
        ("--seed", FORMS, {
            "type": click.IntRange(min=0), "default": 0, "show_default": True, "help": "Of the bootstrap."}),
    ],
    "Output": [
        ("--plot", (*_BINARY, "marks"), {
            "type": click.Path(dir_okay=False), "metavar": "FILE", "help": "Draw the curves: .svg, .png or .pdf."}),
    ],
}  # fmt: skip
"""Section -> its options: name, the forms that take it, and what click is told."""

_NAMES = {"column": "columns", "json": "as_json"}
"""Option -> argument, where they differ."""


class SectionedCommand(click.Command):
    """A command whose help lists the options in sections."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each section in turn; what belongs to none is the last one's."""
        section = {_argument(name): title for title, rows in _SECTIONS.items() for name, _, _ in rows}
        rows: dict[str, list[tuple[str, str]]] = {title: [] for title in _SECTIONS}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                rows[section.get(parameter.name or "", "Output")].append(record)
        for title, records in rows.items():
            with formatter.section(title):
                formatter.write_dl(records)


def evaluate_options(command: _Command) -> _Command:
    """Add all options."""
    command = log_options(failures_option(command))
    command = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(command)
    command = click.option(
        "-o", "--output", type=click.Path(dir_okay=False), help="Also write the result here as JSON."
    )(command)
    for rows in reversed(_SECTIONS.values()):
        for name, _, told in reversed(rows):
            command = click.option(name, _argument(name), **told)(command)
    return command


def form_of(model_data: tuple[str, ...], given: dict[str, Any]) -> str:
    """Return `model`, `scores`, `masks` or `marks`, and refuse options of another form or that do not go together.

    Raises
    ------
    click.UsageError
    """
    forms = {
        "model": bool(model_data),
        "scores": bool(given["scores"] or given["labels"]),
        "masks": given["masks"] is not None,
        "marks": bool(given["marks"] or given["lesions"] or given["images"]),
    }
    chosen = [name for name, is_given in forms.items() if is_given]
    whole = all(given[name] for name in ("marks", "lesions", "images"))
    if len(chosen) != 1 or len(model_data) == 1 or bool(given["scores"]) != bool(given["labels"]):
        message = (
            "give MODEL and DATA, or --scores and --labels, or --masks PRED TRUTH, or --marks, --lesions and --images"
        )
        raise click.UsageError(message)
    if chosen == ["marks"] and not whole:
        message = "--marks, --lesions and --images go together: images without mark and lesion count too"
        raise click.UsageError(message)
    for rows in _SECTIONS.values():
        for name, owners, _ in rows:
            if _is_given(given, name) and chosen[0] not in owners:
                message = f"{name} does not go with this form"
                raise click.UsageError(message)
    _check_together(given)
    return chosen[0]


def request_of(given: dict[str, Any]) -> Request:
    """Check the options' values before any work is done.

    Raises
    ------
    OptionError
    """
    from bioconv.evaluation.figures import Settings
    from bioconv.evaluation.intervals import normal_quantile
    from bioconv.evaluation.partial_area import check_rates
    from bioconv.evaluation.prevalence import check_prevalence
    from bioconv.evaluation.strata import parse_splits

    normal_quantile(given["level"])
    if given["plot"]:
        from bioconv.report.curves import figure_format

        figure_format(given["plot"])
    if given["threshold"] is not None and not math.isfinite(given["threshold"]):
        message = f"--threshold is {given['threshold']}; give a finite number"
        raise OptionError(message)
    if given["partial_auroc"] is not None:
        check_rates(*given["partial_auroc"])
    if given["prevalence"] is not None:
        check_prevalence(given["prevalence"])
    if given["by"] is not None:
        parse_splits(given["by"])
    settings = Settings(
        given["resamples"], given["seed"], given["level"], given["threshold"],
        prevalence=given["prevalence"], partial=given["partial_auroc"],
    )  # fmt: skip
    to_stdout = given["output"] == "-"
    output = None if to_stdout else given["output"]
    return Request(settings, given["regression"], given["plot"], output, given["as_json"] or to_stdout)


def _argument(name: str) -> str:
    """Return the name of the argument that an option becomes."""
    bare = name.removeprefix("--")
    return _NAMES.get(bare, bare.replace("-", "_"))


def _is_given(given: dict[str, Any], name: str) -> bool:
    return given[_argument(name)] not in (None, False, ())


def _check_together(given: dict[str, Any]) -> None:
    """Refuse options that exclude each other, or that mean nothing without another."""
    names = [name for rows in _SECTIONS.values() for name, _, _ in rows]
    has = {name: _is_given(given, name) for name in names}
    point = has["--threshold"] or has["--validation-scores"]
    refused = {
        "--instances and --classes exclude each other: a value is an object or a class":
            has["--instances"] and has["--classes"],
        "--regression has no operating point, curves, strata or readers": has["--regression"] and any(
            has[name] for name in (
                "--threshold", "--validation-scores", "--plot", "--partial-auroc", "--by", "--readers",
                "--prevalence")),
        "--validation-scores and --validation-labels go together":
            has["--validation-scores"] != has["--validation-labels"],
        "--threshold and --validation-scores exclude each other: a threshold is given or chosen":
            has["--threshold"] and has["--validation-scores"],
        "--at-sensitivity and --at-specificity exclude each other; they choose on --validation-scores":
            has["--at-sensitivity"] and has["--at-specificity"],
        "--at-sensitivity and --at-specificity choose on validation data: give --validation-scores and "
        "--validation-labels": (has["--at-sensitivity"] or has["--at-specificity"]) and not has["--validation-scores"],
        "--prevalence needs an operating point: give --threshold or --validation-scores":
            has["--prevalence"] and not point,
        "--readers decide, so that the model must too: give --threshold or --validation-scores":
            has["--readers"] and not point,
        "--margin is about --readers": has["--margin"] and not has["--readers"],
    }  # fmt: skip
    for message, wrong in refused.items():
        if wrong:
            raise click.UsageError(message)
