"""capacity's native loop on one thread: gather, forward, backward and update without Python between the steps."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_info
from workload import Workload, make_trainer

import capacity
from capacity.engine import cpu


class Peer:
    """Trains a workload; batches and initial weights come from the seed, as for any user."""

    def __init__(self, workload: Workload) -> None:
        self._trainer = make_trainer(workload.shape, workload.features, workload.labels, "cpu")
        expected = np.concatenate([value.ravel() for value in workload.parameters.values()])
        assert np.array_equal(self._trainer.states()[0].parameters, expected), "the initial weights differ"

    def run(self, steps: int) -> None:
        """Take `steps` steps."""
        self._trainer.advance(steps)

    def loss(self) -> float:
        """Return the mean cross-entropy over all N samples, in nats."""
        return float(self._trainer.evaluate().loss[0])

    @staticmethod
    def describe() -> dict[str, str]:
        """Return versions and settings."""
        kernels = {pool["architecture"] for pool in threadpool_info() if pool["user_api"] == "blas"}
        return {"version": capacity.__version__, **cpu.describe(), "blas_kernels": ", ".join(sorted(kernels))}
