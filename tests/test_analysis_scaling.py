"""steps = a M^-k + b: planted constants, censoring, intervals, verdicts."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np
import pytest

from capacity.analysis import bootstrap
from capacity.analysis.observations import TooFewSizesError
from capacity.analysis.scaling import PowerLaw, fit_power_law
from capacity.errors import InputError
from tests.scaling_cases import SIZES, Array, Cases, power_law, simulate


@pytest.fixture
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 25)


def test_noiseless_constants_with_a_floor_are_exact() -> None:
    # 900 / M + 100 at 1, 10, 100, 1000
    steps = np.repeat([1000, 190, 109, 100.9], 2)
    found = fit_power_law(np.repeat([1, 10, 100, 1000], 2), steps, [0, 1] * 4)
    assert (found.a, found.k, found.b) == (pytest.approx(900), pytest.approx(1), pytest.approx(100))
    assert found.r_squared == pytest.approx(1)
    np.testing.assert_allclose(found.predict([[1, 10], [100, 1000]]), [[1000, 190], [109, 100.9]])
    assert found.k_interval is not None
    assert found.k_interval.low == pytest.approx(1) == found.k_interval.high
    assert found.verdict.code == "power_law"


def test_noiseless_constants_without_a_floor_are_exact_and_b_is_zero() -> None:
    found = fit_power_law([1, 4, 16], [100, 50, 25], [0, 0, 0])
    assert (found.a, found.k, found.b) == (pytest.approx(100), pytest.approx(0.5), 0)


@pytest.mark.parametrize(("a", "k", "b"), [(2e5, 0.5, 0.0), (2e5, 0.5, 400.0), (5e8, 1.5, 50.0), (20, -0.3, 0.0)])
def test_planted_constants_lie_in_their_intervals(a: float, k: float, b: float) -> None:
    found = fit_power_law(*simulate(power_law(a, k, b), 0.1))
    for true, interval in ((a, found.a_interval), (k, found.k_interval), (b, found.b_interval)):
        assert interval is not None
        assert interval.low <= true <= interval.high
        assert (interval.runs, interval.confidence) == (60, 0.95)
    assert found.k == pytest.approx(k, rel=0.1)
    assert found.residual_sd == pytest.approx(0.1, rel=0.25)
    assert (found.runs, found.censored, found.sizes) == (60, 0, 6)
    assert found.verdict.code == "power_law"
    assert found.verdict.reason.startswith(f"Steps {'fall' if k > 0 else 'rise'} as a power of size")


def test_a_floor_is_found_behind_a_step_limit() -> None:
    cases, censored = simulate(power_law(2e5, 0.6, 1000), 0.05).stopped_at(2600)
    found = fit_power_law(*cases, censored=censored)
    assert 10 < found.censored == censored.sum() < 20
    assert (found.k, found.b) == (pytest.approx(0.6, rel=0.15), pytest.approx(1000, rel=0.1))


def test_censored_runs_left_out_or_taken_as_converged_make_the_slope_too_flat(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 2)  # intervals are not looked at
    slopes = []
    for rng in range(8):
        cases, censored = simulate(power_law(2e5, 0.5), 0.4, rng=rng).stopped_at(2500)
        assert 15 <= censored.sum() < 30
        slopes.append(
            [
                fit_power_law(*cases, censored=censored).k,
                fit_power_law(*cases.only(~censored)).k,
                fit_power_law(*cases).k,
            ]
        )
    ours, left_out, as_converged = np.mean(slopes, axis=0)
    assert ours == pytest.approx(0.5, abs=0.03)
    assert max(left_out, as_converged) < 0.42
    assert abs(ours - 0.5) < min(abs(left_out - 0.5), abs(as_converged - 0.5)) / 3


def test_a_bound_of_no_consequence_changes_nothing(few_resamples: None) -> None:
    cases = simulate(power_law(2e5, 0.5), 0.1)
    extra = Cases(*(np.append(column, value) for column, value in zip(cases, (1e3, 1.0, 99), strict=True)))
    censored = np.append(np.zeros(60, dtype=bool), True)  # "more than one step": all runs took more
    one, other = fit_power_law(*cases), fit_power_law(*extra, censored=censored)
    assert (one.k, one.a) == (pytest.approx(other.k, rel=1e-4), pytest.approx(other.a, rel=1e-3))


@pytest.mark.parametrize("b", [0.0, 400.0])
def test_units_of_size_and_steps_move_a_and_b_and_nothing_else(few_resamples: None, b: float) -> None:
    cases = simulate(power_law(2e5, 0.5, b))
    one = fit_power_law(*cases)
    other = fit_power_law(cases.sizes / 1e6, cases.values * 64, cases.seeds)
    factor = 64 * 1e6**-one.k
    assert other.k == pytest.approx(one.k, rel=1e-6)
    assert other.a == pytest.approx(one.a * factor, rel=1e-5)
    assert other.b == pytest.approx(64 * one.b, rel=1e-5)
    assert other.k_interval is not None is not one.k_interval
    assert other.k_interval.low == pytest.approx(one.k_interval.low, rel=1e-5)
    assert other.residual_sd == pytest.approx(one.residual_sd)
    assert other.aicc == pytest.approx(one.aicc, abs=1e-5)
    assert other.verdict.code == one.verdict.code


def test_the_order_of_the_runs_does_not_matter(few_resamples: None) -> None:
    cases = simulate(power_law(2e5, 0.5, 300))
    shuffled = cases.only(np.random.default_rng(1).permutation(60))
    one, other = fit_power_law(*cases), fit_power_law(*shuffled)
    assert one.k == pytest.approx(other.k)
    assert one.k_interval is not None is not other.k_interval
    assert one.k_interval.low == pytest.approx(other.k_interval.low)


def test_the_same_runs_give_the_same_intervals(few_resamples: None) -> None:
    cases = simulate(power_law(2e5, 0.5, 300))
    assert fit_power_law(*cases) == fit_power_law(*cases)


def test_the_band_holds_the_curve_and_widens_away_from_the_runs(few_resamples: None) -> None:
    found = fit_power_law(*simulate(power_law(2e5, 0.5), 0.2, seeds=3))
    at = np.array([1.0, 2e4, 1e8])
    band = found.band(at)
    assert band is not None
    low, high = band
    assert ((low < found.predict(at)) & (found.predict(at) < high)).all()
    width = np.log(high / low)
    assert width[0] > 2 * width[1] < width[2]


def reason(found: PowerLaw) -> str:
    assert found.verdict.code == "no_power_law"
    assert found.verdict.reason.startswith("No power law: ")
    return found.verdict.reason.removeprefix("No power law: ")


def test_noise_alone_is_no_power_law(few_resamples: None) -> None:
    found = [fit_power_law(*simulate(lambda size: 0 * size + 500, 0.3, rng=rng)) for rng in range(15)]
    assert sum(one.verdict.code == "power_law" for one in found) <= 1
    assert sum("no dependence on size fits as well" in one.verdict.reason for one in found) >= 10


@pytest.mark.parametrize(
    ("law", "said"),
    [
        (lambda size: 9000 - 650 * np.log(size), "a logarithmic law fits better"),
        (lambda size: 9000 * np.exp(-size / 1e5), "an exponential law fits better"),
        (lambda size: 2000 - 1500 * np.sin(np.log(size / 1e3)), "the means lie off the law by up to"),
    ],
)
def test_other_laws_are_told_from_a_power_law(few_resamples: None, law: Callable[[Array], Array], said: str) -> None:
    for rng in range(5):
        assert said in reason(fit_power_law(*simulate(law, 0.1, rng=rng)))


def test_a_law_that_cannot_be_told_from_a_logarithm_is_not_claimed(few_resamples: None) -> None:
    found = fit_power_law(*simulate(power_law(2e5, 0.1), 0.3, sizes=(1e3, 1.5e3, 2e3, 3e3)))
    assert "fits as well" in reason(found)


def test_more_than_half_censored_is_no_power_law(few_resamples: None) -> None:
    cases, censored = simulate(power_law(2e5, 0.5), 0.1).stopped_at(1200)
    found = fit_power_law(*cases, censored=censored)
    assert reason(found) == f"{censored.sum()} of 60 runs hit the step limit, more than half."
    assert found.k == pytest.approx(0.5, rel=0.2)


def test_three_sizes_leave_nothing_to_test() -> None:
    found = fit_power_law(*simulate(power_law(2e5, 0.5), sizes=SIZES[:3]))
    assert reason(found) == "3 sizes leave nothing to test a, k and b by; at least 4 are needed."


def test_a_single_seed_has_no_interval() -> None:
    found = fit_power_law(*simulate(power_law(2e5, 0.5), seeds=1))
    assert (found.a_interval, found.k_interval, found.b_interval, found.band([1.0])) == (None,) * 4
    assert reason(found) == "every size has a single seed, so the spread is unknown."


def test_a_verdict_says_what_stands_behind_it(few_resamples: None) -> None:
    cases, censored = simulate(power_law(2e5, 0.5), 0.1).stopped_at(5000)
    found = fit_power_law(*cases, censored=censored)
    text = (
        r"Steps fall as a power of size, k = 0\.\d+ \(95% interval 0\.4\d to 0\.5\d*\), over a factor of 300 in size "
    )
    assert found.verdict.code == "power_law"
    assert re.fullmatch(text + rf"\(60 runs, {censored.sum()} of them at the step limit\)\.", found.verdict.reason)


def test_a_floor_stands_in_the_verdict(few_resamples: None) -> None:
    found = fit_power_law(*simulate(power_law(2e5, 0.5, 400), 0.1))
    assert re.search(r"\), down to b = [34]\d\d steps \(95% interval \d+ to \d+\), over", found.verdict.reason)


@pytest.mark.parametrize("kind", range(4))
@pytest.mark.parametrize("sd", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("share", [0.2, 0.6, 1.0])
def test_hopeless_runs_get_a_verdict_and_no_warning(
    monkeypatch: pytest.MonkeyPatch, kind: int, sd: float, share: float
) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 20)
    laws: tuple[Callable[[Array], Array], ...] = (
        lambda size: 0 * size + 7,
        lambda size: np.where(size > 1e4, 10.0, 1e5),
        lambda size: 1e12 * size**-4.0,
        lambda size: 1e3 * np.exp(-size / 1e4),
    )
    for rng in range(3):
        cases = simulate(laws[kind], sd, seeds=3, rng=rng)
        cases, censored = cases.stopped_at(float(np.quantile(cases.values, share)))
        try:
            found = fit_power_law(*cases, censored=censored)
        except TooFewSizesError:
            assert len(np.unique(cases.sizes[~censored])) < 3
            continue
        assert found.verdict.code in {"power_law", "no_power_law"}
        assert found.k_interval is not None
        assert found.k_interval.low <= found.k_interval.high
        band = found.band(cases.sizes)
        assert band is not None
        assert not np.isnan([found.predict(cases.sizes), *band]).any()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"steps": [1.0, 2.0]}, r"steps must have one entry a run, as sizes \(4,\) has, got shape \(2,\)"),
        ({"seeds": [[0, 0, 0, 0]]}, r"seeds must have one entry a run, .* got shape \(1, 4\)"),
        ({"censored": [True]}, r"censored must have one entry a run"),
        ({"sizes": [1, 2, 0, 4]}, r"sizes must be positive and finite, got 0; leave out runs that stalled or diverged"),
        ({"steps": [1, 2, math.nan, 4]}, r"steps must be positive and finite, got nan; leave out"),
        ({"steps": [1, 2, -3, 4]}, r"steps must be positive and finite, got -3"),
        ({"sizes": [1, 1, 2, 2]}, r"need at least 3 sizes with a run that came to its end, got 2; add sizes or raise"),
        ({"censored": [True, True, False, False]}, r"need at least 3 sizes with a run that came to its end, got 2"),
        (
            {"sizes": [1, 2, 4, 4]},
            r"a seed may appear once for a setting, got one twice at size 4; fit one learning rate",
        ),
        ({"sizes": [], "steps": [], "seeds": []}, r"need at least 3 sizes .*, got 0"),
    ],
)
def test_bad_input_is_one_sentence(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        fit_power_law(**{"sizes": [1, 2, 4, 8], "steps": [8, 4, 2, 1], "seeds": [0, 0, 0, 0], **change})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
