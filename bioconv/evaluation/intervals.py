"""Estimates with their uncertainty: intervals, differences, and the interval of a proportion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from bioconv.errors import InputError, OptionError


@dataclass(frozen=True)
class Interval:
    """An estimate, its confidence interval and its standard error.

    Parameters
    ----------
    value
        The estimate.
    low, high
        Ends of the confidence interval.
    error
        Standard error.
    """

    value: float
    low: float
    high: float
    error: float


@dataclass(frozen=True)
class Difference:
    """A difference of two estimates and how sure it is.

    Parameters
    ----------
    value
        The first estimate less the second.
    low, high
        Ends of the confidence interval.
    p
        Two-sided p-value of no difference.
    """

    value: float
    low: float
    high: float
    p: float


def normal_quantile(level: float) -> float:
    """Return how many standard errors a two-sided interval of that level reaches: 1.96 for 0.95.

    Raises
    ------
    OptionError
        If `level` is not between 0 and 1.
    """
    if not 0 < level < 1:
        message = f"level is {level}; give a number between 0 and 1, such as 0.95"
        raise OptionError(message)
    return NormalDist().inv_cdf((1 + level) / 2)


def wilson_interval(successes: float, trials: float, *, level: float = 0.95) -> Interval:
    """Return a proportion with Wilson's score interval.

    Parameters
    ----------
    successes, trials
        Counts; fractions of a success are allowed.
    level
        Of confidence.

    Returns
    -------
    Interval
        With the usual standard error; without trials the value and error are nan and the interval is 0 to 1.

    Raises
    ------
    InputError
        If `successes` is not between 0 and `trials`.
    OptionError
        If `level` is not between 0 and 1.

    References
    ----------
    Wilson, J Am Stat Assoc 22:209 (1927), doi 10.1080/01621459.1927.10502953.

    Examples
    --------
    >>> interval = wilson_interval(8, 10)
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.49, 0.943)
    """
    if not 0 <= successes <= trials:
        message = f"{successes} successes of {trials} trials; expected between 0 and the number of trials"
        raise InputError(message)
    z = normal_quantile(level)
    if trials == 0:
        return Interval(math.nan, 0.0, 1.0, math.nan)
    share = successes / trials
    scale = 1 + z * z / trials
    centre = (share + z * z / (2 * trials)) / scale
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)) / scale
    # At the ends the bound is the proportion itself; rounding must not put it inside.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return Interval(share, low, high, math.sqrt(share * (1 - share) / trials))
