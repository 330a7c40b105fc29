"""Everything that decides a training run, apart from the model and the data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from bioconv.errors import OptionError

OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "adamw")
SCHEDULES = (
    "constant", "time", "exponential", "sqrt-epoch", "sqrt-step", "staircase", "cosine", "one-cycle", "plateau",
)  # fmt: skip
INITIALIZATIONS = ("default", "normal", "xavier", "kaiming", "identity")
PRECISIONS = ("float32", "bfloat16", "float16")
LOSSES = ("bce", "cross-entropy", "soft", "hinge", "mse", "mae", "focal", "dice", "dice-ce")


@dataclass(frozen=True)
class TrainConfig:
    """How a model is trained; saved in the model file. Each field is an option of `bioconv train`.

    Parameters
    ----------
    epochs
        Passes over the training part.
    max_steps
        Stop after this many optimiser steps; None: only `epochs` counts.
    batch_size
        Samples of an optimiser step, over all devices and accumulated parts together.
    accumulate
        Parts a batch is computed in, one after another (bounds memory, changes nothing but the statistics of batch
        normalisation). A device that runs out of memory gets twice as many.
    loss
        What is made small; one of `LOSSES`. `soft` learns from probabilities, as in distillation.
    optimizer
        What turns gradients into steps; one of `OPTIMIZERS`.
    learning_rate
        Of the optimiser, before the factors of the schedule.
    momentum
        Of momentum and nesterov, and the first beta of adam and adamw; rmsprop runs without.
    beta2
        Decay of squared gradients; None: what is customary (0.999, of rmsprop 0.99, of adadelta 0.9).
    epsilon
        Of the optimiser; None: what is customary (1e-8, of adagrad 1e-10, of adadelta 1e-6).
    l1
        Penalty l1 * sum |w| on weights, not on biases and normalisation; its gradient is added after clipping.
    l2
        Penalty l2 / 2 * sum w² on the same weights; for `adamw`, decoupled from the gradient.
    clip_norm
        Largest norm of the whole gradient; None: unbounded.
    clip_value
        Largest size of a number of the gradient; None: unbounded.
    schedule
        One of `SCHEDULES`; what the learning rate is multiplied with as training goes on.
    warmup_steps
        Steps over which the rate first rises linearly from 0.
    decay
        k of `time` 1 / (1 + k epoch), `exponential` exp(-k epoch), `sqrt-epoch` k / sqrt(epoch), `sqrt-step`
        k / sqrt(step); factor of `staircase` and `plateau`; final fraction of `cosine` and `one-cycle`.
    decay_every
        Epochs between the stairs of `staircase`.
    plateau_patience
        Validations without progress after which `plateau` lowers the rate.
    initialization
        One of `INITIALIZATIONS`; `default` leaves the model as it was built.
    init_deviation
        Standard deviation of `normal`, and with `identity` of the weights that are not recurrent.
    ema
        Decay of the exponential moving average of the weights that is validated and kept; None: no average.
    precision
        One of `PRECISIONS`; the lower two are mixed precision.
    class_weights
        `none` or `balanced`: classes count alike in the loss.
    balanced_sampling
        Draw classes with equal probability.
    label_smoothing
        Share of each target given evenly to all classes (bce, cross-entropy, dice-ce).
    focal_gamma
        Exponent of the focal loss.
    monitor
        Name of the validated number that chooses `best`: `loss` or a metric.
    patience
        Validations without progress after which training stops; None: never.
    time_budget
        Seconds after which training stops at the end of a step; None: no limit.
    freeze
        `none`, `all-but-head`, or a number of parameter tensors frozen from the input on.
    unfreeze_at
        Epoch (from 0) at which what is frozen starts to learn; None: never.
    layer_decay
        Factor on the learning rate per layer from the head down (discriminative rates); 1: none.
    seed
        Every random draw is a function of it, the epoch and the sample's index.
    workers
        Threads that prepare batches ahead; None: chosen from the machine. Results do not depend on it.

    Raises
    ------
    OptionError
        If a value makes no sense.
    """

    epochs: int = 20
    max_steps: int | None = None
    batch_size: int = 64
    accumulate: int = 1
    loss: str = "bce"
    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    momentum: float = 0.9
    beta2: float | None = None
    epsilon: float | None = None
    l1: float = 0.0
    l2: float = 0.0
    clip_norm: float | None = None
    clip_value: float | None = None
    schedule: str = "constant"
    warmup_steps: int = 0
    decay: float = 0.1
    decay_every: int = 10
    plateau_patience: int = 3
    initialization: str = "default"
    init_deviation: float = 0.01
    ema: float | None = None
    precision: str = "float32"
    class_weights: str = "none"
    balanced_sampling: bool = False
    label_smoothing: float = 0.0
    focal_gamma: float = 2.0
    monitor: str = "loss"
    patience: int | None = None
    time_budget: float | None = None
    freeze: str = "none"
    unfreeze_at: int | None = None
    layer_decay: float = 1.0
    seed: int = 0
    workers: int | None = None

    def __post_init__(self) -> None:
        for name, known in _CHOICES.items():
            _check(getattr(self, name) in known, name, getattr(self, name), f"one of {', '.join(known)}")
        for name, low, high in _RANGES:
            value = getattr(self, name)
            _check(value is None or low <= value <= high, name, value, f"{low:g} to {high:g}")
        positive = self.learning_rate > 0 and (self.epsilon is None or self.epsilon > 0)
        _check(positive, "learning_rate, epsilon", (self.learning_rate, self.epsilon), "more than 0")
        frozen = self.freeze in {"none", "all-but-head"} or self.freeze.isdecimal()
        _check(frozen, "freeze", self.freeze, "none, all-but-head or a number")

    def to_json(self) -> dict[str, Any]:
        """Return the fields as values JSON can hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TrainConfig:
        """Return the configuration of such `values`.

        Raises
        ------
        OptionError
            If a name is unknown, or a value has the wrong type or makes no sense.
        """
        known = {field.name: field for field in fields(cls)}
        odd = sorted(set(values) - set(known))
        if odd:
            message = f"unknown training options {odd}; known are {', '.join(known)}"
            raise OptionError(message)
        for name, value in values.items():
            _check(_has_type(value, str(known[name].type)), name, value, str(known[name].type))
        return cls(**values)


