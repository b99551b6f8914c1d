"""Exact Hessians of the loss: against finite differences, closed forms, and Hessians of other data sets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.sparse.linalg import aslinearoperator, eigsh

import capacity
from capacity.data import Dataset, Split
from capacity.engine import random
from capacity.engine.executor import Source
from capacity.engine.ops import SAVED
from capacity.engine.optimizers import SGD
from capacity.errors import InputError
from capacity.models import MLP
from capacity.training import State
from tests.executors import REFERENCE, Run, make_source

CLASSES = 4
DEPTHS = [(), (4,), (4, 3)]


def make_dataset(source: Source, classes: int = CLASSES) -> Dataset:
    names = tuple(str(k) for k in range(classes))
    return Dataset("made up", classes, names, (), source.scale, Split(source.features, source.labels), None, "", {})


def restricted(source: Source, rows: Any) -> Source:
    return Source(source.features[rows], source.labels[rows], source.scale)


SOURCE = make_source(40, 3, CLASSES)
DATA = make_dataset(SOURCE)


def make_point(model: MLP, source: Source = SOURCE, seed: int = 0) -> np.ndarray:
    """Return parameters that no symmetry holds at: no bias is 0, and no weight equals another."""
    start = Run(model, source, CLASSES, seeds=(seed,)).start("float64").parameters[0]
    return start + 0.3 * np.random.default_rng(seed).normal(size=start.shape)


def dense(surface: capacity.LossSurface) -> np.ndarray:
    hessian = surface.hessian()
    return hessian @ np.eye(hessian.shape[0])


@pytest.mark.parametrize("hidden", DEPTHS, ids=str)
@pytest.mark.parametrize("activation", SAVED)
def test_the_hessian_is_the_finite_difference_of_the_gradient(activation: str, hidden: tuple[int, ...]) -> None:
    # The gradients are those that steps of plain SGD with lr = 1 take on the native engine: another implementation.
    model = MLP(hidden, activation)
    w, h = make_point(model), 1e-5
    if "relu" in activation:  # a step moves what a unit is given by a few h at most: none passes its kink
        assert np.abs(inputs_of_units(model, w)).min() > 10 * h
    gradient = native_gradient(model)
    columns = [(gradient(w + h * e) - gradient(w - h * e)) / (2 * h) for e in np.eye(len(w))]
    hessian = dense(capacity.LossSurface(model, DATA, w))
    np.testing.assert_allclose(hessian, np.array(columns).T, atol=3e-9)
    assert np.abs(hessian).max() > 0.05


def native_gradient(model: MLP) -> Callable[[np.ndarray], np.ndarray]:
    trainer = capacity.Trainer(model, DATA, batch=40, lrs=[1.0], seeds=[0], precision="float64")

    def gradient(w: np.ndarray) -> np.ndarray:
        trainer.restore([State(0, w, np.empty(0))])
        trainer.advance(1)
        return w - trainer.states()[0].parameters

    return gradient


def inputs_of_units(model: MLP, w: np.ndarray) -> np.ndarray:
    """Return what the hidden units of a ReLU or leaky ReLU net are given, all rows and layers."""
    slope = 0.01 if model.activation == "leaky_relu" else 0.0
    x, start, found = SOURCE.features * SOURCE.scale, 0, [np.array([np.inf])]
    for units in model.hidden:
        stop = start + x.shape[1] * units
        z = x @ w[start:stop].reshape(-1, units) + w[stop : stop + units]
        x, start = np.where(z > 0, z, slope * z), stop + units
        found.append(z.ravel())
    return np.concatenate(found)


@pytest.mark.parametrize("activation", SAVED)
def test_the_hessian_is_symmetric(activation: str) -> None:
    model = MLP((6, 5), activation)
    surface = capacity.LossSurface(model, DATA, make_point(model))
    matrix, hessian = dense(surface), surface.hessian()
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-15)
    v = np.random.default_rng(0).normal(size=(len(matrix), 3))
    np.testing.assert_allclose(hessian @ v, matrix @ v, atol=1e-13)
    np.testing.assert_array_equal(hessian @ v[:, 1], (hessian @ v)[:, 1])
    np.testing.assert_array_equal(hessian.T @ v, hessian @ v)
    np.testing.assert_array_equal(hessian.matvec(v[:, :1]), hessian @ v[:, :1])


def test_softmax_regression_has_its_hessian_in_closed_form() -> None:
    # The mean over the rows of (x, 1)(x, 1)' times diag(p) - pp', Kronecker.
    model = MLP(())
    w = make_point(model)
    x = np.hstack([SOURCE.features * SOURCE.scale, np.ones((40, 1))])
    z = x @ w.reshape(4, CLASSES)  # the bias is the last row
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    curvature = p[:, :, None] * np.eye(CLASSES) - p[:, :, None] * p[:, None, :]
    expected = np.einsum("nd,ne,nkl->dkel", x, x, curvature).reshape(16, 16) / 40
    surface = capacity.LossSurface(model, DATA, w)
    np.testing.assert_allclose(dense(surface), expected, atol=1e-16)
    assert surface.loss == pytest.approx(-np.log(p[np.arange(40), SOURCE.labels]).mean(), rel=1e-14)
    np.testing.assert_allclose(
        surface.gradient(), (x.T @ (p - np.eye(CLASSES)[SOURCE.labels])).ravel() / 40, atol=1e-16
    )


@pytest.mark.parametrize("activation", SAVED)
def test_loss_and_gradient_are_what_the_engine_has(activation: str) -> None:
    model, n = MLP((5,), activation), 25
    run = Run(model, SOURCE, CLASSES, batch=n, seeds=(3,), lrs=(1.0,), samples=(n,), optimizer=SGD())
    before = run.start("float64").parameters[0]
    surface = capacity.LossSurface(model, DATA, before, samples=n, subset_seed=3)
    step = run.on(REFERENCE, 1).parameters[0] - before
    np.testing.assert_allclose(surface.gradient(), -step, atol=1e-16)
    trainer = capacity.Trainer(
        model, DATA, batch=n, lrs=[1.0], seeds=[3], samples=[n], precision="float64", device="reference"
    )
    assert surface.loss == pytest.approx(float(trainer.evaluate().loss[0]), rel=1e-14)


@pytest.mark.parametrize("n", [1, 17, 39])
def test_a_subset_is_a_data_set_of_its_rows(n: int) -> None:
    model = MLP((4,), "tanh")
    w = make_point(model)
    rows = random.permutation(5, random.PURPOSE_SUBSET, 0, 40, np.arange(n))
    subset = capacity.LossSurface(model, DATA, w, samples=n, subset_seed=5)
    alone = capacity.LossSurface(model, make_dataset(restricted(SOURCE, rows)), w)
    np.testing.assert_allclose(dense(subset), dense(alone), atol=1e-15)
    np.testing.assert_allclose(subset.gradient(), alone.gradient(), atol=1e-15)
    assert subset.loss == pytest.approx(alone.loss, rel=1e-14)


def test_more_rows_than_a_micro_batch_give_the_mean_of_their_parts() -> None:
    source = make_source(1300, 3, CLASSES)
    model = MLP((4, 3), "gelu")
    w = make_point(model)
    whole = capacity.LossSurface(model, make_dataset(source), w)
    sizes = (500, 500, 300)
    parts = [
        capacity.LossSurface(model, make_dataset(restricted(source, slice(first, first + size))), w)
        for first, size in zip((0, 500, 1000), sizes, strict=True)
    ]
    for of in (dense, capacity.LossSurface.gradient, lambda surface: surface.loss):
        mean = sum(size * of(part) for size, part in zip(sizes, parts, strict=True)) / 1300
        np.testing.assert_allclose(of(whole), mean, atol=1e-15)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_at_a_kink_the_hessian_is_that_of_the_piece_on_the_left(activation: str) -> None:
    # Unit 0 is given 0 by every row: no weight, and a bias of 0.
    model = MLP((4,), activation)
    at, left, right = (make_point(model) for _ in range(3))
    for w, bias in ((at, 0.0), (left, -1e-12), (right, 1e-12)):
        w[[0, 4, 8, 12]] = 0.0, 0.0, 0.0, bias
    hessians = [dense(capacity.LossSurface(model, DATA, w)) for w in (at, left, right)]
    np.testing.assert_allclose(hessians[0], hessians[1], atol=1e-11)
    assert np.abs(hessians[0] - hessians[2]).max() > 0.01


def test_the_direction_in_which_all_classes_move_alike_is_flat() -> None:
    surface = capacity.LossSurface(MLP((4,)), DATA, make_point(MLP((4,))))
    v = np.zeros(surface.hessian().shape[0])
    v[-CLASSES:] = 1.0
    np.testing.assert_allclose(surface.hessian() @ v, 0, atol=1e-16)


def test_results_of_train_and_the_eigenvalues_of_scipy() -> None:
    model = MLP((3,), "tanh")
    result = capacity.train(model, DATA, epochs=3)
    flat = np.concatenate([array.ravel() for array in result.parameters.values()])
    reversed_order = dict(reversed(result.parameters.items()))
    surface = capacity.LossSurface(model, DATA, reversed_order)
    assert surface.loss == pytest.approx(result.loss[-1], rel=1e-6)
    np.testing.assert_array_equal(surface.gradient(), capacity.LossSurface(model, DATA, flat).gradient())
    (largest,) = eigsh(surface.hessian(), k=1, which="LA", return_eigenvectors=False, v0=np.ones(len(flat)))
    assert largest == pytest.approx(np.linalg.eigvalsh(dense(surface))[-1], rel=1e-12)


def test_the_point_is_copied() -> None:
    model = MLP((3,))
    w = make_point(model)
    surface = capacity.LossSurface(model, DATA, w)
    before, matrix = surface.gradient().copy(), dense(surface)
    w[:] = 0.0
    surface.gradient()[:] = 0.0
    np.testing.assert_array_equal(surface.gradient(), before)
    np.testing.assert_array_equal(dense(surface), matrix)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parameters": np.zeros(7)}, r"parameters must be the 16 of this model in one array, got shape \(7,\)"),
        ({"parameters": np.zeros((4, 4))}, r"parameters must be the 16 .*, got shape \(4, 4\)"),
        ({"parameters": np.full(16, np.nan)}, "parameters must be finite"),
        ({"parameters": "w"}, "parameters must be an array of numbers, got str"),
        ({"parameters": {"softmax/weight": np.zeros((3, 4))}}, "parameters must be the arrays .*softmax/bias"),
        ({"samples": 0}, "samples must be from 1 to the 40 rows"),
        ({"samples": 41}, "samples must be from 1 to the 40 rows"),
        ({"samples": 2.5}, "samples must be a whole number, got 2.5"),
        ({"samples": True}, "samples must be a whole number, got True"),
        ({"subset_seed": -1}, "subset_seed must be from 0"),
        ({"subset_seed": "a"}, "subset_seed must be a whole number, got 'a'"),
        ({"data": "no-such-set"}, "data set no-such-set not found"),
    ],
)
def test_a_surface_that_makes_no_sense_is_refused(arguments: dict[str, Any], message: str) -> None:
    settings = {"data": DATA, "parameters": np.zeros(16)} | arguments
    with pytest.raises(InputError, match=message):
        capacity.LossSurface(MLP(()), **settings)


def test_a_hessian_is_what_scipy_takes_for_an_operator() -> None:
    hessian = capacity.LossSurface(MLP(()), DATA, np.zeros(16), samples=np.int64(3)).hessian()
    assert aslinearoperator(hessian) is hessian
    assert (hessian.shape, hessian.dtype) == ((16, 16), np.float64)
