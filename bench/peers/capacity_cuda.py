"""capacity on the GPU: one captured step replayed, all replicas together."""

from __future__ import annotations

import numpy as np
from workload import Workload, make_trainer

import capacity
from capacity.engine.cuda import availability


class Peer:
    """Trains a workload; batches and initial weights come from the seeds, as for any user."""

    def __init__(self, workload: Workload) -> None:
        self._trainer = make_trainer(workload.shape, workload.features, workload.labels, "cuda")
        expected = [value.reshape(workload.shape.replicas, -1) for value in workload.parameters.values()]
        states = np.stack([state.parameters for state in self._trainer.states()])
        assert np.array_equal(states, np.concatenate(expected, axis=1)), "the initial weights differ"

    def run(self, steps: int) -> None:
        """Take `steps` steps."""
        self._trainer.advance(steps)

    def loss(self) -> float:
        """Return the mean cross-entropy over all N samples and R replicas, in nats."""
        return float(self._trainer.evaluate().loss.mean())

    @staticmethod
    def describe() -> dict[str, str]:
        """Return versions and settings."""
        return {"version": capacity.__version__, **availability.describe()}
