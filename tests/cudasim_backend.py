"""A backend without a GPU: the kernels run in the simulator of csrc/cudasim, products in NumPy."""

from __future__ import annotations

import ctypes
import functools
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from capacity.engine.cuda.backend import Arena
from capacity.engine.cuda.recording import Launch, Matrix, Product, Recording
from capacity.engine.cuda.text import KERNELS, kernel_text
from tests import cudasim_build

Texts = Callable[[str, np.dtype[Any]], str]


class SimulationError(AssertionError):
    """A kernel did what no kernel may do."""


class Buffer:
    """Memory between guards, poisoned: every byte is 0xFF, so that floats are NaN until they are written."""

    def __init__(self, runtime: Any, nbytes: int) -> None:
        self.nbytes, self.address = nbytes, runtime.sim_allocate(nbytes)
        weakref.finalize(self, runtime.sim_free, self.address)

    def view(self, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
        """Return the first `count` elements as an array; valid as long as the buffer is."""
        assert count * dtype.itemsize <= self.nbytes
        memory = (ctypes.c_char * (count * dtype.itemsize)).from_address(self.address)
        return np.frombuffer(memory, dtype, count)


class SimulatedBackend:
    """A simulated CUDA device (see capacity.engine.cuda.backend.Backend).

    Parameters
    ----------
    seed : int
        Order of threads and blocks: 0 is rising, 1 falling, anything else shuffled anew for every launch.
    engine : str
        'fibers', or 'threads' for the thread sanitizer.
    texts : callable
        Gives the text of a kernel for an element type.
    """

    def __init__(self, seed: int = 0, engine: str = "fibers", texts: Texts = kernel_text) -> None:
        self._seed, self._engine, self._texts = seed, engine, texts
        self._runtime = load_runtime(engine)
        self._launches = 0
        self.free_bytes = 1 << 40

    def empty(self, nbytes: int) -> Buffer:
        return Buffer(self._runtime, nbytes)

    def address(self, buffer: Buffer) -> int:
        return int(buffer.address)

    def write(self, buffer: Buffer, array: NDArray[Any]) -> None:
        assert array.flags.c_contiguous
        buffer.view(np.dtype(np.uint8), array.nbytes)[:] = array.reshape(-1).view(np.uint8)

    def free(self) -> int:
        return self.free_bytes

    def pinned(self, nbytes: int) -> NDArray[np.uint8]:
        return np.full(nbytes, 0xFF, np.uint8)

    def mark(self) -> None:
        return None

    def send(self, buffer: Buffer, pinned: NDArray[np.uint8], after: None) -> None:
        self.write(buffer, pinned)

    def wait(self, mark: None) -> None:
        return None

    def read(self, buffer: Buffer, out: NDArray[Any]) -> None:
        assert out.flags.c_contiguous
        out.reshape(-1).view(np.uint8)[:] = buffer.view(np.dtype(np.uint8), out.nbytes)

    def prepare(
        self,
        dtype: np.dtype[Any],
        recording: Recording,
        replicas: int,
        machine: Buffer,
        calls: Buffer,
        arenas: Mapping[str, Arena],
    ) -> SimulatedStep:
        kernels = load_kernels({op: self._texts(op, dtype) for op in KERNELS}, self._engine)

        def prepared(item: Launch | Product) -> Callable[[], None]:
            if isinstance(item, Product):
                return product(item, dtype, replicas, arenas)
            kernel = kernels[item.kernel]
            return lambda: self.launch(kernel, item.grid, item.block, machine, calls, item.call, item.micro)

        return SimulatedStep([prepared(item) for item in recording.items])

    def launch(
        self,
        kernel: Any,
        grid: tuple[int, int],
        block: int,
        machine: Buffer,
        calls: Buffer,
        call: int = 0,
        micro: int = 0,
    ) -> None:
        """Run one kernel; SimulationError when it does what no kernel may do."""
        seed = self._seed if self._seed < 2 else self._seed + self._launches
        self._launches += 1
        what = self._runtime.sim_launch(kernel.address, *grid, block, machine.address, calls.address, call, micro, seed)
        if what is not None:
            raise SimulationError(f"{kernel.name}, thread order {seed}: {what.decode()}")


class SimulatedStep:
    """A recorded step."""

    def __init__(self, items: list[Callable[[], None]]) -> None:
        self._items = items

    def replay(self, times: int) -> None:
        for _ in range(times):
            for run in self._items:
                run()


def product(item: Product, dtype: np.dtype[Any], replicas: int, arenas: Mapping[str, Arena]) -> Callable[[], None]:
    """Return what computes a product for all replicas, in the element type."""

    def stack(matrix: Matrix, rows: int, cols: int) -> NDArray[Any]:
        arena = arenas[matrix.arena]
        if matrix.ld < cols or matrix.offset + (rows - 1) * matrix.ld + cols > arena.stride:
            raise SimulationError(f"{item}: {matrix} with {rows} x {cols} elements is not inside its arena")
        flat = arena.buffer.view(dtype, replicas * arena.stride)[matrix.offset :]
        strides = tuple(n * dtype.itemsize for n in (arena.stride, matrix.ld, 1))
        return as_strided(flat, (replicas, rows, cols), strides)

    a = stack(item.a, item.k, item.m).swapaxes(1, 2) if item.transpose_a else stack(item.a, item.m, item.k)
    b = stack(item.b, item.n, item.k).swapaxes(1, 2) if item.transpose_b else stack(item.b, item.k, item.n)
    c = stack(item.c, item.m, item.n)
    alpha, beta = dtype.type(item.alpha), dtype.type(item.beta)
    dropped = {"tf32": 13, "bf16": 16}.get(item.compute, 0)

    def run() -> None:
        with np.errstate(all="ignore"):
            ab = alpha * (rounded(a, dropped) @ rounded(b, dropped))
            c[:] = ab if beta == 0 else ab + beta * c

    return run


def rounded(array: NDArray[Any], dropped: int) -> NDArray[Any]:
    """Return float32 numbers with so many bits fewer, to the nearest, ties to even; as they are when it is 0."""
    if dropped == 0:
        return array
    bits = np.ascontiguousarray(array).view(np.uint32)
    kept: NDArray[Any] = (bits + ((1 << (dropped - 1)) - 1) + (bits >> dropped & 1)) >> dropped << dropped
    return kept.astype(np.uint32).view(np.float32)


class Kernel:
    """A kernel in a loaded library; the library stays loaded as long as the process."""

    def __init__(self, library: ctypes.CDLL, name: str) -> None:
        self.name = name
        self.address = ctypes.addressof(ctypes.c_char.in_dll(library, f"sim_kernel_{name}"))


def load_kernels(texts: Mapping[str, str], engine: str = "fibers") -> dict[str, Kernel]:
    """Build and load kernels given as text, by their stems."""
    return _loaded(tuple(sorted(texts.items())), engine)


@functools.cache
def _loaded(texts: tuple[tuple[str, str], ...], engine: str) -> dict[str, Kernel]:
    load_runtime(engine)
    library = ctypes.CDLL(str(cudasim_build.kernels(dict(texts), engine)))
    return {name: Kernel(library, name) for name, _ in texts}


@functools.cache
def load_runtime(engine: str) -> ctypes.CDLL:
    """Build and load an engine of the simulator."""
    library = ctypes.CDLL(str(cudasim_build.runtime(engine)))
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    library.sim_allocate.restype, library.sim_allocate.argtypes = pointer, [ctypes.c_size_t]
    library.sim_free.restype, library.sim_free.argtypes = None, [pointer]
    library.sim_launch.restype = ctypes.c_char_p
    library.sim_launch.argtypes = [
        pointer, integer, integer, integer, pointer, pointer, integer, integer, ctypes.c_uint64
    ]  # fmt: skip
    return library
