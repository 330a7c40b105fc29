"""`bioconv evaluate`: judge a model, anybody's scores or anybody's masks, with intervals."""

from __future__ import annotations

import hashlib
import json
import math
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from bioconv.cli.options import Failures, check_paths, failures_option, log_options

from bioconv import runtime
from bioconv.errors import InputError, OptionError

if TYPE_CHECKING:
    from bioconv.evaluation.figures import Settings
    from bioconv.evaluation.inputs import Floats
    from bioconv.evaluation.overlap import ClassOverlap
    from bioconv.evaluation.predictions import Predictions
    from bioconv.sequence.labelled import LabelledSequences

Figures = dict[str, Any]


@dataclass(frozen=True)
class _Request:
    """What the command was given, beside its inputs."""

    settings: Settings
    regression: bool
    plot: str | None
    output: str | None
    as_json: bool


@click.command(name="evaluate", epilog="Exit codes: 0 done, 1 error, 2 usage, 3 some masks failed, 4 no input usable.")
@click.argument("model_data", nargs=-1, metavar="[MODEL... DATA]")
@click.option("--negatives", metavar="FILE", help="DATA holds positives only (FASTA or table), this file negatives.")
@click.option("--scores", metavar="FILE", help="CSV or TSV: a name, then one column of scores per model or class.")
@click.option(
    "--labels", metavar="FILE", help="CSV or TSV: a name, `label` (0/1 or a class), `group` if there are any."
)
@click.option("--column", "columns", multiple=True, metavar="NAME", help="Only this column of scores; repeatable.")
@click.option(
    "--masks", nargs=2, metavar="PRED TRUTH", help="Two folders of masks (PNG, TIFF, BMP, GIF, NPY), paired by name."
)
@click.option(
    "--classes", metavar="all|1,2,...", help="Masks: values that are classes. Default: what is not 0 is foreground."
)
@click.option("--instances", is_flag=True, help="Masks: each value is an object; AP, F1, panoptic quality.")
@click.option("--threshold", type=float, help="Scores from here on are positive; choose it on validation data.")
@click.option("--regression", is_flag=True, help="Labels are measured numbers.")
@click.option("--level", type=float, default=0.95, show_default=True, help="Level of the intervals.")
@click.option(
    "--resamples", type=click.IntRange(min=2), default=2000, show_default=True, metavar="N", help="Of the bootstrap."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the bootstrap.")
@click.option("--plot", type=click.Path(dir_okay=False), metavar="FILE", help="Draw the curves: .svg, .png or .pdf.")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Also write the result here as JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@failures_option
@log_options
@click.pass_context
def command(context: click.Context, /, model_data: tuple[str, ...], max_failures: int, **given: Any) -> None:
    """Judge a model's or anybody's predictions, with intervals.

    Three forms: MODEL... DATA scores labelled sequences (a table with name, sequence and label, a DeepBind .seq.gz
    file, or FASTA with --negatives); --scores and --labels join two tables by name; --masks compares two folders.
    """
    form = _form(model_data, given)
    files = (*model_data, given["negatives"], given["scores"], given["labels"])
    check_paths(files, {"-o": given["output"], "--plot": given["plot"]})
    request = _request(given)
    if form == "masks":
        if given["instances"]:
            context.exit(_evaluate_instances(given["masks"], request, max_failures))
        context.exit(_evaluate_masks(given["masks"], given["classes"], request, max_failures))
    source = model_data[-1] if form == "model" else given["scores"]
    failures = Failures(1, max_failures)
    with failures.guard(source):
        if form == "model":
            inputs, predictions = _of_models(model_data[:-1], source, given["negatives"])
        else:
            inputs, predictions = _of_tables(source, given["labels"], given["columns"])
        _evaluate(inputs, predictions, request, calibrated=False if form == "model" else None)
    context.exit(failures.exit_code)


def _form(model_data: tuple[str, ...], given: dict[str, Any]) -> str:
    """Return `model`, `scores` or `masks`, and refuse options of another form."""
    forms = {
        "model": bool(model_data),
        "scores": bool(given["scores"] or given["labels"]),
        "masks": given["masks"] is not None,
    }
    chosen = [name for name, is_given in forms.items() if is_given]
    if len(chosen) != 1 or len(model_data) == 1 or bool(given["scores"]) != bool(given["labels"]):
        message = "give MODEL and DATA, or --scores and --labels, or --masks PRED TRUTH"
        raise click.UsageError(message)
    owners = {
        "negatives": ("model",),
        "columns": ("scores",),
        "classes": ("masks",),
        "instances": ("masks",),
        "threshold": ("model", "scores"),
        "regression": ("model", "scores"),
        "plot": ("model", "scores"),
    }
    for option, those in owners.items():
        if given[option] not in (None, False, ()) and chosen[0] not in those:
            message = f"--{option.removesuffix('s') if option == 'columns' else option} does not go with this form"
            raise click.UsageError(message)
    if given["instances"] and given["classes"]:
        message = "--instances and --classes exclude each other: a value is an object or a class"
        raise click.UsageError(message)
    if given["regression"] and (given["threshold"] is not None or given["plot"]):
        message = "--regression has neither --threshold nor --plot"
        raise click.UsageError(message)
    return chosen[0]


def _request(given: dict[str, Any]) -> _Request:
    """Check the options before any work is done."""
    from bioconv.evaluation.figures import Settings
    from bioconv.evaluation.intervals import normal_quantile

    normal_quantile(given["level"])
    if given["plot"]:
        from bioconv.report.curves import figure_format

        figure_format(given["plot"])
    if given["threshold"] is not None and not math.isfinite(given["threshold"]):
        message = f"--threshold is {given['threshold']}; give a finite number"
        raise OptionError(message)
    settings = Settings(given["resamples"], given["seed"], given["level"], given["threshold"])
    to_stdout = given["output"] == "-"
    output = None if to_stdout else given["output"]
    return _Request(settings, given["regression"], given["plot"], output, given["as_json"] or to_stdout)


def _of_tables(scores: str, labels: str, columns: tuple[str, ...]) -> tuple[Figures, Predictions]:
    from bioconv.evaluation.predictions import read_predictions

    predictions = read_predictions(scores, labels, columns=columns)
    return {"scores": _file(scores), "labels": _file(labels)}, predictions


def _of_models(models: tuple[str, ...], data: str, negatives: str | None) -> tuple[Figures, Predictions]:
    from bioconv.evaluation.predictions import Predictions
    from bioconv.sequence.labelled import read_labelled, read_two_classes

    known = read_two_classes(data, negatives) if negatives else read_labelled(data)
    if known.labels is None:
        message = f"{data} has no labels; give a table with a column `label`, or --negatives FILE"
        raise InputError(message)
    if len(set(models)) < len(models):
        message = f"a model is given twice: {', '.join(models)}; give each once"
        raise OptionError(message)
    scores = {model: _model_scores(model, known) for model in models}
    files = [data, negatives] if negatives else [data]
    facts = {"models": [{"name": model, **_model_file(model)} for model in models], "data": [_file(x) for x in files]}
    labels = [str(int(value)) if value.is_integer() else repr(value) for value in known.labels.tolist()]
    return facts, Predictions(known.names, scores, labels, None, data, [0] * len(labels))


def _model_scores(model: str, data: LabelledSequences) -> Floats:
    """Return a model's score of each sequence: whole, padded, strands pooled as the model says."""
    import numpy as np

    from bioconv.conv.detectors import batch_scores
    from bioconv.sequence.deepbind import load_motif_model
    from bioconv.sequence.labelled import by_length
    from bioconv.zoo import resolve

    detectors = load_motif_model(resolve(model)).detectors
    scores = np.empty(len(data))
    for indices, codes in by_length(data.codes):
        scores[indices] = detectors.pool_strands(batch_scores(codes, detectors, padded=True))
    return scores


def _model_file(model: str) -> Figures:
    from bioconv.zoo import resolve

    return _file(str(resolve(model)))


def _file(path: str) -> Figures:
    """Return where an input lies and the sha256 of its bytes; what came through a pipe has gone by."""
    if not Path(path).is_file():
        return {"path": path}
    with Path(path).open("rb") as stream:
        return {"path": path, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


def _evaluate(inputs: Figures, predictions: Predictions, request: _Request, *, calibrated: bool | None) -> None:
    from dataclasses import replace

    from bioconv.evaluation.binary_summary import summarise_binary
    from bioconv.evaluation.class_summary import summarise_classes
    from bioconv.evaluation.regression_summary import summarise_regression
    from bioconv.report.tables import figures_table

    settings = replace(request.settings, groups=predictions.groups)
    task = "regression" if request.regression else predictions.task()
    if task != "binary" and (request.plot or settings.threshold is not None):
        message = "--plot and --threshold need labels 0 and 1"
        raise OptionError(message)
    if task == "regression":
        figures = summarise_regression(predictions.scores, predictions.measured(), settings)
    elif task == "multiclass":
        figures = summarise_classes(*predictions.classes(), settings)
    else:
        figures = summarise_binary(predictions.scores, predictions.binary(), settings, calibrated=calibrated)
    if predictions.groups is not None:
        figures["groups"] = len(set(predictions.groups))
        figures["notes"].append("intervals are of the groups drawn again; DeLong's would take samples as independent")
    if request.plot:
        from bioconv.report.curves import draw_curves, save_figure

        figure = draw_curves(predictions.scores, predictions.binary(), reliability=tuple(figures["reliability"]))
        save_figure(figure, request.plot)
    _write(_provenance(task, inputs, settings) | figures, request, figures_table(figures))


def _evaluate_masks(folders: tuple[str, str], classes: str | None, request: _Request, allowed: int) -> int:
    """Compare every pair of masks; return the exit code."""
    from bioconv.evaluation.mask_summary import summarise_masks
    from bioconv.images.masks import pair_masks
    from bioconv.report.tables import masks_table

    wanted = _classes(classes)
    try:
        pairs = pair_masks(*folders)
    except InputError as error:
        runtime.logger.error("%s", error)
        return 4
    failures, images = Failures(len(pairs), allowed), {}
    valued: list[str] = []
    for pair in pairs:
        with failures.guard(pair.name):
            images[pair.name], several = _overlap(*pair.files(), wanted)
            valued += [pair.name] if several else []
    if valued:
        runtime.logger.warning(
            "%d images (%s, ...) have several values above 0, all taken as foreground; --classes tells them apart",
            len(valued), valued[0],
        )  # fmt: skip
    if images:
        figures = summarise_masks(images, request.settings)
        rows = [row for name, overlap in images.items() for row in _mask_rows(name, overlap, wanted is not None)]
        inputs = {"predicted": folders[0], "truth": folders[1], "failed": len(pairs) - len(images)}
        result = _provenance("masks", inputs, request.settings) | figures
        _write(result | {"images": rows}, request, masks_table(rows, figures))
    return failures.exit_code


def _evaluate_instances(folders: tuple[str, str], request: _Request, allowed: int) -> int:
    """Match the objects of every pair of label images; return the exit code."""
    from bioconv.evaluation.object_summary import object_rows, summarise_objects
    from bioconv.evaluation.objects import ap_table, join_tables
    from bioconv.images.masks import pair_masks, read_mask
    from bioconv.report.tables import objects_table

    try:
        pairs = pair_masks(*folders)
    except InputError as error:
        runtime.logger.error("%s", error)
        return 4
    failures, tables = Failures(len(pairs), allowed), {}
    for pair in pairs:
        with failures.guard(pair.name):
            predicted, truth = pair.files()
            try:
                tables[pair.name] = ap_table([(read_mask(predicted), read_mask(truth))])
            except InputError as error:
                message = f"{predicted}, {truth}: {error}"
                raise InputError(message) from error
    if tables:
        table = join_tables(list(tables.values()))
        figures = summarise_objects(table, request.settings)
        rows = list(object_rows(list(tables), table))
        inputs = {"predicted": folders[0], "truth": folders[1], "failed": len(pairs) - len(tables)}
        result = _provenance("instances", inputs, request.settings) | figures
        _write(result | {"images": rows}, request, objects_table(rows, figures))
    return failures.exit_code


def _classes(given: str | None) -> list[int] | str | None:
    if given is None or given == "all":
        return given
    try:
        values = [int(word) for word in given.split(",")]
    except ValueError:
        values = []
    if not values or len(set(values)) < len(values):
        message = f"--classes is {given!r}; give all, or different whole numbers such as 1,2"
        raise OptionError(message)
    return values


def _overlap(predicted: Path, truth: Path, classes: list[int] | str | None) -> tuple[ClassOverlap, bool]:
    """Return the overlap of two masks, and whether several values were taken as one foreground."""
    import numpy as np

    from bioconv.evaluation.overlap import class_overlap
    from bioconv.images.masks import read_mask

    masks = [read_mask(path) for path in (predicted, truth)]
    try:
        if classes is not None:
            return class_overlap(*masks, classes=None if classes == "all" else [int(one) for one in classes]), False
        several = any(len(np.unique(mask[mask != 0])) > 1 for mask in masks)
        found, true = ((mask != 0).astype(np.uint8) for mask in masks)
        return class_overlap(found, true, classes=[1]), several
    except InputError as error:
        message = f"{predicted}, {truth}: {error}"
        raise InputError(message) from error


def _mask_rows(name: str, overlap: ClassOverlap, by_class: bool) -> Iterator[Figures]:
    for number, value in enumerate(overlap.classes):
        yield {
            "name": name,
            "class": str(value) if by_class else "foreground",
            "dice": float(overlap.dice[number]),
            "iou": float(overlap.iou[number]),
            "predicted_pixels": int(overlap.predicted[number]),
            "true_pixels": int(overlap.truth[number]),
        }


def _provenance(task: str, inputs: Figures, settings: Settings) -> Figures:
    from bioconv.version import __version__

    drawn = {"level": settings.level, "resamples": settings.resamples, "seed": settings.seed}
    line = shlex.join(["bioconv", *sys.argv[1:]])
    return {"bioconv": __version__, "command": line, "task": task, "inputs": inputs, **drawn}


def _write(result: Figures, request: _Request, table: str) -> None:
    """Write the JSON file, then JSON or the table to stdout, then the notes to the log."""
    from bioconv.outputs import open_output, provenance

    text = json.dumps(result, indent=1, allow_nan=False) + "\n"
    if request.output:
        with open_output(request.output) as stream:
            stream.write(text.encode())
    head = provenance(command=result["command"], level=result["level"], seed=result["seed"])
    with open_output(None) as stream:
        stream.write((text if request.as_json else f"# {head}\n{table}").encode())
    for note in result["notes"]:
        runtime.logger.info("%s", note)
