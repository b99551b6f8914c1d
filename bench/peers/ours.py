"""capacity: gather, forward, backward and update without Python between the steps, all replicas together."""

from __future__ import annotations

import numpy as np

import capacity
from bench.peers import RefusedError
from bench.workload import Workload, make_trainer
from capacity.engine.devices import describe_device
from capacity.errors import CapacityError


class Peer:
    """Trains a workload; batches and initial weights come from the seeds, as for any user."""

    def __init__(self, workload: Workload, device: str = "cpu", precision: str = "float32") -> None:
        try:
            self._trainer = make_trainer(workload, device, precision=precision, threads=None)
        except CapacityError as error:
            raise RefusedError(str(error)) from error
        expected = [value.reshape(workload.shape.replicas, -1) for value in workload.parameters.values()]
        states = np.stack([state.parameters for state in self._trainer.states()])
        assert np.array_equal(states, np.concatenate(expected, axis=1)), "the initial weights differ"

    def run(self, steps: int) -> None:
        """Take `steps` steps."""
        self._trainer.advance(steps)

    def evaluate(self) -> tuple[float, float]:
        """Return the mean cross-entropy, in nats, and the share of errors over all N samples and R replicas."""
        metrics = self._trainer.evaluate()
        return float(metrics.loss.mean()), float(metrics.top1.mean())

    def describe(self) -> dict[str, str]:
        """Return versions and settings."""
        described = describe_device(self._trainer.device)
        kept = {name: value for name, value in described.items() if name not in ("machine", "processor")}
        return {"version": capacity.__version__, **kept}
