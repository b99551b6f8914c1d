"""Data that do not fit on a device are streamed to it, and give the same numbers as data that lie on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from capacity.engine.cuda import data
from capacity.engine.cuda.executor import CudaExecutor, bytes_needed
from capacity.engine.executor import STORED_TYPES, Source
from capacity.engine.program import SGD, compile_evaluation
from capacity.models import MLP
from tests.cudasim_backend import SimulatedBackend
from tests.executors import Run, make_factors, make_replicas, make_source

RUN = Run(MLP((5,)), make_source(70, 6, 3), classes=3, batch=16, seeds=(3, 1), lrs=(0.5, 0.1))


def train(run: Run, *, free: int, steps: int = 13, first: int = 0) -> tuple[np.ndarray, CudaExecutor]:
    backend = SimulatedBackend(seed=2)
    backend.free_bytes = free
    executor = CudaExecutor(run.program(), "float64", backend)
    replicas = run.start("float64")
    executor.run(replicas, run.source, first, steps)
    return replicas.parameters, executor


@pytest.mark.parametrize("stored", STORED_TYPES)
@pytest.mark.parametrize("window_steps", [1, 3, 100])
@pytest.mark.parametrize("first", [0, 4])
@pytest.mark.parametrize("factors", [False, True])
def test_streamed_data_give_the_same_numbers(
    monkeypatch: pytest.MonkeyPatch, stored: str, window_steps: int, first: int, factors: bool
) -> None:
    # 70 rows in batches of 16: five steps an epoch, the last with 6 rows; 13 steps from step 4 on cross three epochs.
    source = make_source(70, 6, 3, stored=stored)
    run = replace(RUN, source=replace(source, row_scale=make_factors(70)) if factors else source)
    step_bytes = 2 * 16 * (6 * np.dtype(stored).itemsize + 4 + 4 * factors)
    monkeypatch.setattr(data, "WINDOW_BYTES", window_steps * step_bytes)
    resident, executor = train(run, free=1 << 40, first=first)
    assert isinstance(executor._data[-1], data.Resident)
    streamed, executor = train(run, free=0, first=first)
    assert isinstance(executor._data[-1], data.Streamed)
    np.testing.assert_array_equal(streamed, resident)


def test_a_streamed_large_batch_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    run = replace(RUN, source=make_source(1300, 6, 3), batch=1200)  # micro-batches of 512, 512, 176; then 100 rows
    monkeypatch.setattr(data, "WINDOW_BYTES", 0)
    np.testing.assert_array_equal(train(run, free=0, steps=3)[0], train(run, free=1 << 40, steps=3)[0])


def test_an_evaluation_is_streamed_once_for_all_replicas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "WINDOW_BYTES", 0)
    source = make_source(1100, 6, 3)
    program = compile_evaluation(RUN.model, 6, 3, (1,))
    losses = []
    for free in (0, 1 << 40):
        backend = SimulatedBackend()
        backend.free_bytes = free
        replicas = make_replicas(RUN.start("float64").parameters, 1100, statistics=2)
        executor = CudaExecutor(program, "float64", backend)
        executor.run(replicas, source, 0, 3)
        losses.append(replicas.statistics)
        if free == 0:
            assert executor._data[-1]._windows[0].host[0].shape[0] == 1  # type: ignore[union-attr]
    np.testing.assert_array_equal(*losses)


def test_another_source_or_number_of_replicas_is_noticed() -> None:
    backend = SimulatedBackend()
    executor = CudaExecutor(RUN.program(), "float64", backend)
    executor.run(RUN.start("float64"), RUN.source, 0, 2)
    other = Source(RUN.source.features[::-1].copy(), RUN.source.labels[::-1].copy(), RUN.source.scale)
    one = replace(RUN, source=other, seeds=(3,), lrs=(0.5,))
    replicas = one.start("float64")
    executor.run(replicas, other, 0, 2)
    np.testing.assert_array_equal(replicas.parameters, train(one, free=1 << 40, steps=2)[0])


def test_other_factors_are_noticed() -> None:
    backend, results = SimulatedBackend(), []
    executor = CudaExecutor(RUN.program(), "float64", backend)
    for factors in (RUN.source.row_scale, make_factors(70), make_factors(70, seed=1), np.empty(0, np.float32)):
        replicas = RUN.start("float64")
        executor.run(replicas, replace(RUN.source, row_scale=factors), 0, 2)
        results.append(replicas.parameters)
    assert len(executor._data) == 3  # whose factors are an array each, or none
    np.testing.assert_array_equal(results[0], results[3])
    assert not any(np.array_equal(results[i], results[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


def test_rows_are_sent_once_and_an_evaluation_reads_back_its_statistics_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training and evaluation share the rows, and an evaluation may go from split to split."""
    backend, test = SimulatedBackend(), make_source(41, 6, 3, seed=1)
    asked, got = [], []
    empty, read = SimulatedBackend.empty, SimulatedBackend.read
    monkeypatch.setattr(SimulatedBackend, "empty", lambda self, nbytes: (asked.append(nbytes), empty(self, nbytes))[1])
    monkeypatch.setattr(SimulatedBackend, "read", lambda self, buffer, out: (got.append(out), read(self, buffer, out)))
    training = CudaExecutor(RUN.program(), "float64", backend)
    evaluation = CudaExecutor(compile_evaluation(RUN.model, 6, 3, (1,)), "float64", backend)
    replicas = RUN.start("float64")
    for epoch in range(2):
        training.run(replicas, RUN.source, 5 * epoch, 5)
        assert [id(out) for out in got][:1] == [id(replicas.parameters)]
        for source in (RUN.source, test):
            got.clear()
            samples = np.full(2, len(source.labels))
            measured = replace(replicas, statistics=np.zeros((2, 2)), samples=samples)
            evaluation.run(measured, source, 0, 1)
            assert [id(out) for out in got] == [id(measured.statistics)]
        got.clear()
    assert asked.count(RUN.source.features.nbytes) == asked.count(test.features.nbytes) == 1


