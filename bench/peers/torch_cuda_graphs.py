"""PyTorch at its fastest: forward and backward by torch.compile, the fused optimizer, the whole step in a CUDA graph.

Replicas are a batch axis (baddbmm). Data, the order of all epochs and the step counter lie on the GPU, so that nothing
but the launch of the graph is left to the host. Products are float32, without TF32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from bench.workload import Workload

_WARM_UP = 3  # steps, as the documentation of torch.cuda.CUDAGraph has it
_NAMES = ("hidden1/weight", "hidden1/bias", "softmax/weight", "softmax/bias")


class Peer:
    """Trains a workload from its initial weights and on its batches; on the CPU uncompiled, which tests use."""

    def __init__(self, workload: Workload, device: str = "cuda") -> None:
        torch.set_float32_matmul_precision("highest")
        self._shape, self._device = workload.shape, torch.device(device)
        self._features = torch.from_numpy(workload.features).to(self._device)
        self._labels = torch.from_numpy(workload.labels).long().to(self._device)
        self._batches = torch.from_numpy(workload.batches).transpose(0, 1).contiguous().to(self._device)  # (T, R, B)
        self._initial = [self._stacked(workload, name) for name in _NAMES]
        self._parameters = [value.clone().requires_grad_() for value in self._initial]
        self._optimizer = torch.optim.SGD(self._parameters, lr=workload.shape.lr, fused=True)
        self._counter = torch.zeros(1, dtype=torch.int64, device=self._device)
        self._loss_of: Any = torch.compile(self._loss, fullgraph=True) if device == "cuda" else self._loss
        self._graph = self._captured() if device == "cuda" else None

    def _stacked(self, workload: Workload, name: str) -> Tensor:
        """Return a parameter of all replicas: (R, rows, units), or (rows, units) when there is one."""
        value = torch.from_numpy(workload.parameters[name]).to(self._device)
        value = value if value.dim() == 3 else value[:, None]
        return value if self._shape.replicas > 1 else value[0]

    def _logits(self, x: Tensor) -> Tensor:
        w1, b1, w2, b2 = self._parameters
        product = torch.baddbmm if self._shape.replicas > 1 else torch.addmm
        return product(b2, torch.sigmoid(product(b1, x, w1)), w2)

    def _loss(self, index: Tensor) -> Tensor:
        """Return the sum over replicas of the mean loss of each one's batch; index is (R, B)."""
        lead = index.shape if self._shape.replicas > 1 else index.shape[1:]
        x = self._features.index_select(0, index.reshape(-1)).view(*lead, -1)
        y = self._labels.index_select(0, index.reshape(-1))
        return cross_entropy(self._logits(x).flatten(0, -2), y, reduction="sum") / self._shape.batch

    def _take_step(self) -> None:
        index = self._batches.index_select(0, self._counter)[0]
        self._optimizer.zero_grad(set_to_none=True)
        self._loss_of(index).backward()
        self._optimizer.step()
        self._counter += 1

    def _captured(self) -> Any:
        """Capture a step after a few to warm up, whose traces are wiped off."""
        cuda: Any = torch.cuda
        beside = cuda.Stream()
        beside.wait_stream(cuda.current_stream())
        with cuda.stream(beside):
            for _ in range(_WARM_UP):
                self._take_step()
        cuda.current_stream().wait_stream(beside)
        graph = cuda.CUDAGraph()
        with cuda.graph(graph):
            self._take_step()
        with torch.no_grad():
            for parameter, value in zip(self._parameters, self._initial, strict=True):
                parameter.copy_(value)
            self._counter.zero_()
        cuda.synchronize()
        return graph

    def run(self, steps: int) -> None:
        """Take `steps` steps."""
        for _ in range(steps):
            if self._graph is None:
                self._take_step()
            else:
                self._graph.replay()
        if self._graph is not None:
            torch.cuda.synchronize()

    def evaluate(self) -> tuple[float, float]:
        """Return the mean cross-entropy, in nats, and the share of errors over all N samples and R replicas."""
        replicas = self._shape.replicas
        x = self._features.expand(replicas, -1, -1) if replicas > 1 else self._features
        y = self._labels.repeat(replicas)
        with torch.no_grad():
            logits = self._logits(x).flatten(0, -2)
            return float(cross_entropy(logits, y)), float((logits.argmax(1) != y).float().mean())

    @staticmethod
    def describe() -> dict[str, str]:
        """Return versions and settings."""
        return {"version": str(torch.__version__), "cuda": str(torch.version.cuda)}
