"""The CUDA executor: the same programs, with the replicas as a batch axis and the whole step on the device."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.engine.cuda.backend import Arena, Backend
from capacity.engine.cuda.data import Data, fits, make_data, uploaded
from capacity.engine.cuda.recording import CALL, MACHINE, REPLICA, record
from capacity.engine.executor import Executor, Looks, Replicas, Source, check_run, element_type
from capacity.engine.fitting import fit_by_turns
from capacity.engine.program import ARENAS, ELEMENT_ARENAS, BoundCall, Program

_OWNED = ("parameters", "optimizer", "anchor")
"""Arenas that the caller owns: copied in when a run begins, and out when it ends. The others never leave the device."""


class CudaExecutor:
    """Runs a program on a backend. Memory is allocated at the first run for a number of replicas, and kept."""

    def __init__(self, program: Program, precision: str, backend: Backend) -> None:
        self.program, self.precision, self.backend = program, precision, backend
        self.dtype = element_type(precision)
        self._session: Session | None = None
        self._data: list[Data] = []

    def reserve(self, replicas: Replicas) -> None:
        """Allocate the replicas' memory and record the step."""
        self.session(*replicas.statistics.shape)

    def run(self, replicas: Replicas, source: Source, first_step: int, steps: int) -> None:
        """Run `steps` steps of every active replica; see :class:`capacity.engine.executor.Executor`."""
        check_run(self.program, replicas, source, first_step, steps)
        if len(source.labels) == 0:
            return
        session = self.session(*replicas.statistics.shape)
        session.run(replicas, source, self._rows(source, replicas), first_step, steps)

    def fit(
        self, evaluation: Executor, replicas: Replicas, source: Source, first_step: int, looks: Looks
    ) -> NDArray[np.int64]:
        """Run until a look finds that a replica has fitted; see :class:`capacity.engine.executor.Executor`."""
        return fit_by_turns(self, evaluation, replicas, source, first_step, looks)

    def session(self, replicas: int, statistics: int) -> Session:
        """Return the memory and the recorded step for so many replicas, each with so many statistics."""
        if self._session is None or (self._session.count, self._session.statistics_size) != (replicas, statistics):
            self._session = None
            self._session = Session(self.program, self.precision, self.backend, replicas, statistics)
        return self._session

    def _rows(self, source: Source, replicas: Replicas) -> Data:
        """Return a source's rows on the device; those of others stay beside them, as long as there is room."""
        for data in self._data:
            if data.holds(source, replicas):
                return data
        if source.window is None and not fits(self.backend, source):
            self._data.clear()
        self._data.append(make_data(self.backend, self.program, source, replicas))
        return self._data[-1]


class Session:
    """Memory for a number of replicas, and the step recorded in it."""

    def __init__(self, program: Program, precision: str, backend: Backend, count: int, statistics: int) -> None:
        self.count, self.statistics_size = count, statistics
        self._program, self._backend = program, backend
        calls = (*program.body, *program.update)
        self._written = [name for name in _OWNED if any(_writes(call, name) for call in calls)]
        dtype = element_type(precision)
        self.arenas = {
            name: Arena(backend.empty(max(1, count * size * _itemsize(name, dtype))), size)
            for name, size in program.sizes.items()
        }
        recording = record(program, count, precision)
        self._statistics = backend.empty(max(1, count * statistics * 8))
        self._trace, self._trace_bytes = None, 0  # as many as the longest run so far has needed
        self._replicas = backend.empty(count * REPLICA.itemsize)
        self._machine = backend.empty(MACHINE.itemsize)
        self._calls = uploaded(backend, recording.calls)
        self._step = backend.prepare(dtype, recording, count, self._machine, self._calls, self.arenas)

    def run(self, replicas: Replicas, source: Source, data: Data, first_step: int, steps: int) -> None:
        """Copy in what the caller owns, run the steps, copy out what the program changes of it."""
        backend = self._backend
        for name in _OWNED:
            backend.write(self.arenas[name].buffer, getattr(replicas, name))
        backend.write(self._statistics, replicas.statistics)
        backend.write(self._replicas, _replica_table(replicas))
        machine = self._machine_struct(source, first_step)
        self._describe_trace(machine, replicas.trace)
        data.describe(machine)
        backend.write(self._machine, machine)
        data.feed(self._step, source, replicas, first_step, steps)
        for name in self._written:
            backend.read(self.arenas[name].buffer, getattr(replicas, name))
        backend.read(self._statistics, replicas.statistics)
        if replicas.trace.size:
            backend.read(self._trace, replicas.trace)

    def _describe_trace(self, machine: NDArray[Any], trace: NDArray[np.float64]) -> None:
        """Copy the trace in, whose rows of inactive replicas are to stay, and say where it lies."""
        if trace.size == 0:
            return
        if trace.nbytes > self._trace_bytes:
            self._trace = None  # freed before the larger one is asked for
            self._trace, self._trace_bytes = self._backend.empty(trace.nbytes), trace.nbytes
        self._backend.write(self._trace, trace)
        machine["trace"] = self._backend.address(self._trace)
        machine["trace_size"], machine["trace_step"] = trace[0].size, trace[0, :1].size

    def _machine_struct(self, source: Source, step: int) -> NDArray[Any]:
        machine, address = np.zeros((), MACHINE), self._backend.address
        machine["arenas"] = [address(self.arenas[name].buffer) for name in ELEMENT_ARENAS]
        machine["strides"] = [self.arenas[name].stride for name in ARENAS]
        machine["labels"], machine["sums"] = (address(self.arenas[name].buffer) for name in ("labels", "sums"))
        machine["statistics"], machine["statistics_stride"] = address(self._statistics), self.statistics_size
        machine["replicas"], machine["replica_count"] = address(self._replicas), self.count
        machine["samples"], machine["scale"] = len(source.labels), source.scale
        machine["batch"], machine["micro_batch"] = self._program.batch, self._program.micro_batch
        machine["step"] = machine["first_step"] = step
        return machine


def bytes_needed(program: Program, dtype: np.dtype[Any], replicas: int) -> int:
    """Return the device memory that training so many replicas takes, without the data.

    It is `replicas` times a constant, and a little; data that do not fit beside it are streamed.
    """
    arenas = sum(size * _itemsize(name, dtype) for name, size in program.sizes.items())
    calls = len(program.body) + len(program.update)
    return (
        replicas * (arenas + 8 * len(program.statistics) + REPLICA.itemsize) + MACHINE.itemsize + calls * CALL.itemsize
    )


def _writes(call: BoundCall, arena: str) -> bool:
    """Return whether a call writes to an arena."""
    return any(o is not None and o.arena == arena for o in call.operands[: call.outputs])


def _itemsize(arena: str, dtype: np.dtype[Any]) -> int:
    return {"labels": 4, "sums": 8}.get(arena, dtype.itemsize)


def _replica_table(replicas: Replicas) -> NDArray[Any]:
    table = np.zeros(len(replicas.seeds), REPLICA)
    table["seed"], table["lr"], table["active"], table["epoch"] = replicas.seeds, replicas.lrs, replicas.active, -1
    table["samples"], table["subset_seed"] = replicas.samples, replicas.subsets
    return table
