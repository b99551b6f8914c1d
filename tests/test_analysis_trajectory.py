"""Trajectories: lengths and angles on paths whose shape is known, groups of layers, and totals over cut runs."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from capacity.analysis import PathRecorder, angle, layer_groups
from capacity.analysis.trajectory import distance, group_sums, step_length, step_size
from capacity.engine.trajectory import Sums
from tests.test_trainer import make_trainer

ALL = {"all": np.array([True])}


def sums_of(
    points: NDArray[np.float64], gradients: NDArray[np.float64], anchor: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the sums (T, 1, 4) of a path through T + 1 points (T + 1, P)."""
    steps, away = np.diff(points, axis=0), points[:-1] - anchor
    sums = np.empty((len(steps), 1, len(Sums)))
    products = {Sums.GRADIENT: gradients**2, Sums.STEP: steps**2, Sums.ALONG: away * gradients, Sums.DISTANCE: away**2}
    for which, product in products.items():
        sums[:, 0, which] = product.sum(axis=1)
    return sums


def test_on_a_straight_path_the_angles_are_pi_and_0() -> None:
    # Ten steps of length 5 along (3, 4) / 5, with rate 0.5: the gradient is -(6, 8).
    points = np.array([1.0, -2.0]) + np.outer(np.arange(11), [3.0, 4.0])
    gradients = np.tile([-6.0, -8.0], (10, 1))
    from_start, from_end = (sums_of(points, gradients, points[i]) for i in (0, -1))
    np.testing.assert_allclose(angle(from_start)[1:], np.pi, atol=1e-7)
    np.testing.assert_allclose(angle(from_end), 0, atol=1e-7)
    np.testing.assert_allclose(angle(from_end)[1:], np.pi - angle(from_start)[1:], atol=1e-7)
    assert np.isnan(angle(from_start)[0])
    np.testing.assert_allclose(distance(from_start)[:, 0], 5 * np.arange(10), rtol=1e-12)
    np.testing.assert_allclose(distance(from_end)[:, 0], 5 * np.arange(10, 0, -1), rtol=1e-12)
    np.testing.assert_allclose(step_size(from_start), 10, rtol=1e-12)
    np.testing.assert_allclose(step_length(from_start), 5, rtol=1e-12)


def test_on_a_circle_about_the_anchor_the_angle_is_a_right_one() -> None:
    turn = np.linspace(0, 2 * np.pi, 401)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    tangent = np.stack([np.sin(turn), -np.cos(turn)], axis=1)[:-1]  # against the way it goes
    sums = sums_of(circle, 7 * tangent, np.zeros(2))
    np.testing.assert_allclose(angle(sums), np.pi / 2, rtol=1e-12)
    recorder = PathRecorder(ALL)
    path = recorder.add(sums)
    np.testing.assert_allclose(recorder.path_length, 2 * np.pi, rtol=1e-4)
    np.testing.assert_allclose(path.distance, 1, rtol=1e-12)


def test_half_a_circle_seen_from_its_start_and_end() -> None:
    # By Thales: at angle phi of the half circle the chord from the start and the tangent make an angle of phi / 2.
    phi = np.linspace(0, np.pi, 51)
    points = np.stack([-np.cos(phi), np.sin(phi)], axis=1)
    gradients = -np.stack([np.sin(phi), np.cos(phi)], axis=1)[:-1]
    from_start, from_end = (angle(sums_of(points, gradients, points[i]))[:, 0] for i in (0, -1))
    np.testing.assert_allclose(from_start[1:], np.pi - phi[1:-1] / 2, rtol=1e-9)
    np.testing.assert_allclose(from_end, np.pi / 2 - phi[:-1] / 2, rtol=1e-9)


def test_groups_are_the_first_layer_the_last_and_those_between() -> None:
    groups = layer_groups(["hidden1", "hidden1", "hidden2", "hidden3", "hidden3", "softmax"])
    assert {name: np.flatnonzero(which).tolist() for name, which in groups.items()} == {
        "embedding": [0, 1], "hidden": [2, 3, 4], "softmax": [5], "all": [0, 1, 2, 3, 4, 5],
    }  # fmt: skip
    assert list(layer_groups(["one", "two"])) == ["embedding", "softmax", "all"]
    assert list(layer_groups(["one", "one"])) == ["softmax", "all"]


