"""The CUDA executor: the same programs, with the replicas as a batch axis and the whole step on the device."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.engine.cuda.backend import Arena, Backend, Buffer
from capacity.engine.cuda.recording import MACHINE, REPLICA, record
from capacity.engine.executor import STORED_TYPES, Replicas, Source
from capacity.engine.program import ARENAS, Program

_OWNED = ("parameters", "optimizer")
"""Arenas that the caller owns: copied in when a run begins and out when it ends. The others never leave the device."""


class CudaExecutor:
    """Runs a program on a backend. Memory is allocated at the first run for a number of replicas, and kept."""

    def __init__(self, program: Program, dtype: np.dtype[Any], backend: Backend) -> None:
        self.program, self.dtype, self.backend = program, dtype, backend
        self._session: Session | None = None
        self._data: _Data | None = None

    def run(self, replicas: Replicas, source: Source, first_step: int, steps: int) -> None:
        """Run `steps` steps of every active replica; see :class:`capacity.engine.executor.Executor`."""
        if len(source.labels) == 0:
            return
        session = self.session(*replicas.statistics.shape)
        if self._data is None or self._data.features is not source.features or self._data.labels is not source.labels:
            self._data = None  # its memory is free before more is asked for
            self._data = _Data(self.backend, source)
        session.run(replicas, source, self._data, first_step, steps)

    def session(self, replicas: int, statistics: int) -> Session:
        """Return the memory and the recorded step for so many replicas, each with so many statistics."""
        if self._session is None or (self._session.count, self._session.statistics_size) != (replicas, statistics):
            self._session = None
            self._session = Session(self.program, self.dtype, self.backend, replicas, statistics)
        return self._session


class _Data:
    """A data set on the device, in its stored type."""

    def __init__(self, backend: Backend, source: Source) -> None:
        self.features, self.labels = source.features, source.labels
        self.features_buffer = _uploaded(backend, np.ascontiguousarray(source.features))
        self.labels_buffer = _uploaded(backend, np.ascontiguousarray(source.labels))
        self.stored = STORED_TYPES.index(source.features.dtype.name)


class Session:
    """Memory for a number of replicas, and the step recorded in it."""

    def __init__(self, program: Program, dtype: np.dtype[Any], backend: Backend, count: int, statistics: int) -> None:
        self.count, self.statistics_size = count, statistics
        self._program, self._dtype, self._backend = program, dtype, backend
        self.arenas = {
            name: Arena(backend.empty(max(1, count * size * _itemsize(name, dtype))), size)
            for name, size in program.sizes.items()
        }
        recording = record(program, count)
        self._statistics = backend.empty(max(1, count * statistics * 8))
        self._replicas = backend.empty(count * REPLICA.itemsize)
        self._machine = backend.empty(MACHINE.itemsize)
        self._calls = _uploaded(backend, recording.calls)
        self._step = backend.prepare(dtype, recording, count, self._machine, self._calls, self.arenas)

    def run(self, replicas: Replicas, source: Source, data: _Data, first_step: int, steps: int) -> None:
        backend = self._backend
        for name in _OWNED:
            backend.write(self.arenas[name].buffer, getattr(replicas, name))
        backend.write(self._statistics, replicas.statistics)
        backend.write(self._replicas, _replica_table(replicas))
        backend.write(self._machine, self._machine_struct(source, data, first_step))
        self._step.replay(steps)
        for name in _OWNED:
            backend.read(self.arenas[name].buffer, getattr(replicas, name))
        backend.read(self._statistics, replicas.statistics)

    def _machine_struct(self, source: Source, data: _Data, step: int) -> NDArray[Any]:
        machine, address = np.zeros((), MACHINE), self._backend.address
        machine["arenas"] = [address(self.arenas[name].buffer) for name in ARENAS[:-1]]
        machine["strides"] = [self.arenas[name].stride for name in ARENAS]
        machine["labels"] = address(self.arenas["labels"].buffer)
        machine["statistics"], machine["statistics_stride"] = address(self._statistics), self.statistics_size
        machine["replicas"], machine["replica_count"] = address(self._replicas), self.count
        machine["features"], machine["labels_in"] = address(data.features_buffer), address(data.labels_buffer)
        machine["stored"], machine["samples"], machine["scale"] = data.stored, len(source.labels), source.scale
        machine["batch"], machine["micro_batch"] = self._program.batch, self._program.micro_batch
        machine["step"] = step
        return machine


def _itemsize(arena: str, dtype: np.dtype[Any]) -> int:
    return 4 if arena == "labels" else dtype.itemsize


def _replica_table(replicas: Replicas) -> NDArray[Any]:
    table = np.zeros(len(replicas.seeds), REPLICA)
    table["seed"], table["lr"], table["active"], table["epoch"] = replicas.seeds, replicas.lrs, replicas.active, -1
    return table


def _uploaded(backend: Backend, array: NDArray[Any]) -> Buffer:
    buffer = backend.empty(max(1, array.nbytes))
    backend.write(buffer, array)
    return buffer
