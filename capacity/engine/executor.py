"""What every executor is given and must do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from capacity.engine.program import Program

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
    active : ndarray (R,), bool
        Replicas that are not active are left as they are.
    """

    parameters: NDArray[Any]
    optimizer: NDArray[Any]
    statistics: NDArray[np.float64]
    seeds: NDArray[np.uint64]
    lrs: NDArray[np.float64]
    active: NDArray[np.bool_]


class Executor(Protocol):
    """Runs one program. A replica's result depends on nothing but the program, the source and its own row."""

    def reserve(self, replicas: Replicas) -> None:
        """Allocate the memory that replicas of these shapes need on the device, before data take what is free."""

    def run(self, replicas: Replicas, source: Source, first_step: int, steps: int) -> None:
        """Run steps first_step .. first_step + steps - 1.

        Step t is batch t % S of epoch t // S, with S = ceil(N / batch) steps an epoch; the last batch has what is
        left. Gradients are means over the rows of the batch, however many these are.
        """


def steps_per_epoch(program: Program, samples: int) -> int:
    """Number of batches that cover `samples` rows, the last one perhaps partial."""
    return -(-samples // program.batch)


def element_type(precision: str) -> np.dtype[Any]:
    """Return the type of parameters and activations: float32 also where the factors of products are tf32 or bf16."""
    return np.dtype(np.float64 if precision == "float64" else np.float32)
