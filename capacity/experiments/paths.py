"""The paths of trials through weight space: what is kept of them while they train, and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from capacity.analysis.trajectory import Path, PathRecorder, layer_groups
from capacity.training import Trainer

QUANTITIES = (
    "distance", "path_length", "step_size", "step_length", "angle", "mean_step_size", "mean_angle",
)  # fmt: skip
"""What a row of a path says, see :class:`capacity.analysis.trajectory.Path`."""


@dataclass
class PathRecord:
    """The rows of one trial's path so far, of G groups of layers, and what is needed to go on.

    Attributes
    ----------
    groups : tuple of str
    totals : ndarray (G, 5)
        See :class:`capacity.analysis.PathRecorder`.
    steps : list of ndarray (T,), int64
    rows : dict of list of ndarray (T, G), float64
        By quantity, in pieces, as they were recorded.
    """

    groups: tuple[str, ...]
    totals: NDArray[np.float64]
    steps: list[NDArray[np.int64]] = field(default_factory=list)
    rows: dict[str, list[NDArray[np.float64]]] = field(default_factory=lambda: {name: [] for name in QUANTITIES})

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return the step (T,) and the quantities (T, G) of all rows."""
        steps = np.concatenate([np.zeros(0, np.int64), *self.steps])
        none = np.zeros((0, len(self.groups)))
        return {"step": steps, **{name: np.concatenate([none, *pieces]) for name, pieces in self.rows.items()}}


class GroupPaths:
    """Records the paths of trials that are trained together, as long as each of them runs.

    Parameters
    ----------
    trainer : Trainer
        With trajectory=True, at the step from which it goes on.
    paths : sequence of R PathRecord or None
        What was recorded before; None at the start.
    every : int
        Record the rows of steps 0, every, 2 every, ...
    """

    def __init__(self, trainer: Trainer, paths: Sequence[PathRecord | None], every: int) -> None:
        groups = layer_groups([segment.layer for segment in trainer.segments])
        start = np.zeros((len(groups), 5))
        self.paths = [PathRecord(tuple(groups), start) if path is None else path for path in paths]
        totals = np.stack([path.totals for path in self.paths])
        self._recorder = PathRecorder(groups, every=every, step=trainer.step, totals=totals)

    def add(self, trainer: Trainer) -> None:
        """Record what the trainer's last advance did to its active replicas."""
        path = self._recorder.add(trainer.trajectory)
        for replica in np.flatnonzero(trainer.active).tolist():
            self._append(replica, path)

    def _append(self, replica: int, path: Path) -> None:
        record = self.paths[replica]
        record.totals = self._recorder.totals[replica].copy()
        if len(path.steps):
            record.steps.append(path.steps)
            for name, pieces in record.rows.items():
                pieces.append(getattr(path, name)[replica])
