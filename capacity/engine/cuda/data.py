"""Training data for the CUDA executor: on the device as a whole where they fit, else streamed to it in windows.

These windows are of some steps each, and not what a source's `window` is: the part of an epoch that the host holds.
"""

from __future__ import annotations

import math
from typing import Any, Protocol
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from capacity.engine.cpu import permutation
from capacity.engine.cuda.backend import Backend, Buffer, Mark, Step
from capacity.engine.executor import STORED_TYPES, Replicas, Source, steps_per_epoch
from capacity.engine.program import Program
from capacity.engine.rows import rows_at

WINDOW_BYTES = 64 << 20
"""About how large a window is; there are two, in page-locked memory and on the device."""
RESERVE_BYTES = 512 << 20
"""What is left free on the device beside data that lie on it as a whole."""

_FIELDS = ("features", "labels_in", "row_scale")
"""The fields of MACHINE that say where a source's arrays are, in the order of `_arrays`; the last may be 0."""


class Data(Protocol):
    """The rows of a source, where `gather` finds them."""

    def holds(self, source: Source, replicas: Replicas) -> bool:
        """Return whether these are that source's rows, or can be, for those replicas."""

    def describe(self, machine: NDArray[Any]) -> None:
        """Fill in the fields of MACHINE that say where the rows are."""

    def feed(self, step: Step, source: Source, replicas: Replicas, first_step: int, steps: int) -> None:
        """Enqueue the steps, and see to it that each finds its rows of a source that is held."""


def make_data(backend: Backend, program: Program, source: Source, replicas: Replicas) -> Data:
    """Return the source's rows as they fit on the device: resident, in their stored type, or streamed.

    What a source with a window holds changes from run to run, so that it is always streamed.
    """
    if source.window is not None:
        return Streamed(backend, program, source, replicas)
    key = id(backend), *_identity(source)
    shared = _RESIDENT.get(key)
    if shared is not None and shared.holds(source, replicas):
        return shared
    if not fits(backend, source):
        return Streamed(backend, program, source, replicas)
    _RESIDENT[key] = resident = Resident(backend, source)
    return resident


def fits(backend: Backend, source: Source) -> bool:
    """Return whether there is room on the device for a source's rows as a whole."""
    return sum(array.nbytes for array in _arrays(source)) + RESERVE_BYTES <= backend.free()


class Resident:
    """All rows lie on the device; their order is computed there. Training and evaluation share them."""

    def __init__(self, backend: Backend, source: Source) -> None:
        self._backend, self._source = backend, source
        self._buffers = [uploaded(backend, np.ascontiguousarray(array)) for array in _arrays(source)]

    def holds(self, source: Source, replicas: Replicas) -> bool:
        """Return whether these are that source's rows."""
        return _identity(self._source) == _identity(source)

    def describe(self, machine: NDArray[Any]) -> None:
        """Fill in the fields of MACHINE that say where the rows are."""
        for field, buffer in zip(_FIELDS, self._buffers, strict=False):
            machine[field] = self._backend.address(buffer)
        machine["stored"] = STORED_TYPES.index(self._source.features.dtype.name)
        machine["window_steps"] = 1

    def feed(self, step: Step, source: Source, replicas: Replicas, first_step: int, steps: int) -> None:
        """Enqueue the steps."""
        step.replay(steps)


_RESIDENT: WeakValueDictionary[tuple[int, ...], Resident] = WeakValueDictionary()
"""By backend, features, labels and factors, all of which a Resident keeps alive: no other can have got their ids."""


