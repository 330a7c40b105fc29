"""What the errors on the parts of a split say about what to try next: plain numbers, plain words."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bioconv.errors import OptionError

_NEGLIGIBLE = 0.05
"""Share of the error on the development part below which a gap is not worth a step."""


@dataclass(frozen=True)
class Gap:
    """A difference between two errors.

    Parameters
    ----------
    name
        `bias`, `variance`, `mismatch`.
    between
        What was subtracted from what, in words.
    """

    name: str
    between: str
    size: float


def error_gaps(train: float, train_dev: float | None, dev: float, reference: float | None) -> list[Gap]:
    """Return the gaps between reference, training, train-dev and development error, in that order.

    The bias is what the training error exceeds the reference by (0 without one); the variance what is lost on
    unseen samples like those trained on; the mismatch what is lost on top where the development samples are
    of another kind. Without a train-dev part variance and mismatch are one gap.

    Raises
    ------
    OptionError
        If an error is not a finite number.
    """
    given = {"train": train, "train-dev": train_dev, "dev": dev, "reference": reference}
    odd = {name: value for name, value in given.items() if value is not None and not math.isfinite(value)}
    if odd:
        message = f"errors {odd}; finite numbers expected, lower is better"
        raise OptionError(message)
    against = "0" if reference is None else "reference"
    gaps = [Gap("bias", f"train − {against}", train - (reference or 0.0))]
    if train_dev is None:
        return [*gaps, Gap("variance", "dev − train", dev - train)]
    return [
        *gaps,
        Gap("variance", "train-dev − train", train_dev - train),
        Gap("mismatch", "dev − train-dev", dev - train_dev),
    ]


def next_step(train: float, train_dev: float | None, dev: float, reference: float | None = None) -> str:
    """Return a sentence on what to try next: what narrows the widest gap between the errors.

    Parameters
    ----------
    train, train_dev, dev
        Errors, lower is better (of an AUROC or a Dice: 1 minus it); `train_dev` of samples like the training
        ones that were not trained on, None without such a part.
    reference
        Error of a human, of the best published method, or of repeated measurements; None: unknown.

    Raises
    ------
    OptionError
        If an error is not a finite number.

    Examples
    --------
    >>> next_step(0.01, None, 0.11, reference=0.01)[:31]
    'Variance is the widest gap (0.1'
    """
    gaps = error_gaps(train, train_dev, dev, reference)
    widest = max(gaps, key=lambda gap: gap.size)  # of equal ones the first: bias comes before all else
    if reference is not None and dev <= reference:
        return (
            f"The development error ({dev:.3g}) is at or below the reference ({reference:.3g}): confirm it on the test "
            "part, then look for a harder reference or harder data."
        )
    if widest.size <= _NEGLIGIBLE * abs(dev):
        return (
            "No gap stands out: read the worst errors one by one, for wrong labels and for kinds of samples the model "
            "does not know."
        )
    size = f"{widest.name.capitalize()} is the widest gap ({widest.size:.3g}, {widest.between})"
    if widest.name == "bias":
        doubt = "" if reference is not None else " A reference level would tell how much of it can be avoided at all."
        return f"{size}: try a larger model, a longer training, another learning rate, or less regularisation.{doubt}"
    if widest.name == "mismatch":
        return (
            f"{size}: the development samples are of another kind; train on samples like them, or imitate them by "
            "augmentation."
        )
    both = "" if train_dev is not None else " A train-dev part would tell how much of it is a difference of the data."
    return f"{size}: try more data or augmentation, stronger regularisation, earlier stopping, or an ensemble.{both}"
