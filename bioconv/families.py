"""Families of models by name: training and opening them from Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bioconv import runtime
from bioconv.errors import OptionError
from bioconv.sequence.deepbind import MotifModel, load_motif_model
from bioconv.training.config import TrainConfig
from bioconv.zoo import resolve

if TYPE_CHECKING:
    from bioconv.mammography.learning.fit import ClassificationPlan, ClassificationRun
    from bioconv.mammography.model import ClassificationModel
    from bioconv.segmentation.learning.fit import SegmentationPlan, SegmentationRun
    from bioconv.segmentation.model import SegmentationModel
    from bioconv.sequence.binding.fit import BindingRun
    from bioconv.sequence.binding.recipe import Recipe
    from bioconv.sequence.recurrent.fit import RecurrentPlan, RecurrentRun
    from bioconv.sequence.recurrent.model import SequenceModel


def train(
    family: str,
    data: Any,
    *,
    output: str | PathLike[str] | None = None,
    init: str | PathLike[str] | None = None,
    config: TrainConfig | None = None,
    recipe: Recipe | RecurrentPlan | SegmentationPlan | ClassificationPlan | None = None,
    **choices: Any,
) -> BindingRun | RecurrentRun | SegmentationRun | ClassificationRun:
    """Train a model.

    Parameters
    ----------
    family : str
        `deepbind`, `lstm`, `segment` or `classify`.
    data
        `deepbind`: the file that `bioconv train deepbind` takes, or what `read_binding` gave. `lstm`: a table, several
        FASTA files, or what `sequence.recurrent.data.read_data` gave. `segment`: a table, two folders (images, masks),
        or what `segmentation.learning.data.read_data` gave. `classify`: a table, or what
        `mammography.learning.data.read_data` gave.
    output : path, optional
        Where to write the model; its folder `NAME.run/` is put beside it.
    init : name or path, optional
        Model whose weights to start from.
    config : TrainConfig, optional
        How to train; default: the family's.
    recipe : Recipe, RecurrentPlan, SegmentationPlan or ClassificationPlan, optional
        Network, sampling and the like; default: the family's, with the network of `init`.
    **choices
        `device` (`auto`), `name`, `licence`, `citation`; with `output` also `split_file`, `resume`, `events`. Of
        `deepbind` further fields of `BindingPlan` (`ranked`, `refit`, `published`) and, with `output`,
        `search_count` and `reference`; of `lstm` the fields of `sequence.recurrent.data.Reading`; of `segment` those of
        `segmentation.learning.data.Reading`; of `classify` those of `mammography.learning.data.Reading`, and
        `preparation`.

    Returns
    -------
    BindingRun, RecurrentRun, SegmentationRun or ClassificationRun
        `model` (the model file), `network`, `metrics`, `split`.

    Raises
    ------
    InputError, OptionError, ModelError, OutputError, TrainingError
    """
    if family not in FAMILIES:
        message = f"family {family!r} is not known; known are {', '.join(FAMILIES)}"
        raise OptionError(message)
    if output is not None:
        choices = {"name": Path(output).stem} | choices
    start = None if init is None else Path(resolve(fspath(init)))
    target = None if output is None else Path(output)
    run: BindingRun | RecurrentRun | SegmentationRun | ClassificationRun = FAMILIES[family](
        data, target, start, config, recipe, choices
    )
    return run


def load_model(name: str | PathLike[str]) -> MotifModel | SegmentationModel | ClassificationModel | SequenceModel:
    """Open a model by name or file.

    Returns
    -------
    MotifModel, SegmentationModel, ClassificationModel or SequenceModel
        By what the file says it is; on the CPU.

    Raises
    ------
    ModelError
        If it is not known, not there, or no model.
    """
    path = Path(resolve(fspath(name)))
    family = _family(path)
    if family == "classify":
        from bioconv.mammography.model import load_classification_model

        return load_classification_model(path)
    if family == "segment":
        from bioconv.segmentation.model import load_segmentation_model

        return load_segmentation_model(path)
    if family == "lstm":
        from bioconv.sequence.recurrent.model import load_sequence_model

        return load_sequence_model(path)
    return load_motif_model(path)


def _train_deepbind(
    data: Any, output: Path | None, start: Path | None, config: TrainConfig | None, recipe: Any, choices: dict[str, Any]
) -> BindingRun:
    from bioconv.sequence.binding.data import BindingData, read_binding
    from bioconv.sequence.binding.defaults import AFFINITY_DEFAULTS, DEFAULTS
    from bioconv.sequence.binding.fit import BindingPlan, train_binding
    from bioconv.sequence.binding.recipe import Recipe, network_like
    from bioconv.sequence.binding.training_run import train_to_file

    of_plan = _taken(choices, ("ranked", "refit", "published", "name", "licence", "citation"))
    of_files = _taken(choices, (*_OF_FILES, "search_count", "reference") if output else ())
    device = _device(choices)
    given = data if isinstance(data, BindingData) else read_binding(fspath(data))
    plan = BindingPlan(
        recipe=recipe or (Recipe() if start is None else Recipe(network=network_like(start))),
        config=config or (DEFAULTS if given.values is None else AFFINITY_DEFAULTS),
        start=start,
        **of_plan,
    )
    if output is None:
        return train_binding(given, plan, device=device)
    return train_to_file(given, plan, output, device=device, **of_files)


def _train_lstm(
    data: Any, output: Path | None, start: Path | None, config: TrainConfig | None, recipe: Any, choices: dict[str, Any]
) -> RecurrentRun:
    from bioconv.sequence.recurrent.data import Reading, SequenceData, read_data
    from bioconv.sequence.recurrent.fit import RecurrentPlan, network_like, train_recurrent
    from bioconv.sequence.recurrent.training_run import train_to_file

    of_plan = _taken(choices, ("name", "licence", "citation"))
    of_files = _taken(choices, _OF_FILES if output else ())
    of_reading = _taken(choices, tuple(Reading.__dataclass_fields__))
    device = _device(choices)
    if not isinstance(data, SequenceData):
        files = (data,) if isinstance(data, (str, PathLike)) else tuple(data)
        data = read_data([Path(fspath(file)) for file in files], Reading(**of_reading))
    usual = RecurrentPlan() if start is None or recipe else RecurrentPlan(network=network_like(start))
    plan = replace(recipe or usual, start=start, **of_plan)
    if config is not None:
        plan = replace(plan, config=config)
    if output is None:
        return train_recurrent(data, plan, device=device)
    return train_to_file(data, plan, output, device=device, **of_files)


def _train_segment(
    data: Any, output: Path | None, start: Path | None, config: TrainConfig | None, recipe: Any, choices: dict[str, Any]
) -> SegmentationRun:
    from bioconv.segmentation.learning.data import Reading, SegmentationData, find_pairs, read_data
    from bioconv.segmentation.learning.fit import SegmentationPlan, train_segmentation
    from bioconv.segmentation.learning.training_run import train_to_file

    of_plan = _taken(choices, ("name", "licence", "citation"))
    of_files = _taken(choices, _OF_FILES if output else ())
    of_reading = _taken(choices, tuple(Reading.__dataclass_fields__))
    device = _device(choices)
    if not isinstance(data, SegmentationData):
        folders = (data,) if isinstance(data, (str, PathLike)) else tuple(data)
        data = read_data(find_pairs(*map(fspath, folders)), Reading(**of_reading))
    plan = replace(recipe or SegmentationPlan(), start=start, **of_plan)
    if config is not None:
        plan = replace(plan, config=config)
    if output is None:
        return train_segmentation(data, plan, device=device)
    return train_to_file(data, plan, output, device=device, **of_files)


def _train_classify(
    data: Any, output: Path | None, start: Path | None, config: TrainConfig | None, recipe: Any, choices: dict[str, Any]
) -> ClassificationRun:
    from bioconv.mammography.learning.data import ClassificationData, Reading, read_data
    from bioconv.mammography.learning.fit import ClassificationPlan, train_classification
    from bioconv.mammography.learning.training_run import train_to_file
    from bioconv.mammography.model import preparation_of

    of_plan = _taken(choices, ("name", "licence", "citation", "domain"))
    of_files = _taken(choices, _OF_FILES if output else ())
    of_reading = _taken(choices, tuple(Reading.__dataclass_fields__))
    preparation = choices.pop("preparation", None) or preparation_of(start)
    device = _device(choices)
    if not isinstance(data, ClassificationData):
        data = read_data(Path(fspath(data)), Reading(**of_reading), preparation)
    plan = replace(recipe or ClassificationPlan(), start=start, **of_plan)
    if config is not None:
        plan = replace(plan, config=config)
    if output is None:
        return train_classification(data, plan, device=device)
    return train_to_file(data, plan, output, device=device, **of_files)


FAMILIES: dict[str, Callable[..., Any]] = {
    "deepbind": _train_deepbind,
    "lstm": _train_lstm,
    "segment": _train_segment,
    "classify": _train_classify,
}
_OF_FILES = ("split_file", "resume", "events")


def _taken(choices: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: choices.pop(name) for name in names if name in choices}


def _device(choices: dict[str, Any]) -> str:
    """Return the device, which must be the last of the choices."""
    device = runtime.device_name(choices.pop("device", "auto"))
    if choices:
        message = f"choices {', '.join(sorted(choices))} are not known here"
        raise OptionError(message)
    return device


def _family(path: Path) -> str:
    from bioconv.models import CLASSIFIERS, RECURRENT, SEGMENTERS
    from bioconv.models.model_file import architecture_of

    architecture = architecture_of(path)
    families = {"classify": CLASSIFIERS, "segment": SEGMENTERS, "lstm": RECURRENT}
    return next((family for family, members in families.items() if architecture in members), "deepbind")
