"""Learning curves over the seeds."""

from __future__ import annotations

import math

import numpy as np

from capacity.analysis import Runs, group_runs, learning_curve, learning_table
from tests.make_rows import make_rows

INF, NAN = math.inf, math.nan


def runs_of(count: int) -> Runs:
    (runs,) = group_runs(make_rows({(1, 4, 0.1): [0.5] * count}))
    return runs


def test_median_smallest_and_largest_at_every_epoch() -> None:
    runs = runs_of(3)
    curve = learning_curve(runs, dict(zip(runs.keys, [[0.9, 0.5, 0.2], [0.8, 0.6, 0.1], [0.7, 0.7, 0.3]], strict=True)))
    np.testing.assert_array_equal(curve.median, [0.8, 0.6, 0.2])
    np.testing.assert_array_equal(curve.low, [0.7, 0.5, 0.1])
    np.testing.assert_array_equal(curve.high, [0.9, 0.7, 0.3])


def test_a_run_that_diverged_is_infinitely_bad_from_there_on() -> None:
    runs = runs_of(3)
    table = [[0.9, 0.5, 0.2, 0.1], [0.8, 0.6, NAN, NAN], [0.7, 0.7]]  # one holds NaN, one is cut short
    curve = learning_curve(runs, dict(zip(runs.keys, table, strict=True)))
    np.testing.assert_array_equal(curve.median, [0.8, 0.6, INF, INF])
    np.testing.assert_array_equal(curve.low, [0.7, 0.5, 0.2, 0.1])
    np.testing.assert_array_equal(curve.high, [0.9, 0.7, 0.2, 0.1])


def test_no_run_left_gives_no_band() -> None:
    runs = runs_of(1)
    curve = learning_curve(runs, {runs.keys[0]: [0.9, NAN]})
    np.testing.assert_array_equal(curve.median, [0.9, INF])
    np.testing.assert_array_equal(curve.low, [0.9, NAN])
    np.testing.assert_array_equal(curve.high, [0.9, NAN])


def test_table_has_one_row_an_epoch() -> None:
    runs = runs_of(2)
    curve = learning_curve(runs, dict(zip(runs.keys, [[0.9, 0.5], [0.7, 0.1]], strict=True)))
    start, end = learning_table([curve])
    assert (start["epoch"], end["epoch"]) == (0, 1)
    assert end == {
        "depth": 1,
        "width": 4,
        "lr": 0.1,
        "epoch": 1,
        "train_error": 0.3,
        "train_error_min": 0.1,
        "train_error_max": 0.5,
        "runs": 2,
    }
