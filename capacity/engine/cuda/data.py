"""Training data for the CUDA executor: on the device as a whole where they fit, else streamed to it in windows."""

from __future__ import annotations

from typing import Any, Protocol
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from capacity.engine.cpu import permutation
from capacity.engine.cuda.backend import Backend, Buffer, Mark, Step
from capacity.engine.executor import STORED_TYPES, Replicas, Source, steps_per_epoch
from capacity.engine.program import Program
from capacity.engine.random import PURPOSE_ORDER, PURPOSE_SUBSET

WINDOW_BYTES = 64 << 20
"""About how large a window is; there are two, in page-locked memory and on the device."""
RESERVE_BYTES = 512 << 20
"""What is left free on the device beside data that lie on it as a whole."""


class Data(Protocol):
    """The rows of a source, where `gather` finds them."""

    def holds(self, source: Source, replicas: Replicas) -> bool:
        """Return whether these are that source's rows, for those replicas."""

    def describe(self, machine: NDArray[Any]) -> None:
        """Fill in the fields of MACHINE that say where the rows are."""

    def feed(self, step: Step, replicas: Replicas, first_step: int, steps: int) -> None:
        """Enqueue the steps, and see to it that each finds its rows."""


def make_data(backend: Backend, program: Program, source: Source, replicas: Replicas) -> Data:
    """Return the source's rows as they fit on the device: resident, in their stored type, or streamed."""
    key = id(backend), id(source.features), id(source.labels)
    shared = _RESIDENT.get(key)
    if shared is not None and shared.holds(source, replicas):
        return shared
    if not fits(backend, source):
        return Streamed(backend, program, source, replicas)
    _RESIDENT[key] = resident = Resident(backend, source)
    return resident


def fits(backend: Backend, source: Source) -> bool:
    """Return whether there is room on the device for a source's rows as a whole."""
    return source.features.nbytes + source.labels.nbytes + RESERVE_BYTES <= backend.free()


class Resident:
    """All rows lie on the device; their order is computed there. Training and evaluation share them."""

    def __init__(self, backend: Backend, source: Source) -> None:
        self._backend, self._source = backend, source
        self._features = uploaded(backend, np.ascontiguousarray(source.features))
        self._labels = uploaded(backend, np.ascontiguousarray(source.labels))
        self._addresses = backend.address(self._features), backend.address(self._labels)

    def holds(self, source: Source, replicas: Replicas) -> bool:
        """Return whether these are that source's rows."""
        return _same(self._source, source)

    def describe(self, machine: NDArray[Any]) -> None:
        """Fill in the fields of MACHINE that say where the rows are."""
        machine["features"], machine["labels_in"] = self._addresses
        machine["stored"] = STORED_TYPES.index(self._source.features.dtype.name)
        machine["window_steps"] = 1

    def feed(self, step: Step, replicas: Replicas, first_step: int, steps: int) -> None:
        """Enqueue the steps."""
        step.replay(steps)


_RESIDENT: WeakValueDictionary[tuple[int, int, int], Resident] = WeakValueDictionary()
"""By backend, features and labels, all of which a Resident keeps alive: no other can have got their ids."""


