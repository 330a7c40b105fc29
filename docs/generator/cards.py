"""A card for every model in the package, from what its file says of itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bioconv.models.model_file import read_model
from bioconv.zoo.registry import Model, packaged
from generator.repository import ROOT, write

_FACTS = ("protein", "type", "species", "experiment", "details", "about", "cite")
_OMITTED = {"training", "calibration", "name"}
_LONGEST = 300
_FIGURES = (
    "Figures, with 95 % intervals in brackets: those named `test` are of samples that nothing was trained or chosen "
    "on, the others of the validation part."
)
_MEANT = {
    "test_auroc_genomic": "`test_auroc_genomic`: peaks against windows of the genome with the same GC content.",
    "genome_against_shuffles": "`genome_against_shuffles`: the AUROC of those windows against shuffled peaks; 0.5 "
    "would mean that the model does not tell real sequence from shuffled.",
}


def write_cards() -> None:
    """Write `reference/models/*.md`."""
    for name, model in packaged().items():
        write(f"reference/models/{name}", card(model))


def card(model: Model) -> str:
    """Return a model's card: the registry's words, then what its file holds."""
    path = ROOT / "bioconv/zoo" / model.file
    written = path.with_suffix(".md")
    parts = [f"# {model.name}"]
    if written.is_file():
        parts.append(written.read_text("utf-8").partition("\n")[2].strip())
    facts = {key: getattr(model, key) for key in _FACTS if getattr(model, key)}
    parts.append(_table("from the list of models", facts))
    file = read_model(path)
    said = {key: value for key, value in file.metadata.items() if key not in _OMITTED}
    metrics = said.pop("metrics", {})
    parts.append(_table("from the file", {"architecture": file.architecture, "hyper-parameters": file.config, **said}))
    if metrics:
        rows = {key: _figure(value) for key, value in metrics.items()}
        parts.append(_FIGURES + "".join(f" {said}" for name, said in _MEANT.items() if name in rows))
        parts.append(_table("figure", rows))
    training = file.metadata.get("training")
    if training:
        parts.append(f"## Training\n\n```json\n{json.dumps(training, indent=1, sort_keys=True)}\n```")
    parts.append(f"`bioconv models info {model.name}` says the same, and `--json` all of it.")
    return "\n\n".join(parts) + "\n"


def _table(title: str, rows: Mapping[str, Any]) -> str:
    lines = [f"| {title} | |", "|---|---|"]
    lines += [f"| {key} | {_cell(value)} |" for key, value in rows.items() if value not in ("", None)]
    return "\n".join(lines)


def _figure(value: Any) -> str:
    if isinstance(value, list) and len(value) == 3:
        return f"{value[0]:.3f} ({value[1]:.3f} to {value[2]:.3f})"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _cell(value: Any) -> str:
    if not isinstance(value, str):
        text = json.dumps(value, sort_keys=True)
        return "`" + (text if len(text) <= _LONGEST else text[:_LONGEST] + " ...").replace("|", r"\|") + "`"
    return value.replace("|", r"\|").replace("<", r"\<").replace("\n", " ")
