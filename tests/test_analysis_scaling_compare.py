"""Logarithm against power law, and exponents against claims."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from capacity.analysis import bootstrap
from capacity.analysis.comparison import compare_laws
from capacity.analysis.exponent import fit_exponent
from capacity.errors import InputError
from tests.scaling_cases import Cases, power_law, simulate

WIDTHS = (16.0, 32.0, 64.0, 128.0, 256.0, 512.0)


def test_noiseless_constants_of_both_laws() -> None:
    sizes, seeds = [1.0, math.e, math.e**2], [0, 0, 0]
    logarithm = compare_laws(sizes, [7.0, 5.0, 3.0], seeds)  # 7 - 2 log M
    assert (logarithm.alpha, logarithm.beta) == (pytest.approx(7), pytest.approx(-2))
    np.testing.assert_allclose(logarithm.predict("logarithm", [math.e, 1.0]), [5, 7])
    power = compare_laws(sizes, [3.0, 3 * math.e**0.5, 3 * math.e], seeds)
    assert (power.a, power.k) == (pytest.approx(3), pytest.approx(0.5))
    np.testing.assert_allclose(power.predict("power", [math.e**2, 1.0]), [3 * math.e, 3])


def test_aicc_is_of_densities_on_the_scale_of_y() -> None:
    """SciPy's log-normal and normal densities of y at least-squares constants, where they are in closed form."""
    rng = np.random.default_rng(5)
    sizes = np.repeat(WIDTHS, 5)
    seeds = np.tile(np.arange(5), 6)
    for values, noise, other in (
        (30 * sizes**-0.1 * np.exp(rng.normal(0, 0.4, 30)), "multiplicative", "additive"),
        (30 - 3 * np.log(sizes) + rng.normal(0, 0.5, 30), "additive", "multiplicative"),
    ):
        found = compare_laws(sizes, values, seeds)
        assert found.noise["power" if noise == "multiplicative" else "logarithm"] == noise
        aicc = {}
        power = np.polyval(np.polyfit(np.log(sizes), np.log(values), 1), np.log(sizes))
        spread = np.std(np.log(values) - power)
        aicc["power"] = -2 * stats.lognorm.logpdf(values, spread, scale=np.exp(power)).sum()
        line = np.polyval(np.polyfit(np.log(sizes), values, 1), np.log(sizes))
        aicc["logarithm"] = -2 * stats.norm.logpdf(values, line, np.std(values - line)).sum()
        if (found.noise["power"], found.noise["logarithm"]) == ("multiplicative", "additive"):
            expected = aicc["logarithm"] - aicc["power"]
            assert found.aicc["logarithm"] - found.aicc["power"] == pytest.approx(expected, rel=1e-6)
        # The noise that was not taken is less likely.
        law, mean = ("power", power) if noise == "multiplicative" else ("logarithm", line)
        curve = np.exp(mean) if noise == "multiplicative" else mean
        worse = (
            stats.norm.logpdf(values, curve, np.std(values - curve))
            if other == "additive"
            else stats.lognorm.logpdf(values, np.std(np.log(values / curve)), scale=curve)
        ).sum()
        assert aicc[law] < -2 * worse


@pytest.mark.parametrize("additive", [False, True])
def test_each_law_is_recognised_whatever_the_noise(additive: bool) -> None:
    for rng in range(5):
        for law, name in ((power_law(10, -0.5), "power"), (lambda size: 20 - 2.5 * np.log(size), "logarithm")):
            sizes, _, seeds = simulate(law, sizes=WIDTHS)
            noise = np.random.default_rng(rng).normal(0, 0.03, 60)
            values = law(sizes) + 10 * noise if additive else law(sizes) * np.exp(noise)
            found = compare_laws(sizes, values, seeds)
            assert found.verdict.code == name
            assert found.noise[name] == ("additive" if additive else "multiplicative")
            assert found.aicc[name] == 0
            assert (found.runs, found.sizes) == (60, 6)


def test_units_do_not_matter() -> None:
    sizes, values, seeds = simulate(lambda size: 20 - 2.5 * np.log(size), 0.05, sizes=WIDTHS)
    one, other = compare_laws(sizes, values, seeds), compare_laws(sizes * 1e3, values / 64, seeds)
    assert other.aicc == pytest.approx(one.aicc, abs=1e-5)
    assert (other.k, other.beta) == (pytest.approx(one.k), pytest.approx(one.beta / 64))


