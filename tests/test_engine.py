"""Whole networks: gradients against finite differences, steps by hand, executors against the reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from capacity.engine import random
from capacity.engine.executor import Source
from capacity.engine.ops import SAVED
from capacity.engine.optimizers import SGD, Adam, AdamW, Optimizer
from capacity.engine.program import MICRO_BATCH, Program, compile_evaluation
from capacity.models import MLP
from tests.executors import ALL, CPU, NATIVE, REFERENCE, Run, Target, make_replicas, make_source

FLOAT64 = [REFERENCE, *(t for t in NATIVE if t.dtype == "float64")]
DEPTHS = [(), (4,), (4, 3), (5, 2, 3)]


def mean_loss(run: Run, parameters: np.ndarray) -> float:
    """Return the mean cross-entropy over the source, from the reference's evaluation program."""
    program = compile_evaluation(run.model, run.source.features.shape[1], run.classes, (1,))
    samples = len(run.source.labels)
    replicas = make_replicas(parameters[None], samples, statistics=2)
    REFERENCE.executor(program).run(replicas, run.source, 0, -(-samples // program.batch))
    return float(replicas.statistics[0, 0]) / samples


@pytest.mark.parametrize("target", FLOAT64, ids=str)
@pytest.mark.parametrize("hidden", DEPTHS, ids=str)
@pytest.mark.parametrize("activation", SAVED)
def test_gradient_is_the_finite_difference(target: Target, hidden: tuple[int, ...], activation: str) -> None:
    # One full-batch step of plain SGD with lr = 1 moves the parameters by minus the gradient.
    model = MLP(hidden, activation, output_init="glorot_uniform")
    run = Run(model, make_source(11, 3, 4), classes=4, batch=11, lrs=(1.0,))
    before = run.start("float64").parameters[0]
    gradient = before - run.on(target, 1).parameters[0]
    h = 1e-6
    for i in range(len(before)):
        up, down = before.copy(), before.copy()
        up[i] += h
        down[i] -= h
        assert gradient[i] == pytest.approx((mean_loss(run, up) - mean_loss(run, down)) / (2 * h), abs=1e-8)


@pytest.mark.parametrize("target", ALL, ids=str)
def test_one_step_by_hand(target: Target) -> None:
    # One input x = 2, no hidden layer, two classes, weights zero: softmax gives (1/2, 1/2); the label is class 1.
    # dz = (1/2, -1/2), dW = x dz = (1, -1), db = dz. With lr = 0.1: W = (-0.1, 0.1), b = (-0.05, 0.05).
    source = Source(np.array([[2.0]], np.float32), np.array([1], np.int32), 1.0)
    run = Run(MLP(()), source, classes=2, batch=1, lrs=(0.1,))
    np.testing.assert_allclose(run.on(target, 1).parameters[0], [-0.1, 0.1, -0.05, 0.05], rtol=1e-6)
    # Momentum 0.9, weight decay 0.5: the first step is the same (v = g, w = 0). Then z = 2W + b = (-0.25, 0.25),
    # p1 = 1 / (1 + e^-0.5), dz = (1 - p1) (1, -1), and v = 0.9 v + g + 0.5 w.
    run = replace(run, optimizer=SGD(momentum=0.9, weight_decay=0.5))
    w = np.array([-0.1, 0.1, -0.05, 0.05])
    miss = 1 - 1 / (1 + np.exp(-0.5))
    v = 0.9 * np.array([1, -1, 0.5, -0.5]) + miss * np.array([2, -2, 1, -1]) + 0.5 * w
    np.testing.assert_allclose(run.on(target, 2).parameters[0], w - 0.1 * v, rtol=1e-6)


@pytest.mark.parametrize("target", NATIVE, ids=str)
@pytest.mark.parametrize("steps", [1, 10, 100])
@pytest.mark.parametrize("optimizer", [SGD(), SGD(momentum=0.9, weight_decay=1e-3), AdamW(epsilon=0.01)], ids=str)
def test_parameters_follow_the_reference(target: Target, steps: int, optimizer: Optimizer) -> None:
    run = Run(MLP((20, 15)), make_source(100, 13, 5), classes=5, optimizer=optimizer, lrs=(0.1,))
    expected = run.on(REFERENCE, steps).parameters
    tolerance = 20 * steps * target.epsilon
    np.testing.assert_allclose(run.on(target, steps).parameters, expected, rtol=tolerance, atol=tolerance)
    moved = np.abs(expected - run.start("float64").parameters).max()
    assert moved > 100 * tolerance  # or the comparison would show nothing


@pytest.mark.parametrize("target", ALL, ids=str)
@pytest.mark.parametrize("optimizer", [SGD(), SGD(momentum=0.9), Adam(epsilon=0.01)], ids=str)
@pytest.mark.parametrize("activation", SAVED)
def test_fusions_change_nothing(target: Target, optimizer: Optimizer, activation: str) -> None:
    run = Run(MLP((9, 8), activation), make_source(70, 6, 3), classes=3, optimizer=optimizer)
    fused, plain = (replace(run, fused=f).on(target, 6).parameters for f in (True, False))
    np.testing.assert_allclose(fused, plain, rtol=20 * target.epsilon, atol=20 * target.epsilon)
    calls = [len(replace(run, fused=f).program().body) for f in (True, False)]
    assert calls[0] < calls[1]


@pytest.mark.parametrize("target", ALL, ids=str)
def test_large_batches_accumulate_their_gradient(target: Target) -> None:
    # A batch above MICRO_BATCH is run in pieces (here 512 + 512 + 176): its gradient is the mean of its halves'.
    rows = 1200
    source = make_source(rows, 5, 3)
    halves = [Source(source.features[part], source.labels[part], source.scale) for part in _halves(rows)]
    whole = Run(MLP((4,), output_init="glorot_uniform"), source, classes=3, batch=rows, lrs=(1.0,))
    start = whole.start(target.dtype).parameters
    gradients = [
        start - replace(whole, source=half, batch=size).on(target, 1).parameters
        for half, size in ((halves[0], 400), (halves[1], 800))
    ]
    assert whole.batch > MICRO_BATCH
    mean = (400 * gradients[0] + 800 * gradients[1]) / rows
    np.testing.assert_allclose(start - whole.on(target, 1).parameters, mean, atol=50 * target.epsilon)


def _halves(rows: int) -> tuple[slice, slice]:
    return slice(0, 400), slice(400, rows)


@pytest.mark.parametrize("target", ALL, ids=str)
def test_a_partial_last_batch_is_a_batch_of_its_own_size(target: Target) -> None:
    # 7 rows in batches of 5: the second step must equal one full-batch step over the two rows that are left.
    source = make_source(7, 3, 2)
    run = Run(MLP((4,)), source, classes=2, batch=5)
    last = random.permutation(0, random.PURPOSE_ORDER, 0, 7, np.array([5, 6]))
    rest = Run(run.model, Source(source.features[last], source.labels[last], source.scale), classes=2, batch=2)
    replicas = replace(run.on(target, 1), samples=np.array([2]))
    target.executor(rest.program()).run(replicas, rest.source, 0, 1)
    np.testing.assert_allclose(run.on(target, 2).parameters, replicas.parameters, atol=20 * target.epsilon)


@pytest.mark.parametrize("target", ALL, ids=str)
def test_nan_in_the_data_reaches_the_parameters_and_the_loss(target: Target) -> None:
    source = make_source(20, 3, 2, stored="float32")
    source.features[4, 1] = np.nan
    run = Run(MLP((4,)), source, classes=2, batch=20)
    replicas = run.on(target, 1)
    assert np.isnan(replicas.parameters).any()
    assert np.isnan(mean_loss(run, replicas.parameters[0].astype(np.float64)))


@pytest.mark.parametrize("target", ALL, ids=str)
def test_no_rows_no_change(target: Target) -> None:
    source = Source(np.zeros((0, 3), np.float32), np.zeros(0, np.int32), 1.0)
    run = Run(MLP((4,)), source, classes=2, batch=5)
    np.testing.assert_array_equal(run.on(target, 3).parameters, run.start(target.dtype).parameters)


def test_a_program_with_an_operand_outside_its_arena_is_refused() -> None:
    program = Run(MLP((4,)), make_source(20, 3, 2), classes=2).program()
    small = Program(program.body, (), program.segments, {**program.sizes, "parameters": 5}, 20, 20)
    with pytest.raises(ValueError, match="'dense' lies outside its arena"):
        CPU[0].executor(small)
