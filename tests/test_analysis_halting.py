"""Halting times on constructed curves, against the definition written out, and during training."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.analysis.halting import Halting, Patience, halting_time
from capacity.errors import InputError

INF, NAN = math.inf, math.nan

curves = st.lists(
    st.tuples(st.integers(1, 30), st.one_of(st.floats(0, 10), st.integers(0, 5).map(float), st.just(NAN))),
    min_size=1,
    max_size=60,
).map(lambda pairs: (np.cumsum([gap for gap, _ in pairs]).tolist(), [loss for _, loss in pairs]))


def by_definition(steps: list[int], losses: list[float], patience: int, tolerance: float, smooth: int) -> Halting:
    """The docstring word for word, quadratic: try every end of the curve in turn."""
    for end in range(1, len(steps) + 1):
        if not math.isfinite(losses[end - 1]):
            seen = smoothed(steps[: end - 1], losses[: end - 1], smooth)
            best = min(seen, key=lambda point: point[1], default=(None, NAN))
            return Halting("diverged", steps[end - 1], best[1], best[0], steps[end - 1])
        seen = smoothed(steps[:end], losses[:end], smooth)
        at, minimum = min(seen, key=lambda point: point[1])
        near = min(step for step, loss in seen if loss <= (1 + tolerance) * minimum)
        if seen[-1][0] - at >= patience:
            return Halting("stalled" if near == steps[0] else "converged", near, minimum, at, steps[end - 1])
    return Halting("step_limit", near, minimum, at, steps[-1])


def smoothed(steps: list[int], losses: list[float], window: int) -> list[tuple[int, float]]:
    half = window // 2
    reach = [min(i, half) for i in range(len(steps))]
    return [(steps[i], float(np.median(losses[i - r : i + r + 1]))) for i, r in enumerate(reach) if i + r < len(steps)]


def same(one: Halting, other: Halting) -> bool:
    return repr(one) == repr(other)  # NaN is equal to itself here


def test_the_first_step_within_one_percent_of_the_minimum() -> None:
    # 1 % above the minimum 1.00 is 1.01: reached at step 30, the minimum itself at 40.
    found = halting_time([0, 10, 20, 30, 40, 50, 60], [2.3, 1.5, 1.02, 1.01, 1.0, 1.2, 1.4], patience=20)
    assert found == Halting("converged", 30, 1.0, 40, 60)


def test_tolerance_is_a_fraction_of_the_minimum() -> None:
    steps, losses = [0, 10, 20, 30, 40, 50], [4.0, 3.0, 2.4, 2.0, 2.1, 2.2]
    times = {t: halting_time(steps, losses, patience=20, tolerance=t).step for t in (0, 0.2, 0.5, 0.51)}
    assert times == {0: 30, 0.2: 20, 0.5: 10, 0.51: 10}


def test_a_run_that_never_turned_is_censored_and_gives_a_lower_bound() -> None:
    steps = list(range(0, 101, 10))
    losses = [2.0 * 0.8**i for i in range(11)]
    assert halting_time(steps, losses, patience=10) == Halting("step_limit", 100, losses[-1], 100, 100)


def test_a_minimum_too_near_the_end_is_censored() -> None:
    steps, losses = [0, 10, 20, 30, 40], [3.0, 2.0, 1.0, 1.5, 1.6]
    assert halting_time(steps, losses, patience=20).outcome == "converged"
    assert halting_time(steps, losses, patience=21).outcome == "step_limit"


def test_the_bound_of_a_censored_run_is_where_it_flattened_out_not_its_end() -> None:
    steps = list(range(0, 1001, 10))
    losses = [3.0, 2.0, *(1.0 - 1e-6 * i for i in range(99))]  # falls for ever, by next to nothing
    assert halting_time(steps, losses, patience=100) == Halting("step_limit", 20, losses[-1], 1000, 1000)


@given(curves, st.integers(1, 200), st.sampled_from([1, 3, 5]))
def test_going_on_can_only_make_a_censored_halting_time_later(
    curve: tuple[list[int], list[float]], patience: int, smooth: int
) -> None:
    steps, losses = curve
    whole = halting_time(steps, losses, patience=patience, smooth=smooth)
    for end in range(1, len(steps)):
        part = halting_time(steps[:end], losses[:end], patience=patience, smooth=smooth)
        if part.outcome == "step_limit":
            assert part.step <= whole.step
        else:
            assert same(part, whole)


def test_a_plateau_longer_than_the_patience_ends_the_curve() -> None:
    steps, losses = [0, 10, 20, 30, 40, 50], [3.0, 2.0, 2.0, 2.0, 1.0, 1.0]
    assert halting_time(steps, losses, patience=20) == Halting("converged", 10, 2.0, 10, 30)
    assert halting_time(steps, losses, patience=30).minimum == 1.0


def test_a_loss_equal_to_the_minimum_does_not_move_it() -> None:
    assert halting_time([0, 1, 2, 3], [2.0, 1.0, 1.0, 1.0], patience=2).minimum_step == 1


@pytest.mark.parametrize(
    "losses",
    [
        [1.0, 1.1, 1.2, 1.3],  # the minimum is the start
        [1.0, 0.995, 0.999, 1.0],  # all there was to gain is less than the tolerance
    ],
)
def test_a_run_that_gained_less_than_the_tolerance_is_stalled(losses: list[float]) -> None:
    found = halting_time([0, 10, 20, 30], losses, patience=20)
    assert (found.outcome, found.step) == ("stalled", 0)


def test_a_run_that_gained_nothing_yet_is_censored_while_its_patience_lasts() -> None:
    assert halting_time([0, 10, 20], [1.0, 1.1, 1.2], patience=30).outcome == "step_limit"


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_a_loss_that_is_not_finite_is_divergence_at_that_step(bad: float) -> None:
    assert halting_time([0, 10, 20, 30], [3.0, 2.0, bad, 1.0], patience=20) == Halting("diverged", 20, 2.0, 10, 20)


def test_divergence_at_the_start_has_no_minimum() -> None:
    found = halting_time([5, 10], [NAN, 1.0], patience=1)
    assert (found.outcome, found.step, found.minimum_step) == ("diverged", 5, None)
    assert math.isnan(found.minimum)


def test_divergence_after_the_patience_ran_out_is_not_looked_at() -> None:
    assert halting_time([0, 10, 20, 30], [3.0, 1.0, 2.0, NAN], patience=10).outcome == "converged"


def test_a_minimum_of_zero_leaves_no_margin() -> None:
    found = halting_time([0, 10, 20, 30, 40], [1.0, 1e-9, 0.0, 0.0, 1.0], patience=20)
    assert (found.outcome, found.step) == ("converged", 20)


def test_one_evaluation_is_censored() -> None:
    assert halting_time([0], [1.0], patience=1) == Halting("step_limit", 0, 1.0, 0, 0)


def test_a_spike_does_not_count_on_the_smoothed_curve() -> None:
    steps, losses = list(range(7)), [4.0, 3.0, 1.0, 2.8, 2.7, 2.9, 3.0]
    assert halting_time(steps, losses, patience=3, tolerance=0).step == 2
    # medians of three, by hand: 4, 3, 2.8, 2.7, 2.8, 2.9
    assert halting_time(steps, losses, patience=2, tolerance=0, smooth=3) == Halting("converged", 3, 2.7, 3, 6)


def test_smoothing_shifts_no_time_on_a_falling_curve() -> None:
    steps = list(range(0, 3000, 10))
    losses = [1 + math.exp(-s / 100) if s < 2000 else 1.5 for s in steps]
    times = {halting_time(steps, losses, patience=500, smooth=window).step for window in (None, 3, 5, 11)}
    assert times == {470}  # 1 + exp(-t / 100) <= 1.01 from t = 460.5 on


def test_smoothing_brings_a_noisy_curve_nearer_to_the_halting_time_without_noise() -> None:
    steps = np.arange(0, 4000, 10)
    true = 1 + (steps / 2000 - 1) ** 2  # 1 % above the minimum at 2000 - 200
    assert halting_time(steps.tolist(), true.tolist(), patience=500).step == 1800
    misses = []
    for seed in range(20):
        noisy = (true * np.exp(np.random.default_rng(seed).normal(0, 0.03, len(steps)))).tolist()
        found = [halting_time(steps.tolist(), noisy, patience=1000, smooth=window) for window in (None, 41)]
        misses.append([abs(halting.step - 1800) for halting in found])
    raw, smooth = np.mean(misses, axis=0)
    assert smooth < raw / 2


@given(curves, st.integers(1, 200), st.sampled_from([0, 0.01, 0.3]), st.sampled_from([1, 3, 7]))
def test_agrees_with_the_definition(
    curve: tuple[list[int], list[float]], patience: int, tolerance: float, smooth: int
) -> None:
    found = halting_time(*curve, patience=patience, tolerance=tolerance, smooth=smooth)
    assert same(found, by_definition(*curve, patience, tolerance, smooth))


@given(curves, st.integers(1, 200), st.sampled_from([None, 3, 7]))
def test_ending_early_gives_what_the_whole_curve_gives(
    curve: tuple[list[int], list[float]], patience: int, smooth: int | None
) -> None:
    watch = Patience(patience, smooth=smooth)
    ended = [watch.update(step, loss) for step, loss in zip(*curve, strict=True)]  # goes on after the end, too
    assert same(watch.halting, halting_time(*curve, patience=patience, smooth=smooth))
    assert ended == sorted(ended)
    assert ended[-1] == (watch.halting.outcome != "step_limit") == watch.ended
    assert sum(not end for end in ended) == sum(step < watch.halting.last_step for step in curve[0]) + (not ended[-1])


def test_a_resumed_watch_fed_with_the_record_goes_on_as_if_unbroken() -> None:
    steps, losses = [0, 10, 20, 30, 40, 50], [3.0, 2.0, 1.0, 1.1, 1.2, 1.3]
    resumed = Patience(30, smooth=3)
    for step, loss in zip(steps[:3], losses[:3], strict=True):
        assert not resumed.update(step, loss)
    for step, loss in zip(steps[3:], losses[3:], strict=True):
        resumed.update(step, loss)
    assert resumed.halting == halting_time(steps, losses, patience=30, smooth=3)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"patience": 0}, "patience must be at least 1 step, got 0"),
        ({"tolerance": -0.1}, "tolerance must be a fraction of the minimum, 0 or more, got -0.1"),
        ({"tolerance": NAN}, "tolerance must be a fraction .* got nan"),
        ({"smooth": 4}, "smooth must be an odd number of evaluations, .* got 4"),
        ({"steps": [0, 2]}, "steps and losses must have the same length, got 2 and 3"),
        ({"steps": [0, 2, 2]}, "steps must be 0 or more and ascending, got 2 after 2"),
        ({"steps": [-1, 2, 3]}, "steps must be 0 or more and ascending, got -1$"),
        ({"losses": [1.0, -0.5, 1.0]}, r"losses must be 0 or more, .* got -0\.5 at step 10"),
        ({"steps": [], "losses": []}, "needs at least one evaluation of the validation loss, got none"),
    ],
)
def test_bad_input_is_one_sentence(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        halting_time(**{"steps": [0, 10, 20], "losses": [2.0, 1.0, 1.5], "patience": 5, **change})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
