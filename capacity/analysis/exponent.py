"""The power of size that a quantity goes with, and whether it is a claimed one (Ardalani et al. 2019, section 4.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from capacity.analysis.bootstrap import percentile_interval, resample
from capacity.analysis.goodness import LackOfFit, lack_of_fit, r_squared
from capacity.analysis.interval import Interval
from capacity.analysis.laws import constant, power
from capacity.analysis.likelihood import fit
from capacity.analysis.observations import FloatArray, observe
from capacity.analysis.verdict import Verdict, misfit, span
from capacity.analysis.words import number


@dataclass(frozen=True)
class Exponent:
    """The slope of log y against log M: y = scale M^exponent.

    Attributes
    ----------
    exponent, scale : float
        The constants; `scale` is y at M = 1.
    interval : Interval or None
        Of the exponent over the seeds; None when no size has a second seed.
    claim : float or None
        The exponent that somebody claims.
    residual_sd, r_squared, lack_of_fit
        Of log y, as in `PowerLaw`.
    runs, sizes : int
        Runs and distinct sizes.
    verdict : Verdict
        `inside` or `outside` where the claim lies in the interval or not; `no_interval`; `no_claim`. The reason says
        too when the sizes' means lie off any power of size.
    """

    exponent: float
    scale: float
    interval: Interval | None
    claim: float | None
    residual_sd: float
    r_squared: float
    lack_of_fit: LackOfFit | None
    runs: int
    sizes: int
    verdict: Verdict

    def predict(self, sizes: ArrayLike) -> FloatArray:
        """Return the median y at sizes of any shape."""
        return np.asarray(self.scale * np.asarray(sizes, dtype=np.float64) ** self.exponent)


def fit_exponent(sizes: ArrayLike, values: ArrayLike, seeds: ArrayLike, *, claim: float | None = None) -> Exponent:
    """Fit log y = log scale + exponent log M by least squares, with an interval over the seeds.

    The paper has the mean step size grow as width^0.5 in the softmax layer and as width^0.21 in the hidden layers. The
    logarithm makes noise in proportion to y even; see `bootstrap.seed_weights` for the interval.

    Parameters
    ----------
    sizes, values, seeds : array-like, shape (N,)
        Size, value and seed of each run; sizes and values positive, each seed once at every size.
    claim : float or None
        An exponent to compare with.

    Returns
    -------
    Exponent

    Raises
    ------
    InputError
        Bad arrays, or fewer than two sizes.
    """
    runs = observe(sizes, values, seeds, least=2)
    x, target = runs.log_sizes, np.log(runs.values)
    law, flat = power(x), fit(constant(x), target, runs.censored)
    found = fit(law, target, runs.censored)
    draws = resample(lambda weight: fit(law, target, runs.censored, weight).theta, runs)
    interval = None if draws is None else percentile_interval(-draws[:, 1], runs)
    exponent = -float(found.theta[1])
    test = lack_of_fit(law, found, target, runs)
    return Exponent(
        exponent=exponent,
        scale=float(np.exp(found.theta[0] - exponent * np.log(runs.sizes).mean())),
        interval=interval,
        claim=claim,
        residual_sd=found.sd,
        r_squared=r_squared(found, flat),
        lack_of_fit=test,
        runs=runs.runs,
        sizes=runs.distinct,
        verdict=_verdict(exponent, interval, claim, runs.runs, test),
    )


def _verdict(
    exponent: float, interval: Interval | None, claim: float | None, runs: int, test: LackOfFit | None
) -> Verdict:
    off = misfit(test)
    caution = f", but {off}" if off else ""
    if interval is None:
        return Verdict("no_interval", f"Size^{number(exponent)}, from a single seed a size{caution}.")
    text = f"Size^{number(exponent)} ({span(interval)}, {runs} runs)"
    if claim is None:
        return Verdict("no_claim", f"{text}{caution}.")
    code = "inside" if interval.low <= claim <= interval.high else "outside"
    return Verdict(code, f"{text}; the claimed {number(claim)} lies {code} the interval{caution}.")
