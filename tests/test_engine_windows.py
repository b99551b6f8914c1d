"""A source may hold one window of an epoch: window by window, an epoch is that of all rows in the windows' order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest

from capacity.engine import cpu, random
from capacity.engine.cuda import data
from capacity.engine.cuda.executor import CudaExecutor
from capacity.engine.executor import Looks, Replicas, Source, Window, steps_per_epoch
from capacity.engine.fitting import add_up
from capacity.engine.optimizers import SGD
from capacity.engine.program import Program, compile_evaluation
from capacity.engine.tangent import TangentExecutor
from capacity.models import MLP
from tests.executors import ALL, CPU, CUDASIM, Run, Target, make_factors, make_source

SEED = 2**64 - 3
N = 70
RUN = Run(
    MLP((5,)), replace(make_source(N, 6, 3), row_scale=make_factors(N)), classes=3, batch=16, optimizer=SGD(0.5),
    seeds=(3, 1), lrs=(0.5, 0.1),
)  # fmt: skip
"""Five steps an epoch, the last with 6 rows."""
LARGE = replace(RUN, source=make_source(1300, 6, 3, stored="float16"), batch=600)
"""Micro-batches of 512 and 88, and at the end one of 100."""


def windows(source: Source, size: int, epoch: int) -> Iterator[Source]:
    """Yield an epoch's windows, each in the same memory: the one before is overwritten."""
    rows = len(source.labels)
    memory = [np.empty_like(array[:size]) for array in (source.features, source.labels, source.row_scale)]
    per_epoch = -(-rows // size)
    for i, first in enumerate(range(0, rows, size)):
        part = replace(source, window=Window(first, rows, SEED, epoch * per_epoch + i))
        held = []
        for kept, array in zip(memory, (source.features, source.labels, source.row_scale), strict=True):
            kept[:] = 1  # to be found where rows that a window does not have are read
            held.append(kept[: len(array[first : first + size])])
            held[-1][:] = array[first : first + size]
        yield replace(part, features=held[0], labels=held[1], row_scale=held[2])


def in_order(source: Source, size: int, epoch: int) -> Source:
    """Return all rows in the order in which the windows of an epoch are to give them."""
    rows = len(source.labels)
    numbers = range(epoch * -(-rows // size), (epoch + 1) * -(-rows // size))
    parts = []
    for number, first in zip(numbers, range(0, rows, size), strict=True):
        m = min(size, rows - first)
        parts.append(first + random.permutation(SEED, random.PURPOSE_WINDOW, number, m, np.arange(m)))
    order = np.concatenate(parts)
    factors = source.row_scale[order] if source.row_scale.size else source.row_scale
    return replace(source, features=source.features[order], labels=source.labels[order], row_scale=factors)


def unshuffled(program: Program) -> Program:
    """Return the training program, whose `gather` takes rows as they are stored."""
    body = (replace(c, attributes={**c.attributes, "shuffled": False}) if c.op == "gather" else c for c in program.body)
    return replace(program, body=tuple(body))


def run_window(executor: Any, replicas: Replicas, source: Source, epoch: int, cut: int = 0) -> None:
    """Run the steps of a window, the first `cut` of them by themselves."""
    assert source.window
    program = executor.program
    first = epoch * steps_per_epoch(program, source.window.samples) + source.window.first // program.batch
    steps = steps_per_epoch(program, len(source.labels))
    executor.run(replicas, source, first, cut)
    executor.run(replicas, source, first + cut, steps - cut)


def trained(run: Run, target: Target, size: int, threads: int = 1, epochs: int = 2) -> tuple[Replicas, Any]:
    executor, replicas = target.executor(run.program(), threads), run.start(target.dtype)
    for epoch in range(epochs):
        for number, source in enumerate(windows(run.source, size, epoch)):
            run_window(executor, replicas, source, epoch, cut=number % 2)
    return replicas, executor


def by_hand(run: Run, target: Target, size: int, epochs: int = 2) -> Replicas:
    program, replicas = unshuffled(run.program()), run.start(target.dtype)
    steps = int(steps_per_epoch(program, len(run.source.labels)))
    for epoch in range(epochs):
        target.executor(program).run(replicas, in_order(run.source, size, epoch), epoch * steps, steps)
    return replicas


@pytest.mark.parametrize("target", ALL, ids=str)
@pytest.mark.parametrize(
    ("run", "size", "epochs"),
    [(RUN, 16, 2), (RUN, 48, 2), (RUN, 80, 2), (LARGE, 600, 1)],
    ids=["batch", "three batches", "all", "large"],
)
def test_an_epoch_in_windows_is_the_epoch_in_their_order(target: Target, run: Run, size: int, epochs: int) -> None:
    got, expected = trained(run, target, size, epochs=epochs)[0], by_hand(run, target, size, epochs)
    np.testing.assert_array_equal(got.parameters, expected.parameters)
    np.testing.assert_array_equal(got.optimizer, expected.optimizer)
    other = by_hand(run, target, 2 * size, epochs).parameters  # or this test shows nothing
    assert not np.allclose(got.parameters, other) or size >= len(run.source.labels)


@pytest.mark.parametrize("target", CPU, ids=str)
def test_any_number_of_threads(target: Target) -> None:
    # Large enough for its products to be shared out, so that a team of threads works on one replica.
    run = Run(MLP((300,)), make_source(900, 260, 70), classes=70, batch=300, seeds=(3, 1), lrs=(0.5, 0.1))
    one = trained(run, target, 600, epochs=1)[0].parameters
    np.testing.assert_array_equal(one, by_hand(run, target, 600, epochs=1).parameters)
    for threads in (2, 3):
        np.testing.assert_array_equal(trained(run, target, 600, threads, epochs=1)[0].parameters, one)


@pytest.mark.parametrize("target", ALL, ids=str)
def test_programs_share_a_window(target: Target) -> None:
    runs = [RUN, replace(RUN, model=MLP((9, 4)), seeds=(5, 6, 7), lrs=(0.5, 0.1, 0.2))]
    executors, replicas = [target.executor(run.program()) for run in runs], [run.start(target.dtype) for run in runs]
    for epoch in range(2):
        for source in windows(RUN.source, 32, epoch):
            for executor, those in zip(executors, replicas, strict=True):
                run_window(executor, those, source, epoch)
    for run, those in zip(runs, replicas, strict=True):
        np.testing.assert_array_equal(those.parameters, by_hand(run, target, 32).parameters)


@pytest.mark.parametrize("target", ALL, ids=str)
def test_an_evaluation_takes_rows_as_they_are(target: Target) -> None:
    source = replace(make_source(1100, 6, 3), row_scale=make_factors(1100))
    run = replace(RUN, source=source)
    executor = target.executor(compile_evaluation(run.model, 6, 3, (1,)))
    bare = run.start(target.dtype)
    bare = replace(bare, statistics=np.zeros((2, 2)), optimizer=bare.optimizer[:, :0].copy())
    add_up(executor, bare, source)
    measured = replace(bare, statistics=np.zeros((2, 2)))
    for part in windows(source, 2 * executor.program.batch, 0):
        run_window(executor, measured, part, 0)
    np.testing.assert_array_equal(measured.statistics, bare.statistics)
    assert (bare.statistics > 0).all()


@pytest.mark.parametrize("target", CUDASIM, ids=str)
@pytest.mark.parametrize("window_bytes", [0, 1500, 1 << 20])
def test_on_a_gpu_all_windows_and_replicas_take_one_copy(
    monkeypatch: pytest.MonkeyPatch, target: Target, window_bytes: int
) -> None:
    monkeypatch.setattr(data, "WINDOW_BYTES", window_bytes)
    got, executor = trained(RUN, target, 48)
    np.testing.assert_array_equal(got.parameters, by_hand(RUN, target, 48).parameters)
    (streamed,) = executor._data
    assert isinstance(streamed, data.Streamed)
    assert streamed._windows[0].host[0].shape[0] == 1


def test_on_a_gpu_windows_and_whole_sources_are_kept_apart() -> None:
    target = CUDASIM[1]
    executor = target.executor(RUN.program())
    assert isinstance(executor, CudaExecutor)
    for _ in range(2):
        for source, samples in ((RUN.source, N), (next(windows(RUN.source, 48, 0)), N), (LARGE.source, 1300)):
            replicas = replace(RUN, source=source, samples=(samples, samples)).start(target.dtype)
            executor.run(replicas, source, 0, 2)
            fresh = replace(RUN, source=source, samples=(samples, samples)).on(target, 2)
            np.testing.assert_array_equal(replicas.parameters, fresh.parameters)
    assert [type(kept) for kept in executor._data] == [data.Resident, data.Streamed, data.Resident]


SECOND = next(islice(windows(RUN.source, 32, 0), 1, None))
"""Positions 32 .. 63, which are steps 2 and 3."""
LEAVING = [(0, 1), (1, 2), (2, 3), (3, 2), (4, 1), (2, 6), (-3, 1), (7, 3), (0, 70)]


@pytest.mark.parametrize("target", ALL, ids=str)
@pytest.mark.parametrize(("first", "steps"), LEAVING)
def test_steps_that_leave_the_window_are_refused(target: Target, first: int, steps: int) -> None:
    replicas = RUN.start(target.dtype)
    with pytest.raises(ValueError, match=r"steps must lie in the window's rows \(32, 64\) of the epoch, got"):
        target.executor(RUN.program()).run(replicas, SECOND, first, steps)
    np.testing.assert_array_equal(replicas.parameters, RUN.start(target.dtype).parameters)


@pytest.mark.parametrize("target", ALL, ids=str)
def test_a_window_of_the_whole_epoch_may_be_run_again_and_again(target: Target) -> None:
    (whole,) = windows(RUN.source, 80, 0)
    replicas, expected = RUN.start(target.dtype), RUN.start(target.dtype)
    target.executor(RUN.program()).run(replicas, whole, 3, 12)
    target.executor(unshuffled(RUN.program())).run(expected, in_order(RUN.source, 80, 0), 3, 12)
    np.testing.assert_array_equal(replicas.parameters, expected.parameters)


@pytest.mark.parametrize("target", ALL, ids=str)
@pytest.mark.parametrize("samples", [32, 69, 71])
def test_replicas_of_another_epoch_are_refused(target: Target, samples: int) -> None:
    replicas = replace(RUN, samples=(N, samples)).start(target.dtype)
    with pytest.raises(ValueError, match="samples must be the 70 rows of the window's epoch"):
        target.executor(RUN.program()).run(replicas, SECOND, 2, 1)


@pytest.mark.parametrize("target", CPU, ids=str)
def test_the_native_loop_refuses_what_leaves_the_window(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "check_run", lambda *given: None)
    monkeypatch.setattr(cpu, "check_whole", lambda source: None)
    executor, replicas = target.executor(RUN.program()), RUN.start(target.dtype)
    evaluation = target.executor(compile_evaluation(RUN.model, 6, 3, (1,)))
    for first, steps in [*LEAVING, (2, 2**62), (2**62, 2**62)]:
        with pytest.raises(ValueError, match="steps leave the window of the source"):
            executor.run(replicas, SECOND, first, steps)
    with pytest.raises(ValueError, match="samples must be those of the window's epoch"):
        executor.run(replace(RUN, samples=(N, 32)).start(target.dtype), SECOND, 2, 1)
    with pytest.raises(ValueError, match="not of a window"):
        executor.fit(evaluation, replicas, SECOND, 2, Looks(1, 0, np.zeros(2, np.int64), np.zeros((2, 1, 1))))
    np.testing.assert_array_equal(replicas.parameters, RUN.start(target.dtype).parameters)
    executor.run(replicas, SECOND, 2, 2)
    executor.run(replicas, SECOND, 2, 0)


@pytest.mark.parametrize("target", ALL, ids=str)
def test_what_needs_all_rows_refuses_a_window(target: Target) -> None:
    evaluation = target.executor(compile_evaluation(RUN.model, 6, 3, (1,)))
    looks = Looks(1, 1, np.zeros(2, np.int64), np.zeros((2, 3, 2)))
    replicas = RUN.start(target.dtype)
    with pytest.raises(ValueError, match="this needs a source of all rows"):
        target.executor(RUN.program()).fit(evaluation, replicas, SECOND, 2, looks)
    with pytest.raises(ValueError, match="this needs a source of all rows"):
        TangentExecutor(RUN.program(), SECOND, replicas.parameters[0], N, 0)
    with pytest.raises(ValueError, match="steps must lie in the window"):
        add_up(evaluation, replicas, SECOND)


@pytest.mark.parametrize(
    "given", [(-1, 70, 0, 0), (70, 70, 0, 0), (0, 0, 0, 0), (0, 70, -1, 0), (0, 70, 2**64, 0), (0, 70, 0, 2**32)]
)
def test_windows_that_no_epoch_has_are_refused(given: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="a window must begin in its epoch"):
        Window(*given)
