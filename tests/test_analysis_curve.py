"""Grouping of rows, choice of the learning rate, capacity curves."""

from __future__ import annotations

import math

import pytest

from capacity.analysis import capacity_curves, capacity_table, group_runs, select_lr
from capacity.errors import InputError
from tests.make_rows import make_rows

INF = math.inf


def test_runs_of_one_setting_are_summarised_over_the_seeds() -> None:
    (runs,) = group_runs(make_rows({(1, 4, 0.1): [0.5, 0.2, 0.3]}, test_offset=0.1))
    assert (runs.depth, runs.width, runs.lr, runs.seeds) == (1, 4, 0.1, (0, 1, 2))
    assert (runs.median, runs.low, runs.high) == (0.3, 0.2, 0.5)
    assert (runs.diverged, runs.missing) == (0, 0)
    assert runs.test_median == pytest.approx(0.4)
    assert runs.keys == ("d1w4lr0.1s0", "d1w4lr0.1s1", "d1w4lr0.1s2")


def test_median_of_an_even_number_of_seeds_is_the_mean_of_the_middle_two() -> None:
    (runs,) = group_runs(make_rows({(1, 4, 0.1): [0.5, 0.25]}))
    assert runs.median == 0.375


def test_seeds_come_in_order_whatever_the_order_of_rows() -> None:
    (runs,) = group_runs(reversed(make_rows({(1, 4, 0.1): [0.5, 0.2, 0.3]})))
    assert runs.seeds == (0, 1, 2)
    assert runs.errors == (0.5, 0.2, 0.3)


def test_groups_are_sorted_by_depth_width_and_learning_rate() -> None:
    rows = make_rows({(2, 4, 0.1): [0.5], (1, 8, 0.1): [0.5], (1, 4, 0.1): [0.5], (1, 4, 0.01): [0.5]})
    shapes = [(r.depth, r.width, r.lr) for r in group_runs(rows)]
    assert shapes == [(1, 4, 0.01), (1, 4, 0.1), (1, 8, 0.1), (2, 4, 0.1)]


def test_a_diverged_run_counts_as_infinitely_bad_and_is_counted() -> None:
    (runs,) = group_runs(make_rows({(1, 4, 0.1): [0.5, INF, 0.3]}, test_offset=0.1))
    assert runs.median == 0.5  # of 0.3, 0.5, inf
    assert (runs.low, runs.high, runs.diverged, len(runs.errors)) == (0.3, 0.5, 1, 3)
    assert runs.test_median == pytest.approx(0.5)  # of 0.4 and 0.6


def test_unfinished_runs_are_counted_as_missing_and_not_used() -> None:
    (runs,) = group_runs(make_rows({(1, 4, 0.1): [0.5, None, 0.3]}))
    assert (runs.median, runs.seeds, runs.missing) == (0.4, (0, 2), 1)


def test_a_running_trial_with_numbers_is_still_missing() -> None:
    rows = make_rows({(1, 4, 0.1): [0.5, 0.1]})
    rows[1]["state"] = "running"
    (runs,) = group_runs(rows)
    assert (runs.errors, runs.missing) == ((0.5,), 1)


def test_runs_without_a_finished_one_have_no_number() -> None:
    (runs,) = group_runs(make_rows({(1, 4, 0.1): [None]}))
    assert [math.isnan(x) for x in (runs.median, runs.low, runs.high, runs.test_median)] == [True] * 4


def test_top5_reads_the_top5_columns() -> None:
    (runs,) = group_runs(make_rows({(1, 4, 0.1): [0.5]}, test_offset=0.1), "top5")
    assert runs.errors == (0.25,)
    assert runs.test_errors == pytest.approx((0.3,))


def test_unknown_metric_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match=r"unknown metric 'top-5' .*'top5'"):
        group_runs([], "top-5")


def test_top5_without_numbers_is_refused() -> None:
    rows = make_rows({(1, 4, 0.1): [0.5]})
    rows[0]["train_top5"] = math.nan
    with pytest.raises(InputError, match=r"d1w4lr0\.1s0 has no top-5 training error .*choose metric 'top1'"):
        group_runs(rows, "top5")


def test_learning_rate_is_chosen_on_the_median_not_on_the_best_run() -> None:
    chosen = select_lr(make_rows({(1, 4, 0.1): [0.0, 0.5, 0.6], (1, 4, 0.01): [0.3, 0.4, 0.4]}))
    assert {shape: runs.lr for shape, runs in chosen.items()} == {(1, 4): 0.01}


def test_learning_rate_is_chosen_for_every_depth_and_width_apart() -> None:
    rows = make_rows(
        {
            (1, 4, 0.1): [0.2],
            (1, 4, 0.01): [0.3],
            (1, 8, 0.1): [0.2],
            (1, 8, 0.01): [0.1],
            (3, 4, 0.1): [0.9],
            (3, 4, 0.01): [0.8],
        }
    )
    chosen = select_lr(rows)
    assert {shape: runs.lr for shape, runs in chosen.items()} == {(1, 4): 0.1, (1, 8): 0.01, (3, 4): 0.01}


def test_of_equal_medians_the_larger_learning_rate_is_chosen() -> None:
    assert select_lr(make_rows({(1, 4, 0.01): [0.3], (1, 4, 0.1): [0.3]}))[1, 4].lr == 0.1


def test_a_learning_rate_that_mostly_diverged_is_not_chosen() -> None:
    chosen = select_lr(make_rows({(1, 4, 10.0): [0.0, INF, INF], (1, 4, 0.1): [0.6, 0.7, 0.8]}))
    assert chosen[1, 4].lr == 0.1


def test_a_learning_rate_without_a_finished_run_is_not_chosen() -> None:
    chosen = select_lr(make_rows({(1, 4, 0.1): [None], (1, 4, 10.0): [INF]}))
    assert chosen[1, 4].lr == 10.0


def test_curves_hold_all_widths_and_all_learning_rates() -> None:
    rows = make_rows({(1, 8, 0.1): [0.2], (1, 4, 0.1): [None], (1, 4, 0.01): [INF], (2, 4, 0.1): [0.4]})
    shallow, deep = capacity_curves(rows)
    assert (shallow.depth, deep.depth) == (1, 2)
    assert [point.width for point in shallow.points] == [4, 8]
    assert [point.width for point in shallow.measured] == [8]
    first = shallow.points[0]
    assert first.error == INF
    assert [runs.lr for runs in first.candidates] == [0.01, 0.1]
    assert (first.missing, first.diverged) == (1, 1)


def test_table_marks_the_chosen_learning_rate_and_keeps_the_others() -> None:
    rows = make_rows({(1, 4, 0.1): [0.4, 0.2], (1, 4, 0.01): [0.5, INF]}, test_offset=0.1)
    slow, fast = capacity_table(capacity_curves(rows))
    assert fast == {
        "depth": 1,
        "width": 4,
        "lr": 0.1,
        "chosen": True,
        "train_error": pytest.approx(0.3),
        "train_error_min": 0.2,
        "train_error_max": 0.4,
        "test_error": pytest.approx(0.4),
        "runs": 2,
        "diverged": 0,
        "missing": 0,
    }
    assert (slow["lr"], slow["chosen"], slow["train_error"], slow["diverged"]) == (0.01, False, INF, 1)
