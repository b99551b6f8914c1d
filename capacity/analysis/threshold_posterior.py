"""The posterior of a threshold over seeds, by quadrature.

The law is P(fit | n) = 1 / (1 + exp((log n - log n50) / s)), over seeds. The runs of one seed are not independent:
their samples are nested and they start alike, so that a seed tends to have a threshold of its own, and a search puts
most of its runs around that, wherever it lies. Taken as independent, the runs of a bisection make s look three times as
large, and those of a scan, many fits and one failure a seed, put n50 a third too high (tests/test_threshold.py, seeds
with sharp thresholds and s = 0.1). So a seed has a threshold t; its runs follow the law with log n50 replaced by t and
s by phi s, 0 < phi < 1; and t is distributed such that the law above holds exactly over seeds, whatever phi (Wang &
Louis 2003):

    P(t < x) = 1 - arg(exp((x - log n50) / s) + exp(i pi phi)) / (pi phi).

phi near 0 means sharp thresholds, which are distributed as a logistic variable; phi near 1, independent runs.

The prior is flat in log n50 and in sqrt(phi), which leans to sharp seeds; log s is normal with mean log 0.1 and
standard deviation 1.5: 95 % of it lies between 0.005 and 2, where P(fit) falls from 90 % to 10 % while n grows by 2 %,
and by a factor of 6,000. The posterior is proper as soon as one run fitted and one failed, separable runs included.
That a search chose each n by the outcomes before changes nothing: the choice depends on the data alone, and so leaves
the likelihood as it is.

References
----------
Wang and Louis, "Matching conditional and marginal shapes in binary random intercept models using a bridge distribution
function", Biometrika 90 (2003) 765-775.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from capacity.analysis.observations import BoolArray, FloatArray, IntArray

PRIOR_SCALE, PRIOR_SPREAD = 0.1, 1.5
"""Median of s, and standard deviation of log s, before any run."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_SHARES, _SHARE_WEIGHTS = ((_NODES + 1) / 2) ** 2, _WEIGHTS / 2
"""phi, and its prior: Gauss-Legendre in sqrt(phi)."""
_LEVELS = 15
_CENTRES = 100
"""Values of log s in each of the two passes, and of log n50 in the second."""


@dataclass(frozen=True)
class Posterior:
    """Marginal probabilities on a grid; each kind adds up to 1.

    Attributes
    ----------
    centres, centre_weights : ndarray, shape (M,)
        log n50, ascending.
    levels, level_weights : ndarray, shape (S,)
        log s, ascending.
    share : float
        Mean of phi.
    """

    centres: FloatArray
    centre_weights: FloatArray
    levels: FloatArray
    level_weights: FloatArray
    share: float


@dataclass(frozen=True)
class SeedRuns:
    """N runs, at least one fitted and one failed: each array has shape (N,), the seeds are numbered 0, 1, ..."""

    log_n: FloatArray
    seed: IntArray
    fitted: BoolArray


def posterior(runs: SeedRuns) -> Posterior:
    """Integrate prior times likelihood: a first pass finds where the mass lies, the second puts its grid there."""
    cuts = _cuts(runs)
    centres = (cuts[1:] + cuts[:-1]) / 2
    levels = math.log(PRIOR_SCALE) + PRIOR_SPREAD * np.linspace(-3, 3, _LEVELS)
    dense = _density(centres, levels, cuts, runs)
    within = 1 / (1 + np.exp(-np.linspace(-8, 8, _CENTRES)))
    centres = np.array(quantiles(centres, dense.sum(axis=(1, 2)) * np.diff(cuts), within))
    levels = _support(levels, dense.max(axis=(0, 2)))
    dense = _density(centres, levels, cuts, runs) * np.convolve(np.diff(centres), [0.5, 0.5])[:, None, None]
    dense /= dense.sum()
    fine = np.linspace(levels[0], levels[-1], 20 * _LEVELS)
    filled = np.exp(np.interp(fine, levels, np.log(np.maximum(dense.sum(axis=(0, 2)), 1e-300))))
    return Posterior(
        centres=centres,
        centre_weights=dense.sum(axis=(1, 2)),
        levels=fine,
        level_weights=filled / filled.sum(),
        share=float(dense.sum(axis=(0, 1)) @ _SHARES),
    )


