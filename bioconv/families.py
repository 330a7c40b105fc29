"""Families of models by name: training and opening them from Python."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import Any

from bioconv import runtime
from bioconv.errors import OptionError
from bioconv.sequence.binding.data import BindingData, read_binding
from bioconv.sequence.binding.defaults import AFFINITY_DEFAULTS, DEFAULTS
from bioconv.sequence.binding.fit import BindingPlan, BindingRun, train_binding
from bioconv.sequence.binding.recipe import Recipe, network_like
from bioconv.sequence.binding.training_run import train_to_file
from bioconv.sequence.deepbind import MotifModel, load_motif_model
from bioconv.training.config import TrainConfig
from bioconv.zoo import resolve

FAMILIES = ("deepbind",)
_OF_PLAN = ("ranked", "refit", "published", "name", "licence", "citation")
_OF_FILES = ("split_file", "search_count", "resume", "events", "reference")


def train(
    family: str,
    data: str | PathLike[str] | BindingData,
    *,
    output: str | PathLike[str] | None = None,
    init: str | PathLike[str] | None = None,
    config: TrainConfig | None = None,
    recipe: Recipe | None = None,
    **choices: Any,
) -> BindingRun:
    """Train a model.

    Parameters
    ----------
    family : str
        `deepbind`.
    data : path or BindingData
        What `bioconv train deepbind` takes, or what `read_binding` gave.
    output : path, optional
        Where to write the model; its folder `NAME.run/` is put beside it.
    init : name or path, optional
        Model whose weights to start from.
    config : TrainConfig, optional
        How to train; default: the family's.
    recipe : Recipe, optional
        Network and sampling; default: the family's, with the network of `init`.
    **choices
        `device` (`auto`); further fields of `BindingPlan`: `ranked`, `refit`, `published`, `name`, `licence`,
        `citation`; with `output` those of `train_to_file`: `split_file`, `search_count`, `resume`, `events`,
        `reference`.

    Returns
    -------
    BindingRun
        `model` (the model file), `network`, `metrics`, `split`, `runs`.

    Raises
    ------
    InputError, OptionError, ModelError, OutputError, TrainingError
    """
    if family not in FAMILIES:
        message = f"family {family!r} is not known; known are {', '.join(FAMILIES)}"
        raise OptionError(message)
    known = {"device", *_OF_PLAN, *(() if output is None else _OF_FILES)}
    if odd := sorted(set(choices) - known):
        message = f"choices {', '.join(odd)} are not known here; known are {', '.join(sorted(known))}"
        raise OptionError(message)
    start = None if init is None else resolve(fspath(init))
    given = data if isinstance(data, BindingData) else read_binding(fspath(data))
    of_plan = {name: choices[name] for name in _OF_PLAN if name in choices}
    if output is not None:
        of_plan = {"name": Path(output).stem} | of_plan
    plan = BindingPlan(
        recipe=recipe or (Recipe() if start is None else Recipe(network=network_like(start))),
        config=config or (DEFAULTS if given.values is None else AFFINITY_DEFAULTS),
        start=start,
        **of_plan,
    )
    device = runtime.device_name(choices.get("device", "auto"))
    if output is None:
        return train_binding(given, plan, device=device)
    of_files = {name: choices[name] for name in _OF_FILES if name in choices}
    return train_to_file(given, plan, Path(output), device=device, **of_files)


def load_model(name: str | PathLike[str]) -> MotifModel:
    """Open a model by name or file.

    Raises
    ------
    ModelError
        If it is not known, not there, or no model.
    """
    return load_motif_model(resolve(fspath(name)))
