"""Maximum likelihood for a law with normal residuals, some values known only from below."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from capacity.analysis.laws import Law, Linear
from capacity.analysis.observations import BoolArray, FloatArray

SMALLEST_SD = 1e-8  # residuals without any scatter would have an infinite likelihood
_LOG_SD = (math.log(SMALLEST_SD), 50.0)  # how far a search may go
_LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True)
class Fit:
    """A law at its most likely constants.

    Attributes
    ----------
    theta : ndarray, shape (P,)
        The constants.
    sd : float
        Standard deviation of the residuals that is most likely with them, at least `SMALLEST_SD`.
    loglik : float
        Log-likelihood.
    observed : float
        Weight of the values that are not censored.
    """

    theta: FloatArray
    sd: float
    loglik: float
    observed: float

    @property
    def aicc(self) -> float:
        """Akaike's criterion, corrected for few values (Hurvich & Tsai 1989); infinite when there are too few.

        -2 loglik + 2 q + 2 q (q + 1) / (n - q - 1), with q = P + 1 for the residuals' deviation. Censored values
        tell less than others; n leaves them out, which leans to fewer constants.
        """
        q = len(self.theta) + 1
        spare = self.observed - q - 1
        return -2 * self.loglik + 2 * q + 2 * q * (q + 1) / spare if spare > 0 else math.inf


def fit(
    law: Law,
    target: FloatArray,
    censored: BoolArray,
    weight: FloatArray | None = None,
    start: FloatArray | None = None,
) -> Fit:
    """Fit a law by maximum likelihood (Tobin 1958 where values are censored).

    With residuals z = (target - mean) / sd, an observed value has the log-density -log sd - z^2 / 2 - log(2 pi) / 2, a
    censored one the log-probability log Phi(-z) of lying above the target. Without censored values the constants are
    those of least squares. The likelihood of laws with a bend can have several maxima: the search starts from each of
    `law.starts`, and the best end is taken.

    Parameters
    ----------
    law : Law
        With N means and P constants.
    target : ndarray, shape (N,)
        What the law's mean is the mean of.
    censored : ndarray, shape (N,), bool
        Where the target is a lower bound.
    weight : ndarray, shape (N,), or None
        Weight of each value in the likelihood; None is 1.
    start : ndarray, shape (P,), or None
        A point known to be near: the only start then.

    Returns
    -------
    Fit
    """
    weight = np.ones_like(target) if weight is None else weight
    with np.errstate(over="ignore", invalid="ignore"):  # a search may step beyond any number, and comes back
        fits = _fits(law, target, censored, weight, start)
    return max(fits, key=lambda found: found.loglik if math.isfinite(found.loglik) else -math.inf)


def _fits(law: Law, target: FloatArray, censored: BoolArray, weight: FloatArray, start: FloatArray | None) -> list[Fit]:
    exact = isinstance(law, Linear) and not censored.any()  # then the one start is the least-squares solution
    thetas = law.starts(target, weight) if start is None or exact else [start]
    if not exact and not censored.any():
        thetas = [_least_squares(law, target, weight, theta) for theta in thetas]
    fits = [_fit_at(law, theta, target, censored, weight) for theta in thetas]
    if censored.any():
        fits = [_climb(law, found, target, censored, weight) for found in fits]
    return fits


def _least_squares(law: Law, target: FloatArray, weight: FloatArray, start: FloatArray) -> FloatArray:
    from scipy.optimize import least_squares

    root = np.sqrt(weight)
    found = least_squares(
        lambda theta: root * (law.mean(theta) - target),
        start,
        jac=lambda theta: root[:, None] * law.slope(theta),
        method="lm",
        xtol=1e-12,
        ftol=1e-12,
        gtol=1e-12,
    )
    return np.asarray(found.x)


def _fit_at(law: Law, theta: FloatArray, target: FloatArray, censored: BoolArray, weight: FloatArray) -> Fit:
    """Return the fit with these constants and the spread around them: most likely where nothing is censored."""
    residual = target - law.mean(theta)
    sd = max(math.sqrt(np.sum(weight * residual**2) / np.sum(weight)), SMALLEST_SD)
    loglik = -_descent(np.append(theta, math.log(sd)), law, target, censored, weight)[0]
    return Fit(theta, sd, loglik, float(np.sum(weight[~censored])))


def _climb(law: Law, near: Fit, target: FloatArray, censored: BoolArray, weight: FloatArray) -> Fit:
    from scipy.optimize import minimize

    # The search goes in units of about one standard error each way, in which the likelihood is nearly round.
    start = np.append(near.theta, math.log(max(near.sd, 1e-3)))
    slope = law.slope(near.theta) / math.exp(start[-1])
    information = np.diag(np.full(len(start), 1e-3))  # keeps directions without any bounded
    information[:-1, :-1] += slope.T @ (weight[:, None] * slope)
    information[-1, -1] += 2 * np.sum(weight)
    unit = np.linalg.inv(np.linalg.cholesky(information)).T

    def descent(point: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = _descent(start + unit @ point, law, target, censored, weight)
        return value, gradient @ unit

    found = minimize(descent, np.zeros_like(start), method="BFGS", jac=True, options={"gtol": 1e-4})
    best = start + unit @ found.x
    sd = math.exp(min(max(best[-1], _LOG_SD[0]), _LOG_SD[1]))
    return Fit(best[:-1], sd, -float(found.fun), near.observed)


def _descent(
    point: FloatArray, law: Law, target: FloatArray, censored: BoolArray, weight: FloatArray
) -> tuple[float, FloatArray]:
    """Return minus the log-likelihood at (theta, log sd), and its gradient."""
    from scipy.special import log_ndtr

    theta, log_sd = point[:-1], min(max(point[-1], _LOG_SD[0]), _LOG_SD[1])
    sd = math.exp(log_sd)
    z = (target - law.mean(theta)) / sd
    density = -0.5 * z**2 - 0.5 * _LOG_2PI
    above = log_ndtr(-z)
    loglik = np.where(censored, above, density - log_sd)
    pull = np.where(censored, np.exp(density - above), z)  # sd times the derivative with respect to the mean
    by_mean = weight * pull / sd
    by_log_sd = np.sum(weight * np.where(censored, pull * z, z**2 - 1))
    return -float(np.sum(weight * loglik)), -np.append(by_mean @ law.slope(theta), by_log_sd)
