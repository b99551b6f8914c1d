"""What every executor is given and must do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from capacity.engine.program import Program
from capacity.engine.trajectory import Sums

_Count = TypeVar("_Count", int, NDArray[np.int64])

STORED_TYPES = ("uint8", "int16", "float32")
"""Types in which features may be stored; `gather` converts them."""


@dataclass(frozen=True)
class Source:
    """Where `gather` reads: features (N, D) in a stored type, labels (N,) int32; x = scale * stored value."""

    features: NDArray[Any]
    labels: NDArray[np.int32]
    scale: float


@dataclass(frozen=True)
class Replicas:
    """R independent trainings: everything one replica owns. Executors change parameters, optimizer and statistics.

    Attributes
    ----------
    parameters, optimizer : ndarray (R, P), (R, S), in the executor's type
    statistics : ndarray (R, number of statistics), float64
        Sums that `tally` calls add to, in the order of the program's `statistics`.
    seeds : ndarray (R,), uint64
    lrs : ndarray (R,), float64
    samples : ndarray (R,), int64
        How many rows of the source it has, n: from 1 to N.
    subsets : ndarray (R,), uint64
        Which rows these are: the first n of the bijection of [0, N) keyed by this seed, so that the subsets of one seed
        are nested; with n = N, all rows as they are stored.
    active : ndarray (R,), bool
        Replicas that are not active are left as they are.
    anchor : ndarray (R, P), in the executor's type
        The point that a trajectory's distances are measured from; (R, 0) where the program traces none.
    trace : ndarray (R, T, segments, 4), float64
        Row t gets the sums (:class:`capacity.engine.trajectory.Sums`) of a run's t-th step; T = 0 where the program
        traces none. What inactive replicas and later rows hold is left as it is.
    """

    parameters: NDArray[Any]
    optimizer: NDArray[Any]
    statistics: NDArray[np.float64]
    seeds: NDArray[np.uint64]
    lrs: NDArray[np.float64]
    samples: NDArray[np.int64]
    subsets: NDArray[np.uint64]
    active: NDArray[np.bool_]
    anchor: NDArray[Any]
    trace: NDArray[np.float64]


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


def check_run(program: Program, replicas: Replicas, source: Source, steps: int) -> None:
    """Raise ValueError when kernels would read past the rows of the source, or write past those of the trace."""
    rows = len(source.labels)
    if rows and not ((replicas.samples >= 1) & (replicas.samples <= rows)).all():
        raise ValueError(f"samples must be from 1 to the {rows} rows of the source, got {replicas.samples}")
    segments, trace = program.traced_segments, replicas.trace
    if segments and (trace.shape[1] < steps or trace.shape[2:] != (segments, len(Sums))):
        raise ValueError(f"trace must have {steps} rows of shape {(segments, len(Sums))}, got {trace.shape}")


class Executor(Protocol):
    """Runs one program. A replica's result depends on nothing but the program, the source and its own row."""

    program: Program

    def reserve(self, replicas: Replicas) -> None:
        """Allocate the memory that replicas of these shapes need on the device, before data take what is free."""

    def run(self, replicas: Replicas, source: Source, first_step: int, steps: int) -> None:
        """Run steps first_step .. first_step + steps - 1.

        Step t is batch t % S of epoch t // S, with S = ceil(n / batch) steps an epoch; the last batch has what is
        left. Each replica has its own n and so its own S. Gradients are means over the rows of the batch, however many
        these are. If the program traces the trajectory, `replicas.trace` must have at least `steps` rows.
        """

    def fit(
        self, evaluation: Executor, replicas: Replicas, source: Source, first_step: int, looks: Looks
    ) -> NDArray[np.int64]:
        """Run every active replica from `first_step` on, looking at it now and then, until it has come to its end.

        At each look the program of `evaluation`, an executor of the same device, adds up the replica's statistics over
        its own rows. It is at its end when its `wrong` statistic is at most what is allowed, when any is not finite, or
        after the last look. Not for programs that trace the trajectory. Returns how many looks (R,) were made.
        """


def steps_per_epoch(program: Program, samples: _Count) -> _Count:
    """Number of batches that cover `samples` rows, the last one perhaps partial."""
    return -(-samples // program.batch)


def element_type(precision: str) -> np.dtype[Any]:
    """Return the type of parameters and activations: float32 also where the factors of products are tf32 or bf16."""
    return np.dtype(np.float64 if precision == "float64" else np.float32)
