"""Training until a sample is fitted: what is asked of an executor, and how one without a loop of its own does it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from capacity.engine.executor import Executor, Replicas, Source


@dataclass(frozen=True)
class Looks:
    """When a fit looks at its replicas, and with what it is content.

    Attributes
    ----------
    every : int
        Steps between looks; the first comes after as many.
    wrong : int
        Which of the evaluation's statistics must come down.
    allowed : ndarray (R,), int64
        To how much, for each replica.
    measured : ndarray (R, most, statistics), float64
        Zeros; row k of a replica becomes its statistics at the k-th look. No more than `most` looks are made.
    """

    every: int
    wrong: int
    allowed: NDArray[np.int64]
    measured: NDArray[np.float64]


def fit_by_turns(
    training: Executor, evaluation: Executor, replicas: Replicas, source: Source, first_step: int, looks: Looks
) -> NDArray[np.int64]:
    """Train and measure all replicas in turn; see :meth:`capacity.engine.executor.Executor.fit`."""
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


def add_up(evaluation: Executor, replicas: Replicas, source: Source, most: int | None = None) -> None:
    """Add the statistics of a pass over each active replica's own rows to `replicas.statistics`.

    `most` is how many batches are evaluated without returning to Python, so that a long evaluation can be interrupted;
    None is all.
    """
    steps = -(-replicas.samples // evaluation.program.batch)
    # An evaluation has no optimizer and no trajectory: its program's arenas for these are empty, whatever training
    # keeps in them.
    bare = replace(replicas, optimizer=replicas.optimizer[:, :0].copy(), anchor=replicas.anchor[:, :0].copy())
    first = 0
    for last in np.unique(steps).tolist():  # each replica's own steps in whole runs
        while first < last:
            count = min(most or last, last - first)
            evaluation.run(replace(bare, active=replicas.active & (steps > first)), source, first, count)
            first += count
