"""`bioconv segment`: masks of images of any format and size."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from bioconv.cli.options import (
    Failures,
    check_paths,
    check_sharing,
    dask_option,
    device_option,
    events_option,
    failures_option,
    log_options,
    shard_option,
)

from bioconv import runtime
from bioconv.errors import InputError
from bioconv.wording import counted

if TYPE_CHECKING:
    from bioconv.segmentation.folders.batch import Batch, Outcome
    from bioconv.segmentation.folders.naming import Item
    from bioconv.segmentation.inference.pipeline import Segmenter


@click.command(
    name="segment", epilog="Exit codes: 0 done, 1 error, 2 usage, 3 some images failed, 4 none could be read."
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("-o", "--output", metavar="FOLDER", help="Results go here. Default: scans/ gives scans-segmented/.")
@click.option(
    "--model", multiple=True, default=("nuclei",), show_default=True, metavar="NAME|FILE",
    help="A file, or a name of `bioconv models list`; several are averaged.",
)  # fmt: skip
@click.option(
    "--channel",
    metavar="INDEX|NAME",
    help="The channel to segment: number from 0, name; of colour pictures also rgb (all), haematoxylin, eosin, dab, "
    "counterstain (haematoxylin beside dab).",
)
@click.option("--axes", metavar="ZCYX", help="Axes of files that do not say which is which (T C Z Y X; S: colour).")
@click.option("--pixel-size", type=float, metavar="UM", help="Micrometres per pixel, of images that do not say it.")
@click.option(
    "--diameter", type=float, metavar="PX", help="Of the objects in the images: they are scaled to the model's."
)
@click.option("--stitch-z", type=float, metavar="IOU", help="Join labels of a stack's planes that overlap so much.")
@click.option("--threshold", type=float, metavar="P", help="Probability of the foreground. Default: the model's.")
@click.option("--min-size", type=click.IntRange(min=0), metavar="PX", help="Smaller objects are left out.")
@click.option("--drop-border", is_flag=True, help="Leave out objects that touch the border of the image.")
@click.option("--overlay", is_flag=True, help="Also write a PNG of each image with its outlines.")
@click.option("--measure", is_flag=True, help="Also write a CSV of each image's objects.")
@click.option("--probabilities", is_flag=True, help="Also write the model's maps.")
@click.option("--rois", type=click.Choice(["imagej", "geojson"]), help="Also write outlines for Fiji or QuPath.")
@click.option(
    "--uncertainty", type=click.Choice(["entropy", "tta", "mc-dropout"]),
    help="Also write how unsure the model is (1 is most), and review.csv: which images to label next.",
)  # fmt: skip
@click.option("--report", is_flag=True, help="Also write report.html: contact sheet, counts, failures, warnings.")
@click.option("--pattern", metavar="GLOB", help="Of a folder, only files of this name, such as '*_dapi.tif'.")
@click.option("--exclude", multiple=True, metavar="GLOB", help="Leave these out; repeatable.")
@click.option("--max-memory", default="2GB", show_default=True, metavar="SIZE", help="Of the whole program.")
@click.option("--tile", type=click.IntRange(min=1), metavar="PX", help="Side of a tile. Default: what fits.")
@shard_option("every N-th image")
@dask_option
@click.option("--overwrite", is_flag=True, help="Do again what the manifest says is done.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, as a table; write nothing.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of mc-dropout.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@device_option
@failures_option
@events_option
@log_options
@click.pass_context
def command(context: click.Context, /, paths: tuple[str, ...], **given: Any) -> None:
    """Segment images: PNG, JPEG, BMP, GIF, TIFF, DICOM, NIfTI, NPY; files and folders, mixed.

    Every image gives a mask of its own format family, shape and spacing, in a tree like that of the input. A file
    that cannot be read is named and the others go on. What manifest.jsonl in the results proves done is not done
    again; an interrupted run goes on where it stopped.
    """
    from bioconv.images.formats import FORMATS
    from bioconv.segmentation.folders.batch import check_output
    from bioconv.segmentation.folders.inputs import find_items
    from bioconv.segmentation.folders.naming import default_output
    from bioconv.shards import parse_shard

    shard = parse_shard(given["shard"])
    check_sharing(given["shard"], given["dask"])
    check_paths((), {"--events": given["events"]})
    wanted_paths = [Path(path) for path in paths]
    everything = find_items(wanted_paths, pattern=given["pattern"], exclude=given["exclude"])
    output = Path(given["output"]) if given["output"] else default_output(wanted_paths)
    if not everything:
        left = " that --pattern and --exclude leave" if given["pattern"] or given["exclude"] else ""
        runtime.logger.error("no images%s in %s; expected %s", left, ", ".join(paths), FORMATS)
        context.exit(4)
    failures = Failures(len(everything), given["max_failures"])
    if all(item.reason for item in everything):  # nothing to make a folder for
        for item in everything:
            with failures.guard(item.source):
                raise InputError(item.reason)
        context.exit(failures.exit_code)
    check_output(output, everything, wanted_paths)
    items = shard.every(everything)
    segmenter = _segmenter(given, output)
    if given["dry_run"]:
        context.exit(_show_plan(segmenter, items, output, given["max_failures"]))
    runtime.logger.info("results go to %s", output)
    failures = Failures(len(items), given["max_failures"], given["events"])
    context.exit(_run(segmenter, (everything, items), output, (given, failures)))


def _segmenter(given: dict[str, Any], output: Path) -> Segmenter:
    """Open the models, once for all images."""
    from bioconv.segmentation.inference.choices import Choices, Resources
    from bioconv.segmentation.inference.memory import parse_memory
    from bioconv.segmentation.inference.pipeline import Segmenter
    from bioconv.segmentation.inference.running import Runner
    from bioconv.segmentation.model import load_segmentation_model
    from bioconv.zoo import resolve

    choices = Choices(**{one.name: given[one.name] for one in fields(Choices)})
    resources = Resources(parse_memory(given["max_memory"]), given["tile"], output)
    runtime.set_torch_threads()
    # On a cluster the models of this process tell what they are, and those of the workers run.
    device = "cpu" if given["dask"] else runtime.device_name(given["device"])
    runners = [Runner.of(load_segmentation_model(resolve(name), device=device)) for name in given["model"]]
    return Segmenter(runners, choices, resources, keep_probabilities=given["probabilities"])


def _run(
    segmenter: Segmenter,
    found: tuple[Sequence[Item], Sequence[Item]],
    output: Path,
    how: tuple[dict[str, Any], Failures],
) -> int:
    from bioconv.segmentation.folders.batch import Batch
    from bioconv.segmentation.folders.results import Wanted

    everything, items = found
    given, failures = how
    wanted = Wanted(
        overlay=given["overlay"], measure=given["measure"], probabilities=given["probabilities"],
        uncertainty=given["uncertainty"] is not None, rois=given["rois"], thumbnail=given["report"],
    )  # fmt: skip
    device = "" if given["dask"] else str(runtime.device_name(given["device"]))  # of the workers: they say it
    facts = {"command": shlex.join(["bioconv", *sys.argv[1:]]), "device": device}
    batch = Batch(segmenter, output, wanted=wanted, overwrite=given["overwrite"], facts=facts)
    outcomes = []
    with runtime.progress(len(items), "segmenting", unit="image") as bar:
        for outcome in _outcomes(batch, items, given):
            with failures.guard(outcome.item.source):
                _say(outcome)
            outcomes.append(outcome)
            bar.update()
    _finish(batch, everything, given)
    counts = _summary(outcomes, output)
    if given["as_json"]:
        records = [asdict(one.record) | {"skipped": one.skipped} for one in outcomes]
        click.echo(json.dumps({**counts, "images": records}, indent=2))
    return failures.exit_code


def _outcomes(batch: Batch, items: Sequence[Item], given: dict[str, Any]) -> Iterator[Outcome]:
    """Segment in this process, or on a cluster."""
    if given["dask"] is None:
        yield from batch.run(items)
        return
    from bioconv.cluster import open_cluster
    from bioconv.segmentation.folders.clustered import job_of, run_on

    with open_cluster(given["dask"]) as cluster:
        yield from run_on(cluster, batch, job_of(batch, given["model"], given["device"]), items)


def _say(outcome: Outcome) -> None:
    """Say what became of an image, where no bar does; raise what failed."""
    record = outcome.record
    if outcome.failed:
        raise InputError(record.reason)
    if runtime.shows_progress():
        return
    objects = record.facts.get("objects")
    said = f"{record.facts.get('foreground', 0):.2%} foreground"
    if objects is not None:
        said = counted(objects, "object")
    runtime.logger.info(
        "%s: %s, %s", record.input, said, "done before" if outcome.skipped else f"{record.seconds:.1f} s"
    )


def _finish(batch: Batch, everything: Sequence[Item], given: dict[str, Any]) -> None:
    """Write what is about the batch as a whole."""
    from bioconv.segmentation.folders.review import REPORT, REVIEW, records_of, write_report, write_review

    if not given["report"] and given["uncertainty"] is None:
        return
    models = {runner.model.name: runner.model.hash for runner in batch.segmenter.runners}
    records = records_of(batch.manifest, [item.name for item in everything], models)
    if given["uncertainty"] is not None:
        write_review(batch.output / REVIEW, records)
    if given["report"]:
        settings = {name: value for name, value in asdict(batch.segmenter.choices).items() if value is not None}
        named = {f"model {name}": f"sha256 {digest}" for name, digest in models.items()}
        write_report(batch.output / REPORT, batch.manifest, records, {**named, **settings, **batch.facts})


def _summary(outcomes: Sequence[Outcome], output: Path) -> dict[str, Any]:
    from bioconv.images.finding import MANIFEST

    failed = sum(one.failed for one in outcomes)
    skipped = sum(one.skipped for one in outcomes)
    counts = {
        "inputs": len(outcomes), "segmented": len(outcomes) - failed - skipped, "done_before": skipped,
        "failed": failed, "output": str(output),
    }  # fmt: skip
    images = counted(len(outcomes), "image")
    said = f"{counts['segmented']} of {images} segmented, {skipped} done before, {failed} failed"
    nothing = failed == len(outcomes) > 0
    where = f"no results; the reasons are in {output / MANIFEST}" if nothing else f"results in {output}"
    runtime.logger.info("%s; %s", said, where)
    return counts


def _show_plan(segmenter: Segmenter, items: Sequence[Item], output: Path, allowed: int) -> int:
    """Print what would be done; return the exit code it would end with, as far as the files' heads tell."""
    from bioconv.segmentation.folders.planning import PLAN_COLUMNS, plan_rows

    failures = Failures(len(items), allowed)
    click.echo("\t".join(PLAN_COLUMNS))
    for item, row in plan_rows(segmenter, items, output):
        with failures.guard(item.source):
            if isinstance(row, InputError):
                raise row
            click.echo("\t".join(row))
    return failures.exit_code
