"""EMC from answers, the outlook of a training, and certificates: values worked by hand."""

from __future__ import annotations

import pytest

from capacity.analysis import emc_line, emc_point, scan_steps
from capacity.analysis.certificate import certify, improvement
from capacity.analysis.outlook import Outlook, next_judgement
from capacity.errors import InputError

RUNS = [
    (10, 0, True), (20, 0, True), (40, 0, False), (30, 0, False),
    (10, 1, True), (20, 1, False), (40, 1, True),
    (10, 2, True), (40, 2, True),
    (10, 3, False),
]  # fmt: skip


def test_a_point_has_what_the_runs_of_each_seed_say() -> None:
    point = emc_point(8, 100, RUNS)
    assert [seed.emc for seed in point.seeds] == [20, 10, 40, 0]
    assert (point.mean.value, point.mean.at_least, point.mean.unfitted, point.irregular) == (17.5, 1, 1, 1)
    assert point.threshold is not None


def test_a_line_fits_the_power_of_parameters_to_what_is_known_exactly() -> None:
    points = [
        emc_point(w, 10 * w, [(w * w + i, seed, not i) for seed in range(3) for i in range(1 + (w < 64))])
        for w in (4, 8, 16, 32, 64)
    ]
    line = emc_line("a line", points[::-1])
    assert [point.width for point in line.points] == [4, 8, 16, 32, 64]
    assert line.exponent is not None
    assert line.exponent.exponent == pytest.approx(2)
    assert line.exponent.runs == 12  # the largest fitted all there was
    assert "0.4 to 6.4 examples a parameter" in line.reason
    assert "EMC ~ P^2 (2 to 2)" in line.reason
    assert "3 seeds fitted all there is" in line.reason


def test_one_size_has_no_exponent_and_nothing_fitted_is_said() -> None:
    line = emc_line("a line", [emc_point(8, 100, [(10, 0, False), (10, 1, True)])])
    assert line.exponent is None
    assert "1 seed did not fit the smallest sample" in line.reason


def test_a_scan_is_estimated_between_the_sizes_that_were_run() -> None:
    point = emc_point(8, 100, [(10, 0, True), (30, 0, True), (40, 0, False)])
    steps = {(10, 0): 100, (30, 0): 300, (40, 0): 1000}
    assert scan_steps(steps, point, (10, 20, 30, 40, 50)) == 100 + 200 + 300 + 1000


def test_a_training_is_hopeless_when_three_times_its_pace_is_too_slow() -> None:
    outlook = Outlook(800, 0, 50)
    assert not outlook.update(50, 64)  # too early to say
    assert not outlook.update(100, 32)  # a pace of 32 a doubling, and 1, three doublings left
    assert not outlook.update(200, 24)  # 24 - 3 * 9 * 2 < 0
    assert outlook.update(400, 21)  # 21 - 3 * 4 * 1 > 0
    assert not outlook.update(800, 21)  # at the limit there is nothing to judge


def test_a_count_that_stands_still_for_a_doubling_is_given_one_example() -> None:
    few, many = (Outlook(800, 0, 50) for _ in range(2))
    few.update(200, 3)
    many.update(200, 4)
    assert not few.update(400, 3)  # 3 - 3 * 1 * 1 = 0
    assert many.update(400, 4)


def test_it_is_judged_at_an_eighth_and_then_at_each_root_of_two() -> None:
    outlook = Outlook(8000, 0, 100)
    judged = [step for step in range(0, 8001, 100) if outlook.update(step, 500)]
    assert judged == [1000, 1500, 2000, 2900, 4000, 5700]  # 1414, 2828 and 5657 at the next measurement
    assert [next_judgement(step, 8000, 100) for step in (0, 999, 1000, 5700, 8000)] == [1000, 1000, 1500, 8000, 8000]


def test_wrong_examples_that_are_allowed_count_as_none() -> None:
    still = [Outlook(1000, allowed, 50) for allowed in (0, 50)]
    for outlook in still:
        outlook.update(100, 50)
    assert [outlook.update(250, 50) for outlook in still] == [True, False]


def test_a_plateau_at_the_start_is_not_judged() -> None:
    outlook = Outlook(1000, 0, 10)
    assert not any(outlook.update(step, 50) for step in range(0, 130, 10))
    assert outlook.update(130, 50)


def test_an_outlook_needs_a_budget() -> None:
    with pytest.raises(InputError, match="got 0, 1 and 10"):
        Outlook(0, 1, 10)


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("not_fitted_at_minimum", {}),
        ("not_fitted_at_minimum", {"smallest": -0.0009}),
        ("not_fitted_at_saddle", {"smallest": -0.0011}),
        ("out_of_budget", {"improvement": 0.02}),
        ("out_of_budget", {"gradient_norm": 0.2}),  # 0.04 / 2 = 0.02 > 0.005
        ("out_of_budget", {"largest": 0.0}),
    ],
)
def test_where_a_training_has_ended(code: str, change: dict[str, float]) -> None:
    known = {"loss": 0.5, "gradient_norm": 0.01, "improvement": 0.001, "smallest": 0.0, "largest": 1.0, "residual": 0.0}
    assert certify(**(known | change)).code == code


def test_improvement_is_of_the_smallest_loss_in_the_second_half() -> None:
    assert improvement([0, 100, 200, 300, 400], [2.0, 1.0, 1.5, 0.5, 0.9]) == 0.5
    assert improvement([0, 100, 200, 300, 400], [2.0, 1.0, 0.8, 0.9, 0.9]) == 0.0