def quantiles(values: FloatArray, weights: FloatArray, at: FloatArray) -> FloatArray:
    """Return quantiles of a density that is given by its weights at ascending values."""
    return np.interp(at, (np.cumsum(weights) - weights / 2) / weights.sum(), values)


def bridge(odds: FloatArray, share: float) -> FloatArray:
    """Return the probability of a seed's threshold below x, for phi = `share` and odds = exp((x - log n50) / s)."""
    angle = math.pi * share
    return np.asarray(1 - np.arctan2(math.sin(angle), odds + math.cos(angle)) / angle)


def _density(centres: FloatArray, levels: FloatArray, cuts: FloatArray, runs: SeedRuns) -> FloatArray:
    """Return prior times likelihood, relative to the largest, at log n50 (M,), log s (S,) and each phi: (M, S, phis).

    A seed's threshold is integrated over cells: the likelihood at their middles, times their probability. The first
    and the last cell have no outer end. Runs count at the nearest cut, which bounds the work for any number of them.
    """
    nearest = np.searchsorted((cuts[1:] + cuts[:-1]) / 2, runs.log_n)
    (seed, at, fitted), count = np.unique([runs.seed, nearest, runs.fitted], axis=1, return_counts=True)
    first = np.flatnonzero(np.diff(seed, prepend=-1))
    beyond = np.where(fitted, 1.0, -1.0)[:, None] * (cuts[at][:, None] - (cuts[1:] + cuts[:-1]) / 2)
    ends = np.concatenate([[-np.inf], cuts[1:-1], [np.inf]]) - centres[:, None]
    found = np.empty((len(centres), len(levels), len(_SHARES)))
    for i, level in enumerate(levels):
        with np.errstate(over="ignore"):
            odds = np.exp(ends / math.exp(level))
        prior = -0.5 * ((level - math.log(PRIOR_SCALE)) / PRIOR_SPREAD) ** 2
        for j, share in enumerate(_SHARES):
            x = beyond / (share * math.exp(level))
            of_run = -np.maximum(x, 0) - np.log(1 + np.exp(-np.abs(x)))
            of_seed = np.add.reduceat(count[:, None] * of_run, first)
            top = of_seed.max(axis=1, keepdims=True)
            mass = np.maximum(np.diff(bridge(odds, share)), 0)
            with np.errstate(divide="ignore"):
                found[:, i, j] = prior + top.sum() + np.log(mass @ np.exp(of_seed - top).T).sum(axis=1)
    return np.asarray(_SHARE_WEIGHTS * np.exp(found - found.max()))


def _cuts(runs: SeedRuns) -> FloatArray:
    """Return where to cut the axis of a seed's threshold so that the likelihood hardly varies within a cell.

    Even steps fill the zone where some runs fitted and some failed, steps that grow with the distance fill the rest.
    Each seed's largest n fitted and smallest n failed are cuts too: the sharpest seed has a cell to itself.
    """
    one, other = runs.log_n[~runs.fitted].min(), runs.log_n[runs.fitted].max()
    low, high = min(one, other), max(one, other)
    step = max(high - low, 1e-3) / 60
    away = step * np.cumsum(1.1 ** np.arange(math.ceil(math.log(1 / step, 1.1))))
    last = np.full(runs.seed.max() + 1, -np.inf)
    np.maximum.at(last, runs.seed[runs.fitted], runs.log_n[runs.fitted])
    stop = np.full(runs.seed.max() + 1, np.inf)
    np.minimum.at(stop, runs.seed[~runs.fitted], runs.log_n[~runs.fitted])
    cuts = np.concatenate([low - away, np.arange(low, high, step), [high], high + away, last, stop])
    return np.unique(cuts[np.isfinite(cuts)])


def _support(levels: FloatArray, dense: FloatArray) -> FloatArray:
    """Return an even grid over where the density counts, and one level further."""
    kept = np.flatnonzero(dense > 1e-5 * dense.max())
    return np.linspace(levels[max(kept[0] - 1, 0)], levels[min(kept[-1] + 1, len(levels) - 1)], len(levels))
