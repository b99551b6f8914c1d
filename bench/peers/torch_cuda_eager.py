"""PyTorch in eager mode on the GPU: the training loop one would write by hand, replicas one after the other.

Data and the order of all epochs lie on the GPU. Products are float32, without TF32.
"""

from __future__ import annotations

import torch
from torch import nn
from workload import LR, Workload


class Peer:
    """Trains a workload from its initial weights and on its batches."""

    def __init__(self, workload: Workload, device: str = "cuda") -> None:
        torch.set_float32_matmul_precision("highest")
        self._device = torch.device(device)
        self._features = torch.from_numpy(workload.features).to(self._device)
        self._labels = torch.from_numpy(workload.labels).long().to(self._device)
        self._batches = torch.from_numpy(workload.batches).to(self._device)
        self._models = [self._model(workload, replica) for replica in range(workload.shape.replicas)]
        self._optimizers = [torch.optim.SGD(model.parameters(), lr=LR) for model in self._models]
        self._criterion = nn.CrossEntropyLoss()
        self._step = 0

    def _model(self, workload: Workload, replica: int) -> nn.Module:
        s = workload.shape
        hidden, softmax = nn.Linear(s.inputs, s.width), nn.Linear(s.width, s.classes)
        with torch.no_grad():
            for layer, name in ((hidden, "hidden1"), (softmax, "softmax")):
                layer.weight.copy_(torch.from_numpy(workload.parameters[f"{name}/weight"][replica].T))
                layer.bias.copy_(torch.from_numpy(workload.parameters[f"{name}/bias"][replica]))
        return nn.Sequential(hidden, nn.Sigmoid(), softmax).to(self._device)

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

    def loss(self) -> float:
        """Return the mean cross-entropy over all N samples and R replicas, in nats."""
        with torch.no_grad():
            losses = [float(self._criterion(model(self._features), self._labels)) for model in self._models]
        return sum(losses) / len(losses)

    @staticmethod
    def describe() -> dict[str, str]:
        """Return versions and settings."""
        return {"version": str(torch.__version__), "cuda": str(torch.version.cuda)}
