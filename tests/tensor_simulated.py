"""The products on tensor cores (csrc/tensor) as text for NVRTC and for the simulator, and run by the latter."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.engine.cuda.text import joined
from capacity.engine.ops import SAVED
from tests.cudasim_backend import Buffer, SimulatedBackend, load_kernels

TILE, THREADS = 64, 128
WORDS = {"tf32": "Tf32", "bf16": "Bf16"}
PLACE = np.dtype([("first", "u8"), ("ld", "i8"), ("stride", "i8")])
PRODUCT = np.dtype(
    [("m", "i8"), ("n", "i8"), ("k", "i8"), *((name, PLACE) for name in ("a", "b", "side", "z", "c")), ("f", "i4")],
    align=True,
)
"""TensorProduct of csrc/tensor/tensor_product.h."""


def tensor_text(precision: str, *, backward: bool) -> str:
    """Return the text of a kernel `cap_tensor`, with the parameters that the simulator gives to every kernel."""
    body = f"tensor_product<{WORDS[precision]}, {str(backward).lower()}>(products[call]);"
    kernel = f"void cap_tensor(void*, const cap::TensorProduct* products, int call, int) {{ {body} }}"
    names = "namespace cap { using namespace CAP_PATH; }\nusing namespace cap;\n"
    return f'#define CAP_CUDA 1\n{joined("tensor/tensor_product.cuh")}{names}extern "C" __global__ {kernel}\n'


class Stack:
    """Matrices of all replicas in simulated memory, with gaps behind rows and replicas; what is not set is NaN."""

    def __init__(self, backend: SimulatedBackend, values: NDArray[np.float32], gap: int = 3) -> None:
        replicas, rows, cols = values.shape
        self.shape, self.ld = values.shape, cols + gap
        self.stride = rows * self.ld + gap
        self._buffer = backend.empty(4 * replicas * self.stride)
        self.place = np.array((backend.address(self._buffer), self.ld, self.stride), PLACE)
        self.inside = np.zeros((replicas, self.stride), bool)
        self.inside[:, : rows * self.ld].reshape(replicas, rows, self.ld)[:, :, :cols] = True
        self.memory[self.inside] = values.ravel()

    @property
    def memory(self) -> NDArray[np.float32]:
        """The elements (R, stride), gaps and all."""
        return self._buffer.view(np.dtype(np.float32), self.inside.size).reshape(self.inside.shape)

    def values(self) -> NDArray[np.float32]:
        """Return a copy of the matrices; AssertionError when a gap was written to."""
        assert np.isnan(self.memory[~self.inside]).all()
        return self.memory[self.inside].reshape(self.shape)


def multiply(
    precision: str,
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    side: NDArray[np.float32] | None,
    *,
    backward: bool = False,
    activation: str = "identity",
    seed: int = 0,
    engine: str = "fibers",
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Run the product in the simulator; return c and, of a forward one, z.

    Parameters
    ----------
    a, b, side : ndarray (R, m, k), (R, k, n) or when backward (R, n, k), (R, 1, n) or when backward (R, m, n)
    """
    (replicas, m, k), n = a.shape, b.shape[1 if backward else 2]
    backend = SimulatedBackend(seed, engine)
    nothing = np.full((replicas, m, n), np.nan, np.float32)
    stacks = {"a": Stack(backend, a), "b": Stack(backend, b, gap=1), "c": Stack(backend, nothing)}
    stacks["z"] = Stack(backend, nothing, gap=2)
    if side is not None:
        stacks["side"] = Stack(backend, side, gap=0)
    product = np.zeros(1, PRODUCT)
    product["m"], product["n"], product["k"], product["f"] = m, n, k, list(SAVED).index(activation)
    for name, stack in stacks.items():
        if name != "z" or not backward:
            product[name] = stack.place
    kernel = load_kernels({"tensor": tensor_text(precision, backward=backward)}, engine)["tensor"]
    grid = math.ceil(m / TILE) * math.ceil(n / TILE), replicas
    backend.launch(kernel, grid, THREADS, backend.empty(1), _uploaded(backend, product))
    return stacks["c"].values(), stacks["z"].values()


def _uploaded(backend: SimulatedBackend, array: NDArray[Any]) -> Buffer:
    buffer = backend.empty(array.nbytes)
    backend.write(buffer, array)
    return buffer
