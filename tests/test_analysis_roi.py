"""Return on investment and its interval."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.analysis import ReturnOnInvestment, capacity_curves, return_on_investment, roi_table
from capacity.errors import InputError
from tests.make_rows import Errors, make_rows

INF = math.inf


def roi_of(errors: Errors, samples: int = 1000) -> ReturnOnInvestment:
    (curve,) = capacity_curves(make_rows(errors))
    return return_on_investment(curve, samples)


def test_return_is_the_error_removed_per_added_unit() -> None:
    # 10 000 -> 15 000 units, 30 % -> 29 % error on 1.2 million examples: 0.01 / 5000 = 2e-6, that is 2.4 examples.
    (step,) = roi_of({(1, 10_000, 0.1): [0.30], (1, 15_000, 0.1): [0.29]}, 1_200_000).steps
    assert step.value == pytest.approx(2e-6)
    assert step.examples == pytest.approx(2.4)
    assert (step.width_from, step.width_to, step.units) == (10_000, 15_000, 5000)


def test_reference_is_one_training_example_per_unit() -> None:
    assert roi_of({(1, 1, 0.1): [0.5]}, 1797).reference == pytest.approx(1 / 1797)


def test_units_of_all_layers_are_counted() -> None:
    (step,) = roi_of({(3, 4, 0.1): [0.5], (3, 8, 0.1): [0.2]}).steps
    assert step.units == 12
    assert step.value == pytest.approx(0.3 / 12)


def test_returns_add_up_to_the_whole_reduction() -> None:
    errors = {(1, width, 0.1): [error] for width, error in [(1, 0.9), (3, 0.5), (4, 0.45), (10, 0.46), (20, 0.1)]}
    roi = roi_of(errors)
    assert sum(step.value * step.units for step in roi.steps) == pytest.approx(0.9 - 0.1)


def test_each_width_uses_its_own_best_learning_rate() -> None:
    (step,) = roi_of({(1, 1, 0.1): [0.9], (1, 1, 0.01): [0.8], (1, 2, 0.1): [0.3], (1, 2, 0.01): [0.7]}).steps
    assert step.value == pytest.approx(0.5)


def test_interval_is_made_of_differences_seed_by_seed() -> None:
    # Differences 0.2, 0.25, 0.15 over one unit; the spread between seeds cancels.
    (step,) = roi_of({(1, 1, 0.1): [0.5, 0.7, 0.9], (1, 2, 0.1): [0.3, 0.45, 0.75]}).steps
    assert step.value == pytest.approx(0.7 - 0.45)
    assert step.interval is not None
    assert (step.interval.low, step.interval.high) == (pytest.approx(0.15), pytest.approx(0.25))
    assert (step.interval.runs, step.interval.confidence) == (3, 0.75)
    assert step.examples_interval is not None
    assert step.examples_interval.low == pytest.approx(150)


def test_one_seed_has_no_interval() -> None:
    (step,) = roi_of({(1, 1, 0.1): [0.5], (1, 2, 0.1): [0.3]}).steps
    assert step.interval is None
    assert step.examples_interval is None


def test_diverged_and_missing_seeds_leave_the_interval_and_its_count() -> None:
    (step,) = roi_of({(1, 1, 0.1): [0.5, 0.6, 0.7, 0.8], (1, 2, 0.1): [0.3, INF, None, 0.4]}).steps
    assert step.value == pytest.approx(0.65 - 0.4)  # medians of all four, and of 0.3, inf, 0.4
    assert step.interval is not None
    assert step.interval.runs == 2  # seeds 0 and 3
    assert (step.interval.low, step.interval.high) == (pytest.approx(0.2), pytest.approx(0.4))


def test_a_width_that_diverged_or_is_missing_gives_no_value() -> None:
    roi = roi_of({(1, 1, 0.1): [0.5, 0.5], (1, 2, 0.1): [INF, INF], (1, 4, 0.1): [None, None], (1, 8, 0.1): [0.1, 0.1]})
    assert [math.isnan(step.value) for step in roi.steps] == [True, True, True]
    assert [step.verdict for step in roi.steps] == ["unknown"] * 3
    assert [step.interval for step in roi.steps] == [None] * 3


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ([0.5, 0.5, 0.5], [0.498, 0.497, 0.496], "pays"),  # 2, 3, 4 examples for one unit
        ([0.5, 0.5, 0.5], [0.4995, 0.4998, 0.5], "below"),  # 0.5, 0.2, 0
        ([0.5, 0.5, 0.5], [0.4995, 0.498, 0.496], "unclear"),  # 0.5 to 4
        ([0.5], [0.498], "pays"),
        ([0.5], [0.4995], "below"),
        ([0.3], [0.299], "pays"),  # one example exactly, 0.30000000000000004 - 0.299 in floats
        ([0.001], [0.002], "below"),  # the error rose
    ],
)
def test_verdict_against_one_example_per_unit(before: list[float], after: list[float], verdict: str) -> None:
    (step,) = roi_of({(1, 1, 0.1): before, (1, 2, 0.1): after}).steps
    assert step.verdict == verdict


def test_samples_must_be_positive() -> None:
    with pytest.raises(InputError, match="samples must be at least 1, got 0"):
        roi_of({(1, 1, 0.1): [0.5]}, samples=0)


error = st.one_of(st.floats(0, 1), st.just(INF))


@given(st.lists(st.tuples(error, error), min_size=1, max_size=12))
def test_interval_always_holds_the_value(pairs: list[tuple[float, float]]) -> None:
    before, after = zip(*pairs, strict=True)
    (step,) = roi_of({(1, 1, 0.1): before, (1, 3, 0.1): after}).steps
    if step.interval is not None:
        assert step.interval.low <= step.value <= step.interval.high


def test_table_has_one_row_a_step_with_its_interval() -> None:
    first, second = roi_table([roi_of({(1, 1, 0.1): [0.9, 0.9], (1, 2, 0.1): [0.5, 0.6], (1, 4, 0.1): [0.4]})])
    assert first == {
        "depth": 1,
        "width_from": 1,
        "width_to": 2,
        "units_added": 1,
        "roi": pytest.approx(0.35),
        "examples_per_unit": pytest.approx(350),
        "low": pytest.approx(300),
        "high": pytest.approx(400),
        "confidence": 0.5,
        "seeds": 2,
        "reference": 0.001,
        "verdict": "pays",
    }
    assert (second["low"], second["confidence"], second["seeds"]) == (None, None, None)
