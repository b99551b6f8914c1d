"""What every peer is given: one training, fully determined, so that all do the same work."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SEED = 0
LRS = {"sgd": 0.1, "adam": 1e-3}
SAMPLES = 8192
TITLES = {"relu": "ReLU", "adam": "Adam"}


@dataclass(frozen=True)
class Shape:
    """An MLP of `depth` hidden layers, D-H-K, its batch size B, the number R of replicas, and how they are trained."""

    inputs: int
    width: int
    classes: int
    batch: int
    replicas: int = 1
    depth: int = 1
    activation: str = "sigmoid"
    optimizer: str = "sgd"

    @property
    def units(self) -> tuple[int, ...]:
        """Sizes from the inputs to the classes: (D, H, .., H, K)."""
        return (self.inputs, *[self.width] * self.depth, self.classes)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, inputs first."""
        return (*(f"hidden{number}" for number in range(1, self.depth + 1)), "softmax")

    @property
    def lr(self) -> float:
        """The learning rate."""
        return LRS[self.optimizer]

    def __str__(self) -> str:
        hidden = f"{self.width}" if self.depth == 1 else f"{self.width}x{self.depth}"
        named = [f"{self.inputs}-{hidden}-{self.classes}", f"B={self.batch}"]
        named += [f"R={self.replicas}"] if self.replicas > 1 else []
        return ", ".join(named + [TITLES[name] for name in (self.activation, self.optimizer) if name in TITLES])


@dataclass(frozen=True)
class Workload:
    """R trainings of `shape` with the seeds SEED, SEED + 1, ...

    Attributes
    ----------
    features : ndarray (N, D), float32
    labels : ndarray (N,), int32
    batches : ndarray (R, T, B), int32
        The rows of each step, in the order that `capacity` itself would take them for each seed.
    parameters : dict
        'layer/role' -> initial values; weights are (R, inputs, units), biases (R, units).
    first_seed : int
        Of the first replica.
    """

    shape: Shape
    features: NDArray[np.float32]
    labels: NDArray[np.int32]
    batches: NDArray[np.int32]
    parameters: dict[str, NDArray[np.float32]]
    first_seed: int = SEED

    def save(self, path: Path) -> None:
        """Write the workload as an .npz file."""
        arrays: dict[str, Any] = {f"parameters/{name}": value for name, value in self.parameters.items()}
        arrays |= {"features": self.features, "labels": self.labels, "batches": self.batches}
        np.savez(path, shape=json.dumps(asdict(self.shape)), **arrays)

    @classmethod
    def load(cls, path: Path) -> Workload:
        """Read what `save` wrote."""
        with np.load(path) as file:
            named = {key.removeprefix("parameters/"): file[key] for key in file if key.startswith("parameters/")}
            shape = Shape(**json.loads(str(file["shape"])))
            return cls(shape, file["features"], file["labels"], file["batches"], named)

    def share(self, number: int, of: int) -> Workload:
        """Return the `number`-th of `of` equal shares of the replicas."""
        each = self.shape.replicas // of
        assert each * of == self.shape.replicas, "every share has as many replicas"
        rows = slice(number * each, (number + 1) * each)
        parameters = {name: value[rows] for name, value in self.parameters.items()}
        shape = replace(self.shape, replicas=each)
        return replace(
            self, shape=shape, batches=self.batches[rows], parameters=parameters, first_seed=SEED + rows.start
        )


def make_workload(shape: Shape, steps: int) -> Workload:
    """Return a workload of `steps` steps: normal features, labels from a random linear teacher."""
    rng = np.random.default_rng(SEED)
    features = rng.standard_normal((SAMPLES, shape.inputs), np.float32)
    labels = np.argmax(features @ rng.standard_normal((shape.inputs, shape.classes), np.float32), axis=1)
    workload = Workload(shape, features, labels.astype(np.int32), _batches(shape, steps), {})
    trainer = make_trainer(workload, "cpu")
    parameters = np.stack([state.parameters for state in trainer.states()])
    named = {
        f"{s.layer}/{s.role}": parameters[:, s.offset : s.offset + s.size].reshape(-1, *s.shape)
        for s in trainer.segments
    }
    return replace(workload, parameters=named)


def make_trainer(workload: Workload, device: str, *, precision: str = "float32", threads: int | None = 1) -> Any:
    """Return the capacity.Trainer of a workload."""
    from capacity.data import Dataset, Split
    from capacity.models import MLP
    from capacity.training import Trainer

    shape = workload.shape
    names = tuple(str(k) for k in range(shape.classes))
    split = Split(workload.features, workload.labels)
    return Trainer(
        MLP(hidden=(shape.width,) * shape.depth, activation=shape.activation),
        Dataset("bench", shape.classes, names, (), 1.0, split, None, "", {}),
        batch=shape.batch, lrs=[shape.lr] * shape.replicas,
        seeds=range(workload.first_seed, workload.first_seed + shape.replicas), optimizer=optimizer_of(shape),
        precision=precision, device=device, threads=threads,
    )  # fmt: skip


def optimizer_of(shape: Shape) -> Any:
    """Return capacity's optimizer of a shape."""
    from capacity.training import SGD, Adam

    return {"sgd": SGD, "adam": Adam}[shape.optimizer]()


def _batches(shape: Shape, steps: int) -> NDArray[np.int32]:
    from capacity.engine.random import PURPOSE_ORDER, permutation

    assert SAMPLES % shape.batch == 0, "every batch is full"
    epochs, seeds = -(-steps * shape.batch // SAMPLES), range(SEED, SEED + shape.replicas)
    order = [
        [permutation(seed, PURPOSE_ORDER, epoch, SAMPLES, np.arange(SAMPLES)) for epoch in range(epochs)]
        for seed in seeds
    ]
    return np.array(order, np.int32).reshape(shape.replicas, -1, shape.batch)[:, :steps]
