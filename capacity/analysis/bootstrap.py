"""Intervals by resampling seeds: how far an estimate would move had other seeds been run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from capacity.analysis.interval import Interval
from capacity.analysis.observations import FloatArray, IntArray, Observations

RESAMPLES = 1000
CONFIDENCE = 0.95
_SEED = 20190507  # any fixed number: the same runs give the same intervals


def seed_weights(runs: Observations, resamples: int) -> FloatArray:
    """Return what each run counts in each of the resamples.

    Within every size the seeds are drawn with replacement, each with all its runs at that size. Of n seeds, n - 1 are
    drawn and count n / (n - 1) each (Rao & Wu 1988): drawing n would make the spread too small by (n - 1) / n, a third
    for three seeds. A size with a single seed stays as it is and contributes no spread.

    Parameters
    ----------
    runs : Observations
        N runs.
    resamples : int
        How many.

    Returns
    -------
    ndarray, shape (resamples, N), float64
    """
    rng = np.random.default_rng(_SEED)
    weights = np.ones((resamples, runs.runs))
    for stratum in np.unique(runs.stratum):
        clusters, member = np.unique(runs.cluster[runs.stratum == stratum], return_inverse=True)
        n = len(clusters)
        if n > 1:
            drawn = rng.multinomial(n - 1, np.full(n, 1 / n), size=resamples) * (n / (n - 1))
            weights[:, runs.stratum == stratum] = drawn[:, member]
    return weights


def crossed_weights(*factors: IntArray) -> FloatArray:
    """Return what each observation counts in each of `RESAMPLES` resamples of crossed factors.

    Every factor's levels are drawn anew, each with all its observations, independently of the other factors; an
    observation counts the product (the pigeonhole bootstrap: Owen 2007, Annals of Applied Statistics 1(2), 386-411;
    Owen & Eckles 2012, 6(3), 895-927: no bootstrap of crossed factors is exact, and this one's variance is rather too
    large than too small). Of n levels n - 1 are drawn, as in `seed_weights`; a factor of a single level stays as it is
    and contributes no spread.

    Parameters
    ----------
    *factors : ndarray of int, shape (N,)
        For each factor the level of each of N observations, from 0 on.

    Returns
    -------
    ndarray, shape (RESAMPLES, N), float64
    """
    rng = np.random.default_rng(_SEED)
    weights = np.ones((RESAMPLES, len(factors[0])))
    for levels in factors:
        n = int(levels.max()) + 1
        if n > 1:
            weights *= (rng.multinomial(n - 1, np.full(n, 1 / n), size=RESAMPLES) * (n / (n - 1)))[:, levels]
    return weights


def resample(estimate: Callable[[FloatArray], FloatArray], runs: Observations) -> FloatArray | None:
    """Return the estimate on every resample.

    Parameters
    ----------
    estimate : callable
        From the weights of the runs, shape (N,), to the estimates, shape (P,).
    runs : Observations

    Returns
    -------
    ndarray, shape (RESAMPLES, P), or None
        None when no size has a second seed.
    """
    if degrees(runs) == 0:
        return None
    return np.array([estimate(weight) for weight in seed_weights(runs, RESAMPLES)])


def degrees(runs: Observations) -> int:
    """Return the degrees of freedom of the spread over the seeds: seeds, summed over the sizes, less sizes."""
    return len(np.unique(runs.cluster)) - len(np.unique(runs.stratum))


def percentile_ends(draws: FloatArray, runs: Observations) -> tuple[FloatArray, FloatArray]:
    """Return the ends of the `CONFIDENCE` intervals of draws of shape (resamples, ...), each of shape (...)."""
    return expanded_ends(draws, degrees(runs))


def expanded_ends(draws: FloatArray, degrees_of_freedom: int) -> tuple[FloatArray, FloatArray]:
    """Return the ends of the `CONFIDENCE` intervals of draws of shape (resamples, ...), each of shape (...).

    Percentiles of the draws, taken further out than 2.5 and 97.5 % when there are few seeds: at the probability at
    which a normal variable exceeds Student's quantile for the degrees of freedom (Hesterberg 2015, The American
    Statistician 69(4), section 3.2, "expanded percentile"). Invariant to monotone changes of unit, so the interval of a
    constant and that of its logarithm agree. Not BCa: its acceleration needs a jackknife over seeds within sizes, which
    three seeds cannot give.
    """
    from scipy.stats import norm, t

    tail = norm.cdf(-t.ppf((1 + CONFIDENCE) / 2, degrees_of_freedom))
    # The draws nearest outside, not a mean of two: that keeps the invariance, and a draw may be infinite.
    return np.quantile(draws, tail, axis=0, method="lower"), np.quantile(draws, 1 - tail, axis=0, method="higher")


def percentile_interval(draws: FloatArray, runs: Observations) -> Interval:
    """Return the interval of one constant from its draws, shape (resamples,); see `percentile_ends`."""
    low, high = percentile_ends(draws, runs)
    return Interval(float(low), float(high), runs.runs, CONFIDENCE)
