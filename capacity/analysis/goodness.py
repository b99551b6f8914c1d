"""How well a law fits: against no law, against other laws, and against the scatter of the seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from capacity.analysis.laws import Additive, Law, cells
from capacity.analysis.likelihood import Fit, fit
from capacity.analysis.observations import FloatArray, Observations

DECISIVE = 4.0
"""Difference of AICc from which on one law counts as better than another: a relative likelihood of exp(2) = 7.4."""

MISFIT = 0.01
"""Probability below which the means of the sizes count as off the law."""


@dataclass(frozen=True)
class LackOfFit:
    """Whether the settings' own means lie further off the law than the scatter of the seeds explains.

    Attributes
    ----------
    p : float
        Probability of means so far off, or further, if the law held.
    largest : float
        Largest distance of a setting's mean from the law, as a fraction of the law's value.
    """

    p: float
    largest: float


def lack_of_fit(law: Law, found: Fit, target: FloatArray, runs: Observations) -> LackOfFit | None:
    """Test a law against a mean for every setting, which needs settings with several seeds.

    The F test for lack of fit, from the likelihoods: with R = 2 (loglik of the means - loglik of the law), n runs, m
    settings and P constants, F = (exp(R / n) - 1) (n - m) / (m - P). Without censored runs this is exactly the ratio of
    mean squares of the textbooks (Draper & Smith, Applied Regression Analysis, section 2.1); with them n counts the
    others, and the test is approximate.

    Parameters
    ----------
    law, found
        The law and its fit.
    target : ndarray, shape (N,)
        What was fitted.
    runs : Observations

    Returns
    -------
    LackOfFit or None
        None when there are no more settings than constants, or no more runs than settings.
    """
    from scipy.stats import f

    settings = cells(runs.cell)
    n, m, constants = runs.observed, settings.constants, law.constants
    if m <= constants or n <= m:
        return None
    means = fit(settings, target, runs.censored)
    ratio = max(2 * (means.loglik - found.loglik), 0.0)
    statistic = math.expm1(ratio / n) * (n - m) / (m - constants)
    own, fitted = settings.mean(means.theta)[~runs.censored], law.mean(found.theta)[~runs.censored]
    share = own / fitted if isinstance(law, Additive) else np.exp(own - fitted)
    return LackOfFit(float(f.sf(statistic, m - constants, n - m)), float(np.abs(share - 1).max()))


def r_squared(found: Fit, flat: Fit) -> float:
    """Return 1 - (residual variance of the law) / (residual variance of a constant), R^2 where nothing is censored."""
    return 1.0 - (found.sd / flat.sd) ** 2


def aicc_differences(fits: Mapping[str, Fit]) -> dict[str, float]:
    """Return each law's AICc less the smallest; NaN for all when there are too few runs for any."""
    smallest = min(found.aicc for found in fits.values())
    return {name: found.aicc - smallest if math.isfinite(smallest) else math.nan for name, found in fits.items()}
