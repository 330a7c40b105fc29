"""A model's detectors beside the known motifs they resemble: as a table, as JSON, as logos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bioconv.errors import OptionError, OutputError
from bioconv.report.logos import LogoPanel, LogoRow, overview, save_figure, stacked_logos
from bioconv.sequence.detector_motifs import DetectorMotif
from bioconv.sequence.motifs.compare import MIN_OVERLAP, Match, Targets, compare
from bioconv.sequence.motifs.information import reverse_complement

MIN_BITS = 6.0
"""Motifs that hold less are not compared: vague columns resemble the vague columns of any motif."""

_OWN = ("detector", "importance", "nsites", "share", "mean_response", "max_response", "width", "bits", "consensus")
_MATCH = (
    *("match_id", "match_name", "offset", "orientation", "overlap", "score"),
    *("p-value", "e-value", "q-value"),
)


@dataclass(frozen=True, eq=False)
class MatchedDetector:
    """A detector's motif and its best matches, best first; `vague`: it holds too little to be compared."""

    found: DetectorMotif
    matches: tuple[Match, ...] = ()
    vague: bool = False


@dataclass(frozen=True)
class MatchOptions:
    """How detectors are compared.

    Parameters
    ----------
    matches
        Best matches kept per detector.
    min_bits
        Least information of a motif that is compared.
    score, min_overlap, both_orientations
        As in `bioconv.sequence.motifs.compare.compare`.
    """

    matches: int = 1
    min_bits: float = MIN_BITS
    score: str = "euclidean"
    min_overlap: int = MIN_OVERLAP
    both_orientations: bool = True


def rank_detectors(found: Sequence[DetectorMotif], top: int | None = None) -> list[DetectorMotif]:
    """Return the detectors by importance (in their own order where that is not known), at most `top` of them.

    Raises
    ------
    OptionError
        If `top` is below 1, or given without importance.
    """
    known = all(each.importance is not None for each in found)
    if top is not None and (top < 1 or not known):
        reason = "give 1 or more" if known else "importance is measured on sequences, and none were given"
        message = f"the top {top} detectors are asked for: {reason}"
        raise OptionError(message)
    return sorted(found, key=lambda each: -(each.importance or 0.0) if known else each.detector)[:top]


def match_detectors(
    found: Sequence[DetectorMotif], targets: Targets | None, options: MatchOptions | None = None
) -> list[MatchedDetector]:
    """Compare the detectors' motifs with known ones.

    Parameters
    ----------
    found
        From `detector_motifs`.
    targets
        From `gather_targets`; None to compare with nothing.
    """
    options = options or MatchOptions()
    return [_matched(each, targets, options) for each in found]


def _matched(found: DetectorMotif, targets: Targets | None, options: MatchOptions) -> MatchedDetector:
    if targets is None or found.motif is None:
        return MatchedDetector(found)
    if found.bits < options.min_bits:
        return MatchedDetector(found, vague=True)
    matches = compare(
        found.motif,
        targets,
        score=options.score,
        min_overlap=options.min_overlap,
        both_orientations=options.both_orientations,
    )
    return MatchedDetector(found, tuple(matches[: options.matches]))


def table_lines(rows: Sequence[MatchedDetector], *, matched: bool) -> Iterator[str]:
    """Yield the table's lines, tab-separated: a header, then one line per detector and match.

    Parameters
    ----------
    matched
        Whether to write the columns of the match. What is not known is `NA`.
    """
    columns = (*_OWN, *_MATCH) if matched else _OWN
    yield "\t".join(columns)
    for row in rows:
        for match in row.matches or (None,):
            facts = {**_facts(row.found), **(_match_facts(match) if match else {})}
            yield "\t".join(_cell(facts.get(column)) for column in columns)


def _facts(found: DetectorMotif) -> dict[str, Any]:
    return {
        "detector": found.name,
        "importance": found.importance,
        "nsites": found.sites,
        "share": found.share,
        "mean_response": found.mean_response,
        "max_response": found.max_response,
        "width": found.end - found.begin,
        "bits": found.bits,
        "consensus": found.consensus or None,
    }


def _match_facts(match: Match) -> dict[str, Any]:
    return {
        "match_id": match.target.name,
        "match_name": match.target.alt or None,
        "offset": match.offset,
        "orientation": match.orientation,
        "overlap": match.overlap,
        "score": match.score,
        "p-value": match.p,
        "e-value": match.e,
        "q-value": match.q,
    }


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "NA" if value is None else str(value)


def json_rows(rows: Sequence[MatchedDetector]) -> list[dict[str, Any]]:
    """Return the same as plain values, with the matrices and under `matches` every match kept."""
    return [
        {
            **_facts(row.found),
            "columns": [row.found.begin, row.found.end],
            "frequencies": None if row.found.motif is None else row.found.motif.frequencies.round(6).tolist(),
            "matches": [_match_facts(match) for match in row.matches],
        }
        for row in rows
    ]


def draw_logos(
    rows: Sequence[MatchedDetector], folder: str | Path, *, title: str, form: str = "svg", both: bool = False
) -> list[Path]:
    """Draw one logo per motif, above its best match, and an overview of all.

    Parameters
    ----------
    folder
        Made if it is not there.
    title
        What the overview is called: the model's name.
    form
        `svg` or `png`.
    both
        Whether to show the motifs' reverse complements too.

    Returns
    -------
    list of Path
        The files written, the overview first; none if there are no motifs.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    drawn = [row for row in rows if row.found.motif is not None]
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"cannot make the folder {folder}: {error.strerror}"
        raise OutputError(message) from error
    if not drawn:
        return []
    paths = [folder / f"overview.{form}"]
    save_figure(overview([_panel(row) for row in drawn], title=title), paths[0])
    for row in drawn:
        paths.append(folder / f"{row.found.name}.{form}")
        save_figure(stacked_logos(_stack(row, both), title=f"{title} {row.found.name}"), paths[-1])
    return paths


def _panel(row: MatchedDetector) -> LogoPanel:
    found = row.found
    assert found.motif is not None
    heading = found.name if found.importance is None else f"{found.name}   importance {found.importance:.3g}"
    lines = ["from the weights alone" if found.sites is None else f"{found.sites:,} sites ({found.share:.1%})"]
    if row.matches:
        match = row.matches[0]
        lines.append(f"{_label(match)}   p = {match.p:.1e}")
    if row.vague:
        lines.append(f"{found.bits:.1f} bits: too vague to compare")
    return LogoPanel(found.motif.frequencies, heading, lines)


def _label(match: Match) -> str:
    return " ".join(filter(None, (match.target.name, match.target.alt)))


def _stack(row: MatchedDetector, both: bool) -> list[LogoRow]:
    found = row.found
    assert found.motif is not None
    sites = "" if found.sites is None else f"   {found.sites:,} sites"
    stack = [LogoRow(found.motif.frequencies, f"{found.name}{sites}   {found.consensus}")]
    if row.matches:
        match = row.matches[0]
        turned = match.orientation == "-"
        target = reverse_complement(match.target) if turned else match.target
        note = ", reverse complement" if turned else ""
        label = f"{_label(match)}{note}   p = {match.p:.1e}, q = {match.q:.1e}"
        stack.append(LogoRow(target.frequencies, label, match.offset))
    if both:
        stack.append(LogoRow(reverse_complement(found.motif).frequencies, f"{found.name}, reverse complement"))
    return stack
