"""How many trials of one network are trained together: as many as were asked for, or as fit into memory."""

from __future__ import annotations

from collections.abc import Callable

from capacity.data import Dataset
from capacity.engine.cuda.errors import FullError
from capacity.experiments.trial import TrialConfig
from capacity.training import memory

GROUP_PARAMETERS = 2**27
"""Most parameters of a group on the CPU, all replicas together (512 MiB of float32); one trial may be larger."""
CONTEXT_BYTES = 512 << 20
"""What each worker process takes of a GPU for itself, about; this process has taken its share already."""
_GIB = 2**30

Limit = Callable[[TrialConfig], int]
"""Most trials of a network that are trained together, at least 1."""


def group_limit(
    replicas: int | None, device: str, workers: int, dataset: Dataset, sizes: dict[TrialConfig, int]
) -> Limit:
    """Return the limit for trials trained on a resolved device by `workers` at a time.

    Parameters
    ----------
    replicas : int or None
        What was asked for.
    sizes : dict
        Number of parameters of each trial.
    """
    if replicas is not None:
        return lambda trial: replicas
    if device == "cuda":
        return lambda trial: _fitting(trial, workers, dataset)
    return lambda trial: max(1, GROUP_PARAMETERS // sizes[trial])


def _fitting(trial: TrialConfig, workers: int, dataset: Dataset) -> int:
    """Return how many replicas fit into each worker's share of the GPU's free memory.

    Raises
    ------
    FullError
        When not even one does.
    """
    free = memory.cuda_free()
    share = free if workers == 1 else max(0, free // workers - CONTEXT_BYTES)
    need = memory.cuda_need(
        trial.model(), dataset, trial.batch, trial.rule(), trial.precision, trajectory=trial.path_every > 0
    )
    if fitting := need.replicas(share):
        return fitting
    raise FullError(
        f"{trial.label} with batch {trial.batch} and replicas 1 needs {(need.each + need.fixed) / _GIB:.2f} GiB, and "
        f"{share / _GIB:.2f} GiB are free{'' if workers == 1 else ' for each worker'}",
        "lower width or batch (replicas is at its least), end what else runs on the GPU (see 'nvidia-smi')"
        if workers == 1
        else "lower width, batch or workers (replicas is at its least)",
    )
