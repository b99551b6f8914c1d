"""Shampoo: steps by hand, the first step's orthogonal factor, another implementation, its state and its sums."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import fractional_matrix_power

import capacity
from capacity.engine import tiles
from capacity.engine.cuda.text import FOLDER
from capacity.engine.optimizers import SGD, Shampoo
from capacity.engine.trajectory import Sums
from capacity.models import MLP
from capacity.training.memory import cuda_need
from tests.executors import ALL, CPU, NATIVE, In, OpCase, Out, Run, Target, make_source, run_op
from tests.study_cases import tiny_data
from tests.test_trainer import make_data, make_trainer
from tests.test_trajectory import gradients

Arrays = tuple[NDArray[np.float64], ...]


def direction_of(
    target: Target, g: NDArray[np.float64], state: Arrays, epsilon: float, *, every: int = 1, step: int = 0
) -> Arrays:
    """Return what the op makes: direction, statistics and, of a matrix, roots."""
    operands = [Out(a.shape, "optimizer", batch=False, before=a) for a in state]
    roots = operands[1] if len(state) == 2 else None
    direction = Out(g.shape, "gradients", batch=False)
    case = (direction, operands[0], roots, In(g, arena="gradients", batch=False))
    *made, _, _ = run_op(OpCase("shampoo", "", case, {"epsilon": epsilon, "every": every}, step=step), target)
    return tuple(made)


@pytest.mark.parametrize("target", ALL, ids=str)
def test_steps_by_hand(target: Target) -> None:
    exact = {"rtol": 16 * target.epsilon, "atol": 4 * target.epsilon}
    # 1 x 1, epsilon 12: L = R = 4, (4 + 12)^(-1/4) = 1/2, so that 2 becomes 2/4. Then L = 4 + 65 and 81^(-1/4) = 1/3;
    # where the roots are kept, they stay at 1/2.
    first = direction_of(target, np.array([[2.0]]), (np.zeros(2), np.zeros(2)), 12)
    for got, want in zip(first, ([[1 / 2]], [4, 4], [1 / 2, 1 / 2]), strict=True):
        np.testing.assert_allclose(got, want, **exact)
    for every, root in ((1, 1 / 3), (2, 1 / 2)):
        second = direction_of(target, np.array([[65**0.5]]), first[1:], 12, every=every, step=1)
        for got, want in zip(second, ([[65**0.5 * root**2]], [69, 69], [root, root]), strict=True):
            np.testing.assert_allclose(got, want, **exact)
    # 2 x 2, epsilon 1: L + I = diag(6 + 9 + 1, 239 + 16 + 1), its root diag(1/2, 1/4); R + I = diag(64 + 16 + 1,
    # 615 + 9 + 1), its root diag(1/3, 1/5).
    g, before = np.array([[0.0, 3.0], [4.0, 0.0]]), np.array([6.0, 0, 0, 239, 64, 0, 0, 615])
    made = direction_of(target, g, (before, np.zeros(8)), 1)
    np.testing.assert_allclose(made[0], [[0, 3 / 2 / 5], [4 / 4 / 3, 0]], **exact)
    np.testing.assert_allclose(made[2], [1 / 2, 0, 0, 1 / 4, 1 / 3, 0, 0, 1 / 5], **exact)
    # A vector: 5 + 2^2 + 7 = 16 and 9 + 3^2 + 7 = 25; every step has its own root.
    for h, entry, root in ((5.0, 2.0, 4), (9.0, 3.0, 5)):
        made = direction_of(target, np.array([entry]), (np.array([h]),), 7, every=2, step=1)
        np.testing.assert_allclose(np.concatenate(made), [entry / root, h + entry**2], **exact)


@pytest.mark.parametrize("target", ALL, ids=str)
def test_the_first_direction_is_the_orthogonal_factor_of_the_gradient(target: Target) -> None:
    # (G G')^(-1/4) G (G' G)^(-1/4) = U S^(-1/2) S S^(-1/2) V' = U V', whatever the scale of G.
    rng = np.random.default_rng(5)
    u, v = (np.linalg.qr(rng.normal(size=(9, 9)))[0] for _ in range(2))
    values = np.linspace(0.5, 2, 9)
    for scale in (1e-3, 1.0, 1e3):
        g = scale * (u * values) @ v.T
        direction, *_ = direction_of(target, g, (np.zeros(162), np.zeros(162)), 1e-10 * scale**2)
        np.testing.assert_allclose(direction, u @ v.T, atol=100 * target.epsilon + 1e-9)


class Dense:
    """Steps of one parameter as the papers write them, with roots by SciPy, beginning with epsilon I."""

    def __init__(self, optimizer: Shampoo, shape: tuple[int, ...]) -> None:
        self._settings, self._tiles = optimizer, {}
        for i, j in product(range(0, shape[0], 64), range(0, shape[-1], 64)):
            place = np.s_[i : i + 64, j : j + 64] if len(shape) == 2 else np.s_[i : i + 64]
            sides = np.empty(shape)[place].shape
            self._tiles[i, j] = [place, [optimizer.epsilon * np.eye(n) for n in sides], []]
        self._squares = np.full(shape, optimizer.epsilon)

    def step(self, w: NDArray[np.float64], g: NDArray[np.float64], number: int, lr: float) -> NDArray[np.float64]:
        """Return w after a step."""
        self._squares += g**2
        direction = g / np.sqrt(self._squares)
        for tile in self._tiles.values() if g.ndim == 2 else ():
            place, factors, roots = tile
            part = g[place]
            factors[0] += part @ part.T
            factors[1] += part.T @ part
            if number % self._settings.every == 0:
                roots[:] = [fractional_matrix_power(factor, -0.25).real for factor in factors]
            direction[place] = roots[0] @ part @ roots[1]
        return w - lr * (direction + self._settings.weight_decay * w)


@pytest.mark.parametrize("target", ALL, ids=str)
def test_a_network_takes_the_steps_of_another_implementation(target: Target) -> None:
    optimizer = Shampoo(epsilon=0.05, every=2, weight_decay=0.1)
    run = Run(MLP((5,), "tanh", output_init="glorot_uniform"), make_source(50, 67, 3), 3, 20, optimizer, lrs=(0.1,))
    executor, replicas = target.executor(run.program()), run.start(target.dtype)
    others = [Dense(optimizer, s.shape) for s in run.program().segments]
    for step in range(3):
        before = replicas.parameters[0].astype(np.float64)
        executor.run(replicas, run.source, step, 1)
        g = gradients(executor)
        for s, other in zip(run.program().segments, others, strict=True):
            part = slice(s.offset, s.offset + s.size)
            want = other.step(before[part].reshape(s.shape), g[part].reshape(s.shape), step, 0.1).reshape(-1)
            np.testing.assert_allclose(replicas.parameters[0][part], want, rtol=0, atol=200 * target.epsilon)


@pytest.mark.parametrize("target", NATIVE, ids=str)
def test_roots_of_ill_conditioned_statistics_are_off_by_no_more_than_rounding_makes_them(target: Target) -> None:
    # Rounding moves eigenvalues by some epsilon of the largest, 1; the root's slope is (lambda + 1e-4)^(-5/4) / 4.
    rng = np.random.default_rng(3)
    vectors, g = np.linalg.qr(rng.normal(size=(40, 40)))[0], np.zeros((40, 1))
    for values in (np.logspace(-12, 0, 40), np.repeat([0.0, 1.0], [34, 6])):
        statistics = np.append((vectors * values) @ vectors.T, 0).astype(target.dtype)
        _, _, roots = direction_of(target, g, (statistics, np.zeros(1601)), 1e-4)
        root, want = roots[:-1].reshape(40, 40), (vectors * (values + 1e-4) ** -0.25) @ vectors.T
        assert np.linalg.norm(root - want, 2) < 16 * target.epsilon * 1e5 / 4
        np.testing.assert_allclose(roots[-1], 10, rtol=8 * target.epsilon)  # of the other side, where nothing is


@pytest.mark.parametrize("target", NATIVE, ids=str)
def test_the_scale_of_the_statistics_does_not_matter(target: Target) -> None:
    x = np.random.default_rng(4).normal(size=(7, 7))
    statistics = np.append(x @ x.T, 1.0).astype(target.dtype)
    plain, *scaled = (
        direction_of(target, np.zeros((7, 1)), (statistics * scale, np.zeros(50)), 0.25 * scale)[2] * scale**0.25
        for scale in (1.0, 2.0**-80, 2.0**80)
    )
    for root in scaled:
        np.testing.assert_allclose(root, plain, rtol=32 * target.epsilon)


def test_the_kernels_know_the_same_tiles() -> None:
    text = (FOLDER / "common/shampoo.h").read_text("utf-8")
    assert f"constexpr int kTile = {tiles.TILE};" in text
    assert len(list(tiles.tiles(784, 100))) == 13 * 2
    assert tiles.factor_elements(70, 3) == 64**2 + 3**2 + 6**2 + 3**2


def test_the_state_is_two_factors_for_every_tile_and_their_roots_and_is_foreseen() -> None:
    trainer = make_trainer("cpu", optimizer=Shampoo())
    weights, biases = ([s.shape for s in trainer.segments if len(s.shape) == axes] for axes in (2, 1))
    elements = 2 * sum(m * m + n * n for m, n in weights) + sum(n for (n,) in biases)
    assert trainer.states()[0].optimizer.shape == (elements,)
    need, least = (cuda_need(trainer.model, make_data(), 32, o, "float32").each for o in (Shampoo(), SGD()))
    assert need - least == 4 * (elements + 2 * trainer.parameters)  # gradients and directions; SGD is folded


SMALL = Run(
    MLP((9,)), make_source(100, 6, 3), classes=3, optimizer=Shampoo(every=3), seeds=(3, 1, 4), lrs=(0.5, 0.1, 0.2)
)


@pytest.mark.parametrize("target", ALL, ids=str)
def test_a_replica_is_the_same_alone_and_a_cut_run_the_unbroken_one(target: Target) -> None:
    unbroken = SMALL.on(target, 5)
    alone = replace(SMALL, seeds=(1,), lrs=(0.1,)).on(target, 5)
    np.testing.assert_array_equal(alone.parameters[0], unbroken.parameters[1])
    replicas = SMALL.start(target.dtype)
    for first, steps in ((0, 2), (2, 3)):  # between computations of the roots
        target.executor(SMALL.program()).run(replicas, SMALL.source, first, steps)
    np.testing.assert_array_equal(replicas.parameters, unbroken.parameters)
    np.testing.assert_array_equal(replicas.optimizer, unbroken.optimizer)


@pytest.mark.parametrize("target", CPU, ids=str)
def test_any_number_of_threads(target: Target) -> None:
    run = Run(MLP((130,)), make_source(64, 130, 7), 7, optimizer=Shampoo(), lrs=(0.1,))
    one = run.on(target, 2)
    for threads in (2, 3):
        several = run.on(target, 2, threads=threads)
        np.testing.assert_array_equal(several.parameters, one.parameters)
        np.testing.assert_array_equal(several.optimizer, one.optimizer)


@pytest.mark.parametrize("target", ALL, ids=str)
def test_the_sums_of_a_step_are_of_the_gradient_and_of_what_the_step_changed(target: Target) -> None:
    run = replace(SMALL, seeds=(3,), lrs=(0.5,), trajectory=2)
    executor, replicas = target.executor(run.program()), run.start(target.dtype)
    start = replicas.parameters[0].astype(np.float64)
    for step in range(2):
        before = replicas.parameters[0].astype(np.float64)
        executor.run(replicas, run.source, step, 1)
        dw, d = replicas.parameters[0] - before, before - start
        g = gradients(executor)[: len(d)]
        for slot, s in enumerate(run.program().segments):
            part = slice(s.offset, s.offset + s.size)
            sums = replicas.trace[0, 0, slot]
            expected = {Sums.GRADIENT: g * g, Sums.STEP: dw * dw, Sums.ALONG: d * g, Sums.DISTANCE: d * d}
            for which, products in expected.items():
                np.testing.assert_allclose(sums[which], products[part].sum(), rtol=1e-11, atol=1e-13)
    plain = replace(run, trajectory=0).on(target, 2)
    np.testing.assert_array_equal(replicas.parameters, plain.parameters)
    np.testing.assert_array_equal(replicas.optimizer, plain.optimizer)


def test_studies_take_shampoo(tmp_path: Path) -> None:
    settings = {"optimizers": ("shampoo",), "widths": 2, "seeds": 1, "batch": 8, "device": "cpu", "threads": 1}
    data = tiny_data(tmp_path)
    searched = capacity.emc(
        data, labels="random", classes=2, first=4, increment=8, steps=100, out=tmp_path / "emc", **settings
    )
    rates = {row["lr"] for row in searched.rows()}
    assert rates >= {0.5, 0.2, 0.05}
    settings |= {"fractions": 1, "epochs": 2, "weight_decay": 0.5}
    (row,) = capacity.converge(data, out=tmp_path / "converge", **settings).rows()
    assert row["lr"] == 0.2
    trainer = capacity.Trainer(
        capacity.MLP((2,), "relu", output_init="glorot_uniform"), capacity.open_dataset(data), batch=8, lrs=[0.2],
        seeds=[0], optimizer=Shampoo(weight_decay=0.5), threads=1,
    )  # fmt: skip
    trainer.advance(row["step"])
    assert row["train_loss"] == trainer.evaluate().loss[0]


def test_train_takes_shampoo() -> None:
    result = capacity.train(MLP((8,)), make_data(), epochs=20, lr=0.3, batch=32, optimizer=capacity.Shampoo())
    assert result.loss[-1] < result.loss[0] - 0.2
