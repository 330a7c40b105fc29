"""`bioconv classify`: scores of mammograms, breasts and exams."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from bioconv.cli.classify_labels import evaluate_batch, warn_of_labels
from bioconv.cli.classify_sources import (
    archive_options,
    check_sources,
    found_views,
    said_command,
    shard_of,
    warn_of_pictures,
)
from bioconv.cli.options import (
    Failures,
    check_sharing,
    dask_option,
    device_option,
    events_option,
    failures_option,
    log_options,
    shard_option,
)

from bioconv import runtime
from bioconv.errors import InputError, OptionError
from bioconv.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bioconv.mammography.batch import Batch, Outcome
    from bioconv.mammography.classifier import Classifier
    from bioconv.mammography.finding import Failure
    from bioconv.mammography.views import View


@click.command(
    name="classify", epilog="Exit codes: 0 done, 1 error, 2 usage, 3 some images failed, 4 none could be read."
)
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option("-o", "--output", metavar="FOLDER", help="Results go here. Default: exams/ gives exams-classified/.")
@archive_options
@click.option(
    "--model", multiple=True, metavar="NAME|FILE",
    help="A file, or a name of `bioconv models list`; several are averaged. There is no default.",
)  # fmt: skip
@click.option("--threshold", metavar="RULE", help="Use the model's threshold of this rule, e.g. sensitivity=0.9.")
@click.option(
    "--prevalence", type=click.FloatRange(0, 1, min_open=True, max_open=True), metavar="SHARE",
    help="Share of positive images, breasts, exams that probabilities hold for.  [that of the validation data]",
)  # fmt: skip
@click.option(
    "--views-rule", type=click.Choice(["mean", "max"]),
    help="How a breast's score comes of its views.  [mean; none of models that join views themselves]",
)  # fmt: skip
@click.option(
    "--breasts-rule", type=click.Choice(["max", "mean"]), default="max", show_default=True,
    help="How an exam's score comes of its breasts.",
)  # fmt: skip
@click.option(
    "--labels", is_flag=True, help="Judge the results by the column `label` of the table: evaluation.json and .csv."
)
@click.option("--heat-maps/--no-heat-maps", default=True, help="Grad-CAM overlays as PNG.  [on]")
@click.option("--report/--no-report", default=True, help="report.html and a page per exam.  [on]")
@click.option("--keep-ids", is_flag=True, help="Write patients, studies and file names as they are, not as hashes.")
@click.option(
    "--salt", type=click.Path(dir_okay=False), metavar="FILE",
    help="Salt of the hashes (hexadecimal). Default: identifiers.salt in the results, made with the first run.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Take raw data (For Processing) too; no model was trained on them.")
@shard_option("whole women")
@dask_option
@click.option("--overwrite", is_flag=True, help="Do again what the manifest says is done.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, with names as they are; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the exams as JSON.")
@device_option
@failures_option
@events_option
@log_options
@click.pass_context
def command(context: click.Context, /, paths: tuple[str, ...], **given: Any) -> None:
    """Classify mammograms: DICOM files and folders, or a table of pictures. Research use only, not a medical device.

    Or a study of an archive: --dicomweb URL --study UID.

    A table (CSV or TSV) has the columns path (relative to it), patient, laterality and view, and, if wanted, study,
    label and group.

    Results: images.csv, breasts.csv, exams.csv, heat maps, pages, manifest.jsonl; with --labels an evaluation. A file
    that cannot be read is named and the others go on; what the manifest proves done is not done again.
    """
    check_sources(paths, given)
    check_sharing(given["shard"], given["dask"])
    if not given["model"]:
        raise click.UsageError(_models_said())
    wanted = [Path(path) for path in paths]
    output = Path(given["output"] or "") if given["output"] or not wanted else _default_output(wanted)
    classifier = None if given["dry_run"] else _classifier(given)  # before a large folder is searched
    with found_views(wanted, given) as found:
        context.exit(_classify(classifier, (wanted, *shard_of(found, given["shard"])), output, given))


def _classify(
    classifier: Classifier | None,
    found: tuple[list[Path], list[View], list[Failure]],
    output: Path,
    given: dict[str, Any],
) -> int:
    """Classify what was found, or show what would be done; return the exit code."""
    from bioconv.mammography.batch import RESULTS
    from bioconv.manifest import refuse_among_inputs, refuse_overwriting

    wanted, views, bad = found
    failures = Failures(len(views) + len(bad), given["max_failures"], given["events"])
    if not views:
        for one in bad:
            with failures.guard(str(one.path)):
                raise InputError(one.reason)
        if not bad and given["shard"] is not None:
            runtime.logger.info("no mammograms for shard %s", given["shard"])
            return 0
        if not bad:
            said = "no mammograms in %s; expected DICOM files, or a CSV that names pictures"
            runtime.logger.error(said, ", ".join(map(str, wanted)))
        return 4
    if classifier is None:
        return _show_plan(views, bad, failures)
    refuse_among_inputs(output, wanted, (view.path for view in views))
    refuse_overwriting(output, RESULTS, wanted)
    runtime.logger.info("Research use only, not a medical device.")
    for warning in filter(None, (classifier.domain_warning, classifier.rule_warning)):
        runtime.logger.warning("%s", warning)
    warn_of_pictures(views, given)
    warn_of_labels(classifier, views, given)
    runtime.logger.info("results go to %s", output)
    return _run(classifier, (views, bad), output, (given, failures))


def _models_said() -> str:
    from bioconv.zoo.registry import models

    names = [model.name for model in models().values() if model.task == "classify"]
    listed = ", ".join(names) or "none is shipped; train one with `bioconv train classify`"
    return f"--model is needed: no classifier is chosen by itself. Known: {listed}"


def _default_output(paths: Sequence[Path]) -> Path:
    """Return the folder beside the one input, or in the folder that holds them all."""
    places = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100 - a link stays beside its own folder
    if len(places) > 1:
        return Path(os.path.commonpath([place.parent for place in places])) / "classified"
    (place,) = places
    return place.with_name(f"{place.name.partition('.')[0] if place.is_file() else place.name}-classified")


def _classifier(given: dict[str, Any]) -> Classifier:
    from bioconv.mammography.classifier import Choices, Classifier
    from bioconv.mammography.exams import Rule
    from bioconv.mammography.model import load_classification_model
    from bioconv.zoo import resolve

    runtime.set_torch_threads()
    # On a cluster the models of this process tell what they are, and those of the workers score.
    device = "cpu" if given["dask"] else runtime.device_name(given["device"])
    models = [load_classification_model(resolve(name), device=device) for name in given["model"]]
    if given["views_rule"] and any(model.joins_views for model in models):
        message = "--views-rule: the model joins the views of a breast itself; leave it out"
        raise OptionError(message)
    rule = Rule(given["views_rule"] or "mean", given["breasts_rule"])
    return Classifier(models, Choices(given["threshold"], given["prevalence"], rule))


def _run(
    classifier: Classifier,
    found: tuple[list[View], list[Failure]],
    output: Path,
    how: tuple[dict[str, Any], Failures],
) -> int:
    from bioconv.mammography.batch import Batch, Wanted
    from bioconv.mammography.identifiers import Identifiers, kept_salt, read_salt
    from bioconv.manifest import make_results_folder

    given, failures = how
    make_results_folder(output)
    salt = None
    if not given["keep_ids"]:
        salt = read_salt(Path(given["salt"])) if given["salt"] else kept_salt(output)
    identifiers = Identifiers(salt, everywhere=bool(given["dicomweb"]))
    command = said_command(shlex.join(["bioconv", *sys.argv[1:]]), given, identifiers)
    device = "" if given["dask"] else str(runtime.device_name(given["device"]))  # of the workers: they say it
    facts = {"command": command, "device": device}
    batch = Batch(
        classifier,
        output,
        wanted=Wanted(given["heat_maps"], given["report"], given["dicom_out"]),
        identifiers=identifiers,
        overwrite=given["overwrite"],
        facts=facts,
    )
    views, bad = found
    outcomes = []
    with runtime.progress(len(views) + len(bad), "classifying", unit="image") as bar:
        for outcome in _outcomes(batch, views, bad, given):
            with failures.guard(outcome.name):
                _say(outcome)
            outcomes.append(outcome)
            bar.update()
    _finish(batch, outcomes, given)
    return failures.exit_code


def _outcomes(batch: Batch, views: Sequence[View], bad: Sequence[Failure], given: dict[str, Any]) -> Iterator[Outcome]:
    """Classify in this process, or on a cluster."""
    if given["dask"] is None:
        yield from batch.run(views, bad)
        return
    from bioconv.cluster import open_cluster
    from bioconv.mammography.clustered import job_of, run_on

    with open_cluster(given["dask"]) as cluster:
        yield from run_on(cluster, batch, job_of(batch, given["model"], given["device"]), views, bad)


def _say(outcome: Outcome) -> None:
    """Say what became of an image, where no bar does; raise what failed."""
    if outcome.failed:
        raise InputError(outcome.record.reason)
    if runtime.shows_progress():
        return
    if outcome.scored is None:
        runtime.logger.info("%s: listed, not scored: %s", outcome.name, outcome.record.facts.get("excluded"))
    else:
        score = sum(outcome.scored.scores) / len(outcome.scored.scores)
        how = "done before" if outcome.skipped else f"{outcome.record.seconds:.1f} s"
        runtime.logger.info("%s: score %.3f, %s", outcome.name, score, how)


def _finish(batch: Batch, outcomes: Sequence[Outcome], given: dict[str, Any]) -> None:
    """Write what is about the batch as a whole."""
    tables = batch.tables(outcomes)
    batch.write(tables)
    evaluation, fault = evaluate_batch(batch, outcomes, tables, given)
    if given["report"]:
        from bioconv.mammography.pages import write_pages

        write_pages(batch, outcomes, tables, evaluation=evaluation)
    failed = sum(one.failed for one in outcomes)
    before = sum(one.skipped for one in outcomes)
    said = "%s scored, %s listed only, %s failed, %s done before; %s; results in %s"
    scored = sum(one.scored is not None for one in outcomes)
    listed = len(outcomes) - scored - failed
    images, exams = counted(scored, "image"), counted(len(tables.exams), "exam")
    runtime.logger.info(said, images, listed, failed, before, exams, batch.output)
    if given["as_json"]:
        counts: dict[str, Any] = {"scored": scored, "listed": listed, "failed": failed, "done_before": before}
        counts["output"] = str(batch.output)
        if evaluation is not None:
            from bioconv.mammography.evaluation_results import to_json

            counts["evaluation"] = to_json(batch.classifier, evaluation)
        click.echo(json.dumps({**counts, "exams": tables.exams, "breasts": tables.breasts}, indent=2))
    if fault is not None:
        raise fault


def _show_plan(views: Sequence[View], bad: Sequence[Failure], failures: Failures) -> int:
    """Print what would be done; return the exit code it would end with, as far as the files' heads tell."""
    click.echo("file\tpatient\tstudy\tlaterality\tview\tstatus")
    for view in views:
        status = f"listed: {view.excluded}" if view.excluded else "scored"
        click.echo("\t".join([view.name, view.patient, view.study, view.laterality, view.view, status]))
    for one in bad:
        with failures.guard(str(one.path)):
            raise InputError(one.reason)
    return failures.exit_code