class Streamed:
    """Rows come in windows, some steps' rows in their order; while one is used, the next is filled and copied.

    A window is (R, rows, D) where orders or subsets differ between replicas, and (1, rows, D) where they do not: where
    all rows come in stored order, or the source has a window, whose order is that of all replicas.
    """

    def __init__(self, backend: Backend, program: Program, source: Source, replicas: Replicas) -> None:
        self._backend, self._program = backend, program
        # Sources with a window come and go, and these windows take them all: what they hold is never taken for known.
        self._source, self._identity = source if source.window is None else None, _identity(source)
        gather = next(call for call in program.body if call.op == "gather")
        self._shuffled = bool(gather.attributes["shuffled"])
        self._orders, self._types = self._orders_of(source, replicas), _types(source)
        row_bytes = sum(array[:1].nbytes for array in _arrays(source))
        most = steps_per_epoch(program, len(source.labels) if source.window is None else source.window.samples)
        self._window_steps = max(1, min(most, WINDOW_BYTES // (self._orders * program.batch * row_bytes)))
        self._rows = self._window_steps * program.batch
        self._stored = STORED_TYPES.index(source.features.dtype.name)
        self._windows = [_Window(backend, (self._orders, self._rows), source) for _ in range(2)]

    def holds(self, source: Source, replicas: Replicas) -> bool:
        """Return whether the windows are for that source's rows and those replicas, or for any source with a window."""
        orders = self._orders_of(source, replicas)
        return self._identity == _identity(source) and (self._orders, self._types) == (orders, _types(source))

    def describe(self, machine: NDArray[Any]) -> None:
        """Fill in the fields of MACHINE that say where the rows are."""
        buffers = zip(*(window.buffers for window in self._windows), strict=True)
        for field, pair in zip(_FIELDS, buffers, strict=False):
            machine[field] = [self._backend.address(buffer) for buffer in pair]
        machine["stored"] = self._stored
        machine["streamed"], machine["window_steps"] = 1, self._window_steps
        machine["window_stride"] = self._rows if self._orders > 1 else 0

    def feed(self, step: Step, source: Source, replicas: Replicas, first_step: int, steps: int) -> None:
        """Fill and send one window after the other, and enqueue its steps behind it."""
        used: list[Mark | None] = [None, None]
        sent: list[list[Mark]] = [[], []]
        for number, first in enumerate(range(first_step, first_step + steps, self._window_steps)):
            window, slot = self._windows[number % 2], number % 2
            count = min(self._window_steps, first_step + steps - first)
            for mark in sent[slot]:
                self._backend.wait(mark)  # its page-locked memory may be filled again
            for replica in range(self._orders):
                self._fill(window, source, replicas, replica, first, count)
            sent[slot] = window.send(self._backend, used[slot], self._rows - count * self._program.batch)
            step.replay(count)
            used[slot] = self._backend.mark()

    def _orders_of(self, source: Source, replicas: Replicas) -> int:
        subsets = (replicas.samples < len(source.labels)).any()
        return len(replicas.seeds) if source.window is None and (self._shuffled or subsets) else 1

    def _fill(self, window: _Window, source: Source, replicas: Replicas, r: int, first: int, count: int) -> None:
        samples, batch = int(replicas.samples[r]), self._program.batch
        per_epoch = steps_per_epoch(self._program, samples)
        for i, step in enumerate(range(first, first + count)):
            epoch, number = divmod(step, per_epoch)
            rows = rows_at(
                source, np.arange(number * batch, min((number + 1) * batch, samples)), shuffled=self._shuffled,
                seed=int(replicas.seeds[r]), epoch=epoch, samples=samples, subset=int(replicas.subsets[r]),
                permutation=permutation,
            )  # fmt: skip
            window.put(r, i * batch, source, rows)


class _Window:
    """Rows of some steps, in page-locked memory and on the device."""

    def __init__(self, backend: Backend, shape: tuple[int, int], source: Source) -> None:
        shapes = [(array.dtype, (*shape, *array.shape[1:])) for array in _arrays(source)]
        self._pinned = [backend.pinned(math.prod(shape) * dtype.itemsize) for dtype, shape in shapes]
        self.host = [p.view(dtype).reshape(shape) for p, (dtype, shape) in zip(self._pinned, shapes, strict=True)]
        self.buffers = [backend.empty(pinned.nbytes) for pinned in self._pinned]

    def put(self, r: int, place: int, source: Source, rows: NDArray[np.int64]) -> None:
        """Copy rows of the source to replica r's, from `place` on."""
        for host, array in zip(self.host, _arrays(source), strict=True):
            host[r, place : place + len(rows)] = array[rows]

    def send(self, backend: Backend, after: Mark | None, unused: int) -> list[Mark]:
        """Enqueue the copies to the device, without so many rows at the end."""
        parts = zip(self.buffers, self._pinned, self.host, strict=True)
        return [
            backend.send(buffer, pinned[: pinned.size - unused * host[0, :1].nbytes], after)
            for buffer, pinned, host in parts
        ]


def uploaded(backend: Backend, array: NDArray[Any]) -> Buffer:
    """Return a new buffer that holds the array."""
    buffer = backend.empty(max(1, array.nbytes))
    backend.write(buffer, array)
    return buffer


def _arrays(source: Source) -> list[NDArray[Any]]:
    """Return what there is for every row: features, labels and, where there are any, factors."""
    return [source.features, source.labels, *([source.row_scale] if source.row_scale.size else [])]


def _types(source: Source) -> list[tuple[np.dtype[Any], tuple[int, ...]]]:
    """Return type and shape of each array's row."""
    return [(array.dtype, array.shape[1:]) for array in _arrays(source)]


def _identity(source: Source) -> tuple[int, ...]:
    """Return what tells a source that is alive from others; () where it has a window, whose arrays are used again."""
    return tuple(id(array) for array in _arrays(source)) if source.window is None else ()
