"""The page of all data sets, docs/datasets.md: `python -m bioconv.datasets.pages > docs/datasets.md` in a checkout."""

from __future__ import annotations

import sys
from pathlib import Path

from bioconv.datasets.recipes import steps
from bioconv.datasets.registry import KINDS, Source, module_of, sources

_TEXT = Path(__file__).parent / "introduction.md"
_COMMAND = """\
One command for each, also from an empty cache: it shows the terms of the data and the commands of its recipe, fetches
the data by name and trains. `--resume` goes on with an interrupted run, `--dry-run` prints the commands, `--keep` keeps
the model in between where there are two trainings."""
_DIFFERENCES = """\
On one thread (`--threads 1`) 14 of the 16 come out as they are shipped, weight for weight; in all they took three hours
of one processor ([table](../benchmarks/models_retrain.md)). The other two are as good, not the same: the shipped
`nuclei` was validated on other images of the training part, and for `vessels` what lies outside the field of view was
not known in the first step, where it is background here. Figures in the cards on sets not trained on (`test_auroc` of
the models of peaks) were measured apart; a training gives those of its own held-out part."""
_UNITS = ("bytes", "kB", "MB", "GB")


def page() -> str:
    """Return the page: the introduction, an overview, every set, and how the package's models are trained again."""
    known = list(sources().values())
    sections = [_TEXT.read_text("utf-8").rstrip(), _retraining(), "## The sets", _overview(known)]
    for kind in KINDS:
        sections += [_section(source) for source in known if source.kind == kind]
    return "\n\n".join(sections) + "\n"


def _overview(known: list[Source]) -> str:
    rows = [
        f"| [`{source.name}`](#{source.name}) | {source.kind} | {_size(source)} | {source.licence} | {_asks(source)} |"
        for kind in KINDS
        for source in known
        if source.kind == kind
    ]
    return "\n".join(("| set | kind | size | licence | before it is fetched |", "|---|---|---|---|---|", *rows))


def _asks(source: Source) -> str:
    if source.registration:
        return "register"
    return "accept its terms" if source.accept else ""


def _size(source: Source) -> str:
    """Return the size with two digits, in units of a thousand."""
    if not source.files:
        return "not fetched"
    size, unit = float(source.size), 0
    while size >= 999.5 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.2g} {_UNITS[unit]}" if size < 100 else f"{size:.0f} {_UNITS[unit]}"


def _section(source: Source) -> str:
    addressed = sum(bool(one.url) for one in source.files)
    facts = {
        "Cite": source.citation
        + (f", doi [{source.doi}](https://doi.org/{source.doi})" if source.doi else f" ({source.citation_note})"),
        "Licence": f"{source.licence}. {source.terms}",
        "Weights trained on it": source.weights,
        "Original": f"<{source.address}> ({source.address_note})",
        "Registration": source.registration,
        "Files": f"{len(source.files)}, {_size(source)}; {_addresses(len(source.files), addressed)}"
        if source.files
        else f"not fetched by bioconv; sums: {source.sums_note} (`verify --folder`)",
        "Our form": source.conversion,
        "Split": source.split,
        "Published": source.results_note,
        "Subsets": ", ".join(f"`{one}`" for one in source.subsets),
        "In Python": f"`{module_of(source)}.load`" if source.loader else "",
    }
    lines = [f"### {source.name}", "", f"{source.title}. {source.about}", ""]
    lines += [f"- {key}: {value}" for key, value in facts.items() if value]
    if source.results:
        lines += ["", "| published | figure | value | where |", "|---|---|---|---|"]
        lines += [f"| {one.who} | {one.measure} | {one.value} | {one.source} |" for one in source.results]
    return "\n".join(lines)


def _addresses(count: int, addressed: int) -> str:
    """Say how many files can be fetched without a mirror."""
    if not addressed:
        return "only a mirror has them in this form"
    return "all have a public address" if addressed == count else f"{addressed} of them have a public address"


def _retraining() -> str:
    from bioconv.zoo.registry import packaged

    lines = [
        "## Training the package's models again",
        "",
        _COMMAND,
        "",
        "```sh",
        *(f"bioconv models retrain {name} -o {packaged()[name].file}" for name in packaged()),
        "```",
        "",
        _DIFFERENCES,
        "",
        "The commands that these run, one after the other:",
        "",
        "```sh",
    ]
    for name in packaged():
        lines += [step.line for step in steps(name, packaged()[name].file)]
    return "\n".join([*lines, "```"])


if __name__ == "__main__":
    sys.stdout.write(page())
