"""The sign-test interval for a median."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from capacity.analysis import median_interval


@pytest.mark.parametrize("values", [[], [0.3]])
def test_fewer_than_two_values_have_no_interval(values: list[float]) -> None:
    assert median_interval(values) is None


@pytest.mark.parametrize(("runs", "covered"), [(2, 0.5), (3, 0.75), (4, 0.875), (5, 0.9375)])
def test_few_values_span_smallest_to_largest_and_say_what_it_is_worth(runs: int, covered: float) -> None:
    values = list(range(runs))
    interval = median_interval(values)
    assert interval is not None
    assert (interval.low, interval.high, interval.runs, interval.confidence) == (0, runs - 1, runs, covered)


def test_nine_values_may_drop_one_at_each_end() -> None:
    # P(Binomial(9, 1/2) <= 1) = 10/512, twice that is 3.9 %; dropping two would miss 2 * 46/512 = 18 %.
    interval = median_interval([9, 1, 8, 2, 7, 3, 6, 4, 5])
    assert interval is not None
    assert (interval.low, interval.high, interval.confidence) == (2, 8, pytest.approx(1 - 20 / 512))


@pytest.mark.parametrize("runs", [6, 8, 9, 15, 30, 101])
def test_agrees_with_scipy(runs: int) -> None:
    values = np.random.default_rng(runs).normal(size=runs)
    interval = median_interval(values.tolist())
    theirs = stats.quantile_test(values, q=0, p=0.5).confidence_interval(confidence_level=0.95)
    assert interval is not None
    assert (interval.low, interval.high) == (theirs.low, theirs.high)


def test_covers_the_median_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    draws = rng.lognormal(size=(4000, 3))  # skewed, median 1
    found = [median_interval(row.tolist()) for row in draws]
    hits = np.mean([interval is not None and interval.low <= 1 <= interval.high for interval in found])
    assert abs(hits - 0.75) < 4 * math.sqrt(0.75 * 0.25 / 4000)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40))
def test_holds_the_sample_median(values: list[float]) -> None:
    interval = median_interval(values)
    assert interval is not None
    assert interval.low <= np.median(values) <= interval.high
    assert 0 < interval.confidence < 1
