"""Ratios of EMC over matched pairs: values worked by hand, what bounds do, and how often the interval is right."""

from __future__ import annotations

import math

import numpy as np
import pytest

from capacity.analysis import MeanRatio, Ratio, emc_ratio, mean_ratio, per_parameter
from capacity.analysis.emc_comparison import times
from capacity.analysis.threshold import SeedThreshold, seed_thresholds


def seed_of(emc: int, *, failed: int | None) -> SeedThreshold:
    """A seed that fitted up to `emc` and failed at `failed`, if it failed at all."""
    runs = [(emc, 7, True)] * bool(emc) + ([(failed, 7, False)] if failed else [])
    (found,) = seed_thresholds(runs)
    assert (found.emc, found.smallest_failed) == (emc, failed)
    return found


KNOWN = {emc: seed_of(emc, failed=emc + 1) for emc in (16, 20, 40)}
RAN_OUT, UNFITTED = seed_of(60, failed=None), seed_of(0, failed=16)


def interval(found: MeanRatio) -> tuple[float, float]:
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def exact(value: float, setting: int, seed: int) -> Ratio:
    return Ratio(setting, seed, value, value)


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        (KNOWN[40], KNOWN[16], 2.5, 2.5),
        (RAN_OUT, KNOWN[20], 3, math.inf),
        (KNOWN[20], RAN_OUT, 0, 1 / 3),
        (RAN_OUT, RAN_OUT, 0, math.inf),
        (UNFITTED, KNOWN[20], 0, 0.8),
        (KNOWN[40], UNFITTED, 2.5, math.inf),
        (UNFITTED, UNFITTED, 0, math.inf),
        (RAN_OUT, UNFITTED, 3.75, math.inf),
        (UNFITTED, RAN_OUT, 0, 16 / 60),
    ],
)
def test_a_pair_says_as_much_as_its_two_searches(
    one: SeedThreshold, other: SeedThreshold, low: float, high: float
) -> None:
    found = emc_ratio("a setting", one, other)
    assert (found.setting, found.seed) == ("a setting", 7)
    assert (found.low, found.high) == pytest.approx((low, high))


def test_examples_a_parameter_have_the_same_bounds() -> None:
    found = [per_parameter("a setting", seed, 80) for seed in (KNOWN[40], RAN_OUT, UNFITTED)]
    assert [(ratio.low, ratio.high) for ratio in found] == [(0.5, 0.5), (0.75, math.inf), (0, 0.2)]


def test_the_mean_is_geometric_and_counts_what_is_certain() -> None:
    found = mean_ratio([exact(value, setting, 0) for setting, value in enumerate((1, 2, 4, 8, 0.5))])
    assert found.value == pytest.approx(2)
    assert (found.bound, found.pairs, found.higher, found.lower) == ("", 5, 3, 1)
    assert (found.settings, found.seeds, found.left_out) == (5, 1, 0)
    low, high = interval(found)
    assert 0.5 <= low < 2 < high <= 8


def test_equal_ratios_have_an_interval_of_no_width() -> None:
    found = mean_ratio([exact(1.5, setting, seed) for setting in range(4) for seed in range(3)])
    assert (found.value, found.low, found.high) == pytest.approx((1.5, 1.5, 1.5))
    assert found.words("times", "pair") == "1.5 times (1.5 to 1.5; 12 pairs)"


def test_the_interval_of_inverse_ratios_is_inverse() -> None:
    values = [(1 + setting + 0.1 * seed, setting, seed) for setting in range(4) for seed in range(3)]
    one = mean_ratio([exact(*value) for value in values])
    other = mean_ratio([exact(1 / value, setting, seed) for value, setting, seed in values])
    assert math.log(one.value or 0) == pytest.approx(-math.log(other.value or 0))
    assert interval(one)[0] * interval(other)[1] == pytest.approx(
        1, rel=0.02
    )  # percentiles of 1000 draws are not quite symmetrical


