"""The one-line conclusion, in every situation a study can end in."""

from __future__ import annotations

import math

from capacity.analysis import capacity_curves, conclusion, return_on_investment
from tests.make_rows import Errors, make_rows

INF = math.inf


def line(errors: Errors, samples: int = 1000, metric: str = "top1") -> str:
    curves = capacity_curves(make_rows(errors), metric)
    text = conclusion(curves, [return_on_investment(curve, samples) for curve in curves])
    assert "\n" not in text
    return text


def test_width_pays_throughout() -> None:
    # 100 examples for one unit, then 30 to 50 for two.
    assert line({(1, 1, 0.1): [0.5, 0.5], (1, 2, 0.1): [0.4, 0.4], (1, 4, 0.1): [0.34, 0.3]}) == (
        "Added width pays throughout this range: the last step, 2 to 4, still returns 40 training examples per added "
        "hidden unit (50% interval 30 to 50, 2 seeds), and the reference is 1."
    )


def test_returns_fall_below_the_reference_and_stay_there() -> None:
    # 100 examples for one unit; 1 for two; 1 for four.
    assert line({(1, 1, 0.1): [0.5], (1, 2, 0.1): [0.4], (1, 4, 0.1): [0.399], (1, 8, 0.1): [0.398]}) == (
        "Returns fall below the reference of one training example per added hidden unit from width 2 on: "
        "the step 2 to 4 returns 0.5 (no interval: fewer than two seeds), "
        "the last, 4 to 8, returns 0.25 (no interval: fewer than two seeds)."
    )


def test_returns_fall_below_at_the_last_step_only() -> None:
    assert line({(1, 1, 0.1): [0.5, 0.5], (1, 2, 0.1): [0.4, 0.4], (1, 4, 0.1): [0.4, 0.401]}) == (
        "Returns fall below the reference of one training example per added hidden unit from width 2 on: "
        "the last, 2 to 4, returns -0.25 (50% interval -0.5 to 0, 2 seeds)."
    )


def test_below_because_hardly_anything_is_left() -> None:
    # 5 wrong examples of 1000 and 16 more units: even fitting all of them would be below one a unit.
    text = line({(1, 8, 0.1): [0.1], (1, 16, 0.1): [0.005], (1, 32, 0.1): [0.001]})
    assert text.endswith("seeds); only 5 were still wrong at width 16.")


def test_seeds_leave_it_open() -> None:
    assert line({(1, 1, 0.1): [0.5, 0.5, 0.5], (1, 2, 0.1): [0.4995, 0.498, 0.496]}) == (
        "The seeds leave open whether added width still pays: the last step, 1 to 2, returns 2 training examples per "
        "added hidden unit (75% interval 0.5 to 4, 3 seeds), and the reference is 1."
    )


def test_last_step_pays_again_after_one_that_did_not() -> None:
    text = line({(1, 1, 0.1): [0.5], (1, 2, 0.1): [0.5], (1, 4, 0.1): [0.3]})
    assert text.startswith("Added width pays at the last step, 2 to 4, which returns 100 training examples per added")
    assert text.endswith("although the step 1 to 2 does not clearly pay.")


def test_error_reaches_zero_and_every_step_paid() -> None:
    assert line({(1, 1, 0.1): [0.5] * 3, (1, 2, 0.1): [0.1] * 3, (1, 4, 0.1): [0] * 3, (1, 8, 0.1): [0] * 3}) == (
        "The top-1 training error reaches zero at width 4 (median of 3 seeds), so wider networks have nothing left to "
        "gain here; up to there every step returned at least one training example per added hidden unit."
    )


def test_error_reaches_zero_after_returns_had_fallen() -> None:
    text = line({(1, 1, 0.1): [0.5], (1, 2, 0.1): [0.002], (1, 4, 0.1): [0.001], (1, 8, 0.1): [0]})
    assert text == (
        "The top-1 training error reaches zero at width 8 (one seed), so wider networks have nothing left to gain here;"
        " returns were below one training example per added hidden unit from width 2 on."
    )


def test_error_reaches_zero_by_an_unclear_step() -> None:
    text = line({(1, 1, 0.1): [0.5, 0.5, 0.5], (1, 2, 0.1): [0.002, 0.002, 0.0005], (1, 3, 0.1): [0, 0, 0]})
    assert text.endswith(
        "; the last step up to there, 2 to 3, returned 2 training examples per added hidden unit "
        "(75% interval 0.5 to 2, 3 seeds)."
    )


def test_zero_everywhere() -> None:
    text = line({(1, 4, 0.1): [0], (1, 8, 0.1): [0]})
    assert text == (
        "The top-1 training error reaches zero at width 4 (one seed), so wider networks have nothing left to gain here."
    )


def test_zero_that_is_lost_again_is_no_arrival() -> None:
    assert "zero" not in line({(1, 1, 0.1): [0.1], (1, 2, 0.1): [0], (1, 4, 0.1): [0.1]})


def test_nothing_finished() -> None:
    assert line({(1, 1, 0.1): [None], (1, 2, 0.1): [None]}) == (
        "No width has a top-1 training error yet. 2 of 2 trials are unfinished, so this may change."
    )


def test_one_width() -> None:
    assert line({(1, 4, 0.1): [0.2]}) == (
        "No two neighbouring widths have a top-1 training error yet, so there is no return to speak of."
    )


def test_unfinished_and_diverged_runs_are_named() -> None:
    text = line({(1, 1, 0.1): [0.5, 0.5, INF], (1, 1, 9.0): [INF, INF, INF], (1, 2, 0.1): [0.1, 0.1, None]})
    assert text.endswith(
        " 4 runs diverged, 1 of them at a chosen learning rate. 1 of 9 trials are unfinished, so this may change."
    )


def test_diverged_runs_at_other_learning_rates_only() -> None:
    text = line({(1, 1, 0.1): [0.5], (1, 1, 9.0): [INF], (1, 2, 0.1): [0.1]})
    assert text.endswith(" 1 run diverged, none of them at a chosen learning rate.")


def test_widths_lost_to_divergence_are_named() -> None:
    text = line({(1, 1, 0.1): [0.5], (1, 2, 0.1): [0.1], (1, 4, 0.1): [INF], (1, 8, 0.1): [INF]})
    assert text.endswith(" 2 runs diverged, 2 of them at a chosen learning rate; no error can be given for width 4, 8.")


def test_several_depths_are_told_apart() -> None:
    text = line({(1, 1, 0.1): [0.5], (1, 2, 0.1): [0.1], (3, 1, 0.1): [0.5], (3, 2, 0.1): [0.0]}, metric="top5")
    assert text.startswith("With 1 hidden layer: Added width pays throughout")
    assert " With 3 hidden layers: The top-5 training error reaches zero at width 2 (one seed)" in text
