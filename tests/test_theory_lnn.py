"""The linear network of Ardalani, Hestness & Diamos 2019, appendix B: closed form, Monte Carlo and the engine agree."""

from __future__ import annotations

from math import asin, erf, exp, gamma, inf, nan, pi, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad

import capacity
from capacity.analysis.lnn import (
    ball_starts,
    fraction_beyond,
    mean_distance,
    mean_of,
    monte_carlo,
    nearest_solutions,
    origin_distance,
)
from capacity.cli.theory import conclusion
from capacity.errors import InputError, StudyError
from capacity.experiments import lnn as engine
from capacity.experiments.lnn import descend
from capacity.theory import LnnRow, deviations

WEIGHTS = (1, 2, 3, 7, 20)


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


# -- Closed form -----------------------------------------------------------------------------------------------------


def test_from_the_origin_the_distance_is_the_papers() -> None:
    assert [origin_distance(k) for k in (1, 2, 3, 4)] == pytest.approx([1, 1 / sqrt(2), 1 / sqrt(3), 0.5])


@pytest.mark.parametrize("weights", WEIGHTS)
def test_a_ball_short_of_the_solutions_has_the_papers_mean(weights: int) -> None:
    for radius in (0.001, 0.5 / sqrt(weights), 1 / sqrt(weights)):
        assert mean_distance(weights, radius) == pytest.approx(1 / sqrt(weights), rel=1e-13)
        assert fraction_beyond(weights, radius) == pytest.approx(0, abs=1e-13)


@pytest.mark.parametrize(
    ("weights", "radius", "mean", "beyond"),
    [
        (1, 2, (2**2 + 1) / (2 * 2), 1 / 4),  # of |1 - w| over (-2, 2)
        (2, 1, (1 / 2 + 1 / pi) / sqrt(2) + sqrt(2) / (3 * pi), 1 / 4 - 1 / (2 * pi)),
        (3, 1, 4 / 9 + 1 / 6, 1 / 2 - 2 / (3 * sqrt(3))),
    ],
)
def test_a_ball_that_reaches_beyond_by_hand(weights: int, radius: float, mean: float, beyond: float) -> None:
    assert mean_distance(weights, radius) == pytest.approx(mean, rel=1e-13)
    assert fraction_beyond(weights, radius) == pytest.approx(beyond, rel=1e-13)


@pytest.mark.parametrize("radius", [0.5, 1.0, 30.0])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_mean_is_the_integral_over_the_ball(weights: int, radius: float) -> None:
    distance = 1 / sqrt(weights)
    share = gamma(weights / 2 + 1) / gamma((weights + 1) / 2) / sqrt(pi)

    def density(angle: float) -> float:  # of <n, w> = R sin(angle)
        return float(share * np.cos(angle) ** weights)

    kink = [asin(min(distance / radius, 1.0))]
    assert quad(density, -pi / 2, pi / 2)[0] == pytest.approx(1)
    mean = quad(lambda a: abs(distance - radius * np.sin(a)) * density(a), -pi / 2, pi / 2, points=kink)[0]
    assert mean_distance(weights, radius) == pytest.approx(mean, rel=1e-9)


@pytest.mark.parametrize("radius", [0.5, 1.0, 3.0])
def test_wide_networks_keep_the_power_but_not_the_constant(radius: float) -> None:
    limit = radius * sqrt(2 / pi) * exp(-1 / (2 * radius**2)) + erf(1 / (radius * sqrt(2)))  # E|1 - R Z|
    assert sqrt(10**6) * mean_distance(10**6, radius) == pytest.approx(limit, rel=1e-5)


