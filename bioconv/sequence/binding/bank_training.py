"""Networks of the published recipe trained side by side: those of a part on the same sequences, parts on their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bioconv.conv.device_memory import PieceSize, in_pieces
from bioconv.models.deepbind import DeepBindConfig
from bioconv.models.deepbind_bank import DeepBindBank
from bioconv.sequence.binding.samples import Codes, FixedSamples, GroupedSamples
from bioconv.training import TrainConfig, Trainer
from bioconv.training.members import MemberSGD
from bioconv.training.run_folder import has_state

_RECYCLED = 100_000  # positives of an epoch, at least
_BATCH = 64
_L1_FROM = 100
_ALL_AT_ONCE = 512


@dataclass(frozen=True)
class Setting:
    """One draw of the hyper-parameters."""

    hidden: int
    learning_rate: float
    momentum: float
    filter_deviation: float
    filter_l1: float
    head_deviation: float
    head_l1: float
    dropout: float


@dataclass(frozen=True, eq=False)
class Part:
    """Networks that see the same sequences.

    Parameters
    ----------
    positives
        (n, L) uint8 codes to train on; the negatives are their shuffles.
    settings
        One per network.
    held_out
        What they are judged on.
    seed
        Of shuffles and first weights. The order of the samples, and what is dropped, are drawn by the seed of the
        first of the parts that are trained together.
    """

    positives: Codes
    settings: list[Setting]
    held_out: FixedSamples
    seed: int


def train_parts(
    parts: Sequence[Part],
    network: DeepBindConfig,
    *,
    steps: int,
    checkpoints: int,
    device: str = "cpu",
    folder: Path | None = None,
) -> tuple[DeepBindBank, NDArray[np.float64]]:
    """Train all networks of all parts, one step of each at a time.

    Parameters
    ----------
    parts
        Of one number of settings, and sequences of one length.
    network
        Shape of the networks.
    steps, checkpoints
        How long, and how often they are judged on the way, evenly.
    folder
        Where the state is kept, to go on from after an interruption.

    Returns
    -------
    tuple of DeepBindBank and numpy.ndarray
        The networks, part after part, and their (parts, checkpoints, settings) losses (nats per sequence); infinite
        where training diverged.
    """
    size = max(_RECYCLED, *(len(part.positives) for part in parts))
    samples = GroupedSamples([part.positives for part in parts], [part.seed for part in parts], size)
    bank, settings = _bank(parts, network), [setting for part in parts for setting in part.settings]
    held_out = _HeldOut(parts)

    def validate(model: torch.nn.Module) -> dict[str, float]:
        losses = held_out.losses(model, device)
        return {"loss": float(losses.min())} | {f"member{i}": float(loss) for i, loss in enumerate(losses)}

    trainer = Trainer(
        bank,
        samples,
        TrainConfig(epochs=-(-steps * _BATCH // len(samples)), max_steps=steps, batch_size=_BATCH, seed=parts[0].seed),
        loss=_member_loss,
        optimizer=_optimizer(bank, settings),
        validate=validate,
        validate_every=steps // checkpoints,
        device=device,
        folder=folder,
    )
    history = trainer.fit(resume=has_state(folder)).history
    losses = np.array([[entry[f"member{number}"] for number in range(len(settings))] for entry in history])
    return bank, losses.reshape(len(history), len(parts), -1).swapaxes(0, 1)


def _optimizer(bank: DeepBindBank, settings: Sequence[Setting]) -> MemberSGD:
    head = [parameter for name, parameter in bank.named_parameters() if name.startswith("weights")]
    biases = [bank.thresholds, bank.biases1] + ([] if bank.bias2 is None else [bank.bias2])
    return MemberSGD(
        [
            {"params": [bank.filters], "l1": [setting.filter_l1 for setting in settings]},
            {"params": head, "l1": [setting.head_l1 for setting in settings]},
            {"params": biases},
        ],
        rates=[setting.learning_rate for setting in settings],
        momenta=[setting.momentum for setting in settings],
        l1_from=_L1_FROM,
    )


def _bank(parts: Sequence[Part], network: DeepBindConfig) -> DeepBindBank:
    """Draw every network's first weights; they do not depend on its company."""
    own = [(setting, part.seed + number) for part in parts for number, setting in enumerate(part.settings)]
    bank = DeepBindBank(network, [setting.dropout for setting, _ in own])
    with torch.no_grad():
        for number, (setting, seed) in enumerate(own):
            rng = torch.Generator().manual_seed(seed)
            for name, parameter in bank.named_parameters():
                deviation = setting.filter_deviation if name == "filters" else setting.head_deviation
                if name == "filters" or name.startswith("weights"):
                    parameter[number].normal_(std=deviation, generator=rng)
    return bank


def _losses(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the (N, B) losses of (N, B) outputs, of (N, G) targets."""
    expected = targets.repeat_interleave(outputs.shape[1] // targets.shape[1], 1)
    return functional.binary_cross_entropy_with_logits(outputs, expected, reduction="none")


def _member_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return (N,) losses summed over members; halved, as the original divides by both strands' rows.

    A member that has diverged counts nothing, so that it does not stop the others.
    """
    return _losses(outputs, targets).nan_to_num(0, posinf=0).sum(1) / 2


class _HeldOut:
    """What the parts are judged on, side by side: the longest decides, of the others there is nothing at the end."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.counts = np.array([len(part.held_out) for part in parts])
        self.codes = np.zeros((self.counts.max(), len(parts), parts[0].positives.shape[1]), np.uint8)
        self.targets = np.zeros(self.codes.shape[:2])
        for number, part in enumerate(parts):
            self.codes[: len(part.held_out), number] = part.held_out.codes
            self.targets[: len(part.held_out), number] = part.held_out.targets

    def losses(self, model: torch.nn.Module, device: str) -> NDArray[np.float64]:
        """Return each member's mean loss."""

        def work(begin: int, end: int) -> NDArray[np.float64]:
            codes, targets = (torch.from_numpy(each[begin:end]).to(device) for each in (self.codes, self.targets))
            losses = _losses(model(codes).double(), targets).cpu().numpy()
            there = np.arange(begin, end)[:, None] < self.counts
            return np.asarray(np.where(np.repeat(there, losses.shape[1] // there.shape[1], 1), losses, 0).sum(0))

        piece = PieceSize(_ALL_AT_ONCE, smallest=1)
        total = np.asarray(sum(in_pieces(work, 0, len(self.codes), piece=piece, device=device)))
        each = np.repeat(self.counts, len(total) // len(self.counts))
        return np.asarray(np.nan_to_num(total / each, nan=np.inf))
