"""A replica's result depends on nothing but its own row: not on its neighbours, threads, or where a run was cut."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from capacity.engine import _cpu
from capacity.engine.optimizers import SGD, Adam
from capacity.models import MLP
from tests.executors import ALL, BF16, CPU, Run, Target, make_source

SMALL = Run(
    MLP((9,)), make_source(100, 6, 3), classes=3, optimizer=SGD(momentum=0.5), seeds=(3, 1, 4), lrs=(0.5, 0.1, 0.2)
)
ADAM = replace(SMALL, optimizer=Adam(weight_decay=0.01))
LARGE = Run(MLP((300,)), make_source(900, 260, 70), classes=70, batch=600, seeds=(3, 1), lrs=(0.5, 0.1))
"""Large enough for its products to be shared out, so that a team of threads works on one replica."""


@pytest.mark.parametrize("target", [*ALL, *BF16], ids=str)
@pytest.mark.parametrize("run", [SMALL, ADAM, LARGE], ids=["small", "adam", "large"])
def test_alone_or_among_others(target: Target, run: Run) -> None:
    together = run.on(target, 5)
    for r, (seed, lr) in enumerate(zip(run.seeds, run.lrs, strict=True)):
        alone = replace(run, seeds=(seed,), lrs=(lr,)).on(target, 5)
        np.testing.assert_array_equal(alone.parameters[0], together.parameters[r])
        np.testing.assert_array_equal(alone.optimizer[0], together.optimizer[r])


@pytest.mark.parametrize("target", [*CPU, *BF16], ids=str)
@pytest.mark.parametrize("run", [SMALL, LARGE], ids=["small", "large"])
def test_any_number_of_threads(target: Target, run: Run) -> None:
    one = run.on(target, 5, threads=1).parameters
    for threads in (2, 3, 8):
        np.testing.assert_array_equal(run.on(target, 5, threads=threads).parameters, one)


@pytest.mark.parametrize("target", [*ALL, *BF16], ids=str)
@pytest.mark.parametrize("run", [SMALL, ADAM], ids=["small", "adam"])
def test_a_run_cut_anywhere_is_the_unbroken_run(target: Target, run: Run) -> None:
    unbroken = run.on(target, 11)
    replicas = run.start(target.dtype)
    for first, steps in ((0, 1), (1, 5), (6, 0), (6, 5)):  # the epoch of 4 steps is cut, too
        target.executor(run.program()).run(replicas, run.source, first, steps)
    np.testing.assert_array_equal(replicas.parameters, unbroken.parameters)
    np.testing.assert_array_equal(replicas.optimizer, unbroken.optimizer)


@pytest.mark.parametrize("target", [*ALL, *BF16], ids=str)
def test_inactive_replicas_are_left_alone(target: Target) -> None:
    replicas = SMALL.start(target.dtype)
    replicas.active[1] = False
    target.executor(SMALL.program()).run(replicas, SMALL.source, 0, 5)
    np.testing.assert_array_equal(replicas.parameters[1], SMALL.start(target.dtype).parameters[1])
    np.testing.assert_array_equal(replicas.parameters[[0, 2]], SMALL.on(target, 5).parameters[[0, 2]])


@pytest.mark.parametrize(
    ("threads", "replicas", "most_shares", "plan"),
    [
        (1, 5, 9, (5, 1, 1)),
        (4, 8, 9, (8, 4, 1)),  # enough replicas: each thread takes whole ones
        (4, 7, 9, (4, 4, 1)),  # as many as there are for each thread; the other three come after them
        (4, 3, 9, (3, 1, 4)),  # too few: all threads inside one replica after the other
        (4, 3, 2, (3, 1, 2)),  # no more threads than shares
        (4, 7, 1, (7, 4, 1)),  # a model too small to be shared
        (4, 3, 1, (3, 3, 1)),
    ],
)
def test_the_plan_for_threads(threads: int, replicas: int, most_shares: int, plan: tuple[int, int, int]) -> None:
    assert _cpu.plan_threads(threads, replicas, most_shares) == plan
