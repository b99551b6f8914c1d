"""Steps against model size and data size together, steps = c D^p / M^k (Ardalani et al. 2019, section 3.2)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from capacity.analysis.bootstrap import percentile_interval, resample
from capacity.analysis.goodness import LackOfFit, aicc_differences, lack_of_fit, r_squared
from capacity.analysis.interval import Interval
from capacity.analysis.laws import Linear
from capacity.analysis.likelihood import fit
from capacity.analysis.observations import FloatArray, Observations, centred_log, observe
from capacity.analysis.verdict import Verdict, misfit, rivals, span, too_little
from capacity.analysis.words import number
from capacity.errors import InputError


@dataclass(frozen=True)
class DataLaw:
    """The fit of steps = c D^p / M^k.

    Attributes
    ----------
    c, p, k : float
        The constants, `c` in steps at one example and a model of size 1. p = 1 is the paper's D / M^k.
    c_interval, p_interval, k_interval : Interval or None
        Over the seeds; None when no size has a second seed.
    residual_sd, r_squared, lack_of_fit
        As in `PowerLaw`; the settings of the test are the pairs of model size and data size.
    aicc : dict
        AICc less the smallest of `both`, `data` (k = 0), `size` (p = 0) and `constant`.
    runs, censored, sizes, data_sizes : int
        Runs, those that hit the step limit among them, distinct model sizes and distinct data sizes.
    verdict : Verdict
        `power_law` or `no_power_law`.
    """

    c: float
    p: float
    k: float
    c_interval: Interval | None
    p_interval: Interval | None
    k_interval: Interval | None
    residual_sd: float
    r_squared: float
    lack_of_fit: LackOfFit | None
    aicc: dict[str, float]
    runs: int
    censored: int
    sizes: int
    data_sizes: int
    verdict: Verdict

    def predict(self, sizes: ArrayLike, samples: ArrayLike) -> FloatArray:
        """Return the law's steps, the median over seeds, at sizes and numbers of examples of one shape."""
        return np.exp(math.log(self.c) + self.p * np.log(samples) - self.k * np.log(sizes))


def fit_data_law(
    sizes: ArrayLike,
    samples: ArrayLike,
    steps: ArrayLike,
    seeds: ArrayLike,
    *,
    censored: ArrayLike | None = None,
) -> DataLaw:
    """Fit log steps = log c + p log D - k log M with normal residuals; see `fit_power_law` for what it shares with it.

    A seed at one model size is resampled with all its data sizes: those runs start from the same weights. The
    verdict is `no_power_law` for the reasons of `fit_power_law`, the intervals of p and of k both being looked at, and
    three model sizes being enough.

    Parameters
    ----------
    sizes, samples : array-like, shape (N,)
        Size M of each run's model, and the examples D it was trained on.
    steps, seeds, censored
        As for `fit_power_law`; a seed may appear once at every pair of sizes.

    Returns
    -------
    DataLaw

    Raises
    ------
    InputError
        Bad arrays, or fewer than two model sizes or two data sizes with runs that came to their end.
    """
    runs = observe(sizes, steps, seeds, samples=samples, censored=censored, name="steps", least=2)
    if len(np.unique(runs.samples[~runs.censored])) < 2:
        raise InputError("p needs at least two data sizes with a run that came to its end, got one; add a data size")
    x, d, target = runs.log_sizes, centred_log(runs.samples), centred_log(runs.values)
    ones = np.ones_like(x)
    designs = {"both": (ones, d, -x), "data": (ones, d), "size": (ones, -x), "constant": (ones,)}
    laws = {name: Linear(np.column_stack(columns)) for name, columns in designs.items()}
    fits = {name: fit(law, target, runs.censored) for name, law in laws.items()}
    best = fits["both"]
    draws = resample(lambda weight: fit(laws["both"], target, runs.censored, weight, best.theta).theta, runs)
    center = tuple(float(np.log(column).mean()) for column in (runs.values, runs.samples, runs.sizes))
    c, p, k = _constants(best.theta, *center)
    intervals = [None] * 3 if draws is None else [percentile_interval(d, runs) for d in _constants(draws.T, *center)]
    differences = aicc_differences(fits)
    test = lack_of_fit(laws["both"], best, target, runs)
    return DataLaw(
        c=float(c),
        p=float(p),
        k=float(k),
        c_interval=intervals[0],
        p_interval=intervals[1],
        k_interval=intervals[2],
        residual_sd=best.sd,
        r_squared=r_squared(best, fits["constant"]),
        lack_of_fit=test,
        aicc=differences,
        runs=runs.runs,
        censored=runs.runs - runs.observed,
        sizes=len(np.unique(runs.sizes)),
        data_sizes=len(np.unique(runs.samples)),
        verdict=_verdict(runs, (float(p), float(k)), (intervals[1], intervals[2]), differences, test),
    )


def _constants(
    theta: FloatArray, log_steps: float, log_samples: float, log_size: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return c, p, k in the caller's units; `theta` has shape (3,) or (3, resamples)."""
    level, p, k = theta
    with np.errstate(over="ignore"):  # c, at one example and size 1, may lie beyond any number
        return np.exp(level + log_steps - p * log_samples + k * log_size), p, k


def _verdict(
    runs: Observations,
    exponents: tuple[float, float],
    intervals: tuple[Interval | None, Interval | None],
    aicc: Mapping[str, float],
    test: LackOfFit | None,
) -> Verdict:
    (p, k), (of_p, of_k) = exponents, intervals
    reason = too_little(runs, 3, "the law", of_k) or rivals(aicc, ("both",))
    for name, interval in (("data", of_p), ("model", of_k)):
        if reason is None and interval is not None and interval.low <= 0 <= interval.high:
            reason = f"the exponent of the {name} size may be 0 ({span(interval)})"
    reason = reason or misfit(test)
    if reason is not None or of_p is None or of_k is None:
        return Verdict("no_power_law", f"No power law: {reason}.")
    by_size = f" / M^{number(k)}" if k > 0 else f" M^{number(-k)}"
    linear = "may be" if of_p.low <= 1 <= of_p.high else "is not"
    return Verdict(
        "power_law",
        f"Steps go as D^{number(p)}{by_size}; p {linear} 1, that is in proportion to the data ({span(of_p)}); "
        f"k has a {span(of_k)} ({runs.runs} runs).",
    )
