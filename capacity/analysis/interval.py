"""An interval for a median that assumes nothing about the distribution, and says how sure it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """An interval and what stands behind it.

    Attributes
    ----------
    low, high : float
        The ends, in the unit of the values.
    runs : int
        How many independent values it was made from.
    confidence : float
        Probability with which such an interval covers the true value: for `median_interval` whatever the
        distribution, for a bootstrap interval nominally.
    """

    low: float
    high: float
    runs: int
    confidence: float


def median_interval(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Return the sign-test interval for the median: two order statistics, equally far from both ends.

    The interval from the (k+1)-th smallest to the (k+1)-th largest of n values misses the true median with
    probability 2 P(Binomial(n, 1/2) <= k). The largest k that reaches `confidence` is taken. Fewer than six values
    cannot reach 95 %: then the interval is smallest to largest, and its `confidence` says what that is worth
    (50 % for two values, 75 % for three, 94 % for five). A bootstrap would claim 95 % from three values.

    Parameters
    ----------
    values : sequence of float
        Independent values, finite.
    confidence : float
        The coverage to reach where the number of values allows it.

    Returns
    -------
    Interval or None
        None for fewer than two values: one run says nothing about spread.
    """
    runs = len(values)
    if runs < 2:
        return None
    ordered = sorted(values)
    trimmed, covered = 0, _coverage(runs, 0)
    while _coverage(runs, trimmed + 1) >= confidence:
        trimmed += 1
        covered = _coverage(runs, trimmed)
    return Interval(ordered[trimmed], ordered[-1 - trimmed], runs, covered)


def _coverage(runs: int, trimmed: int) -> float:
    tail = sum(math.comb(runs, i) for i in range(trimmed + 1))
    return 1.0 - 2.0 * tail / 2.0**runs
