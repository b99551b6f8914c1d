"""From which sample size on a network no longer fits: seed by seed, over seeds, and as a law of n.

The law is logistic in log n, not in n: it then tends to certainty as n tends to 0, thresholds that differ between
networks by orders of magnitude have comparable widths, and it agrees with what else is done on that scale (a search's
steps are fractions of n, the paper averages log EMC).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from capacity.analysis.interval import Interval
from capacity.analysis.observations import FloatArray
from capacity.analysis.threshold_posterior import SeedRuns, posterior, quantiles
from capacity.errors import InputError

CONFIDENCE = 0.95
"""Posterior probability of the intervals."""


class FitRun(NamedTuple):
    """A training from a fresh start on n samples, with its seed, and whether it fitted them."""

    n: int
    seed: int
    fitted: bool


@dataclass(frozen=True)
class SeedThreshold:
    """What the runs of one seed say.

    Attributes
    ----------
    seed : int
    emc : int
        The largest n fitted below the smallest n that failed, as a scan over the same sizes would have found it; 0 when
        none was fitted. One lucky fit above a failure does not raise it.
    largest_fitted : int
        The largest n fitted, whatever failed below; 0 when none was fitted. It differs from `emc` where `non_monotone`.
    smallest_failed : int or None
        None when no run failed.
    runs : int
    """

    seed: int
    emc: int
    largest_fitted: int
    smallest_failed: int | None
    runs: int

    @property
    def at_least(self) -> bool:
        """Whether `emc` is only a lower bound: no run failed, the sample ran out first."""
        return self.smallest_failed is None

    @property
    def non_monotone(self) -> bool:
        """Whether a larger sample was fitted than one that failed."""
        return self.smallest_failed is not None and self.largest_fitted > self.smallest_failed


@dataclass(frozen=True)
class MeanEMC:
    """EMC over seeds.

    Attributes
    ----------
    value, error : float and (float or None)
        Mean of the seeds' EMC, in samples, and its standard error (None for a single seed).
    log_value, log_error : float or None
        Mean of the natural logarithm of EMC, which the paper's figures 3 and 4 show, and its standard error; None
        when a seed has EMC 0.
    seeds : int
    at_least : int
        Seeds whose EMC is only a lower bound; with any, so are the means, and the errors say less than they seem to.
    unfitted : int
        Seeds that fitted nothing that was tried; they count as EMC 0.
    """

    value: float
    error: float | None
    log_value: float | None
    log_error: float | None
    seeds: int
    at_least: int
    unfitted: int


@dataclass(frozen=True)
class Threshold:
    """The law P(fit | n) = 1 / (1 + exp((log n - log n50) / s)) over seeds, after its posterior.

    Unlike EMC it does not depend on how densely sizes were tried: where the transition is wide, a search that tries
    more sizes meets a first failure earlier.

    Attributes
    ----------
    n50 : float
        The sample that is fitted half of the time, its posterior median.
    interval : Interval
        Credible, of n50; its `runs` is the number of seeds.
    scale : float
        s, its posterior median: P falls from 90 % to 10 % while n grows by the factor exp(4.4 s).
    scale_interval : Interval
        Credible, of s.
    within : float
        How much of s is there in a single seed, posterior mean: near 0 every seed has a sharp threshold of its own,
        near 1 the runs of a seed differ as much as those of different seeds.
    runs : int
    """

    n50: float
    interval: Interval
    scale: float
    scale_interval: Interval
    within: float
    runs: int

    def probability(self, n: ArrayLike) -> FloatArray:
        """Return P(fit | n) at the posterior medians, for n of any shape, positive."""
        x = (np.log(np.asarray(n, dtype=np.float64)) - math.log(self.n50)) / self.scale
        return np.asarray(np.exp(-np.logaddexp(0, x)))


def fit_threshold(runs: Iterable[tuple[int, int, bool]]) -> Threshold | None:
    """Fit the law to runs of one or more seeds; `threshold_posterior` states the model and its prior.

    Parameters
    ----------
    runs : iterable of (n, seed, fitted)
        In any order, each (n, seed) once. They may come from a search that chose n by what came before.

    Returns
    -------
    Threshold or None
        None when all runs fitted (the sample ran out: there is no threshold below the largest n), when all failed, or
        when there are none. Separable runs are fine: the prior of s keeps the interval finite.

    Raises
    ------
    InputError
        Runs that cannot be.
    """
    checked = _checked(runs)
    n, seed, fitted = (np.array([run[i] for run in checked]) for i in range(3))
    if len(checked) == 0 or fitted.all() or not fitted.any():
        return None
    numbers = np.unique(seed, return_inverse=True)[1]
    found = posterior(SeedRuns(np.log(n), numbers, fitted))
    tails = np.array([0.5 - CONFIDENCE / 2, 0.5, 0.5 + CONFIDENCE / 2])
    (low, n50, high), (narrow, scale, wide) = (
        np.exp(quantiles(values, weights, tails)).tolist()
        for values, weights in [(found.centres, found.centre_weights), (found.levels, found.level_weights)]
    )
    seeds = int(numbers[-1]) + 1
    return Threshold(
        n50=n50,
        interval=Interval(low, high, seeds, CONFIDENCE),
        scale=scale,
        scale_interval=Interval(narrow, wide, seeds, CONFIDENCE),
        within=found.share,
        runs=len(checked),
    )


def seed_thresholds(runs: Iterable[tuple[int, int, bool]]) -> tuple[SeedThreshold, ...]:
    """Return what each seed's runs say, ascending by seed; `runs` and errors as for `fit_threshold`."""
    of_seed: dict[int, list[FitRun]] = {}
    for run in _checked(runs):
        of_seed.setdefault(run.seed, []).append(run)
    found = []
    for seed, own in of_seed.items():
        fitted = [run.n for run in own if run.fitted]
        failed = min((run.n for run in own if not run.fitted), default=None)
        emc = max((n for n in fitted if failed is None or n < failed), default=0)
        found.append(SeedThreshold(seed, emc, max(fitted, default=0), failed, len(own)))
    return tuple(found)


def mean_emc(seeds: Sequence[SeedThreshold]) -> MeanEMC:
    """Return the means over one or more seeds."""
    values = np.array([seed.emc for seed in seeds], dtype=np.float64)
    logs = np.log(values) if (values > 0).all() else None
    return MeanEMC(
        value=float(values.mean()),
        error=_standard_error(values),
        log_value=None if logs is None else float(logs.mean()),
        log_error=None if logs is None else _standard_error(logs),
        seeds=len(seeds),
        at_least=sum(seed.at_least for seed in seeds),
        unfitted=sum(seed.emc == 0 for seed in seeds),
    )


def _standard_error(values: FloatArray) -> float | None:
    return float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else None


def _checked(runs: Iterable[tuple[int, int, bool]]) -> list[FitRun]:
    """Return the runs sorted by seed and n, or say what is wrong with one."""
    found = sorted((FitRun(*run) for run in runs), key=lambda run: (run.seed, run.n))
    for run in found:
        if run.n < 1:
            raise InputError(f"a run has a sample of at least 1, got n={run.n} for seed {run.seed}")
    for run, after in pairwise(found):
        if run[:2] == after[:2]:
            raise InputError(f"a sample size and a seed may appear once, got n={run.n}, seed={run.seed} twice")
    return found
