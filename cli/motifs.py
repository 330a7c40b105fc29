"""`bioconv motifs`: what a model's detectors look for."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING, Any

import click
from bioconv.cli.options import Failures, check_paths, log_options, no_header_option, output_option

from bioconv import runtime
from bioconv.errors import InputError, OptionError
from bioconv.wording import counted

if TYPE_CHECKING:
    from bioconv.conv.detectors import Codes
    from bioconv.sequence.deepbind import MotifModel
    from bioconv.sequence.detector_matches import MatchedDetector, MatchOptions


@click.command(name="motifs", epilog="Exit codes: 0 done, 1 error, 2 usage, 4 the sequences could not be read.")
@click.argument("model", metavar="MODEL")
@click.option(
    "--sequences",
    "-s",
    metavar="FILE",
    help="Sequences the model should find: FASTA, or a table with a sequence per row (label 1 where it has labels).",
)
@click.option("--top", type=int, metavar="N", help="Only the N detectors that matter most to the sequences' scores.")
@click.option("--match", metavar="FILE|jaspar:ID", help="Known motifs to compare with, in any format `scan` reads.")
@click.option("--matches", type=int, default=1, show_default=True, metavar="N", help="Best matches to list.")
@click.option(
    "--score",
    type=click.Choice(["euclidean", "pearson"]),
    default="euclidean",
    show_default=True,
    help="How two columns are compared.",
)
@click.option("--min-overlap", type=int, default=5, show_default=True, help="Columns that must overlap in a match.")
@click.option(
    "--min-bits", type=float, default=6.0, show_default=True, help="Compare only motifs that hold so much information."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["meme", "tsv", "json"]),
    help="meme: the motifs; tsv, json: the table.  [default: tsv with --match, else meme]",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@output_option
@click.option("--meme", type=click.Path(dir_okay=False), metavar="FILE", help="Also write the motifs here, as MEME.")
@click.option("--logos", type=click.Path(file_okay=False), metavar="DIR", help="Also draw logos, and an overview.")
@click.option(
    "--logo-format", type=click.Choice(["svg", "png"]), default="svg", show_default=True, help="Of the logos' files."
)
@click.option("--both-orientations", is_flag=True, help="Logos: the reverse complements too.")
@no_header_option
@log_options
@click.pass_context
def command(context: click.Context, /, model: str, sequences: str | None, match: str | None, **given: Any) -> None:
    """Write a model's detectors as motifs, and name the known motifs they resemble.

    MODEL is a file, or a name of `bioconv models list`. With --sequences a motif is made of each detector's best window
    in each sequence; without, of the detector's weights.
    """
    from bioconv.outputs import provenance
    from bioconv.sequence.deepbind import load_motif_model
    from bioconv.sequence.detector_matches import MatchOptions
    from bioconv.zoo import resolve

    form = "json" if given["as_json"] else given["form"] or ("tsv" if match else "meme")
    _check(given, model, match, sequences)
    loaded = load_motif_model(resolve(model))
    options = MatchOptions(
        given["matches"], given["min_bits"], given["score"], given["min_overlap"], loaded.detectors.reverse_complement
    )
    failures = Failures(1, 0)
    rows: list[MatchedDetector] | None = None
    with failures.guard(sequences or model):
        rows = _rows(loaded, sequences, match, (options, given["top"]))
    if rows is None:
        context.exit(failures.exit_code)
    facts = {"model": loaded.name, "sha256": loaded.digest()[:16], "sequences": sequences, "match": match}
    head = provenance(**facts, command=shlex.join(["bioconv", *sys.argv[1:]]))
    writers = {"meme": _meme, "tsv": _table, "json": _json}
    _write(given["output"], writers[form](rows, loaded, "" if given["no_header"] else head, match is not None))
    if given["meme"]:
        _write(given["meme"], _meme(rows, loaded, "" if given["no_header"] else head, match is not None))
    if given["logos"]:
        _draw(rows, loaded.name, given)


def _check(given: dict[str, Any], model: str, match: str | None, sequences: str | None) -> None:
    if given["as_json"] and given["form"] not in {None, "json"}:
        message = f"--json and --format {given['form']}: give one of them"
        raise OptionError(message)
    if given["matches"] < 1:
        message = f"--matches {given['matches']}: give 1 or more"
        raise OptionError(message)
    check_paths((model, match, sequences), {"-o": given["output"] or "-", "--meme": given["meme"]})


def _rows(
    loaded: MotifModel, sequences: str | None, match: str | None, choices: tuple[MatchOptions, int | None]
) -> list[MatchedDetector]:
    from bioconv.sequence.detector_matches import match_detectors, rank_detectors
    from bioconv.sequence.detector_motifs import detector_motifs
    from bioconv.sequence.motifs import read_motifs
    from bioconv.sequence.motifs.compare import gather_targets

    options, top = choices
    targets = gather_targets(read_motifs(match)) if match else None
    codes = None if sequences is None else _read(sequences)
    found = rank_detectors(detector_motifs(loaded.detectors, codes, name=loaded.name), top)
    silent = sum(each.motif is None for each in found)
    used = "the weights alone" if codes is None else counted(len(codes), "sequence")
    runtime.logger.info(
        "%s: motifs of %s from %s%s",
        *(loaded.name, counted(len(found) - silent, "detector"), used, f"; {_silent(silent)}" if silent else ""),
    )
    return match_detectors(found, targets, options)


def _silent(number: int) -> str:
    return f"{number} {'responds' if number == 1 else 'respond'} to nothing in particular"


def _read(path: str) -> list[Codes]:
    from bioconv.sequence.labelled import read_labelled

    data = read_labelled(path)
    if data.labels is None:
        return list(data.codes)
    values = set(data.labels.tolist())
    if not values <= {0.0, 1.0} or 1.0 not in values:
        message = f"{path}: labels are {sorted(values)[:4]}; expected 1 (the sequences to use) and 0, or no labels"
        raise InputError(message)
    return [codes for codes, label in zip(data.codes, data.labels.tolist(), strict=True) if label]


def _meme(rows: list[MatchedDetector], loaded: MotifModel, head: str, matched: bool) -> str:
    from bioconv.sequence.motifs.write import meme_text

    motifs = [row.found.motif for row in rows if row.found.motif is not None]
    return meme_text(motifs, both_strands=loaded.detectors.reverse_complement, comment=head)


def _table(rows: list[MatchedDetector], loaded: MotifModel, head: str, matched: bool) -> str:
    from bioconv.sequence.detector_matches import table_lines

    return "".join(f"{line}\n" for line in ([f"# {head}"] if head else []) + list(table_lines(rows, matched=matched)))


def _json(rows: list[MatchedDetector], loaded: MotifModel, head: str, matched: bool) -> str:
    from bioconv.sequence.detector_matches import json_rows

    facts = {"provenance": head} if head else {}
    return json.dumps({**facts, "model": loaded.name, "detectors": json_rows(rows)}, indent=1) + "\n"


def _write(target: str | None, text: str) -> None:
    from bioconv.outputs import open_output

    with open_output(target) as stream:
        stream.write(text.encode())


def _draw(rows: list[MatchedDetector], name: str, given: dict[str, Any]) -> None:
    from bioconv.sequence.detector_matches import draw_logos

    paths = draw_logos(rows, given["logos"], title=name, form=given["logo_format"], both=given["both_orientations"])
    runtime.logger.info("%s in %s", counted(len(paths), "figure"), given["logos"])