class Streamed:
    """Rows come in windows, some steps' rows in their order; while one is used, the next is filled and copied.

    A window is (R, rows, D) where orders or subsets differ between replicas, and (1, rows, D) where all rows come in
    stored order.
    """

    def __init__(self, backend: Backend, program: Program, source: Source, replicas: Replicas) -> None:
        self._backend, self._program, self._source = backend, program, source
        gather = next(call for call in program.body if call.op == "gather")
        self._shuffled = bool(gather.attributes["shuffled"])
        self._orders = self._orders_of(replicas)
        step_bytes = self._orders * program.batch * (source.features[:1].nbytes + source.labels.itemsize)
        self._window_steps = max(1, WINDOW_BYTES // step_bytes)
        self._rows = self._window_steps * program.batch
        inputs, dtype = source.features.shape[1], source.features.dtype
        self._windows = [_Window(backend, (self._orders, self._rows), inputs, dtype) for _ in range(2)]

    def holds(self, source: Source, replicas: Replicas) -> bool:
        """Return whether these are that source's rows, in windows for those replicas."""
        return _same(self._source, source) and self._orders == self._orders_of(replicas)

    def describe(self, machine: NDArray[Any]) -> None:
        """Fill in the fields of MACHINE that say where the rows are."""
        machine["features"] = [self._backend.address(window.features) for window in self._windows]
        machine["labels_in"] = [self._backend.address(window.labels) for window in self._windows]
        machine["stored"] = STORED_TYPES.index(self._source.features.dtype.name)
        machine["streamed"], machine["window_steps"] = 1, self._window_steps
        machine["window_stride"] = self._rows if self._orders > 1 else 0

    def feed(self, step: Step, replicas: Replicas, first_step: int, steps: int) -> None:
        """Fill and send one window after the other, and enqueue its steps behind it."""
        used: list[Mark | None] = [None, None]
        sent: list[tuple[Mark, Mark] | None] = [None, None]
        for number, first in enumerate(range(first_step, first_step + steps, self._window_steps)):
            window, slot = self._windows[number % 2], number % 2
            count = min(self._window_steps, first_step + steps - first)
            for mark in sent[slot] or ():
                self._backend.wait(mark)  # its page-locked memory may be filled again
            for replica in range(self._orders):
                self._fill(window, replicas, replica, first, count)
            sent[slot] = window.send(self._backend, used[slot])
            step.replay(count)
            used[slot] = self._backend.mark()

    def _orders_of(self, replicas: Replicas) -> int:
        samples = len(self._source.labels)
        return len(replicas.seeds) if self._shuffled or (replicas.samples < samples).any() else 1

    def _fill(self, window: _Window, replicas: Replicas, r: int, first: int, count: int) -> None:
        samples, batch = int(replicas.samples[r]), self._program.batch
        per_epoch = steps_per_epoch(self._program, samples)
        for i, step in enumerate(range(first, first + count)):
            epoch, number = divmod(step, per_epoch)
            rows = np.arange(number * batch, min((number + 1) * batch, samples))
            if self._shuffled:
                rows = permutation(int(replicas.seeds[r]), PURPOSE_ORDER, epoch, samples, rows)
            if samples < len(self._source.labels):
                rows = permutation(int(replicas.subsets[r]), PURPOSE_SUBSET, 0, len(self._source.labels), rows)
            place = slice(i * batch, i * batch + len(rows))
            window.host_features[r, place] = self._source.features[rows]
            window.host_labels[r, place] = self._source.labels[rows]


class _Window:
    """Rows of some steps, in page-locked memory and on the device."""

    def __init__(self, backend: Backend, shape: tuple[int, int], inputs: int, dtype: np.dtype[Any]) -> None:
        count = shape[0] * shape[1]
        self._pinned_features = backend.pinned(count * inputs * dtype.itemsize)
        self._pinned_labels = backend.pinned(count * 4)
        self.host_features = self._pinned_features.view(dtype).reshape(*shape, inputs)
        self.host_labels = self._pinned_labels.view(np.int32).reshape(shape)
        self.features = backend.empty(self._pinned_features.nbytes)
        self.labels = backend.empty(self._pinned_labels.nbytes)

    def send(self, backend: Backend, after: Mark | None) -> tuple[Mark, Mark]:
        """Enqueue the copies to the device."""
        features = backend.send(self.features, self._pinned_features, after)
        return features, backend.send(self.labels, self._pinned_labels, after)


def uploaded(backend: Backend, array: NDArray[Any]) -> Buffer:
    """Return a new buffer that holds the array."""
    buffer = backend.empty(max(1, array.nbytes))
    backend.write(buffer, array)
    return buffer


def _same(first: Source, second: Source) -> bool:
    return first.features is second.features and first.labels is second.labels
