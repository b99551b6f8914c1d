"""PyTorch in eager mode: the training loop one would write by hand, replicas one after the other.

Data and the order of all epochs lie on the device: it draws no permutation while the clock runs. Products are float32,
without TF32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from bench.workload import Workload

ACTIVATIONS: dict[str, type[nn.Module]] = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU}
OPTIMIZERS: dict[str, Any] = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}


class Peer:
    """Trains a workload from its initial weights and on its batches."""

    def __init__(self, workload: Workload, device: str = "cpu") -> None:
        torch.set_float32_matmul_precision("highest")
        self._device = torch.device(device)
        self._features = torch.from_numpy(workload.features).to(self._device)
        self._labels = torch.from_numpy(workload.labels).long().to(self._device)
        self._batches = torch.from_numpy(workload.batches).to(self._device)
        self._models = [self._model(workload, replica) for replica in range(workload.shape.replicas)]
        optimizer = OPTIMIZERS[workload.shape.optimizer]
        self._optimizers = [optimizer(model.parameters(), lr=workload.shape.lr) for model in self._models]
        self._criterion = nn.CrossEntropyLoss()
        self._step = 0

    def _model(self, workload: Workload, replica: int) -> nn.Module:
        modules: list[nn.Module] = []
        sizes = workload.shape.units
        for name, inputs, units in zip(workload.shape.layers, sizes, sizes[1:], strict=False):
            layer = nn.Linear(inputs, units)
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(workload.parameters[f"{name}/weight"][replica].T))
                layer.bias.copy_(torch.from_numpy(workload.parameters[f"{name}/bias"][replica]))
            modules += [layer, ACTIVATIONS[workload.shape.activation]()]
        return nn.Sequential(*modules[:-1]).to(self._device)

    def run(self, steps: int) -> None:
        """Take `steps` steps."""
        for model, optimizer, batches in zip(self._models, self._optimizers, self._batches, strict=True):
            for index in batches[self._step : self._step + steps]:
                x = self._features.index_select(0, index)
                y = self._labels.index_select(0, index)
                optimizer.zero_grad()
                self._criterion(model(x), y).backward()
                optimizer.step()
        self._step += steps
        if self._device.type == "cuda":
            torch.cuda.synchronize()

    def evaluate(self) -> tuple[float, float]:
        """Return the mean cross-entropy, in nats, and the share of errors over all N samples and R replicas."""
        losses, errors = [], []
        with torch.no_grad():
            for model in self._models:
                logits = model(self._features)
                losses.append(float(self._criterion(logits, self._labels)))
                errors.append(float((logits.argmax(1) != self._labels).float().mean()))
        return sum(losses) / len(losses), sum(errors) / len(errors)

    def describe(self) -> dict[str, str]:
        """Return versions and settings."""
        if self._device.type == "cuda":
            return {"version": str(torch.__version__), "cuda": str(torch.version.cuda)}
        simd = torch.backends.cpu.get_cpu_capability()
        return {"version": str(torch.__version__), "simd": simd, "threads": str(torch.get_num_threads())}
