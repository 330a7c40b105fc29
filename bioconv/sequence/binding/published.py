"""DeepBind's own recipe: random settings judged by cross-validation, then the best of several restarts.

Alipanahi, Delong, Weirauch & Frey, Nat Biotechnol 33:831-838 (2015), doi 10.1038/nbt.3300, Supplementary Notes
and the code supplement: two models (linear, and 32 hidden units), 30 settings drawn at random, three folds, five
lengths of training. All settings of a model are trained side by side, on all folds, and on all factors where there are
several: networks of 16 detectors leave a processor, and more so a GPU, waiting for the next small step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import OptionError
from bioconv.models.deepbind import DeepBind, DeepBindConfig
from bioconv.sequence.binding.bank_training import Part, Setting, train_parts
from bioconv.sequence.binding.samples import Codes, FixedSamples, with_shuffles
from bioconv.wording import counted

_Item = TypeVar("_Item")


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

    def network(self, hidden: int) -> DeepBindConfig:
        """Return the shape of a model."""
        return DeepBindConfig(detectors=self.detectors, length=self.length, hidden=hidden)

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
        Where each training's state is kept, to go on from after an interruption.
    on_stage
        Called with what is trained next.
    """
    return calibrate_together([positives], plan, seed=seed, device=device, folder=folder, on_stage=on_stage)[0]


@dataclass(frozen=True, eq=False)
class _Fold:
    factor: int
    number: int
    positives: Codes
    held_out: FixedSamples
    name: str


def calibrate_together(
    factors: Sequence[Codes],
    plan: PublishedPlan,
    *,
    seed: int = 0,
    device: str = "cpu",
    folder: Path | None = None,
    on_stage: Callable[[str], None] = lambda stage: None,
    at_once: int | None = None,
) -> list[Calibration]:
    """Judge random settings for several factors, each by cross-validation of its own.

    What a factor comes to depends on how many folds are trained at once, by the order of samples and by what is
    dropped, but not on which.

    Parameters
    ----------
    factors
        (n, L) uint8 codes of each; those of one L are trained together.
    folder, on_stage
        As in `calibrate`.
    at_once
        Folds, of whichever factors, that are trained together; None: all.

    Returns
    -------
    list of Calibration
        One per factor; the settings are the same.
    """
    settings = draw_settings(plan.settings, hidden=plan.hidden, seed=seed)
    losses = np.full((len(factors), plan.settings, plan.checkpoints, plan.folds), np.inf)
    folds = [fold for factor in range(len(factors)) for fold in _folds(factors, factor, plan.folds, seed)]
    for run in _runs(folds, lambda fold: fold.positives.shape[1], at_once):
        names = dict.fromkeys([run[0].name, run[-1].name])
        for group in _groups(settings, plan):
            chosen = [settings[number] for number in group]
            on_stage(
                f"{' to '.join(names)} of {len(folds)}: {counted(len(run) * len(group), 'network')} of "
                f"{chosen[0].hidden} hidden units"
            )
            _, found = train_parts(
                [Part(fold.positives, chosen, fold.held_out, _seed(seed, fold.number, group[0])) for fold in run],
                plan.network(chosen[0].hidden),
                steps=plan.steps,
                checkpoints=plan.checkpoints,
                device=device,
                folder=folder and folder / f"{'-to-'.join(names)}-settings{group[0]}-{group[-1]}",
            )
            for fold, own in zip(run, found, strict=True):
                losses[fold.factor, group, :, fold.number] = own.T
    lengths = np.arange(1, plan.checkpoints + 1) * (plan.steps // plan.checkpoints)
    return [Calibration(settings, lengths, own) for own in losses]


def _folds(factors: Sequence[Codes], factor: int, count: int, seed: int) -> Iterator[_Fold]:
    codes, of = factors[factor], f"factor{factor}-" if len(factors) > 1 else ""
    fold_of = np.random.default_rng([seed, 1]).permutation(len(codes)) % count
    for number in range(count):
        held_out = with_shuffles(codes[fold_of == number], seed=seed + 2)
        yield _Fold(factor, number, codes[fold_of != number], held_out, f"{of}fold{number}")


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
    return fit_restarts_together([positives], [(setting, steps)], plan, seed=seed, device=device, folder=folder)[0]


def fit_restarts_together(
    factors: Sequence[Codes],
    chosen: Sequence[tuple[Setting, int]],
    plan: PublishedPlan,
    *,
    seed: int = 0,
    device: str = "cpu",
    folder: Path | None = None,
    at_once: int | None = None,
) -> list[tuple[DeepBind, NDArray[np.float64]]]:
    """Train each factor's setting from several starts on all its data.

    Parameters
    ----------
    factors
        (n, L) uint8 codes of each; those of one L, one model and one length of training are trained together.
    chosen
        Setting and steps of each, as `Calibration.best` gives them.
    at_once
        Factors that are trained together; None: all.

    Returns
    -------
    list of tuple
        Of each factor the start with the lowest training loss, and the losses of all.
    """
    found: dict[int, tuple[DeepBind, NDArray[np.float64]]] = {}
    for hidden, steps in sorted({(setting.hidden, steps) for setting, steps in chosen}):
        alike = [place for place, (setting, own) in enumerate(chosen) if (setting.hidden, own) == (hidden, steps)]
        for run in _runs(alike, lambda place: factors[place].shape[1], at_once):
            name = "restarts" if len(factors) == 1 else f"restarts-factor{run[0]}-to-factor{run[-1]}"
            bank, losses = train_parts(
                [
                    Part(
                        factors[place],
                        [chosen[place][0]] * plan.restarts,
                        with_shuffles(factors[place], seed=seed + 3),
                        _seed(seed, plan.folds, 0),
                    )
                    for place in run
                ],
                plan.network(hidden),
                steps=steps,
                checkpoints=1,
                device=device,
                folder=folder and folder / name,
            )
            for number, (place, own) in enumerate(zip(run, losses[:, -1], strict=True)):
                found[place] = bank.member(number * plan.restarts + int(np.argmin(own))), own
    return [found[place] for place in range(len(factors))]


def _seed(seed: int, fold: int, first: int) -> int:
    return seed * 1_000_003 + fold * 1009 + first


def _groups(settings: list[Setting], plan: PublishedPlan) -> Iterator[list[int]]:
    """Yield the numbers of settings of one model, as many as are trained at once."""
    for hidden in plan.hidden:
        numbers = [number for number, setting in enumerate(settings) if setting.hidden == hidden]
        size = plan.side_by_side or max(1, len(numbers))
        yield from (numbers[start : start + size] for start in range(0, len(numbers), size))


def _runs(items: Sequence[_Item], letters: Callable[[_Item], int], at_once: int | None) -> Iterator[list[_Item]]:
    """Yield what is trained together: sequences of one length."""
    most = at_once or len(items)
    for length in sorted({letters(item) for item in items}):
        alike = [item for item in items if letters(item) == length]
        yield from (alike[start : start + most] for start in range(0, len(alike), most))
