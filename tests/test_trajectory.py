"""Trajectories: the sums of every step against their definition, and what tracing must not change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import capacity
from capacity.engine import _cpu
from capacity.engine.cuda.executor import CudaExecutor
from capacity.engine.optimizers import SGD, Adam, AdamW, Optimizer
from capacity.engine.program import Program, compile_training
from capacity.engine.reference import ReferenceExecutor
from capacity.engine.trajectory import BLOCK, Sums, blocks
from capacity.errors import InputError
from capacity.models import MLP
from capacity.training.memory import cuda_need
from tests.executors import ALL, CPU, In, OpCase, Out, Run, Target, make_source, run_op
from tests.test_trainer import make_data, make_trainer

STEPS = 4
OPTIMIZERS: list[Optimizer] = [SGD(), SGD(momentum=0.9, weight_decay=0.01), Adam(), AdamW(weight_decay=0.1)]
RUN = Run(
    MLP((90, 70), activation="tanh"), make_source(70, 60, 7), classes=7, seeds=(3, 1, 4), lrs=(0.05, 0.01, 0.02),
    trajectory=STEPS,
)  # fmt: skip


def test_the_kernels_know_the_same_blocks_and_sums() -> None:
    assert (_cpu.trace_block, _cpu.trace_sums) == (BLOCK, len(Sums))


def test_every_segment_is_updated_and_traced_by_calls_of_its_own() -> None:
    program = RUN.program()
    updates, traces = ([call for call in program.update if call.op == op] for op in ("sgd", "trace"))
    assert program.traced_segments == len(program.segments) == len(updates) == len(traces) == 6
    places = [(call.operands[0].offset, call.operands[0].shape) for call in updates]
    assert places == [(s.offset, s.shape) for s in program.segments]
    assert [call.attributes["slot"] for call in traces] == list(range(6))
    rows = sum(blocks(s.size) for s in program.segments)
    assert rows == 2 + 1 + 2 + 1 + 1 + 1  # 60 x 90, 90, 90 x 70, 70, 70 x 7, 7
    assert program.sizes["sums"] == 4 * rows
    assert program.sizes["anchor"] == program.sizes["parameters"]


def test_without_a_trajectory_nothing_is_kept_for_it() -> None:
    program = replace(RUN, trajectory=0).program()
    assert (program.sizes["anchor"], program.sizes["sums"], program.traced_segments) == (0, 0, 0)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("target", ALL, ids=str)
def test_sums_are_those_of_the_steps_taken_one_by_one(target: Target, optimizer: Optimizer) -> None:
    run = replace(RUN, optimizer=optimizer, seeds=(3,), lrs=(0.05,))
    executor, replicas = target.executor(run.program()), run.start(target.dtype)
    start = replicas.parameters[0].astype(np.float64)
    expected = np.empty((STEPS, len(run.program().segments), len(Sums)))
    for step in range(STEPS):
        before = replicas.parameters[0].astype(np.float64)
        executor.run(replicas, run.source, step, 1)
        g, dw, d = gradients(executor), replicas.parameters[0] - before, before - start
        for slot, s in enumerate(run.program().segments):
            part = slice(s.offset, s.offset + s.size)
            products = {Sums.GRADIENT: g * g, Sums.STEP: dw * dw, Sums.ALONG: d * g, Sums.DISTANCE: d * d}
            for which, product in products.items():
                expected[step, slot, which] = product[part].sum()
    assert (expected[2:] != 0).all()  # the hidden layers move from the second step on: the softmax layer starts at 0
    traced = run.on(target, STEPS)
    np.testing.assert_array_equal(traced.parameters, replicas.parameters)
    tolerance = 1e-13 * np.abs(expected).max(axis=(0, 1))
    for which in Sums:
        np.testing.assert_allclose(
            traced.trace[0, ..., which], expected[..., which], rtol=1e-12, atol=tolerance[which], err_msg=which.name
        )


def gradients(executor: Any) -> NDArray[np.float64]:
    """Return the gradients of the last step of an executor that has one replica, exactly."""
    if not isinstance(executor, CudaExecutor):
        arena = executor.arenas["gradients"] if isinstance(executor, ReferenceExecutor) else executor.arena("gradients")
        return np.array(arena, np.float64)
    out = np.empty(executor.program.sizes["gradients"], executor.dtype)
    executor.backend.read(executor.session(1, 0).arenas["gradients"].buffer, out)
    return out.astype(np.float64)


@pytest.mark.parametrize("target", [t for t in ALL if t.dtype == "float64"], ids=str)
def test_a_step_of_sgd_obeys_the_law_of_cosines(target: Target) -> None:
    # |d - lr g|^2 = |d|^2 + lr^2 |g|^2 - 2 lr <d, g>, with d = W(t) - W(0).
    trace = RUN.on(target, STEPS).trace
    lr = np.array(RUN.lrs)[:, None, None]
    d2, g2, along = (trace[..., which] for which in (Sums.DISTANCE, Sums.GRADIENT, Sums.ALONG))
    assert (d2[:, 0] == 0).all()
    assert (d2[:, -1] > 0).all()
    np.testing.assert_allclose(d2[:, 1:], (d2 + lr**2 * g2 - 2 * lr * along)[:, :-1], rtol=1e-11)
    np.testing.assert_allclose(trace[..., Sums.STEP], lr**2 * g2, rtol=1e-11)


@pytest.mark.parametrize("optimizer", OPTIMIZERS[1:], ids=str)
@pytest.mark.parametrize("target", ALL, ids=str)
def test_tracing_changes_no_parameter(target: Target, optimizer: Optimizer) -> None:
    run = replace(RUN, optimizer=optimizer)
    traced, plain = run.on(target, STEPS), replace(run, trajectory=0).on(target, STEPS)
    np.testing.assert_array_equal(traced.parameters, plain.parameters)
    np.testing.assert_array_equal(traced.optimizer, plain.optimizer)


@pytest.mark.parametrize("target", ALL, ids=str)
def test_tracing_plain_sgd_changes_no_more_than_not_folding_it(target: Target) -> None:
    traced, unfolded, folded = (
        run.on(target, STEPS).parameters
        for run in (RUN, replace(RUN, trajectory=0, fused=False), replace(RUN, trajectory=0))
    )
    np.testing.assert_array_equal(traced, unfolded)
    np.testing.assert_allclose(traced, folded, rtol=0, atol=100 * target.epsilon)


@pytest.mark.parametrize("target", CPU, ids=str)
def test_any_number_of_threads_gives_the_same_sums(target: Target) -> None:
    run = Run(MLP((400,)), make_source(64, 300, 7), 7, optimizer=Adam(), lrs=(0.01,), trajectory=STEPS)
    one = run.on(target, STEPS)
    for threads in (2, 3, 5):
        np.testing.assert_array_equal(run.on(target, STEPS, threads=threads).trace, one.trace)


def test_replicas_that_are_not_active_keep_their_rows() -> None:
    for target in ALL:
        replicas = RUN.start(target.dtype)
        replicas.active[1] = False
        replicas.trace[:] = 7
        target.executor(RUN.program()).run(replicas, RUN.source, 0, STEPS - 1)
        assert (replicas.trace[1] == 7).all()
        assert (replicas.trace[:, STEPS - 1] == 7).all()
        assert (replicas.trace[[0, 2], : STEPS - 1] != 7).all()


@pytest.mark.parametrize("target", ALL, ids=str)
def test_a_trace_with_too_few_rows_is_refused(target: Target) -> None:
    with pytest.raises(ValueError, match=r"trace must have 5 rows of shape \(6, 4\), got \(3, 4, 6, 4\)"):
        RUN.on(target, STEPS + 1)


def test_gradients_that_are_not_finite_show() -> None:
    source = make_source(40, 5, 3, stored="float32")
    source.features[:] = np.nan
    for target in ALL:
        trace = Run(MLP(()), source, 3, trajectory=1).on(target, 1).trace
        assert np.isnan(trace[0, 0, 0, Sums.GRADIENT])
        assert trace[0, 0, 0, Sums.DISTANCE] == 0


@pytest.mark.parametrize("device", ["reference", "cpu"])
@pytest.mark.parametrize("optimizer", [SGD(), Adam()], ids=str)
def test_a_cut_run_has_the_same_trajectory(device: str, optimizer: Optimizer) -> None:
    settings = {"trajectory": True, "optimizer": optimizer}
    unbroken, cut, other = (make_trainer(device, **settings) for _ in range(3))
    assert unbroken.trajectory.shape == (2, 0, 4, 4)
    unbroken.advance(9)
    cut.advance(5)
    other.restore(cut.states())
    other.evaluate()
    other.advance(4)
    np.testing.assert_array_equal(np.concatenate([cut.trajectory, other.trajectory], axis=1), unbroken.trajectory)


@pytest.mark.parametrize("device", ["reference", "cpu"])
def test_a_second_run_measures_the_same_path_from_its_end(device: str) -> None:
    first = make_trainer(device, trajectory=True)
    starts = [state.parameters for state in first.states()]
    first.advance(8)
    ends = [state.parameters for state in first.states()]
    second = make_trainer(device, trajectory=True, anchors=ends)
    second.advance(8)
    for state, end in zip(second.states(), ends, strict=True):
        np.testing.assert_array_equal(state.parameters, end)
    for which in (Sums.GRADIENT, Sums.STEP):
        np.testing.assert_array_equal(second.trajectory[..., which], first.trajectory[..., which])
    squares: NDArray[np.float64] = (np.array(starts, np.float64) - np.array(ends, np.float64)) ** 2
    for slot, s in enumerate(first.segments):
        np.testing.assert_allclose(
            second.trajectory[:, 0, slot, Sums.DISTANCE],
            squares[:, s.offset : s.offset + s.size].sum(axis=1),
            rtol=1e-12,
        )


def test_the_trainer_leaves_inactive_replicas_nan_and_untraced_ones_empty() -> None:
    trainer = make_trainer("cpu", trajectory=True)
    trainer.active[0] = False
    trainer.advance(2)
    assert np.isnan(trainer.trajectory[0]).all()
    assert np.isfinite(trainer.trajectory[1]).all()
    plain = make_trainer("cpu")
    plain.advance(2)
    assert plain.trajectory.size == 0


def test_memory_for_a_trajectory_is_foreseen() -> None:
    data = make_data()
    need, without = (
        cuda_need(capacity.MLP((8,)), data, 32, Adam(), "float32", trajectory=trajectory).each
        for trajectory in (True, False)
    )
    program: Program = compile_training(capacity.MLP((8,)), data.inputs, data.classes, 32, Adam(), trajectory=True)
    assert need - without == 4 * program.sizes["parameters"] + 8 * 4 * 4  # an anchor, and a block for each segment


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"anchors": []}, "anchors are what a trajectory is measured from: give trajectory=True with them."),
        (
            {"trajectory": True, "anchors": [np.zeros(119)]},
            "anchors must be 2 arrays of the 119 parameters of this model, got shapes [(119,)].",
        ),
    ],
)
def test_anchors_that_make_no_sense_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        make_trainer("cpu", **settings)
    assert str(caught.value) == message


def test_sums_by_hand() -> None:
    # Two blocks by hand: 5000 parameters w = 3, g = 2, anchor 1, rate 0.5.
    P = 5000
    operands = (
        Out((P,), "parameters", batch=False, before=np.full(P, 3.0)),
        None,
        Out((2, 4), "sums", batch=False),
        In(np.full(P, 2.0), arena="gradients", batch=False),
        In(np.full(P, 1.0), arena="anchor", batch=False),
        None,
    )
    case = OpCase("sgd", "hand", operands, {"momentum": 0.0, "weight_decay": 0.0}, lr=0.5)
    for target in ALL:
        sums = run_op(case, target)[1]
        np.testing.assert_array_equal(sums, np.outer([4096, 904], [4, 1, 4, 4]))