def test_runs_that_cannot_tell_say_so() -> None:
    found = compare_laws(*simulate(power_law(10, -0.2), 0.05, sizes=(16.0, 24.0, 32.0, 48.0)))
    assert found.verdict.code == "undecided"
    assert found.verdict.reason.startswith("The runs cannot tell a logarithmic law from a power law: AICc differs by ")
    assert found.verdict.reason.endswith("(40 runs over a factor of 3 in size).")


def test_no_dependence_is_neither_law() -> None:
    assert compare_laws(*simulate(lambda size: 0 * size + 5, 0.1, sizes=WIDTHS)).verdict.code == "constant"


def test_a_bend_is_neither_law() -> None:
    found = compare_laws(*simulate(lambda size: 5 + np.log(size / 90) ** 2, 0.03, sizes=(*WIDTHS, 1024.0)))
    assert found.verdict.code == "neither"
    assert found.verdict.reason.startswith("Neither law holds: the means lie off the law by up to ")


def test_too_few_runs_cannot_tell() -> None:
    found = compare_laws([1, 2, 4], [3, 2.5, 1.7], [0, 0, 0])
    assert found.verdict.code == "undecided"
    assert "too few runs" in found.verdict.reason


def test_the_exponent_is_the_slope_of_the_logarithms() -> None:
    sizes, values, seeds = simulate(power_law(3, -0.21), 0.05, sizes=WIDTHS)
    found = fit_exponent(sizes, values, seeds, claim=0.21)
    slope = stats.linregress(np.log(sizes), np.log(values))
    assert found.exponent == pytest.approx(slope.slope)
    assert found.scale == pytest.approx(math.exp(slope.intercept))
    assert found.r_squared == pytest.approx(slope.rvalue**2)
    assert found.interval is not None
    assert found.interval.high - found.interval.low == pytest.approx(2 * 2.0 * slope.stderr, rel=0.25)
    np.testing.assert_allclose(found.predict([1.0, 4.0]), found.scale * np.array([1, 4**found.exponent]))
    assert found.verdict.code == "inside"
    assert found.verdict.reason.endswith("60 runs); the claimed 0.21 lies inside the interval.")


def test_a_wrong_claim_lies_outside() -> None:
    cases = simulate(power_law(3, -0.21), 0.05, sizes=WIDTHS)
    assert fit_exponent(*cases, claim=0.5).verdict.code == "outside"
    assert fit_exponent(*cases).verdict.code == "no_claim"


def test_a_single_seed_has_no_interval() -> None:
    found = fit_exponent([1, 4], [3, 6], [0, 0], claim=0.5)
    assert (found.exponent, found.interval, found.verdict.code) == (pytest.approx(0.5), None, "no_interval")


def test_means_off_a_power_of_size_are_said() -> None:
    cases = simulate(lambda size: 1 + np.log(size / 8) ** 2, 0.03, sizes=WIDTHS)
    assert "but the means lie off the law by up to" in fit_exponent(*cases, claim=0.5).verdict.reason


@pytest.mark.parametrize(("seeds", "skewed"), [(10, False), (3, False), (3, True)])
def test_intervals_cover_the_exponent_as_often_as_they_say(
    monkeypatch: pytest.MonkeyPatch, seeds: int, skewed: bool
) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 300)
    hits, trials = 0, 150
    for rng in range(trials):
        cases = simulate(power_law(3, -0.21), 0.0 if skewed else 0.1, seeds=seeds, rng=rng, sizes=WIDTHS)
        if skewed:
            noise = np.random.default_rng(rng).exponential(0.1, len(cases.values))
            cases = Cases(cases.sizes, cases.values * np.exp(noise), cases.seeds)
        interval = fit_exponent(*cases).interval
        assert interval is not None
        hits += interval.low <= 0.21 <= interval.high
    assert stats.binom.ppf(0.001, trials, 0.95) <= hits <= stats.binom.ppf(0.999, trials, 0.95)


def test_bad_input_is_one_sentence() -> None:
    with pytest.raises(InputError, match=r"need at least 3 sizes .*, got 2"):
        compare_laws([1, 2], [3, 2], [0, 0])
    with pytest.raises(InputError, match=r"need at least 2 sizes .*, got 1"):
        fit_exponent([1, 1], [3, 2], [0, 1])
    with pytest.raises(InputError, match="values must be positive and finite, got 0"):
        fit_exponent([1, 2], [3, 0], [0, 0])
