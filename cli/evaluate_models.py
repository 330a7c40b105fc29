"""`bioconv evaluate MODEL... DATA`: scores of models on labelled sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bioconv.cli.evaluate_result import Figures, file_facts

from bioconv.errors import InputError, OptionError

if TYPE_CHECKING:
    from pathlib import Path

    from bioconv.evaluation.inputs import Floats
    from bioconv.evaluation.predictions import Predictions
    from bioconv.sequence.labelled import LabelledSequences


def model_predictions(models: tuple[str, ...], data: str, negatives: str | None) -> tuple[Figures, Predictions]:
    """Return facts about the inputs, and the models' scores of the sequences beside their labels."""
    from bioconv.evaluation.predictions import Predictions
    from bioconv.sequence.labelled import read_labelled, read_two_classes
    from bioconv.zoo import resolve

    known = read_two_classes(data, negatives) if negatives else read_labelled(data)
    if known.labels is None:
        message = f"{data} has no labels; give a table with a column `label`, or --negatives FILE"
        raise InputError(message)
    if len(set(models)) < len(models):
        message = f"a model is given twice: {', '.join(models)}; give each once"
        raise OptionError(message)
    scores = {model: _model_scores(model, known) for model in models}
    files = [data, negatives] if negatives else [data]
    facts = {
        "models": [{"name": model, **file_facts(str(resolve(model)))} for model in models],
        "data": [file_facts(x) for x in files],
    }
    labels = [str(int(value)) if value.is_integer() else repr(value) for value in known.labels.tolist()]
    return facts, Predictions(known.names, scores, labels, None, data, [0] * len(labels))


def are_probabilities(models: tuple[str, ...]) -> dict[str, bool]:
    """Return of each model whether its scores are probabilities, as those of recurrent models are."""
    from bioconv.models import RECURRENT
    from bioconv.models.model_file import architecture_of
    from bioconv.zoo import resolve

    return {model: architecture_of(resolve(model)) in RECURRENT for model in models}


def _model_scores(model: str, data: LabelledSequences) -> Floats:
    """Return a model's score of each sequence: whole, as `predict` gives it."""
    import numpy as np

    from bioconv.conv.detectors import batch_scores
    from bioconv.models import RECURRENT
    from bioconv.models.model_file import architecture_of
    from bioconv.sequence.deepbind import load_motif_model
    from bioconv.sequence.labelled import by_length
    from bioconv.zoo import resolve

    path = resolve(model)
    if architecture_of(path) in RECURRENT:
        return _class_probabilities(path, data)
    detectors = load_motif_model(path).detectors
    scores = np.empty(len(data))
    for indices, codes in by_length(data.codes):
        scores[indices] = detectors.pool_strands(batch_scores(codes, detectors, padded=True))
    return scores


def _class_probabilities(path: Path, data: LabelledSequences) -> Floats:
    """Return a recurrent model's probability of its second class, or of the one that is not the background."""
    from bioconv.sequence.recurrent.model import load_sequence_model
    from bioconv.sequence.recurrent.predictor import RecurrentPredictor

    model = load_sequence_model(path)
    if len(model.labels) != 2 or model.alphabet.name != "dna":
        message = (
            f"{path} has the classes {', '.join(model.labels)} of {model.alphabet.name} sequences; here a model of "
        )
        message += "DNA with two classes is scored: make a table with `bioconv predict`, and evaluate that"
        raise OptionError(message)
    column = 0 if model.background == model.labels[1] else 1
    return RecurrentPredictor(model, device="cpu").predict(list(data.codes))[:, column]
