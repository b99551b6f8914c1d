"""steps = c D^p / M^k."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import stats

from capacity.analysis import bootstrap
from capacity.analysis.data_law import DataLaw, fit_data_law
from capacity.errors import InputError
from tests.scaling_cases import SIZES, Array

SAMPLES = (1000.0, 3000.0, 10000.0)


def simulate(c: float, p: float, k: float, sd: float, *, seeds: int = 10, rng: int = 0) -> tuple[Array, ...]:
    size, samples, seed = (a.ravel() for a in np.meshgrid(SIZES, SAMPLES, np.arange(seeds), indexing="ij"))
    noise = np.random.default_rng(rng).normal(0, sd, len(size))
    return size, samples, c * samples**p * size**-k * np.exp(noise), seed


def test_noiseless_constants_are_exact() -> None:
    # 8 D / sqrt(M), by hand: 8, 4 at D = 1; 24, 12 at D = 3
    found = fit_data_law([1, 4, 1, 4], [1, 1, 3, 3], [8, 4, 24, 12], [0, 0, 0, 0])
    assert (found.c, found.p, found.k) == (pytest.approx(8), pytest.approx(1), pytest.approx(0.5))
    np.testing.assert_allclose(found.predict([16, 16], [1, 3]), [2, 6])
    assert found.p_interval is None
    assert found.verdict.reason == "No power law: 2 sizes leave nothing to test the law by; at least 3 are needed."


def test_without_censoring_it_is_least_squares_of_the_logarithms() -> None:
    sizes, samples, steps, seeds = simulate(50, 0.9, 0.4, 0.2, seeds=4)
    found = fit_data_law(sizes, samples, steps, seeds)
    design = np.column_stack([np.ones_like(sizes), np.log(samples), -np.log(sizes)])
    theta, (squares,), *_ = np.linalg.lstsq(design, np.log(steps), rcond=None)
    np.testing.assert_allclose([np.log(found.c), found.p, found.k], theta)
    assert found.residual_sd == pytest.approx(np.sqrt(squares / len(steps)))
    assert found.r_squared == pytest.approx(1 - squares / np.sum((np.log(steps) - np.log(steps).mean()) ** 2))


def test_intervals_agree_with_those_of_regression() -> None:
    sizes, samples, steps, seeds = simulate(50, 0.9, 0.4, 0.2)
    found = fit_data_law(sizes, samples, steps, seeds)
    for values, interval in ((np.log(samples), found.p_interval), (np.log(sizes), found.k_interval)):
        error = found.residual_sd / np.sqrt(np.sum((values - values.mean()) ** 2))
        assert interval is not None
        assert interval.high - interval.low == pytest.approx(2 * 1.96 * error, rel=0.25)


def test_planted_exponents_and_the_verdict() -> None:
    found = fit_data_law(*simulate(50, 1.0, 0.4, 0.2))
    assert found.verdict.code == "power_law"
    assert "p may be 1, that is in proportion to the data (95% interval 0.9" in found.verdict.reason
    assert found.aicc["both"] == 0
    assert (found.runs, found.sizes, found.data_sizes, found.censored) == (180, 6, 3, 0)
    assert "p is not 1" in fit_data_law(*simulate(50, 0.7, 0.4, 0.2)).verdict.reason


def test_censored_runs_left_out_or_taken_as_converged_make_both_exponents_too_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 2)  # intervals are not looked at
    found = []
    for rng in range(30):
        sizes, samples, steps, seeds = simulate(50, 1.0, 0.4, 0.4, rng=rng)
        limit = float(np.quantile(steps, 0.7))
        censored, steps = steps > limit, np.minimum(steps, limit)
        fits = [
            fit_data_law(sizes, samples, steps, seeds, censored=censored),
            fit_data_law(*(column[~censored] for column in (sizes, samples, steps, seeds))),
            fit_data_law(sizes, samples, steps, seeds),
        ]
        found.append([(fit.p, fit.k) for fit in fits])
    ours, left_out, as_converged = np.mean(found, axis=0)
    off = np.abs(ours - [1, 0.4])
    assert (off < [0.03, 0.015]).all()
    for other in (left_out, as_converged):
        assert ([1, 0.4] - other > 2 * off).all()


def test_units_move_c_and_nothing_else() -> None:
    sizes, samples, steps, seeds = simulate(50, 0.9, 0.4, 0.2, seeds=3)
    one, other = fit_data_law(sizes, samples, steps, seeds), fit_data_law(sizes / 1e3, samples * 7, steps * 5, seeds)
    assert (other.p, other.k) == (pytest.approx(one.p), pytest.approx(one.k))
    assert other.c == pytest.approx(one.c * 5 * 7**-one.p * 1e3**-one.k)


def reason(found: DataLaw) -> str:
    assert found.verdict.code == "no_power_law"
    return found.verdict.reason


def test_no_dependence_on_one_of_the_sizes_is_no_law_of_both() -> None:
    assert "no dependence on data size fits as well" in reason(fit_data_law(*simulate(50, 0.0, 0.4, 0.2)))
    assert "no dependence on model size fits as well" in reason(fit_data_law(*simulate(50, 0.9, 0.0, 0.2)))


def test_a_slope_that_depends_on_the_data_is_a_misfit() -> None:
    sizes, samples, steps, seeds = simulate(50, 1.0, 0.4, 0.1)
    bent = steps * np.exp(0.2 * (np.log(sizes) - 9.5) * (np.log(samples) - 8))
    assert "the means lie off the law by up to" in reason(fit_data_law(sizes, samples, bent, seeds))


def test_a_law_that_rises_with_size_is_written_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 100)
    found = fit_data_law(*simulate(50, 1.0, -0.3, 0.05))
    assert re.search(r"Steps go as D\^(1|0\.99) M\^0\.\d+; ", found.verdict.reason)


def test_most_runs_at_the_limit_are_no_law() -> None:
    sizes, samples, steps, seeds = simulate(50, 1.0, 0.4, 0.1)
    limit = np.quantile(steps, 0.4)
    found = fit_data_law(sizes, samples, np.minimum(steps, limit), seeds, censored=steps > limit)
    assert "108 of 180 runs hit the step limit, more than half" in reason(found)


def test_intervals_cover_the_exponents_when_a_seed_is_slow_at_all_data_sizes() -> None:
    # Runs of one seed at one size share their weights at the start: half of the variance here. Taken as independent,
    # the intervals of k would be too narrow by a third.
    hits, trials = 0, 80
    for rng in range(trials):
        sizes, samples, steps, seeds = simulate(50, 1.0, 0.4, 0.2, seeds=5, rng=rng)
        shared = np.random.default_rng(1000 + rng).normal(0, 0.2, (len(SIZES), 1, 5))
        steps = steps * np.exp(np.broadcast_to(shared, (len(SIZES), len(SAMPLES), 5)).ravel())
        interval = fit_data_law(sizes, samples, steps, seeds).k_interval
        assert interval is not None
        hits += interval.low <= 0.4 <= interval.high
    assert stats.binom.ppf(0.001, trials, 0.95) <= hits


def test_bad_input_is_one_sentence() -> None:
    with pytest.raises(InputError, match=r"p needs at least two data sizes .* got one; add a data size"):
        fit_data_law([1, 2, 4], [5, 5, 5], [3, 2, 1], [0, 0, 0])
    with pytest.raises(InputError, match="need at least 2 sizes with a run that came to its end, got 1"):
        fit_data_law([1, 1, 1], [5, 6, 7], [3, 2, 1], [0, 0, 0])
    with pytest.raises(InputError, match="samples must be positive and finite, got 0"):
        fit_data_law([1, 2, 3], [5, 6, 0], [3, 2, 1], [0, 0, 0])
    with pytest.raises(InputError, match="samples must have one entry a run"):
        fit_data_law([1, 2, 3], [5, 6], [3, 2, 1], [0, 0, 0])
    with pytest.raises(InputError, match="a seed may appear once for a setting"):
        fit_data_law([1, 1, 3], [5, 5, 6], [3, 2, 1], [0, 0, 0])
