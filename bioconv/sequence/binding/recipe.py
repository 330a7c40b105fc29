"""How a binding model is trained by default, and why: each departure from the published recipe has a measured gain.

See docs/training.md for the gains; how long and how fast it is trained is in `defaults`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bioconv.evaluation import auprc, auroc, pearson
from bioconv.models.deepbind import DeepBind, DeepBindConfig
from bioconv.sequence.binding.data import BindingData, fingerprints
from bioconv.sequence.binding.samples import BindingSamples, Codes, FixedSamples, rank_weights, with_shuffles
from bioconv.sequence.deepbind import load_motif_model
from bioconv.training import Run, TrainConfig, Trainer
from bioconv.training.callbacks import Callback
from bioconv.training.data import Samples
from bioconv.training.run_folder import has_state

_HELD_OUT_NEGATIVES = 4
_HELD_OUT_SHARE = 0.1


NETWORK = DeepBindConfig(detectors=128, hidden=32, average_pooling=True, strand_pooling="mean", dropout=0.5)


@dataclass(frozen=True)
class Recipe:
    """Model and sampling; the rest is in `TrainConfig`.

    Parameters
    ----------
    network
        Hyper-parameters of the model.
    filter_deviation
        Standard deviation of the detectors' first weights.
    rank_scale
        Where sequences are listed best first: the rank at which they are drawn 1/e as often as the first (see
        `rank_weights`); None: all alike.
    per_epoch
        Positives drawn an epoch; None: as many as there are.
    per_positive
        Negatives beside each.
    """

    network: DeepBindConfig = NETWORK
    filter_deviation: float = 0.05
    rank_scale: float | None = 1500.0
    per_epoch: int | None = 8000
    per_positive: int = 1


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained network and how its training went."""

    network: DeepBind
    run: Run


def new_network(recipe: Recipe, seed: int) -> DeepBind:
    """Build a network with its first weights; the global random numbers stay as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = DeepBind(recipe.network)
        with torch.no_grad():
            network.filters.normal_(std=recipe.filter_deviation)
            for weights in (network.weights1, network.weights2):
                if weights is not None:
                    weights.normal_(std=len(weights) ** -0.5)
    return network


def network_like(path: str | Path) -> DeepBindConfig:
    """Return the hyper-parameters of a model to start from; what it dropped is not known, so that is the default.

    Raises
    ------
    ModelError
        If it is no such model.
    """
    found = load_motif_model(path).detectors
    return DeepBindConfig(
        detectors=found.count,
        length=found.length,
        hidden=0 if found.weights2 is None else len(found.biases1),
        average_pooling=found.average_pooling,
        reverse_complement=found.reverse_complement,
        strand_pooling=found.strand_pooling,
        dropout=NETWORK.dropout,
    )


def part_negatives(data: BindingData) -> tuple[BindingData, BindingData]:
    """Return the data with the given negatives that may be trained on, and with the tenth that is held out.

    Which ones is a function of the sequences alone: identical ones, on either strand, are on the same side.
    """
    if data.negatives is None:
        return data, data
    marks = np.array(fingerprints(data.negatives))
    known = np.unique(marks)  # digests: sorted, they are in random order
    held_out = np.isin(marks, known[: max(1, round(len(known) * _HELD_OUT_SHARE))])
    return replace(data, negatives=data.negatives[~held_out]), replace(data, negatives=data.negatives[held_out])


def train_samples(data: BindingData, part: NDArray[np.int64], recipe: Recipe, seed: int) -> Samples:
    """Return what the training part is drawn from; `part`: rising places in the data."""
    if data.values is not None:
        return FixedSamples(data.codes[part], data.values[part])
    weights = None if recipe.rank_scale is None else rank_weights(len(data.codes), recipe.rank_scale)[part]
    return BindingSamples(
        data.codes[part],
        seed,
        size=recipe.per_epoch,
        weights=weights,
        negatives=data.negatives,
        per_positive=recipe.per_positive,
    )


def held_out_samples(data: BindingData, part: NDArray[np.int64], seed: int) -> FixedSamples:
    """Return validation samples: positives with fixed negatives, or sequences with their values."""
    if data.values is not None:
        return FixedSamples(data.codes[part], data.values[part])
    positives = data.codes[part]
    if data.negatives is None:
        return with_shuffles(positives, seed=seed, count=_HELD_OUT_NEGATIVES)
    targets = np.repeat(np.array([1, 0], np.float32), [len(positives), len(data.negatives)])
    return FixedSamples(np.concatenate([positives, data.negatives]), targets)


def fit_network(
    samples: Samples,
    recipe: Recipe,
    config: TrainConfig,
    *,
    validation: FixedSamples | None = None,
    folder: Path | None = None,
    callbacks: tuple[Callback, ...] = (),
    device: str = "cpu",
    resume: bool = False,
    start: nn.Module | None = None,
) -> Fitted:
    """Train a network: the best one on `validation` by `config.monitor`, or without it the last one.

    Parameters
    ----------
    start
        Network to go on training (fine-tuning); None: a new one.
    """
    network = new_network(recipe, config.seed) if start is None else start
    measured = config.loss in {"mse", "mae"}
    if validation is None:
        config = replace(config, monitor="loss", patience=None)
    trainer = Trainer(
        network,
        samples,
        config,
        validation=validation,
        metrics={"pearson": pearson} if measured else {"auroc": auroc, "auprc": auprc},
        folder=folder,
        callbacks=list(callbacks),
        device=device,
    )
    run = trainer.fit(resume=resume and has_state(folder))
    network.load_state_dict(run.weights)
    assert isinstance(network, DeepBind)
    return Fitted(network.cpu().eval(), run)


def scores(network: DeepBind, codes: Codes) -> NDArray[np.float64]:
    """Return (N,) scores of (N, L) codes, each scored whole."""
    with torch.no_grad():
        parts = [network(torch.from_numpy(codes[k : k + 1024])) for k in range(0, len(codes), 1024)]
    return np.asarray(torch.cat(parts).double().numpy())