def test_the_mean_is_over_settings_of_which_all_is_known() -> None:
    known = [exact(2, 0, 0), exact(2, 0, 1), exact(8, 1, 0)]
    found = mean_ratio([*known, Ratio(1, 1, 3, math.inf)])
    assert found.value == pytest.approx(2)
    assert (found.bound, found.pairs, found.bounds, found.left_out, found.settings) == ("", 2, 0, 2, 1)
    assert (found.higher, found.lower) == (4, 0)
    assert found.words("times", "pair") == "2 times (2 to 2; 2 pairs, 2 more left out, 1 setting only)"


def test_bounds_from_one_side_make_a_bound_that_holds() -> None:
    known = [exact(2, 0, 0), exact(2, 1, 0), exact(2, 1, 1)]
    found = mean_ratio([*known, Ratio(0, 1, 0.5, math.inf), Ratio(1, 2, 2, math.inf), Ratio(1, 3, 0, math.inf)])
    assert found.value == pytest.approx(8 ** (1 / 5))
    assert (found.bound, found.pairs, found.bounds, found.left_out) == ("at least", 5, 2, 1)
    assert (found.low is not None, found.high) == (True, None)
    assert found.words("times", "pair").startswith("at least 1.52 times (")
    assert "or more; 5 pairs, 2 of them bounds, 1 more left out, 2 settings only)" in found.words("times", "pair")
    found = mean_ratio([*known, Ratio(0, 1, 0, 8), Ratio(1, 2, 0, 0.5)])
    assert found.value == pytest.approx(2)
    assert (found.bound, found.low) == ("at most", None)
    assert (found.higher, found.lower) == (3, 1)


def test_bounds_from_either_side_leave_the_mean_open_but_count_where_they_are_certain() -> None:
    ratios = [exact(2, 0, 0), exact(2, 1, 0), Ratio(0, 1, 3, math.inf), Ratio(1, 1, 0, 0.5)]
    found = mean_ratio(ratios)
    assert (found.value, found.low, found.high, found.pairs, found.left_out) == (None, None, None, 0, 4)
    assert (found.higher, found.lower) == (3, 1)
    assert found.words("times", "pair") == "not known (4 pairs that bounds leave open)"
    found = mean_ratio([*ratios, exact(5, 2, 0)])
    assert (found.value, found.pairs, found.left_out) == (pytest.approx(5), 1, 4)


def test_nothing_known_is_said_to_be_so() -> None:
    found = mean_ratio([Ratio(0, 0, 0, math.inf)] * 2)
    assert (found.value, found.low, found.high, found.pairs, found.left_out) == (None, None, None, 0, 2)
    assert found.words("times", "pair") == "not known (2 pairs that bounds leave open)"


def test_one_pair_has_no_interval() -> None:
    found = mean_ratio([exact(3, 0, 0)])
    assert (found.value, found.low, found.high) == (pytest.approx(3), None, None)
    assert found.words("times", "pair") == "3 times (1 pair, 1 setting only)"


def test_pairs_that_are_missing_leave_an_interval() -> None:
    found = mean_ratio([exact(2, 0, 0), exact(4, 1, 1), exact(3, 1, 2)])
    low, high = interval(found)
    assert 2 <= low <= 24 ** (1 / 3) <= high <= 4


@pytest.mark.parametrize(("by_setting", "by_seed"), [(0.3, 0.0), (0.0, 0.3), (0.2, 0.2), (0.0, 0.0)])
def test_the_interval_covers_the_truth_whatever_varies(by_setting: float, by_seed: float) -> None:
    """Of 80 studies of 6 settings and 5 seeds at least 90 % must cover; 95 % do nominally, more without effects."""
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(80):
        logs = by_setting * rng.normal(size=(6, 1)) + by_seed * rng.normal(size=5) + 0.1 * rng.normal(size=(6, 5))
        found = mean_ratio([exact(math.exp(x), *place) for place, x in np.ndenumerate(logs)])
        low, high = interval(found)
        covered += low <= 1 <= high
    assert covered >= 72


def test_ratios_in_words() -> None:
    assert [times(x) for x in (1.0, 1.3456, 0.07421, 12.34, 1234.0)] == ["1", "1.35", "0.0742", "12.3", "1,234"]
    assert isinstance(mean_ratio([]), MeanRatio)
