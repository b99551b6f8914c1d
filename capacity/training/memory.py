"""How much memory of a GPU a training takes, and how many replicas fit into it."""

from __future__ import annotations

from dataclasses import dataclass

from capacity.data import Dataset
from capacity.engine.executor import element_type
from capacity.engine.optimizers import Optimizer
from capacity.models import MLP
from capacity.training.trainer import compile_programs


@dataclass(frozen=True)
class Need:
    """Memory of a GPU that a :class:`capacity.Trainer` takes, in bytes.

    Attributes
    ----------
    each : int
        For a replica.
    fixed : int
        Beside them, however many they are: with the data streamed, and what libraries take.
    data : int
        More, for the data to lie on the GPU as a whole.
    """

    each: int
    fixed: int
    data: int

    def replicas(self, free: int) -> int:
        """Return how many replicas fit into `free` bytes, 0 when not one does.

        Data that leave no room for a replica are streamed.
        """
        resident = replicas_that_fit(self.each, self.fixed + self.data, free)
        return resident or replicas_that_fit(self.each, self.fixed, free)


def replicas_that_fit(each: int, fixed: int, free: int) -> int:
    """Return how many times `each` bytes fit into `free` bytes beside `fixed` bytes."""
    return max(0, (free - fixed) // each)


def cuda_need(
    model: MLP, data: Dataset, batch: int, optimizer: Optimizer, precision: str, *, trajectory: bool = False
) -> Need:
    """Return the memory that a trainer of these arguments takes on device 'cuda'.

    What a trajectory's rows take while a run lasts, 32 bytes a segment and step, is left out.
    """
    from capacity.engine.cuda.data import RESERVE_BYTES, WINDOW_BYTES
    from capacity.engine.cuda.executor import bytes_needed

    programs = compile_programs(model, data, batch, optimizer, trajectory=trajectory)
    dtype = element_type(precision)
    one, two = (sum(bytes_needed(program, dtype, count) for program in programs) for count in (1, 2))
    rows = sum(split.features.nbytes + split.labels.nbytes for split in (data.train, data.test) if split is not None)
    windows = 2 * len(programs) * WINDOW_BYTES
    return Need(two - one, 2 * one - two + RESERVE_BYTES + windows, max(0, rows - windows))


def cuda_free() -> int:
    """Return how many bytes of the GPU are free.

    Raises
    ------
    CudaError
        When device 'cuda' cannot be used.
    """
    from capacity.engine.cuda import availability

    return availability.free_bytes()
