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
MATH = {"tf32": "Tf32", "bf16": "Bf16"}
PLACE = np.dtype([("first", "u8"), ("ld", "i8"), ("stride", "i8")])
PRODUCT = np.dtype(
    [("m", "i8"), ("n", "i8"), ("k", "i8"), *((name, PLACE) for name in ("a", "b", "side", "z", "c")), ("f", "i4")],
    align=True,
)
"""TensorProduct of csrc/tensor/tensor_product.h."""

Place = tuple[int, int, int]
"""Of a matrix: address, elements from row to row and from replica to replica."""


def tensor_text(precision: str, *, backward: bool) -> str:
    """Return the text of a kernel `cap_tensor`, with the parameters that the simulator gives to every kernel."""
    body = f"tensor_product<{MATH[precision]}, {str(backward).lower()}>(products[call]);"
    kernel = f"void cap_tensor(void*, const cap::TensorProduct* products, int call, int) {{ {body} }}"
    names = "namespace cap { using namespace CAP_PATH; }\nusing namespace cap;\n"
    return f'#define CAP_CUDA 1\n{joined("tensor/tensor_product.cuh")}{names}extern "C" __global__ {kernel}\n'


class SimulatedModule:
    """Does what the module capacity._cuda does (csrc/tensor/bindings.cpp), in the simulator's memory and at once."""

    def __init__(self, backend: SimulatedBackend, engine: str = "fibers") -> None:
        self._backend, self._engine = backend, engine
        self.launches = 0

    def forward(self, *, x: Place, w: Place, b: Place, z: Place | None, y: Place, **common: Any) -> None:
        self._launch({"a": x, "b": w, "side": b, "z": z, "c": y}, backward=False, **common)

    def backward(self, *, dy: Place, w: Place, saved: Place | None, dx: Place, **common: Any) -> None:
        self._launch({"a": dy, "b": w, "side": saved, "c": dx}, backward=True, **common)

    def _launch(
        self,
        places: dict[str, Place | None],
        *,
        backward: bool,
        precision: str,
        activation: int,
        shape: tuple[int, int, int],
        replicas: int,
        stream: int,
    ) -> None:
        self.launches += 1
        m, n, k = shape
        product = np.zeros(1, PRODUCT)
        product["m"], product["n"], product["k"], product["f"] = m, n, k, activation
        for name, place in places.items():
            if place is not None:
                product[name] = place
        kernel = load_kernels({"tensor": tensor_text(precision, backward=backward)}, self._engine)["tensor"]
        grid = math.ceil(m / TILE) * math.ceil(n / TILE), replicas
        products = self._backend.empty(product.nbytes)
        self._backend.write(products, product)
        self._backend.launch(kernel, grid, THREADS, self._backend.empty(1), products)


class Stack:
    """Matrices of all replicas in simulated memory, with gaps behind rows and replicas; what is not set is NaN."""

    def __init__(self, backend: SimulatedBackend, values: NDArray[np.float32], gap: int) -> None:
        replicas, rows, cols = values.shape
        ld = cols + gap
        stride = rows * ld + gap
        self._buffer: Buffer = backend.empty(4 * replicas * stride)
        self._shape = values.shape
        self._inside = np.zeros((replicas, stride), bool)
        self._inside[:, : rows * ld].reshape(replicas, rows, ld)[:, :, :cols] = True
        self._memory = self._buffer.view(np.dtype(np.float32), replicas * stride).reshape(replicas, stride)
        self._memory[self._inside] = values.ravel()
        self.place = backend.address(self._buffer), ld, stride

    def values(self) -> NDArray[np.float32]:
        """Return a copy of the matrices; AssertionError when a gap was written to."""
        assert np.isnan(self._memory[~self._inside]).all()
        return self._memory[self._inside].reshape(self._shape)


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
    """Run a product in the simulator; return c and, of a forward one, z, else NaN.

    Parameters
    ----------
    a, b, side : ndarray (R, m, k), (R, k, n) or when backward (R, n, k), (R, 1, n) or when backward (R, m, n)
    """
    (replicas, m, k), n = a.shape, b.shape[1 if backward else 2]
    backend = SimulatedBackend(seed, engine)
    module = SimulatedModule(backend, engine)
    nothing = np.full((replicas, m, n), np.nan, np.float32)
    ours = [Stack(backend, values, gap) for gap, values in enumerate((a, b, nothing, nothing))]
    beside = None if side is None else Stack(backend, side, 0)
    (left, right, z, c), extra = (stack.place for stack in ours), beside and beside.place
    common = {
        "precision": precision, "activation": list(SAVED).index(activation), "shape": (m, n, k), "replicas": replicas,
        "stream": 0,
    }  # fmt: skip
    if backward:
        module.backward(dy=left, w=right, saved=extra, dx=c, **common)
    else:
        assert extra is not None
        module.forward(x=left, w=right, b=extra, z=z, y=c, **common)
    return ours[3].values(), ours[2].values()
