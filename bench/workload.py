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
    """A sigmoid MLP with one hidden layer, D-H-K, its batch size B and the number R of replicas."""

    inputs: int
    width: int
    classes: int
    batch: int
    replicas: int = 1

    def __str__(self) -> str:
        name = f"{self.inputs}-{self.width}-{self.classes}, B={self.batch}"
        return name if self.replicas == 1 else f"{name}, R={self.replicas}"


@dataclass(frozen=True)
class Workload:
    """R trainings of `shape` by plain SGD at learning rate LR, with the seeds SEED, SEED + 1, ...

    Attributes
    ----------
    features : ndarray (N, D), float32
    labels : ndarray (N,), int32
    batches : ndarray (R, T, B), int32
        The rows of each step, in the order that `capacity` itself would take them for each seed.
    parameters : dict
        'layer/role' -> initial values; weights are (R, inputs, units).
    """

    shape: Shape
    features: NDArray[np.float32]
    labels: NDArray[np.int32]
    batches: NDArray[np.int32]
    parameters: dict[str, NDArray[np.float32]]

    def save(self, path: Path) -> None:
        """Write the workload as an .npz file."""
        s = self.shape
        arrays: dict[str, Any] = {f"parameters/{name}": value for name, value in self.parameters.items()}
        arrays |= {"features": self.features, "labels": self.labels, "batches": self.batches}
        np.savez(path, shape=[s.inputs, s.width, s.classes, s.batch, s.replicas], **arrays)

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
    trainer = make_trainer(shape, features, labels.astype(np.int32), "cpu")
    parameters = np.stack([state.parameters for state in trainer.states()])
    named = {
        f"{s.layer}/{s.role}": parameters[:, s.offset : s.offset + s.size].reshape(-1, *s.shape)
        for s in trainer.segments
    }
    return Workload(shape, features, labels.astype(np.int32), _batches(shape, steps), named)


def make_trainer(shape: Shape, features: NDArray[np.float32], labels: NDArray[np.int32], device: str) -> Any:
    """Return the capacity.Trainer of a workload; on the CPU it has one thread."""
    from capacity.data import Dataset, Split
    from capacity.models import MLP
    from capacity.training import Trainer

    names = tuple(str(k) for k in range(shape.classes))
    data = Dataset("bench", shape.classes, names, (), 1.0, Split(features, labels), None, "", {})
    seeds = range(SEED, SEED + shape.replicas)
    return Trainer(
        MLP(hidden=(shape.width,)), data, batch=shape.batch, lrs=[LR] * shape.replicas, seeds=seeds, device=device,
        threads=1,
    )  # fmt: skip


def _batches(shape: Shape, steps: int) -> NDArray[np.int32]:
    from capacity.engine.random import permutation

    assert SAMPLES % shape.batch == 0, "every batch is full"
    epochs, seeds = -(-steps * shape.batch // SAMPLES), range(SEED, SEED + shape.replicas)
    order = [[permutation(seed, epoch, SAMPLES, np.arange(SAMPLES)) for epoch in range(epochs)] for seed in seeds]
    return np.array(order, np.int32).reshape(shape.replicas, -1, shape.batch)[:, :steps]
