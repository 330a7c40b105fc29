"""Settings of bioconv's own recipe tried side by side: networks of one shape on shared batches."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bioconv.conv.device_memory import PieceSize, in_pieces
from bioconv.evaluation import auroc, pearson
from bioconv.models.deepbind_bank import DeepBindBank
from bioconv.sequence.binding.recipe import Recipe, new_network
from bioconv.sequence.binding.samples import FixedSamples
from bioconv.training import TrainConfig, Trainer
from bioconv.training.data import Samples
from bioconv.training.members import MemberAdamW
from bioconv.training.search import Setting

_ALL_AT_ONCE = 512


def can_stand_together(config: TrainConfig) -> bool:
    """Say whether settings can share steps: nothing in the configuration couples one network with another."""
    plain = config.optimizer == "adamw" and config.ema is None and config.clip_norm is None and not config.l1
    # What looks at one network's weights or its progress would look at all of them as one.
    apart = config.initialization == "default" and config.freeze == "none" and config.patience is None
    alone = int(os.environ.get("WORLD_SIZE", "1")) == 1
    return plain and apart and alone and config.loss in {"bce", "mse"} and not config.label_smoothing


def try_settings(
    samples: Samples,
    recipe: Recipe,
    config: TrainConfig,
    settings: Sequence[Setting],
    *,
    validation: FixedSamples,
    device: str = "cpu",
) -> list[float]:
    """Train one network per setting and return what each reached at its best validation.

    Parameters
    ----------
    settings
        Each with `learning_rate`, `l2` and `dropout`.
    validation
        The AUROC on it counts, of measured values Pearson's correlation.
    """
    networks = [
        new_network(replace(recipe, network=replace(recipe.network, dropout=float(each["dropout"]))), config.seed)
        for each in settings
    ]
    bank = DeepBindBank.of(networks)
    weights = [p for name, p in bank.named_parameters() if name == "filters" or name.startswith("weights")]
    others = [p for name, p in bank.named_parameters() if name != "filters" and not name.startswith("weights")]
    optimizer = MemberAdamW(
        [{"params": weights, "decays": [float(each["l2"]) for each in settings]}, {"params": others}],
        rates=[float(each["learning_rate"]) for each in settings],
        betas=(config.momentum, 0.999 if config.beta2 is None else config.beta2),
        epsilon=1e-8 if config.epsilon is None else config.epsilon,
    )
    measured = config.loss == "mse"
    metric = pearson if measured else auroc

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        expected = targets[:, None].expand_as(outputs)
        if measured:
            return ((outputs - expected) ** 2).sum(1)
        losses = functional.binary_cross_entropy_with_logits(outputs, expected, reduction="none")
        return losses.nan_to_num(0, posinf=0).sum(1)

    def validate(model: torch.nn.Module) -> dict[str, float]:
        def work(begin: int, end: int) -> NDArray[np.float64]:
            outputs = model(torch.from_numpy(validation.codes[begin:end]).to(device))
            return np.asarray(outputs.double().cpu().numpy())

        piece = PieceSize(_ALL_AT_ONCE, smallest=1)
        found = np.concatenate(list(in_pieces(work, 0, len(validation), piece=piece, device=device)))
        reached = [metric(column, validation.targets) for column in found.T]
        return {"loss": 0.0} | {f"member{number}": value for number, value in enumerate(reached)}

    trainer = Trainer(
        bank,
        samples,
        replace(config, monitor="loss", patience=None),
        loss=loss,
        optimizer=optimizer,
        validate=validate,
        device=device,
    )
    history = trainer.fit().history
    return [max(entry[f"member{number}"] for entry in history) for number in range(len(settings))]