_CHOICES = {
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "initialization": INITIALIZATIONS,
    "precision": PRECISIONS,
    "loss": LOSSES,
    "class_weights": ("none", "balanced"),
}
_MANY = 1e12
_RANGES = (
    ("epochs", 1, _MANY), ("max_steps", 1, _MANY), ("batch_size", 1, _MANY), ("accumulate", 1, _MANY),
    ("momentum", 0, 1), ("beta2", 0, 1), ("l1", 0, _MANY), ("l2", 0, _MANY), ("clip_norm", 0, _MANY),
    ("clip_value", 0, _MANY), ("warmup_steps", 0, _MANY), ("decay", 0, _MANY), ("decay_every", 1, _MANY),
    ("plateau_patience", 1, _MANY), ("init_deviation", 0, _MANY), ("ema", 0, 1), ("label_smoothing", 0, 1),
    ("focal_gamma", 0, _MANY), ("patience", 1, _MANY), ("time_budget", 0, _MANY), ("unfreeze_at", 0, _MANY),
    ("layer_decay", 0, 1), ("seed", 0, 2**63 - 1), ("workers", 0, 256),
)  # fmt: skip


def _has_type(value: object, wanted: str) -> bool:
    if value is None:
        return "None" in wanted
    kind = wanted.partition(" ")[0]
    if kind == "float":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return type(value).__name__ == kind


def _check(fits: bool, name: str, value: object, expected: str) -> None:
    if not fits:
        message = f"training option {name} is {value!r}; expected {expected}"
        raise OptionError(message)
