"""PyTorch in eager mode on one thread: the training loop one would write by hand, with all data in memory.

The order of the epochs is given to it: it draws no permutation while the clock runs.
"""

from __future__ import annotations

import torch
from torch import nn
from workload import LR, Workload


class Peer:
    """Trains a workload from its initial weights and on its batches."""

    def __init__(self, workload: Workload) -> None:
        torch.set_num_threads(1)
        torch.set_num_interop_threads(1)
        s = workload.shape
        hidden, softmax = nn.Linear(s.inputs, s.width), nn.Linear(s.width, s.classes)
        with torch.no_grad():
            for layer, name in ((hidden, "hidden1"), (softmax, "softmax")):
                layer.weight.copy_(torch.from_numpy(workload.parameters[f"{name}/weight"][0].T))
                layer.bias.copy_(torch.from_numpy(workload.parameters[f"{name}/bias"][0]))
        self._model = nn.Sequential(hidden, nn.Sigmoid(), softmax)
        self._optimizer = torch.optim.SGD(self._model.parameters(), lr=LR)
        self._criterion = nn.CrossEntropyLoss()
        self._features = torch.from_numpy(workload.features)
        self._labels = torch.from_numpy(workload.labels).long()
        self._batches = torch.from_numpy(workload.batches[0])
        self._step = 0

    def run(self, steps: int) -> None:
        """Take `steps` steps."""
        for index in self._batches[self._step : self._step + steps]:
            x = self._features.index_select(0, index)
            y = self._labels.index_select(0, index)
            self._optimizer.zero_grad()
            self._criterion(self._model(x), y).backward()
            self._optimizer.step()
        self._step += steps

    def loss(self) -> float:
        """Return the mean cross-entropy over all N samples, in nats."""
        with torch.no_grad():
            return float(self._criterion(self._model(self._features), self._labels))

    @staticmethod
    def describe() -> dict[str, str]:
        """Return versions and settings."""
        simd = torch.backends.cpu.get_cpu_capability()
        return {"version": str(torch.__version__), "simd": simd, "threads": str(torch.get_num_threads())}