def test_rows_make_room_for_others() -> None:
    executor = CudaExecutor(RUN.program(), "float64", SimulatedBackend())
    executor.run(RUN.start("float64"), RUN.source, 0, 1)
    executor.backend.free_bytes = 0  # type: ignore[attr-defined]
    other = make_source(50, 6, 3, seed=1)
    replicas = replace(RUN, source=other).start("float64")
    executor.run(replicas, other, 0, 1)
    (kept,) = executor._data
    assert kept.holds(other, replicas)


def test_memory_for_training_is_taken_before_data_take_what_is_free() -> None:
    backend = SimulatedBackend()
    executor = CudaExecutor(RUN.program(), "float32", backend)
    replicas = RUN.start("float32")
    executor.reserve(replicas)
    backend.empty = None  # type: ignore[method-assign, assignment] - nothing more may be allocated for the replicas
    assert executor.session(2, 0).count == 2


@pytest.mark.parametrize("replicas", [1, 2, 5])
def test_the_memory_that_is_needed_is_the_memory_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, replicas: int
) -> None:
    asked = 0
    original = SimulatedBackend.empty

    def empty(self: SimulatedBackend, nbytes: int) -> object:
        nonlocal asked
        asked += nbytes
        return original(self, nbytes)

    monkeypatch.setattr(SimulatedBackend, "empty", empty)
    run = replace(RUN, optimizer=SGD(momentum=0.9))
    dtype = np.dtype("float32")
    CudaExecutor(run.program(), dtype.name, SimulatedBackend()).session(replicas, 0)
    empty_arenas = 3  # a byte each: no statistics, no anchor, no sums
    assert asked == bytes_needed(run.program(), dtype, replicas) + empty_arenas
