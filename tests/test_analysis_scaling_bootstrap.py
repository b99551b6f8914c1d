"""Intervals over the seeds: their spread, their ends, and how often they cover."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from capacity.analysis import bootstrap
from capacity.analysis.bootstrap import degrees, percentile_interval, seed_weights
from capacity.analysis.observations import observe
from capacity.analysis.scaling import fit_power_law
from tests.scaling_cases import power_law, simulate


def test_resampled_weights_have_the_spread_of_the_mean() -> None:
    # Rao & Wu: the variance of a resampled mean is s^2 / n, with n - 1 under s^2; drawing n of n would give less.
    runs = observe(*simulate(power_law(9, 0.5), seeds=3, sizes=(1.0, 2.0, 4.0)), least=3)
    weights = seed_weights(runs, 20_000)
    np.testing.assert_allclose([weights[:, runs.stratum == s].sum(axis=1) for s in range(3)], 3)
    values = np.array([1.0, 4.0, 10.0])
    means = weights[:, runs.stratum == 1] @ values / 3
    assert means.var() == pytest.approx(np.var(values, ddof=1) / 3, rel=0.05)
    assert degrees(runs) == 6


def test_a_seed_is_resampled_with_all_its_data_sizes_and_a_single_one_stays() -> None:
    sizes, samples = np.array([1, 1, 1, 1, 2, 2.0]), [1, 2, 1, 2, 1, 2]
    runs = observe(sizes, np.ones(6), [0, 0, 1, 1, 0, 0], samples=samples, least=2)
    weights = seed_weights(runs, 50)
    np.testing.assert_array_equal(weights[:, [0, 2]], weights[:, [1, 3]])
    np.testing.assert_array_equal(weights[:, 4:], 1)
    assert set(weights[:, 0]) == {0, 2}
    assert degrees(runs) == 1


def test_percentiles_are_those_of_student_for_few_seeds() -> None:
    runs = observe(*simulate(power_law(9, 0.5), seeds=3, sizes=(1.0, 2.0, 4.0)), least=3)  # 6 degrees of freedom
    draws = stats.norm.ppf((np.arange(100_000) + 0.5) / 100_000)
    interval = percentile_interval(draws, runs)
    assert interval.high == pytest.approx(stats.t.ppf(0.975, 6), abs=0.02)
    assert interval.low == pytest.approx(-interval.high)


@pytest.mark.parametrize(
    ("b", "limit", "shared"), [(0.0, math.inf, 0.0), (500.0, math.inf, 0.0), (0.0, 5000.0, 0.0), (0.0, math.inf, 0.3)]
)
def test_intervals_cover_the_exponent_as_often_as_they_say(
    monkeypatch: pytest.MonkeyPatch, b: float, limit: float, shared: float
) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 100)
    hits, trials = 0, 25
    for rng in range(trials):
        law = power_law(2e5, 0.5, b)
        cases, censored = simulate(law, 0.15, shared=shared, seeds=5, rng=100 + rng).stopped_at(limit)
        interval = fit_power_law(*cases, censored=censored).k_interval
        assert interval is not None
        hits += interval.low <= 0.5 <= interval.high
    assert hits >= stats.binom.ppf(0.001, trials, 0.95)
