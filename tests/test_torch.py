"""Agreement with PyTorch, another implementation, on the same initial weights and batches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from capacity.engine import random
from capacity.engine.optimizers import SGD, Adam, AdamW
from capacity.models import MLP
from tests.executors import CPU, REFERENCE, Run, Target, make_source

torch = pytest.importorskip("torch", reason="PyTorch is not installed (pip install 'capacity-nn[torch]')")

ACTIVATIONS = {
    "identity": torch.nn.Identity,
    "sigmoid": torch.nn.Sigmoid,
    "tanh": torch.nn.Tanh,
    "relu": torch.nn.ReLU,
    "leaky_relu": torch.nn.LeakyReLU,
    "gelu": torch.nn.GELU,
}

OPTIMIZERS = {
    "plain": (SGD(), torch.optim.SGD),
    "momentum": (SGD(0.9, 1e-3), partial(torch.optim.SGD, momentum=0.9, weight_decay=1e-3)),
    "adam": (Adam(), torch.optim.Adam),
    "adam-decay": (
        Adam(0.8, 0.95, 1e-3, 0.1),
        partial(torch.optim.Adam, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1),
    ),
    "adamw": (AdamW(), torch.optim.AdamW),
}
"""Ours and PyTorch's; the defaults are the same."""


@pytest.mark.parametrize("target", [REFERENCE, *CPU], ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_agrees_with_pytorch(target: Target, activation: str, optimizer: str) -> None:
    run = Run(
        MLP((20, 15), activation), make_source(100, 13, 5), classes=5, optimizer=OPTIMIZERS[optimizer][0], lrs=(0.1,)
    )
    got = run.on(target, 20).parameters[0]
    np.testing.assert_allclose(
        got, _train_with_torch(run, 20, OPTIMIZERS[optimizer][1]), rtol=0, atol=1e3 * target.epsilon
    )


def _train_with_torch(run: Run, steps: int, make: Callable[..., torch.optim.Optimizer]) -> np.ndarray:
    """Return the parameters in our layout after `steps` steps in float64."""
    program, start = run.program(), run.start("float64").parameters[0]
    layers: list[torch.nn.Module] = []
    for weight, bias in zip(program.segments[::2], program.segments[1::2], strict=True):
        linear = torch.nn.Linear(*weight.shape, dtype=torch.float64)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(start[weight.offset : bias.offset].reshape(weight.shape).T.copy()))
            linear.bias.copy_(torch.from_numpy(start[bias.offset : bias.offset + bias.size].copy()))
        layers += [linear, ACTIVATIONS[run.model.activation]()]
    network = torch.nn.Sequential(*layers[:-1])
    optimizer = make(network.parameters(), lr=run.lrs[0])
    x = torch.from_numpy(run.source.features * run.source.scale)
    y = torch.from_numpy(run.source.labels.astype(np.int64))
    for rows in _batches(len(y), run.batch, run.seeds[0], steps):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(x[rows]), y[rows]).backward()
        optimizer.step()
    parts = []
    for linear in network:
        if isinstance(linear, torch.nn.Linear):
            parts += [linear.weight.detach().numpy().T.ravel(), linear.bias.detach().numpy()]
    return np.concatenate(parts)


def _batches(samples: int, batch: int, seed: int, steps: int) -> list[torch.Tensor]:
    per_epoch = -(-samples // batch)
    orders = [
        random.permutation(seed, random.PURPOSE_ORDER, e, samples, np.arange(samples))
        for e in range(-(-steps // per_epoch))
    ]
    pieces = [order[i : i + batch] for order in orders for i in range(0, samples, batch)]
    return [torch.from_numpy(piece) for piece in pieces[:steps]]