# -- Monte Carlo -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", WEIGHTS)
def test_starts_are_uniform_in_the_ball(weights: int) -> None:
    starts = ball_starts(20_000, weights, 3.0, rng(1, weights))
    filled = mean_of((np.linalg.norm(starts, axis=1) / 3) ** weights)  # the share of the ball within: uniform in (0, 1)
    assert filled.value == pytest.approx(0.5, abs=4 * filled.error)
    assert filled.error * sqrt(20_000) == pytest.approx(sqrt(1 / 12), rel=0.02)
    np.testing.assert_allclose(starts.T @ starts / 20_000, 9 / (weights + 2) * np.eye(weights), atol=0.15)
    np.testing.assert_allclose(starts.mean(axis=0), 0, atol=4 * 3 / sqrt((weights + 2) * 20_000))


@pytest.mark.parametrize("radius", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_monte_carlo_is_within_its_errors(weights: int, radius: float) -> None:
    found = monte_carlo(weights, radius, 50_000, rng(2, weights))
    assert found.count == 50_000
    assert found.value == pytest.approx(mean_distance(weights, radius), abs=4 * found.error)
    if radius <= 1 / sqrt(weights):
        assert found.error == pytest.approx(radius / sqrt((weights + 2) * 50_000), rel=0.02)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_the_papers_average_is_that_of_a_signed_distance(weights: int) -> None:
    starts = ball_starts(50_000, weights, 5.0, rng(3, weights))
    signed = mean_of((1 - starts.sum(axis=1)) / sqrt(weights))
    assert signed.value == pytest.approx(1 / sqrt(weights), abs=4 * signed.error)
    assert mean_distance(weights, 5.0) > 1 / sqrt(weights) + 10 * signed.error


def test_blocks_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capacity.analysis.lnn._BLOCK", 64)
    found = monte_carlo(3, 1.0, 1001, rng(4))
    assert found.value == pytest.approx(mean_distance(3, 1.0), abs=4 * found.error)


def test_nearest_solution_solves_and_nothing_that_solves_is_nearer() -> None:
    starts = rng(5).normal(size=(50, 6))
    nearest = nearest_solutions(starts)
    np.testing.assert_allclose(nearest.sum(axis=1), 1)
    along = rng(6).normal(size=(50, 6))
    along -= along.mean(axis=1, keepdims=True)
    assert (np.linalg.norm(nearest + along - starts, axis=1) > np.linalg.norm(nearest - starts, axis=1)).all()


# -- Gradient descent ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("radius", [0.5, 1.0, 20.0])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_descent_on_the_engine_ends_at_the_nearest_solution(weights: int, radius: float) -> None:
    starts = np.vstack([np.zeros(weights), ball_starts(100, weights, radius, rng(7, weights))])
    before, after = descend(starts)
    still = np.zeros((101, weights + 2))
    np.testing.assert_allclose(before, np.hstack([starts, still]), atol=1e-13)
    np.testing.assert_allclose(after, np.hstack([nearest_solutions(starts), still]), atol=1e-12)
    assert np.linalg.norm(after[0] - before[0]) == pytest.approx(1 / sqrt(weights), rel=1e-12)


def test_the_papers_squared_error_ends_at_the_same_place() -> None:
    starts = ball_starts(20, 4, 2.0, rng(8))
    x = np.array([0.5, -1.0, 2.0])
    w = starts.copy()
    for _ in range(400):  # F(w) = mean of ((w_1 + ... + w_4) x - y)^2 with y = 1 x
        residual = w.sum(axis=1, keepdims=True) * x - x
        w -= 0.03 * 2 * (residual * x).mean(axis=1, keepdims=True)
    np.testing.assert_allclose(descend(starts)[1][:, :4], w, atol=1e-12)


def test_the_engine_really_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = ball_starts(5, 3, 1.0, rng(9))
    monkeypatch.setattr(engine, "_ODDS", 5)  # data whose solutions lie elsewhere: at log(5) / log(3)
    sums = descend(starts)[1][:, :3].sum(axis=1)
    np.testing.assert_allclose(sums, np.log(5) / np.log(3), atol=1e-6)


# -- All three -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return capacity.theory_lnn(5, samples=20_000, seed=1, out=tmp_path_factory.mktemp("theory") / "new")


def test_all_three_agree(found: Any) -> None:
    assert found.agree
    assert [row["weights"] for row in found.rows] == [1, 2, 3, 4, 5]
    for row in found.rows:
        assert row["mean"] == mean_distance(row["weights"], 1.0)
        assert row["descent_origin"] == pytest.approx(row["origin"], rel=1e-12)
        assert row["monte_carlo"] == pytest.approx(row["mean"], abs=4 * row["monte_carlo_error"])
        assert row["descent"] == pytest.approx(row["mean"], abs=4 * row["descent_error"])
        assert max(map(abs, deviations(row))) <= found.deviation <= 4
    assert found.miss == max(row["descent_miss"] for row in found.rows) < 1e-12
    assert conclusion(found).startswith("The three agree: ")


def test_files(found: Any) -> None:
    folder = found.figure.parent
    assert sorted(path.name for path in folder.iterdir()) == ["lnn.csv", "lnn.png", "lnn.svg"]
    assert found.figure.read_bytes().startswith(b"\x89PNG")
    header, *lines = (folder / "lnn.csv").read_text().splitlines()
    assert header.split(",") == list(LnnRow.__annotations__)
    assert [line.split(",") for line in lines] == [[str(value) for value in row.values()] for row in found.rows]


def test_the_seed_decides(found: Any, tmp_path: Path) -> None:
    again = capacity.theory_lnn(5, samples=20_000, seed=1, out=tmp_path / "again")
    other = capacity.theory_lnn(1, samples=20_000, seed=2, out=tmp_path / "other")
    for name in ("lnn.csv", "lnn.svg"):
        assert (tmp_path / "again" / name).read_bytes() == (found.figure.parent / name).read_bytes()
    assert again.rows == found.rows
    assert other.rows[0]["monte_carlo"] != found.rows[0]["monte_carlo"]
    assert other.rows[0]["descent"] != found.rows[0]["descent"]


def test_a_descent_that_ends_elsewhere_is_no_agreement(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def short(starts: Any) -> Any:
        before, after = descend(starts)
        return before, after + 1e-6 * (before - after)

    monkeypatch.setattr(engine, "descend", short)
    found = capacity.theory_lnn(2, samples=1000, out=tmp_path)
    assert not found.agree
    assert found.miss == pytest.approx(2e-6, rel=0.1)  # the farthest start is at -1, 2 from the solution
    assert conclusion(found).startswith("The three DO NOT agree: ")


def test_a_mean_elsewhere_is_no_agreement(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("capacity.analysis.lnn.mean_distance", lambda weights, radius: origin_distance(weights))
    assert not capacity.theory_lnn(4, samples=20_000, out=tmp_path).agree  # the paper's, with starts beyond


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"k_max": 0}, "k_max must be a whole number of at least 1, got 0."),
        ({"k_max": 2.0}, "k_max must be a whole number of at least 1, got 2.0."),
        ({"k_max": True}, "k_max must be a whole number of at least 1, got True."),
        ({"samples": 99}, "samples must be a whole number of at least 100, got 99."),
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1."),
        ({"radius": 0}, "radius must be a number from 0.001 to 100, got 0."),
        ({"radius": nan}, "radius must be a number from 0.001 to 100, got nan."),
        ({"radius": inf}, "radius must be a number from 0.001 to 100, got inf."),
        ({"radius": "1"}, "radius must be a number from 0.001 to 100, got '1'."),
    ],
)
def test_bad_numbers_are_refused(tmp_path: Path, arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as refusal:
        capacity.theory_lnn(**arguments, out=tmp_path / "none")
    assert str(refusal.value) == sentence
    assert not (tmp_path / "none").exists()


def test_a_folder_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StudyError, match=r"cannot write the figures to .*file"):
        capacity.theory_lnn(1, samples=100, out=tmp_path / "file")
