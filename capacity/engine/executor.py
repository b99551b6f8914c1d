"""What every executor is given and must do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from capacity.engine.program import Program
from capacity.engine.trajectory import Sums

_Count = TypeVar("_Count", int, NDArray[np.int64])

STORED_TYPES = ("uint8", "int16", "float32", "int32", "float16")
"""Types in which features may be stored; `gather` converts them."""

_NO_FACTORS: NDArray[np.float32] = np.empty(0, np.float32)


@dataclass(frozen=True)
class Window:
    """Which rows of an epoch a source holds that holds m of them and no others: those at first .. first + m - 1.

    Position p of the epoch takes row order(p - first) of the m. In a training, whose `gather` is shuffled, order is the
    bijection of [0, m) keyed by (seed, PURPOSE_WINDOW, number), the same for all replicas whatever their seeds; in an
    evaluation it is the identity. So an epoch longer than memory can be run window by window, and by several programs.

    Attributes
    ----------
    first : int
        Position in the epoch of the window's first row.
    samples : int
        N, the rows of the whole epoch.
    seed : int
        Key of the order, from 0 to 2**64 - 1.
    number : int
        Which window of which epoch this is, counted through all epochs, from 0 to 2**32 - 1.
    """

    first: int
    samples: int
    seed: int
    number: int

    def __post_init__(self) -> None:
        """Raise ValueError for what no window of an epoch has."""
        if not (0 <= self.first < self.samples and 0 <= self.seed < 2**64 and 0 <= self.number < 2**32):
            raise ValueError(f"a window must begin in its epoch and have keys of 64 and 32 bits, got {self}")


@dataclass(frozen=True)
class Source:
    """Where `gather` reads; x = stored value * (scale * row_scale of its row).

    Attributes
    ----------
    features : ndarray (N, D), in a stored type
    labels : ndarray (N,), int32
    scale : float
    row_scale : ndarray (N,) or (0,), float32
        A factor for each row, as of counts that are normalised; (0,) where there are none.
    window : Window or None
        With a window, all arrays hold the m rows of that window instead of N.
    """

    features: NDArray[Any]
    labels: NDArray[np.int32]
    scale: float
    row_scale: NDArray[np.float32] = field(default_factory=lambda: _NO_FACTORS)
    window: Window | None = None


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
        How many rows of the source it has, n: from 1 to N; with a window, all N of the epoch.
    subsets : ndarray (R,), uint64
        Which rows these are: the first n of the bijection of [0, N) keyed by this seed, so that the subsets of one seed
        are nested; with n = N, all rows as they are stored, and with a window those it holds.
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


def check_run(program: Program, replicas: Replicas, source: Source, first_step: int, steps: int) -> None:
    """Raise ValueError when kernels would read past the rows of the source, or write past those of the trace."""
    rows, factors = len(source.labels), source.row_scale
    if factors.dtype != np.float32 or factors.shape not in ((0,), (rows,)):
        raise ValueError(f"row_scale must be float32, ({rows},) or (0,), got {factors.dtype}, {factors.shape}")
    if source.window is not None:
        _check_window(program, replicas, source.window, rows, first_step, steps)
    elif rows and not ((replicas.samples >= 1) & (replicas.samples <= rows)).all():
        raise ValueError(f"samples must be from 1 to the {rows} rows of the source, got {replicas.samples}")
    segments, trace = program.traced_segments, replicas.trace
    if segments and (trace.shape[1] < steps or trace.shape[2:] != (segments, len(Sums))):
        raise ValueError(f"trace must have {steps} rows of shape {(segments, len(Sums))}, got {trace.shape}")


def _check_window(program: Program, replicas: Replicas, window: Window, rows: int, first_step: int, steps: int) -> None:
    """Raise ValueError when replicas have another epoch than the window's, or steps need rows that it does not hold."""
    if (replicas.samples != window.samples).any():
        raise ValueError(f"samples must be the {window.samples} rows of the window's epoch, got {replicas.samples}")
    if steps <= 0:
        return
    per_epoch = steps_per_epoch(program, window.samples)
    step = first_step % per_epoch
    begin, end = step * program.batch, min((step + steps) * program.batch, window.samples)
    if step + steps > per_epoch:  # then they come to both ends of the epoch
        begin, end = 0, window.samples
    held = window.first, window.first + rows
    if first_step < 0 or begin < held[0] or end > held[1]:
        raise ValueError(
            f"steps must lie in the window's rows {held} of the epoch, got {steps} steps from {first_step}"
        )


def check_whole(source: Source) -> None:
    """Raise ValueError when a source holds only a window, for what goes over all rows again and again."""
    if source.window is not None:
        raise ValueError("this needs a source of all rows, got one of a window; run its steps window by window")


class Executor(Protocol):
    """Runs one program. A replica's result depends on nothing but the program, the source and its own row."""

    program: Program

    def reserve(self, replicas: Replicas) -> None:
        """Allocate the memory that replicas of these shapes need on the device, before data take what is free."""

    def run(self, replicas: Replicas, source: Source, first_step: int, steps: int) -> None:
        """Run steps first_step .. first_step + steps - 1.

        Step t is batch t % S of epoch t // S, with S = ceil(n / batch) steps an epoch; the last batch has what is
        left. Each replica has its own n and so its own S. Gradients are means over the rows of the batch, however many
        these are. If the program traces the trajectory, `replicas.trace` must have at least `steps` rows. If the source
        has a window, the steps must lie in it.
        """

    def fit(
        self, evaluation: Executor, replicas: Replicas, source: Source, first_step: int, looks: Looks
    ) -> NDArray[np.int64]:
        """Run every active replica from `first_step` on, looking at it now and then, until it has come to its end.

        At each look the program of `evaluation`, an executor of the same device, adds up the replica's statistics over
        its own rows. It is at its end when its `wrong` statistic is at most what is allowed, when any is not finite, or
        after the last look. Not for programs that trace the trajectory, nor for sources with a window. Returns how many
        looks (R,) were made.
        """


def steps_per_epoch(program: Program, samples: _Count) -> _Count:
    """Number of batches that cover `samples` rows, the last one perhaps partial."""
    return -(-samples // program.batch)


def element_type(precision: str) -> np.dtype[Any]:
    """Return the type of parameters and activations: float32 also where the factors of products are tf32 or bf16."""
    return np.dtype(np.float64 if precision == "float64" else np.float32)
