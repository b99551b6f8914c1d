"""The stand-in for cupy.cuda: memory, streams that can be captured, graphs, kernels."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np


class CUDARuntimeError(RuntimeError):
    pass


def _mem_get_info() -> tuple[int, int]:
    if "FAKE_CUPY_CONTEXT" in os.environ:
        raise CUDARuntimeError(os.environ["FAKE_CUPY_CONTEXT"])
    return _free(), 80 << 30


def _free() -> int:
    return int(os.environ.get("FAKE_CUPY_FREE", str(60 << 30)))


def _memcpy_async(target: int, source: int, nbytes: int, kind: int, stream: int) -> None:
    assert kind in (1, 2)
    assert Stream.of[stream].captured is None
    Stream.of[stream].enqueue(lambda: ctypes.memmove(target, source, nbytes))


def _memset_async(target: int, value: int, nbytes: int, stream: int) -> None:
    Stream.of[stream].enqueue(lambda: ctypes.memset(target, value, nbytes))


class PinnedMemory:
    """Page-locked memory; `of` are all addresses that were given out."""

    of: ClassVar[list[int]] = []

    def __init__(self, size: int) -> None:
        if "FAKE_CUPY_UNLOCKED" in os.environ:
            raise CUDARuntimeError("cudaErrorMemoryAllocation: out of memory")
        self.memory = ctypes.create_string_buffer(size)
        PinnedMemory.of.append(ctypes.addressof(self.memory))


def PinnedMemoryPointer(memory: PinnedMemory, offset: int) -> ctypes.Array[ctypes.c_char]:  # noqa: N802
    assert offset == 0
    return memory.memory


runtime = SimpleNamespace(
    is_hip="FAKE_CUPY_HIP" in os.environ,
    runtimeGetVersion=lambda: int(os.environ.get("FAKE_CUPY_CUDA", "12090")),
    memGetInfo=_mem_get_info,
    memcpyAsync=_memcpy_async,
    memsetAsync=_memset_async,
    memcpyHostToDevice=1,
    memcpyDeviceToHost=2,
)


class Device:
    def __init__(self, number: int) -> None:
        self.mem_info = (_free() - number, 80 << 30)


class Memory:
    """Poisoned memory between guards, of the simulator."""

    def __init__(self, size: int) -> None:
        from tests.cudasim_backend import Buffer, load_runtime

        if size > _free():
            raise CUDARuntimeError("cudaErrorMemoryAllocation: out of memory")
        self._buffer = Buffer(load_runtime("fibers"), size)
        self.ptr, self.size = self._buffer.address, size


class Event:
    """Is reached when the stream that recorded it has come so far."""

    def __init__(self, disable_timing: bool) -> None:
        self.reached, self.stream = False, Stream.current

    def synchronize(self) -> None:
        assert self.stream is not None
        self.stream.advance_to(self)


class Stream:
    """A queue of work. A lazy stream (its number is in FAKE_CUPY_LAZY) runs it when it has to, others when they may."""

    of: ClassVar[dict[int, Stream]] = {}
    current: Stream | None = None

    def __init__(self, non_blocking: bool) -> None:
        assert non_blocking, "the default stream must not wait for ours"
        self.lazy = str(len(Stream.of)) in os.environ.get("FAKE_CUPY_LAZY", "").split(",")
        self.ptr = len(Stream.of) + 1000
        Stream.of[self.ptr] = self
        self.captured: list[Callable[[], object]] | None = None
        self._queue: list[Callable[[], object] | Event] = []

    def __enter__(self) -> Stream:
        Stream.current = self
        return self

    def __exit__(self, *_: object) -> None:
        Stream.current = None

    def enqueue(self, work: Callable[[], object] | Event) -> None:
        """Add work, or an event to wait for."""
        if self.captured is None:
            self._queue.append(work)
            self.advance()
        else:
            assert callable(work)
            self.captured.append(work)

    def advance(self) -> None:
        while self._queue and not self.lazy and self._is_free():
            self._run_next()

    def advance_to(self, event: Event) -> None:
        while not event.reached:
            assert self._queue, "it would wait forever"
            self._run_next()

    def synchronize(self) -> None:
        assert self.captured is None, "cudaErrorStreamCaptureUnsupported"
        while self._queue:
            self._run_next()

    def record(self, event: Event) -> Event:
        def reach() -> None:
            event.reached = True
            for stream in Stream.of.values():
                stream.advance()

        event.stream = self
        self.enqueue(reach)
        return event

    def wait_event(self, event: Event) -> None:
        self.enqueue(event)

    def begin_capture(self) -> None:
        assert self.captured is None
        self.captured = []

    def end_capture(self) -> Graph:
        items, self.captured = self.captured, None
        assert items is not None
        return Graph(items)

    def _is_free(self) -> bool:
        return not isinstance(self._queue[0], Event) or self._queue[0].reached

    def _run_next(self) -> None:
        work = self._queue.pop(0)
        if isinstance(work, Event):
            work.synchronize()
        else:
            work()


class Graph:
    def __init__(self, items: list[Callable[[], object]]) -> None:
        self._items, self.uploaded = items, False

    def upload(self, stream: Stream) -> None:
        self.uploaded = True

    def launch(self, stream: Stream) -> None:
        for run in self._items:
            stream.enqueue(run)


class Function:
    """A kernel; a lazy driver loads it when it is first launched or asked for an attribute."""

    def __init__(self, kernel: Any) -> None:
        self._kernel, self._loaded = kernel, False

    @property
    def num_regs(self) -> int:
        self._loaded = True
        return 32

    def __call__(self, grid: tuple[int, int], block: tuple[int], args: tuple[Any, ...]) -> None:
        from tests.cudasim_backend import SimulationError, load_runtime

        machine, calls, call, micro = args
        assert [type(arg) for arg in args] == [int, int, np.int32, np.int32], "the types that the kernels declare"
        stream = Stream.current
        assert stream is not None, "a kernel on the default stream"
        assert self._loaded or stream.captured is None, "cudaErrorStreamCaptureUnsupported"

        if "FAKE_CUPY_LAUNCH" in os.environ:
            raise CUDARuntimeError(os.environ["FAKE_CUPY_LAUNCH"])

        def run() -> None:
            launched = (self._kernel.address, *grid, *block, machine, calls, int(call), int(micro), 0)
            what = load_runtime("fibers").sim_launch(*launched)
            if what is not None:
                raise SimulationError(f"{self._kernel.name}: {what.decode()}")

        stream.enqueue(run)


def load(code: str, name: str) -> Function:
    from tests.cudasim_backend import load_kernels

    stem = name.removeprefix("cap_")
    return Function(load_kernels({stem: code})[stem])
