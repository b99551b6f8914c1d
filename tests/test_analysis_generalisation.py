"""Test accuracy against EMC over networks: coefficients by hand and by SciPy, intervals, what is left out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from capacity.analysis.correlation import Coefficient, correlation, weighted_correlations
from capacity.analysis.generalisation import LEAST, QUANTITIES, Network, correlate, look_at, mean_and_error
from capacity.analysis.interval import Interval
from capacity.analysis.observations import FloatArray
from capacity.analysis.threshold import SeedThreshold


def coefficients(x: Sequence[float], y: Sequence[float], counts: Sequence[float] | None = None) -> FloatArray:
    """Return r and tau of members with one run each."""
    weights = np.ones((1, len(x))) if counts is None else np.array([counts], float)
    return weighted_correlations(weights, np.arange(len(x)), np.array(x, float), np.array(y, float))[0]


def thresholds(emc: Sequence[int], *, at_least: Sequence[int] = ()) -> tuple[SeedThreshold, ...]:
    """Return what seeds 0, 1, ... say; those in `at_least` never failed."""
    return tuple(SeedThreshold(s, n, n, None if s in at_least else n + 1, 5) for s, n in enumerate(emc))


def network(accuracy: Sequence[float], semantic: Sequence[int], random: Sequence[int] = (), width: int = 4) -> Network:
    return Network("all", width, 100, dict(enumerate(accuracy)), thresholds(semantic), thresholds(random))


@pytest.mark.parametrize(
    ("x", "y", "r", "tau"),
    [
        ([1, 2, 3, 4], [1, 3, 2, 4], 0.8, 2 / 3),  # 4 of the 5 products add up; one of six pairs is in the wrong order
        ([1, 1, 2, 3], [1, 2, 3, 3], 9 / 11, 0.8),  # 2.25 / 2.75; a tie in each: 4 / sqrt(5 * 5)
        ([1, 2, 3, 4], [4, 3, 2, 1], -1, -1),
    ],
)
def test_coefficients_by_hand(x: Sequence[float], y: Sequence[float], r: float, tau: float) -> None:
    assert coefficients(x, y) == pytest.approx([r, tau])


def test_coefficients_are_those_of_scipy_also_with_ties_and_copies() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        x, y = rng.integers(0, 6, (2, 9)).astype(float)
        counts = rng.integers(0, 3, 9)
        counts[:2] = 1
        x[0], y[0], x[1], y[1] = 0, 0, 5, 5
        copies_x, copies_y = np.repeat(x, counts), np.repeat(y, counts)
        expected = [stats.pearsonr(copies_x, copies_y)[0], stats.kendalltau(copies_x, copies_y)[0]]
        assert coefficients(x, y, counts) == pytest.approx(expected, abs=1e-12)


def test_tau_is_unchanged_by_monotone_maps_and_r_by_lines() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 12))
    r, tau = coefficients(x, y)
    assert coefficients(np.exp(x), y**3)[1] == tau
    assert coefficients(3 * x + 7, 0.1 * y - 2) == pytest.approx([r, tau])
    assert coefficients(-x, y) == pytest.approx([-r, -tau])


def test_of_several_runs_the_means_count() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 6, 3))
    found = correlation(np.repeat(np.arange(6), 3), x.ravel(), y.ravel())
    assert found is not None
    assert [one.value for one in found] == pytest.approx(coefficients(x.mean(1), y.mean(1)).tolist())


def test_means_that_differ_by_rounding_only_are_ties() -> None:
    third = 0.1 + 0.2
    assert coefficients([0.3, third, 1, 2], [1, 2, 3, 4])[1] == pytest.approx(5 / math.sqrt(5 * 6))
    assert correlation(np.arange(4), np.array([0.3, third, 0.3, third]), np.arange(4.0)) is None


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_intervals_cover_what_they_should(rho: float) -> None:
    # Of normal pairs tau is 2 / pi arcsin(rho) (Greiner). Both coefficients come from few networks, hence the room.
    rng, members, repeats = np.random.default_rng(3), 12, 120
    covered = np.zeros(2)
    for _ in range(repeats):
        x = rng.normal(size=members)
        y = rho * x + math.sqrt(1 - rho**2) * rng.normal(size=members)
        found = correlation(np.arange(members), x, y)
        assert found is not None
        for place, (one, true) in enumerate(zip(found, (rho, 2 / math.pi * math.asin(rho)), strict=True)):
            assert one.interval is not None
            covered[place] += one.interval.low <= true <= one.interval.high
    assert (covered / repeats >= 0.91).all()
    assert (covered / repeats).min() < 1


def test_the_interval_of_many_normal_pairs_is_about_that_of_fisher() -> None:
    rng, members = np.random.default_rng(4), 50
    ends = []
    for _ in range(5):
        x = rng.normal(size=members)
        y = 0.7 * x + math.sqrt(1 - 0.7**2) * rng.normal(size=members)
        (r, _) = correlation(np.arange(members), x, y) or (None, None)
        assert r is not None
        assert r.interval is not None
        z = math.atanh(r.value)
        off = 1.96 / math.sqrt(members - 3)
        ends.append([r.interval.low - math.tanh(z - off), r.interval.high - math.tanh(z + off)])
    assert np.mean(ends, axis=0) == pytest.approx([0, 0], abs=0.03)


def test_seeds_that_agree_leave_no_spread_over_them_and_those_that_scatter_do() -> None:
    x, y = np.array([1.0, 2, 4, 3, 6]), np.array([1.0, 3, 2, 4, 5])
    member = np.repeat(np.arange(5), 4)
    same = correlation(member, np.repeat(x, 4), np.repeat(y, 4))
    noise = np.random.default_rng(5).normal(size=20)
    scattered = correlation(member, np.repeat(x, 4) + noise, np.repeat(y, 4))
    single = correlation(np.arange(5), x, y)
    assert same is not None
    assert scattered is not None
    assert single is not None
    assert [one.over_runs for one in (*same, *single)] == [None] * 4
    assert same[0].interval == single[0].interval
    ends = scattered[0].over_runs
    assert ends is not None
    assert ends.low < ends.high


@pytest.mark.parametrize(("slope", "word"), [(1, "1.00"), (-1, "-1.00")])
def test_one_order_of_all_networks_has_no_interval_and_says_why(slope: int, word: str) -> None:
    found = correlate("semantic", [network([0.5 + slope * 0.05 * i], [10 * (i + 1) ** 2]) for i in range(5)])
    assert found.kendall == Coefficient(slope, None, None, 5)
    assert found.kendall.sign == slope
    assert f"Kendall {word} (in every resample), 5 networks" in found.reason


def test_only_an_interval_beside_zero_or_a_rare_order_has_a_sign() -> None:
    assert [Coefficient(1, None, None, members).sign for members in (4, 5)] == [0, 1]  # 2 in 24, 2 in 120
    ends = {1: (0.1, 0.9), -1: (-0.9, -0.1), 0: (-0.1, 0.9)}
    for sign, (low, high) in ends.items():
        assert Coefficient(0.5, Interval(low, high, 9, 0.95), None, 9).sign == sign


def test_the_four_quantities_by_hand() -> None:
    one = network([0.5, 0.7], semantic=[40, 90], random=[20, 30])
    values = {quantity: look_at(one, quantity) for quantity in QUANTITIES}
    expected = {
        "semantic": [math.log(40), math.log(90)],
        "random": [math.log(20), math.log(30)],
        "difference": [20, 60],
        "ratio": [math.log(2), math.log(3)],
    }
    for quantity, seen in values.items():
        assert seen is not None
        assert seen.exact
        assert seen.values == pytest.approx(expected[quantity])
        assert seen.accuracy.tolist() == [0.5, 0.7]
    assert mean_and_error([20, 60]) == (40, 20)
    assert mean_and_error([3]) == (3, None)


@pytest.mark.parametrize(
    ("semantic", "random", "bounds"),
    [
        ((1,), (), {"semantic": ">", "random": "", "difference": ">", "ratio": ">"}),
        ((), (0, 1), {"semantic": "", "random": ">", "difference": "<", "ratio": "<"}),
        ((0,), (0,), {"semantic": ">", "random": ">", "difference": None, "ratio": None}),
    ],
)
def test_a_bound_is_a_bound(semantic: Sequence[int], random: Sequence[int], bounds: dict[str, str | None]) -> None:
    one = Network(
        "all", 4, 100, {0: 0.5, 1: 0.6}, thresholds([60, 50], at_least=semantic), thresholds([20, 10], at_least=random)
    )
    for quantity, expected in bounds.items():
        seen = look_at(one, quantity)
        assert (seen and ">" * seen.at_least + "<" * seen.at_most) == expected


def test_networks_with_a_bound_are_left_out_and_counted() -> None:
    exact = [network([0.5 + 0.01 * i, 0.52 + 0.02 * i], [20 * (i + 1), 30], [9, 8 + i]) for i in range(6)]
    bound = Network("all", 64, 999, {0: 0.9, 1: 0.9}, thresholds([500, 500], at_least=[0]), thresholds([90, 80]))
    unfitted = network([0.1, 0.2], semantic=[20, 20], random=[0, 16])
    searching = Network("all", 4, 100, {0: 0.3, 1: 0.2}, thresholds([20, 30]), thresholds([20]))
    untested = network([0.7, math.nan], [20, 30], [10, 10])
    found = {name: correlate(name, [*exact, bound, unfitted, searching, untested]) for name in QUANTITIES}
    counts = {name: (one.networks, one.left_out) for name, one in found.items()}
    assert counts == {"semantic": (8, 1), "random": (7, 2), "difference": (6, 3), "ratio": (6, 3)}
    assert found["ratio"] == correlate("ratio", [*exact, bound, bound, bound])
    assert found["difference"].reason.endswith(", 6 networks, 3 left out")


def test_what_cannot_be_correlated_is_a_sentence() -> None:
    some = [network([0.5 + 0.1 * i], [10 + i]) for i in range(LEAST)]
    too_few = correlate("semantic", some[1:])
    assert (too_few.pearson, too_few.kendall, too_few.networks) == (None, None, 4)
    assert too_few.reason == "4 networks, and 5 are needed"
    alike = [network([0.3], [10 + i]) for i in range(LEAST)]
    assert correlate("semantic", alike).reason == "test accuracy is the same for all of 5 networks"
    flat = [network([0.3 + 0.1 * i], [10]) for i in range(LEAST)]
    assert correlate("semantic", flat).reason == "EMC(semantic) is the same for all of 5 networks"
    assert correlate("random", some).reason == "0 networks, 5 left out, and 5 are needed"
