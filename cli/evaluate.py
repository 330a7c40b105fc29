"""`bioconv evaluate`: judge a model, anybody's scores, masks or marks, with intervals."""

from __future__ import annotations

from typing import Any

import click
from bioconv.cli.evaluate_options import SectionedCommand, evaluate_options, form_of, request_of
from bioconv.cli.options import Failures, check_paths

_TABLES = ("negatives", "scores", "labels", "validation_scores", "validation_labels", "readers", "marks", "lesions")


@click.command(
    name="evaluate",
    cls=SectionedCommand,
    epilog="Exit codes: 0 done, 1 error, 2 usage, 3 some masks failed, 4 no input usable.",
)
@click.argument("model_data", nargs=-1, metavar="[MODEL... DATA]")
@evaluate_options
@click.pass_context
def command(context: click.Context, /, model_data: tuple[str, ...], max_failures: int, **given: Any) -> None:
    """Judge a model's or anybody's predictions, with intervals.

    Four forms: MODEL... DATA scores labelled sequences (a table with name, sequence and label, a DeepBind .seq.gz
    file, or FASTA with --negatives); --scores and --labels join two tables by name; --masks compares two folders;
    --marks, --lesions and --images compare places in images.
    """
    form = form_of(model_data, given)
    files = (*model_data, *(given[name] for name in _TABLES), _file_or_number(given["images"]))
    check_paths(files, {"-o": given["output"], "--plot": given["plot"]})
    request = request_of(given)
    if form == "masks":
        from bioconv.cli.evaluate_masks import evaluate_instances, evaluate_masks

        if given["instances"]:
            context.exit(evaluate_instances(given["masks"], request, max_failures))
        context.exit(evaluate_masks(given["masks"], given["classes"], request, max_failures))
    source = {"model": model_data[-1:], "marks": [given["marks"]]}.get(form, [given["scores"]])[0]
    failures = Failures(1, max_failures)
    with failures.guard(source):
        if form == "marks":
            from bioconv.cli.evaluate_marks import evaluate_marks

            evaluate_marks(given["marks"], given["lesions"], given["images"], request)
        else:
            _evaluate_scores(form, model_data, given, request)
    context.exit(failures.exit_code)


def _evaluate_scores(form: str, model_data: tuple[str, ...], given: dict[str, Any], request: Any) -> None:
    from bioconv.cli.evaluate_scores import evaluate_predictions, table_predictions, wanted_of

    calibrated = None
    if form == "model":
        from bioconv.cli.evaluate_models import are_probabilities, model_predictions

        calibrated = are_probabilities(model_data[:-1])
        inputs, predictions = model_predictions(model_data[:-1], model_data[-1], given["negatives"])
    else:
        inputs, predictions = table_predictions(given["scores"], given["labels"], given["columns"])
    evaluate_predictions(inputs, predictions, request, wanted=wanted_of(given), calibrated=calibrated)


def _file_or_number(images: str | None) -> str | None:
    return None if images is None or images.isdigit() else images