def test_a_group_moves_by_the_root_of_the_sum_of_squares() -> None:
    sums = np.zeros((2, 3, 4))
    sums[:, 0, Sums.STEP], sums[:, 1, Sums.STEP] = 9, 16
    groups = {"both": np.array([True, True, False]), "last": np.array([False, False, True])}
    np.testing.assert_array_equal(step_length(group_sums(sums, groups.values())), [[5, 0], [5, 0]])
    recorder = PathRecorder(groups)
    np.testing.assert_array_equal(recorder.add(sums).path_length, [[0, 0], [5, 0]])
    np.testing.assert_array_equal(recorder.path_length, [10, 0])


@pytest.mark.parametrize("every", [1, 3, 7, 100])
def test_it_does_not_matter_where_a_run_is_cut(every: int) -> None:
    sums = np.random.default_rng(0).uniform(size=(2, 20, 4, 4))
    groups = layer_groups(["a", "a", "b", "c"])
    whole = PathRecorder(groups, every=every)
    expected = whole.add(sums)
    np.testing.assert_array_equal(expected.steps, np.arange(0, 20, every))
    recorder, rows = PathRecorder(groups, every=every), []
    for part in np.split(sums, [1, 2, 9, 9, 16], axis=1):
        recorder = PathRecorder(groups, every=every, step=recorder.step, totals=recorder.totals)
        rows.append(recorder.add(part))
    for name in ("distance", "path_length", "step_size", "step_length", "angle"):
        joined = np.concatenate([getattr(path, name) for path in rows], axis=1)
        np.testing.assert_array_equal(joined, getattr(expected, name))
    np.testing.assert_array_equal(recorder.totals, whole.totals)
    np.testing.assert_allclose(recorder.path_length, np.sqrt(group_sums(sums, groups.values())[..., 1]).sum(axis=1))


def test_steps_that_were_not_taken_add_nothing() -> None:
    sums = np.full((2, 4, 1, 4), np.nan)
    sums[0] = sums[1, :2] = [4, 9, 1, 1]  # |g| = 2, |dw| = 3, at 60 degrees
    recorder = PathRecorder(ALL)
    path = recorder.add(sums)
    np.testing.assert_array_equal(path.path_length[..., 0], [[0, 3, 6, 9], [0, 3, np.nan, np.nan]])
    np.testing.assert_array_equal(recorder.path_length[:, 0], [12, 6])
    np.testing.assert_array_equal(recorder.mean_step_size[:, 0], [2, 2])
    np.testing.assert_allclose(recorder.mean_angle[:, 0], np.pi / 3, rtol=1e-12)


def test_the_means_leave_out_angles_that_do_not_exist() -> None:
    sums = np.array([[[4.0, 1, 0, 0]], [[16, 1, 0, 1]], [[0, 0, 0, 1]]])  # at the anchor; a right angle; at a minimum
    recorder = PathRecorder(ALL)
    recorder.add(sums)
    np.testing.assert_array_equal(recorder.mean_step_size, [2])
    np.testing.assert_array_equal(recorder.mean_angle, [np.pi / 2])
    assert np.isnan(PathRecorder(ALL).mean_angle).all()


def test_a_training_ends_as_far_from_its_start_as_its_path_says() -> None:
    trainer = make_trainer("cpu", trajectory=True, precision="float64")
    start = np.array([state.parameters for state in trainer.states()])
    recorder = PathRecorder(layer_groups([s.layer for s in trainer.segments]))
    for steps in (3, 4):
        trainer.advance(steps)
        path = recorder.add(trainer.trajectory)
    before = np.array([state.parameters for state in trainer.states()])
    trainer.advance(1)
    last = recorder.add(trainer.trajectory)
    np.testing.assert_array_equal(path.steps, [3, 4, 5, 6])
    np.testing.assert_allclose(last.distance[:, 0, -1], np.linalg.norm(before - start, axis=1), rtol=1e-12)
    assert (last.distance <= last.path_length * (1 + 1e-12)).all()
    assert (last.path_length > path.path_length[:, -1:]).all()
