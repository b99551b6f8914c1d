"""The backend on a real GPU: memory, compilation and graphs by CuPy, products by cuBLAS."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.engine.cuda import availability, driver, tensor_product
from capacity.engine.cuda.backend import Arena, Buffer, Mark
from capacity.engine.cuda.cublas import WORKSPACE_BYTES, Cublas
from capacity.engine.cuda.errors import CudaError, FullError
from capacity.engine.cuda.recording import Launch, Matrix, Product, Recording
from capacity.engine.cuda.tensor_product import Fused, Item
from capacity.engine.cuda.text import OPTIONS, kernel_text

_GIB = 2**30
_OPTIONS = tuple(option for option in OPTIONS if option != "--device-as-default-execution-space")
"""CuPy adds what is left out; NVRTC before 12.9 refuses an option that is given twice."""


@functools.cache
def shared_backend() -> CupyBackend:
    """Return this process's backend; executors share its stream and cuBLAS handle.

    Raises
    ------
    CudaError
        When device 'cuda' cannot be used.
    """
    return CupyBackend(availability.load_cupy())


class CupyBackend:
    """The GPU that CUDA puts first. Everything runs in order on one stream, beside which `send` copies on a second.

    Parameters
    ----------
    cupy : module
    """

    def __init__(self, cupy: Any) -> None:
        self._cupy, self._runtime = cupy, cupy.cuda.runtime
        with self._refusals():
            self._stream = cupy.cuda.Stream(non_blocking=True)
            self._copies = cupy.cuda.Stream(non_blocking=True)
            self._workspace = self.empty(WORKSPACE_BYTES)
            library = importlib.import_module("cuda.pathfinder").load_nvidia_dynamic_lib("cublas").abs_path
            self._cublas = Cublas(library, self._stream.ptr, self.address(self._workspace))

    def free(self) -> int:
        """Return how many bytes could still be allocated."""
        return int(self._runtime.memGetInfo()[0])

    def empty(self, nbytes: int) -> Buffer:
        """Allocate memory; CudaError, with what is needed and what there is, when there is not enough."""
        try:
            return self._cupy.cuda.Memory(nbytes)  # not from CuPy's pool: what is freed is free for everybody at once
        except Exception as error:
            if not isinstance(availability.refusal(error), FullError):
                raise
            raise FullError(
                f"{nbytes / _GIB:.2f} GiB more are needed on the GPU '{driver.gpus()[0].name}', and "
                f"{self.free() / _GIB:.2f} GiB are free",
                "lower width, batch or replicas, end what else runs on it (see 'nvidia-smi')",
            ) from error

    def address(self, buffer: Buffer) -> int:
        """Return the device address of a buffer."""
        return int(buffer.ptr)

    def write(self, buffer: Buffer, array: NDArray[Any]) -> None:
        """Copy a C-contiguous array to the start of a buffer, in order with what is enqueued."""
        self._copy(buffer.ptr, array.ctypes.data, array.nbytes, self._runtime.memcpyHostToDevice)

    def read(self, buffer: Buffer, out: NDArray[Any]) -> None:
        """Wait for what is enqueued and copy the start of a buffer into a C-contiguous array."""
        self._copy(out.ctypes.data, buffer.ptr, out.nbytes, self._runtime.memcpyDeviceToHost)

    def pinned(self, nbytes: int) -> NDArray[np.uint8]:
        """Allocate page-locked host memory, from which `send` copies; MemoryError when there is not enough."""
        cuda = self._cupy.cuda
        try:
            memory = cuda.PinnedMemory(nbytes)  # not from CuPy's pool, which would keep it
        except Exception as error:
            if not isinstance(availability.refusal(error), FullError):
                raise
            raise MemoryError(f"{nbytes / _GIB:.2f} GiB of page-locked memory are not to be had") from error
        return np.frombuffer(cuda.PinnedMemoryPointer(memory, 0), np.uint8, nbytes)

    def mark(self) -> Mark:
        """Return a mark that is reached when what is enqueued by now has been run."""
        return self._stream.record(self._cupy.cuda.Event(disable_timing=True))

    def send(self, buffer: Buffer, pinned: NDArray[np.uint8], after: Mark | None) -> Mark:
        """Enqueue a copy of page-locked memory into a buffer, beside the steps under way, once `after` is reached.

        Steps enqueued later wait for it. Returns the mark that is reached when the copy is done.
        """
        if after is not None:
            self._copies.wait_event(after)
        address = pinned.ctypes.data
        self._runtime.memcpyAsync(
            buffer.ptr, address, pinned.nbytes, self._runtime.memcpyHostToDevice, self._copies.ptr
        )
        done = self._copies.record(self._cupy.cuda.Event(disable_timing=True))
        self._stream.wait_event(done)
        return done

    def wait(self, mark: Mark) -> None:
        """Let the host wait until a mark is reached."""
        mark.synchronize()

    def _copy(self, target: int, source: int, nbytes: int, kind: int) -> None:
        """Copy on our stream and wait, so that the host's array may be changed or freed afterwards."""
        if nbytes:
            self._runtime.memcpyAsync(target, source, nbytes, kind, self._stream.ptr)
            self._stream.synchronize()

    def prepare(
        self,
        dtype: np.dtype[Any],
        recording: Recording,
        replicas: int,
        machine: Buffer,
        calls: Buffer,
        arenas: Mapping[str, Arena],
    ) -> GraphStep:
        """Compile the kernels of a recording and capture the step as a CUDA graph."""
        items = tensor_product.chosen(recording.items)
        places = {name: (self.address(arena.buffer), arena.stride) for name, arena in arenas.items()}
        with self._refusals():
            names = {item.kernel for item in items if isinstance(item, Launch)}
            kernels = {name: _compiled(self._cupy, name, dtype.name) for name in names}

            def enqueue(items: Iterable[Item]) -> None:
                for item in items:
                    if isinstance(item, Launch):
                        arguments = machine.ptr, calls.ptr, np.int32(item.call), np.int32(item.micro)
                        kernels[item.kernel](item.grid, (item.block,), arguments)
                    elif isinstance(item, Fused):
                        tensor_product.enqueue(item, recording.calls, places, replicas, self._stream.ptr)
                    else:
                        self._product(item, dtype.itemsize, arenas, replicas)

            with self._stream:
                # Arenas begin as NaN, as in the simulator: to read what nobody wrote is seen here, too.
                for arena in arenas.values():
                    self._runtime.memsetAsync(arena.buffer.ptr, 0xFF, arena.buffer.size, self._stream.ptr)
                # Kernels of products are chosen and loaded at the first call, which may not be while being captured.
                enqueue(item for item in items if not isinstance(item, Launch))
                self._stream.synchronize()
                graph = self._captured(lambda: enqueue(items))
                graph.upload(self._stream)
        return GraphStep(graph, self._stream, (machine, calls, dict(arenas), kernels))

    def _captured(self, enqueue: Callable[[], object]) -> Any:
        """Return the graph of what `enqueue` enqueues; after an error the stream captures no longer."""
        self._stream.begin_capture()
        try:
            enqueue()
        except BaseException:
            self._abandon_capture()
            raise
        return self._stream.end_capture()

    def _abandon_capture(self) -> None:
        try:
            self._stream.end_capture()
        except Exception:  # the capture was invalid, which is why we are here; ended it is all the same
            return

    def _product(self, p: Product, itemsize: int, arenas: Mapping[str, Arena], replicas: int) -> None:
        def address(matrix: Matrix) -> int:
            return self.address(arenas[matrix.arena].buffer) + matrix.offset * itemsize

        strides = arenas[p.a.arena].stride, arenas[p.b.arena].stride, arenas[p.c.arena].stride
        self._cublas.product(p, address(p.a), address(p.b), address(p.c), strides, replicas)

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Turn what CuPy says of the state of the GPU into a CudaError; let its other errors, our bugs, through."""
        try:
            yield
        except CudaError:
            raise
        except Exception as error:
            found = availability.refusal(error)
            if found is None:
                raise
            raise found from error


class GraphStep:
    """A captured step. It keeps alive what the graph refers to by address only."""

    def __init__(self, graph: Any, stream: Any, kept: object) -> None:
        self._graph, self._stream, self._kept = graph, stream, kept

    def replay(self, times: int) -> None:
        """Enqueue the step `times` times."""
        for _ in range(times):
            self._graph.launch(self._stream)


@functools.cache
def _compiled(cupy: Any, op: str, dtype: str) -> Any:
    """Return the kernel `cap_<op>` for elements of type `dtype`, compiled and loaded onto the GPU."""
    kernel = cupy.RawModule(code=kernel_text(op, dtype), options=_OPTIONS).get_function(f"cap_{op}")
    kernel.num_regs  # noqa: B018 - asking for an attribute loads it; loaded at its first launch it would break a capture
    return kernel
