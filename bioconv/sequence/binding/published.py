"""DeepBind's own recipe: random settings judged by cross-validation, then the best of several restarts.

Alipanahi, Delong, Weirauch & Frey, Nat Biotechnol 33:831-838 (2015), doi 10.1038/nbt.3300, Supplementary Notes
and the code supplement: two models (linear, and 32 hidden units), 30 settings drawn at random, three folds, five
lengths of training. All settings of a fold and model are trained side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bioconv.conv.device_memory import PieceSize, in_pieces
from bioconv.errors import OptionError
from bioconv.models.deepbind import DeepBind, DeepBindConfig
from bioconv.models.deepbind_bank import DeepBindBank
from bioconv.sequence.binding.samples import BindingSamples, Codes, FixedSamples, with_shuffles
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


@dataclass(frozen=True)
class PublishedPlan:
    """How much of the recipe is done; the defaults are the published numbers.

    Parameters
    ----------
    settings
        Random settings, half of them with hidden units where `hidden` has both.
    folds
        Parts of the cross-validation.
    steps, checkpoints
        Longest training, and how many lengths up to it are compared.
    restarts
        Final trainings on all data, of which the one with the lowest training loss is kept.
    detectors, length, hidden
        Shape of the models.
    side_by_side
        Settings trained at once; None: all of a model.
    """

    settings: int = 30
    folds: int = 3
    steps: int = 20_000
    checkpoints: int = 5
    restarts: int = 6
    detectors: int = 16
    length: int = 24
    hidden: tuple[int, ...] = (0, 32)
    side_by_side: int | None = None

    def __post_init__(self) -> None:
        if min(self.settings, self.steps, self.checkpoints, self.restarts) < 1 or self.folds < 2:
            message = f"{self}: settings, steps, checkpoints, restarts of 1 or more and 2 folds or more expected"
            raise OptionError(message)
        if self.steps % self.checkpoints:
            message = f"{self.steps} steps cannot be divided into {self.checkpoints} equal lengths"
            raise OptionError(message)


QUICK = PublishedPlan(settings=3, folds=2, steps=1000, checkpoints=1, restarts=2, hidden=(0,))
"""The original's `--quick`."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """What cross-validation found.

    Parameters
    ----------
    settings
        The S settings.
    lengths
        (C,) steps of training compared.
    losses
        (S, C, F) validation losses (nats per sequence); infinite where training diverged.
    """

    settings: list[Setting]
    lengths: NDArray[np.int64]
    losses: NDArray[np.float64]

    def best(self) -> tuple[Setting, int]:
        """Return the setting and the length with the lowest mean validation loss."""
        means = self.losses.mean(axis=2)
        setting, length = np.unravel_index(int(np.argmin(means)), means.shape)
        return self.settings[setting], int(self.lengths[length])

    def rows(self) -> list[dict[str, float]]:
        """Return one row per setting: what it was, its best length, its mean loss there."""
        means = self.losses.mean(axis=2)
        best = means.argmin(axis=1)
        return [
            asdict(setting) | {"steps": int(self.lengths[at]), "loss": float(means[number, at])}
            for number, (setting, at) in enumerate(zip(self.settings, best, strict=True))
        ]


def draw_settings(count: int, *, hidden: tuple[int, ...], seed: int) -> list[Setting]:
    """Draw settings from the published ranges; the models take equal shares, one after the other.

    Examples
    --------
    >>> [setting.hidden for setting in draw_settings(4, hidden=(0, 32), seed=0)]
    [0, 0, 32, 32]
    """
    rng = np.random.default_rng(seed)

    def log_uniform(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    return [
        Setting(
            hidden=hidden[number * len(hidden) // count],
            learning_rate=log_uniform(5e-4, 5e-2),
            momentum=0.95 + 0.04 * float(np.sqrt(rng.random())),
            filter_deviation=log_uniform(1e-7, 1e-3),
            filter_l1=log_uniform(1e-15, 1e-3),
            head_deviation=log_uniform(1e-5, 1e-2),
            head_l1=log_uniform(1e-10, 1e-3),
            dropout=float(rng.choice([0, 0, 0.25, 0.5])),
        )
        for number in range(count)
    ]


def calibrate(
    positives: Codes,
    plan: PublishedPlan,
    *,
    seed: int = 0,
    device: str = "cpu",
    folder: Path | None = None,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> Calibration:
    """Judge random settings by cross-validation.

    Parameters
    ----------
    positives
        (n, L) uint8 codes; every fold's negatives are shuffles of its own positives.
    folder
        Where each part's state is kept, to go on from after an interruption.
    on_stage
        Called with what is trained next.
    """
    settings = draw_settings(plan.settings, hidden=plan.hidden, seed=seed)
    fold_of = np.random.default_rng([seed, 1]).permutation(len(positives)) % plan.folds
    lengths = np.arange(1, plan.checkpoints + 1) * (plan.steps // plan.checkpoints)
    losses = np.full((plan.settings, plan.checkpoints, plan.folds), np.inf)
    for fold in range(plan.folds):
        held_out = with_shuffles(positives[fold_of == fold], seed=seed + 2)
        for group in _groups(settings, plan):
            on_stage(
                f"fold {fold + 1} of {plan.folds}, {len(group)} settings, {settings[group[0]].hidden} hidden units"
            )
            part = folder and folder / f"fold{fold}-settings{group[0]}-{group[-1]}"
            trainer = _trainer(
                positives[fold_of != fold],
                [settings[number] for number in group],
                plan,
                seed=_seed(seed, fold, group[0]),
                device=device,
                folder=part,
                held_out=held_out,
            )
            losses[group, :, fold] = _member_losses(trainer, len(group), resume=has_state(part)).T
    return Calibration(settings, lengths, losses)


def fit_restarts(
    positives: Codes,
    setting: Setting,
    steps: int,
    plan: PublishedPlan,
    *,
    seed: int = 0,
    device: str = "cpu",
    folder: Path | None = None,
) -> tuple[DeepBind, NDArray[np.float64]]:
    """Train the chosen setting from several starts on all data; return the best and all training losses."""
    part = folder and folder / "restarts"
    shorter = replace(plan, steps=steps, checkpoints=1)
    trainer = _trainer(
        positives,
        [setting] * plan.restarts,
        shorter,
        seed=_seed(seed, plan.folds, 0),
        device=device,
        folder=part,
        held_out=with_shuffles(positives, seed=seed + 3),
    )
    losses = _member_losses(trainer, plan.restarts, resume=has_state(part))[-1]
    bank = trainer.model
    assert isinstance(bank, DeepBindBank)
    return bank.member(int(np.argmin(losses))), losses


def _seed(seed: int, fold: int, first: int) -> int:
    return seed * 1_000_003 + fold * 1009 + first


def _groups(settings: list[Setting], plan: PublishedPlan) -> Iterator[list[int]]:
    """Yield the numbers of settings of one model, as many as are trained at once."""
    for hidden in plan.hidden:
        numbers = [number for number, setting in enumerate(settings) if setting.hidden == hidden]
        size = plan.side_by_side or max(1, len(numbers))
        yield from (numbers[start : start + size] for start in range(0, len(numbers), size))


def _trainer(
    positives: Codes,
    settings: list[Setting],
    plan: PublishedPlan,
    *,
    seed: int,
    device: str,
    folder: Path | None,
    held_out: FixedSamples,
) -> Trainer:
    bank = _bank(settings, plan, seed)
    samples = BindingSamples(positives, seed=seed, size=max(len(positives), _RECYCLED))
    head = [parameter for name, parameter in bank.named_parameters() if name.startswith("weights")]
    biases = [bank.thresholds, bank.biases1] + ([] if bank.bias2 is None else [bank.bias2])
    optimizer = MemberSGD(
        [
            {"params": [bank.filters], "l1": [setting.filter_l1 for setting in settings]},
            {"params": head, "l1": [setting.head_l1 for setting in settings]},
            {"params": biases},
        ],
        rates=[setting.learning_rate for setting in settings],
        momenta=[setting.momentum for setting in settings],
        l1_from=_L1_FROM,
    )

    def validate(model: torch.nn.Module) -> dict[str, float]:
        losses = _held_out_losses(model, held_out, device)
        return {"loss": float(losses.min())} | {f"member{i}": float(loss) for i, loss in enumerate(losses)}

    rounds = -(-plan.steps * _BATCH // len(samples))
    return Trainer(
        bank,
        samples,
        TrainConfig(epochs=rounds, max_steps=plan.steps, batch_size=_BATCH, seed=seed),
        loss=_member_loss,
        optimizer=optimizer,
        validate=validate,
        validate_every=plan.steps // plan.checkpoints,
        device=device,
        folder=folder,
    )


def _bank(settings: list[Setting], plan: PublishedPlan, seed: int) -> DeepBindBank:
    """Draw every member's first weights; a member's do not depend on its company."""
    config = DeepBindConfig(detectors=plan.detectors, length=plan.length, hidden=settings[0].hidden)
    bank = DeepBindBank(config, [setting.dropout for setting in settings])
    with torch.no_grad():
        for number, setting in enumerate(settings):
            rng = torch.Generator().manual_seed(seed + number)
            for name, parameter in bank.named_parameters():
                deviation = setting.filter_deviation if name == "filters" else setting.head_deviation
                if name == "filters" or name.startswith("weights"):
                    parameter[number].normal_(std=deviation, generator=rng)
    return bank


def _member_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return (N,) losses summed over members; halved, as the original divides by both strands' rows.

    A member that has diverged counts nothing, so that it does not stop the others.
    """
    losses = functional.binary_cross_entropy_with_logits(outputs, targets[:, None].expand_as(outputs), reduction="none")
    return losses.nan_to_num(0, posinf=0).sum(1) / 2


def _held_out_losses(model: torch.nn.Module, held_out: FixedSamples, device: str) -> NDArray[np.float64]:
    def work(begin: int, end: int) -> NDArray[np.float64]:
        codes = torch.from_numpy(held_out.codes[begin:end]).to(device)
        targets = torch.from_numpy(held_out.targets[begin:end]).to(device)
        outputs = model(codes).double()
        expected = targets.double()[:, None].expand_as(outputs)
        losses = functional.binary_cross_entropy_with_logits(outputs, expected, reduction="none")
        return np.asarray(losses.sum(0).cpu().numpy())

    piece = PieceSize(_ALL_AT_ONCE, smallest=1)
    total = sum(in_pieces(work, 0, len(held_out), piece=piece, device=device))
    return np.nan_to_num(np.asarray(total) / len(held_out), nan=np.inf)


def _member_losses(trainer: Trainer, members: int, *, resume: bool) -> NDArray[np.float64]:
    """Train, and return the (checkpoints, members) validation losses."""
    history = trainer.fit(resume=resume).history
    return np.array([[entry[f"member{number}"] for number in range(members)] for entry in history])
