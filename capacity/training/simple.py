"""Train one model and keep its learning curve."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data import Dataset, open_dataset
from capacity.engine.optimizers import Optimizer
from capacity.errors import InputError
from capacity.models import MLP
from capacity.training.trainer import Trainer


@dataclass(frozen=True)
class TrainResult:
    """The learning curve of one training and its last parameters.

    Attributes
    ----------
    loss, top1, top5 : ndarray (epochs + 1,)
        Mean cross-entropy in nats, and error fractions, over the whole training set; entry 0 is before training.
    parameters : dict
        'layer/role' -> array of its shape, for instance 'hidden1/weight' (D, H).
    device, precision : str
        What the model was trained on and in.
    """

    loss: NDArray[np.float64]
    top1: NDArray[np.float64]
    top5: NDArray[np.float64]
    parameters: dict[str, NDArray[Any]]
    device: str
    precision: str


def train(
    model: MLP,
    data: str | Path | Dataset = "digits",
    *,
    epochs: int = 100,
    lr: float = 0.1,
    batch: int = 32,
    seed: int = 0,
    optimizer: Optimizer | None = None,
    precision: str = "float32",
    device: str = "auto",
    threads: int | None = None,
) -> TrainResult:
    """Train `model` on `data` for `epochs` epochs, evaluating on the whole training set after each.

    Parameters are those of :class:`capacity.Trainer`; `data` is a built-in name, a file or a Dataset.

    Examples
    --------
    >>> import capacity
    >>> result = capacity.train(capacity.MLP(hidden=(16,)), "digits", epochs=5)
    >>> result.top1[0] > 0.8 > result.top1[-1]
    True
    """
    if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 1:
        raise InputError(f"epochs must be a positive whole number, got {epochs!r}.")
    trainer = Trainer(
        model, open_dataset(data), batch=batch, lrs=[lr], seeds=[seed],
        optimizer=optimizer, precision=precision, device=device, threads=threads,
    )  # fmt: skip
    curve = [trainer.evaluate()]
    for _ in range(epochs):
        trainer.advance(int(trainer.steps_per_epoch[0]))
        curve.append(trainer.evaluate())
    (state,) = trainer.states()
    parameters = {
        f"{s.layer}/{s.role}": state.parameters[s.offset : s.offset + s.size].reshape(s.shape) for s in trainer.segments
    }
    loss, top1, top5 = (np.array([getattr(m, name)[0] for m in curve]) for name in ("loss", "top1", "top5"))
    return TrainResult(loss, top1, top5, parameters, trainer.device, trainer.precision)
