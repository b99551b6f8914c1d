"""What every peer is given: one training, fully determined, so that all do the same work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SEED = 0
LR = 0.1
SAMPLES = 8192


@dataclass(frozen=True)
class Shape:
    """A sigmoid MLP with one hidden layer, D-H-K, and its batch size B."""

    inputs: int
    width: int
    classes: int
    batch: int

    def __str__(self) -> str:
        return f"{self.inputs}-{self.width}-{self.classes}, B={self.batch}"


@dataclass(frozen=True)
class Workload:
    """A training of `shape` by plain SGD at learning rate LR.

    Attributes
    ----------
    features : ndarray (N, D), float32
    labels : ndarray (N,), int32
    batches : ndarray (T, B), int64
        The rows of each step, in the order that `capacity` itself would take them for seed SEED.
    parameters : dict
        'layer/role' -> initial values; weights are (inputs, units).
    """

    shape: Shape
    features: NDArray[np.float32]
    labels: NDArray[np.int32]
    batches: NDArray[np.int64]
    parameters: dict[str, NDArray[np.float32]]

    def save(self, path: Path) -> None:
        """Write the workload as an .npz file."""
        s = self.shape
        arrays: dict[str, Any] = {f"parameters/{name}": value for name, value in self.parameters.items()}
        arrays |= {"features": self.features, "labels": self.labels, "batches": self.batches}
        np.savez(path, shape=[s.inputs, s.width, s.classes, s.batch], **arrays)

    @classmethod
    def load(cls, path: Path) -> Workload:
        """Read what `save` wrote."""
        with np.load(path) as file:
            named = {key.removeprefix("parameters/"): file[key] for key in file if key.startswith("parameters/")}
            shape = Shape(*(int(n) for n in file["shape"]))
            return cls(shape, file["features"], file["labels"], file["batches"], named)


def make_workload(shape: Shape, steps: int) -> Workload:
    """Return a workload of `steps` steps: normal features, labels from a random linear teacher."""
    rng = np.random.default_rng(SEED)
    features = rng.standard_normal((SAMPLES, shape.inputs), np.float32)
    labels = np.argmax(features @ rng.standard_normal((shape.inputs, shape.classes), np.float32), axis=1)
    trainer = make_trainer(shape, features, labels.astype(np.int32))
    parameters = trainer.states()[0].parameters
    named = {f"{s.layer}/{s.role}": parameters[s.offset : s.offset + s.size].reshape(s.shape) for s in trainer.segments}
    return Workload(shape, features, labels.astype(np.int32), _batches(shape.batch, steps), named)


def make_trainer(shape: Shape, features: NDArray[np.float32], labels: NDArray[np.int32]) -> Any:
    """Return the capacity.Trainer of a workload, on one thread."""
    from capacity.data import Dataset, Split
    from capacity.models import MLP
    from capacity.training import Trainer

    names = tuple(str(k) for k in range(shape.classes))
    data = Dataset("bench", shape.classes, names, (), 1.0, Split(features, labels), None, "", {})
    return Trainer(MLP(hidden=(shape.width,)), data, batch=shape.batch, lrs=[LR], seeds=[SEED], threads=1)


def _batches(batch: int, steps: int) -> NDArray[np.int64]:
    from capacity.engine.random import permutation

    assert SAMPLES % batch == 0, "every batch is full"
    epochs = -(-steps * batch // SAMPLES)
    order = [permutation(SEED, epoch, SAMPLES, np.arange(SAMPLES)) for epoch in range(epochs)]
    return np.concatenate(order).reshape(-1, batch)[:steps]
