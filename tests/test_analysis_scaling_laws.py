"""The laws, their likelihood and its maximum, the tests of fit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from capacity.analysis.goodness import lack_of_fit, r_squared
from capacity.analysis.laws import Additive, Floor, Law, Logarithm, cells, constant, exponential, power
from capacity.analysis.likelihood import SMALLEST_SD, fit
from capacity.analysis.observations import observe
from tests.scaling_cases import power_law, simulate

X = np.linspace(-2, 3, 7)
NONE = np.zeros(7, dtype=bool)

LAWS: list[tuple[Law, list[float]]] = [
    (constant(X), [0.4]),
    (power(X), [0.4, 0.7]),
    (exponential(X), [0.4, 2.0]),
    (Floor(X), [0.4, 0.7, -0.5]),
    (Logarithm(X), [1.2, 0.3]),
    (Additive(power(X)), [0.4, 0.7]),
    (Additive(Logarithm(X)), [1.2, 0.3]),
]


@pytest.mark.parametrize(("law", "theta"), LAWS)
def test_slopes_are_the_derivatives(law: Law, theta: list[float]) -> None:
    at = np.array(theta)
    numeric = [(law.mean(at + h) - law.mean(at - h)) / 2e-6 for h in 1e-6 * np.eye(len(at))]
    np.testing.assert_allclose(law.slope(at), np.transpose(numeric), atol=1e-8)
    assert law.constants == len(at)


def test_means_by_hand() -> None:
    x = np.log([1.0, 10.0, 100.0])
    np.testing.assert_allclose(np.exp(power(x).mean(np.array([math.log(8), 1.0]))), [8, 0.8, 0.08])
    np.testing.assert_allclose(np.exp(Floor(x).mean(np.array([math.log(8), 1.0, math.log(2)]))), [10, 2.8, 2.08])
    np.testing.assert_allclose(np.exp(Logarithm(x).mean(np.log([9.0, 3.0]))), [9, 6, 3])
    np.testing.assert_allclose(exponential(x).mean(np.array([5.0, 2.0])), [4.98, 4.8, 3])
    np.testing.assert_array_equal(cells(np.array([1, 0, 1])).design, [[0, 1], [1, 0], [0, 1]])


@pytest.mark.parametrize(("law", "theta"), LAWS)
@pytest.mark.parametrize("share", [1.0, 0.7])
def test_nothing_near_the_fit_is_more_likely(law: Law, theta: list[float], share: float) -> None:
    noisy = law.mean(np.array(theta)) + np.random.default_rng(3).normal(0, 0.05, 7)
    target = np.minimum(noisy, np.quantile(noisy, share))
    censored = noisy > target
    found = fit(law, target, censored)

    def loglik(point: np.ndarray) -> float:
        """SciPy's own densities and survival functions."""
        mean, sd = law.mean(point[:-1]), math.exp(point[-1])
        terms = np.where(censored, stats.norm.logsf(target, mean, sd), stats.norm.logpdf(target, mean, sd))
        return float(terms.sum())

    best = np.append(found.theta, math.log(found.sd))
    assert found.loglik == pytest.approx(loglik(best), abs=1e-9)
    searched = optimize.minimize(
        lambda p: -loglik(p), best, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-9}
    )
    assert -searched.fun <= found.loglik + 1e-6
    for scale in (0.9, 1.1, 1.5):
        start = best * scale
        searched = optimize.minimize(lambda p: -loglik(p), start, method="Nelder-Mead", options={"maxiter": 4000})
        assert -searched.fun <= found.loglik + 1e-6


def test_a_weight_of_two_is_the_run_twice() -> None:
    target = np.array([2.0, 1.1, 0.9, 0.2, 0.1, 0.3, 0.0])
    censored = np.array([True, False, False, False, False, False, False])
    weight = np.array([1.0, 2.0, 1.0, 0.0, 1.0, 1.0, 2.0])
    times = weight.astype(int)
    once = fit(Floor(X), target, censored, weight)
    twice = fit(Floor(np.repeat(X, times)), np.repeat(target, times), np.repeat(censored, times))
    np.testing.assert_allclose(once.theta, twice.theta, rtol=1e-4)
    assert (once.loglik, once.sd) == (pytest.approx(twice.loglik), pytest.approx(twice.sd, rel=1e-4))


def test_aicc_by_hand() -> None:
    # Residuals -1, 1, -1, 1 around 0: sd 1, loglik -2 log(2 pi) - 2, two constants with the deviation.
    found = fit(constant(X[:4]), np.array([-1.0, 1.0, -1.0, 1.0]), NONE[:4])
    assert found.loglik == pytest.approx(-2 * math.log(2 * math.pi) - 2)
    assert found.aicc == pytest.approx(4 * math.log(2 * math.pi) + 4 + 4 + 12)
    assert fit(power(X[:4]), np.array([-1.0, 1.0, -1.0, 1.0]), NONE[:4]).aicc == math.inf


def test_residuals_without_scatter_keep_a_finite_likelihood() -> None:
    found = fit(power(X), 3 - 0.5 * X, NONE)
    assert found.sd == SMALLEST_SD
    assert math.isfinite(found.loglik)


def test_lack_of_fit_is_the_ratio_of_mean_squares() -> None:
    sizes, values, seeds = simulate(power_law(2e5, 0.5, 300), 0.2, seeds=4)
    runs = observe(sizes, values, seeds, least=3)
    target = np.log(values)
    law = power(runs.log_sizes)
    found = fit(law, target, runs.censored)
    means = np.array([target[sizes == size].mean() for size in sizes])
    pure, off = np.sum((target - means) ** 2) / (24 - 6), np.sum((means - law.mean(found.theta)) ** 2) / (6 - 2)
    test = lack_of_fit(law, found, target, runs)
    assert test is not None
    assert test.p == pytest.approx(stats.f.sf(off / pure, 4, 18), rel=1e-6)
    assert test.largest == pytest.approx(np.max(np.abs(np.exp(means - law.mean(found.theta)) - 1)))
    flat = fit(constant(runs.log_sizes), target, runs.censored)
    slope = stats.linregress(np.log(sizes), target)
    assert r_squared(found, flat) == pytest.approx(slope.rvalue**2)


@pytest.mark.parametrize("limit", [math.inf, 4500.0])
def test_lack_of_fit_is_rare_where_the_law_holds(limit: float) -> None:
    small = 0
    for rng in range(60):
        cases, censored = simulate(power_law(2e5, 0.5), 0.2, seeds=5, rng=rng).stopped_at(limit)
        runs = observe(*cases, censored=censored, least=3)
        law, target = power(runs.log_sizes), np.log(runs.values)
        test = lack_of_fit(law, fit(law, target, runs.censored), target, runs)
        assert test is not None
        small += test.p < 0.1
    assert stats.binom.ppf(0.001, 60, 0.1) <= small <= stats.binom.ppf(0.999, 60, 0.1)


def test_lack_of_fit_needs_replicates_and_sizes_to_spare() -> None:
    for sizes, seeds in (((1.0, 2.0, 4.0, 8.0), 1), ((1.0, 2.0), 5)):
        runs = observe(*simulate(power_law(9, 0.5), seeds=seeds, sizes=sizes), least=2)
        law, target = power(runs.log_sizes), np.log(runs.values)
        assert lack_of_fit(law, fit(law, target, runs.censored), target, runs) is None
