"""How two quantities go together over members with several runs each: Pearson and Kendall, with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from capacity.analysis.bootstrap import CONFIDENCE, RESAMPLES, degrees, percentile_interval, seed_weights
from capacity.analysis.interval import Interval
from capacity.analysis.observations import FloatArray, IntArray, Observations

_PIECE = 2_000_000  # numbers in memory at once
_EQUAL = 1e-9  # of the largest: means that differ by less are equal but for rounding


@dataclass(frozen=True)
class Coefficient:
    """A coefficient of correlation.

    Attributes
    ----------
    value : float
    interval : Interval or None
        How far it would move with other members of this kind; None where resampling them never changes it.
    over_runs : Interval or None
        How far it would move with other runs of these members; None with a single run each, or where it never changes.
        Resampling adds to the runs' noise, so where that is large the interval lies nearer to 0 than it should.
    members : int
    """

    value: float
    interval: Interval | None
    over_runs: Interval | None
    members: int

    @property
    def sign(self) -> int:
        """1 or -1 where the interval lies above or below 0; else 0.

        Without an interval all members are in one order, or the reverse. By chance that comes about in 2 of n! cases:
        it counts as sure where that is rarer than an interval that misses, from five members on.
        """
        if self.interval is None:
            chance = 2 / math.factorial(self.members)
            return 0 if chance > 1 - CONFIDENCE else int(math.copysign(1, self.value))
        return int(self.interval.low > 0) - int(self.interval.high < 0)


def correlation(member: IntArray, x: FloatArray, y: FloatArray) -> tuple[Coefficient, Coefficient] | None:
    """Return Pearson's r and Kendall's tau-b of the members' means, with intervals; None where x or y does not vary.

    The intervals are bootstrap percentiles at 95 % (`bootstrap.seed_weights`, `bootstrap.percentile_ends`): members are
    drawn with all their runs, and, for another interval, runs within the members there are. They are not drawn both at
    once: the scatter of the runs is in the members' means already, and would count twice (Davison & Hinkley 1997,
    Bootstrap Methods and their Application, section 3.8).

    Parameters
    ----------
    member : ndarray, shape (N,), int
        Index of each run's member, from 0.
    x, y : ndarray, shape (N,)
        Finite.
    """

    def estimate(weights: FloatArray) -> FloatArray:
        return weighted_correlations(weights, member, x, y)

    values = estimate(np.ones((1, len(member))))[0]
    if not np.isfinite(values).all():
        return None
    over_members = _intervals(estimate, _runs(np.zeros_like(member), member))
    over_runs = _intervals(estimate, _runs(member, np.arange(len(member))))
    members = len(np.unique(member))
    r, tau = (Coefficient(float(values[i]), over_members[i], over_runs[i], members) for i in range(2))
    return r, tau


def weighted_correlations(weights: FloatArray, member: IntArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """Return Pearson's r and Kendall's tau-b of the members' means, for each of B sets of weights.

    A member's means are those of its runs by weight, and it counts as much as its runs weigh on average. With whole
    weights that is what as many copies of a member would give; pairs of copies are ties in both and count for nothing.

    Parameters
    ----------
    weights : ndarray, shape (B, N)
        Of the runs, at least 0.
    member : ndarray, shape (N,), int
        Index of each run's member, from 0.
    x, y : ndarray, shape (N,)
        Finite.

    Returns
    -------
    ndarray, shape (B, 2)
        NaN where either does not vary.
    """
    belongs = (member[:, None] == np.arange(member.max() + 1)).astype(np.float64)
    pieces = math.ceil(len(weights) * belongs.shape[1] ** 2 / _PIECE)
    return np.concatenate([_of_piece(part, belongs, x, y) for part in np.array_split(weights, pieces)])


def _of_piece(weights: FloatArray, belongs: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    total = weights @ belongs
    counts = total / belongs.sum(axis=0)
    over = np.where(total > 0, total, 1)
    means = [(weights * values) @ belongs / over for values in (x, y)]
    with np.errstate(invalid="ignore"):
        return np.column_stack([_pearson(counts, *means), _kendall(counts, *means)])


def _pearson(counts: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    share = counts / counts.sum(axis=1, keepdims=True)

    def centred(values: FloatArray) -> FloatArray:
        off = values - (share * values).sum(axis=1, keepdims=True)
        return np.where(abs(off) > _EQUAL * abs(values).max(axis=1, keepdims=True), off, 0)

    x, y = centred(x), centred(y)
    over = np.sqrt((share * x * x).sum(axis=1) * (share * y * y).sum(axis=1))
    return np.asarray(np.clip((share * x * y).sum(axis=1) / over, -1, 1))


def _kendall(counts: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    pairs = counts[:, :, None] * counts[:, None, :]

    def order(values: FloatArray) -> FloatArray:
        apart = values[:, :, None] - values[:, None, :]
        return np.asarray(np.sign(apart) * (abs(apart) > _EQUAL * abs(values).max(axis=1)[:, None, None]))

    x, y = order(x), order(y)
    over = np.sqrt((pairs * abs(x)).sum(axis=(1, 2)) * (pairs * abs(y)).sum(axis=(1, 2)))
    return np.asarray((pairs * x * y).sum(axis=(1, 2)) / over)


def _runs(stratum: IntArray, cluster: IntArray) -> Observations:
    """Return runs as the bootstrap takes them: clusters are drawn, within strata."""
    ones = np.ones(len(stratum))
    return Observations(ones, ones, ones, np.zeros(len(stratum), np.bool_), stratum, cluster, stratum)


def _intervals(estimate: Callable[[FloatArray], FloatArray], runs: Observations) -> list[Interval | None]:
    """Return an interval for each coefficient; None where no draw differs from the others."""
    if degrees(runs) == 0:
        return [None, None]
    draws = estimate(seed_weights(runs, RESAMPLES))
    draws = draws[np.isfinite(draws).all(axis=1)]  # a draw may consist of a single member
    drawn = len(np.unique(runs.cluster))
    return [
        replace(percentile_interval(column, runs), runs=drawn) if np.ptp(column) > _EQUAL else None
        for column in draws.T
    ]
