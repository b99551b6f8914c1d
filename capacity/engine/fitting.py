"""Training until a sample is fitted, and passes over it: for executors that have no loop of their own for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from capacity.engine.executor import Executor, Looks, Replicas, Source, check_whole, steps_per_epoch


def fit_by_turns(
    training: Executor, evaluation: Executor, replicas: Replicas, source: Source, first_step: int, looks: Looks
) -> NDArray[np.int64]:
    """Train and measure all replicas in turn; see :meth:`capacity.engine.executor.Executor.fit`."""
    check_whole(source)
    going = replicas.active.copy()
    looked = np.zeros(len(going), np.int64)
    for k in range(looks.measured.shape[1]):
        if not going.any():
            break
        training.run(replace(replicas, active=going), source, first_step + k * looks.every, looks.every)
        found = np.zeros_like(looks.measured[:, k])
        add_up(evaluation, replace(replicas, active=going, statistics=found), source)
        looks.measured[:, k] = found
        looked[going] = k + 1
        going = going & np.isfinite(found).all(axis=1) & (found[:, looks.wrong] > looks.allowed)
    return looked


def add_up(
    evaluation: Executor,
    replicas: Replicas,
    source: Source,
    most: int | None = None,
    *,
    first: int = 0,
    end: int | None = None,
) -> None:
    """Add the statistics of a pass over each active replica's own rows to `replicas.statistics`.

    `most` is how many batches are evaluated without returning to Python, so that a long evaluation can be interrupted;
    None is all. The pass may be made in parts, of the batches first .. end - 1.
    """
    steps = steps_per_epoch(evaluation.program, replicas.samples)
    if end is not None:
        steps = np.minimum(steps, end)
    # An evaluation has no optimizer and no trajectory: its program's arenas for these are empty, whatever training
    # keeps in them.
    bare = replace(replicas, optimizer=replicas.optimizer[:, :0].copy(), anchor=replicas.anchor[:, :0].copy())
    for last in np.unique(steps).tolist():  # each replica's own steps in whole runs
        while first < last:
            count = min(most or last, last - first)
            evaluation.run(replace(bare, active=replicas.active & (steps > first)), source, first, count)
            first += count
