"""One training step as a CUDA device is to run it: a list of kernel launches and matrix products.

The recording is made from a program without any device, so that tests run the very same one on a simulator. Its
structured types are the structs of csrc/common/call.h and csrc/cuda/device.cuh.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.engine.ops import SAVED
from capacity.engine.program import ARENAS, ELEMENT_ARENAS, BoundCall, Operand, Program
from capacity.engine.tiles import tiles
from capacity.engine.trajectory import blocks

_MAX_OPERANDS = 6
_ORDER = np.dtype(
    [("keys", "u4", 8), ("n", "u8"), ("left_mask", "u4"), ("right_mask", "u4"), ("right_bits", "i4")], align=True
)
OPERAND = np.dtype([("arena", "i4"), ("offset", "i8"), ("rows", "i8"), ("cols", "i8")], align=True)
ATTRIBUTES = np.dtype(
    [
        ("activation", "i4"), ("update", "?"), ("shuffled", "?"), ("decoupled", "?"), ("inputs", "i8"), ("k", "i8"),
        ("slot", "i8"), ("every", "i8"), ("momentum", "f8"), ("weight_decay", "f8"), ("beta1", "f8"), ("beta2", "f8"),
        ("epsilon", "f8"),
    ],
    align=True,
)  # fmt: skip
CALL = np.dtype([("operands", OPERAND, _MAX_OPERANDS), ("attributes", ATTRIBUTES), ("shares", "i8")], align=True)
REPLICA = np.dtype(
    [
        ("seed", "u8"), ("lr", "f8"), ("active", "i8"), ("epoch", "i8"), ("samples", "i8"), ("subset_seed", "u8"),
        ("order", _ORDER), ("subset", _ORDER),
    ],
    align=True,
)  # fmt: skip
MACHINE = np.dtype(
    [
        ("arenas", "u8", len(ELEMENT_ARENAS)), ("strides", "i8", len(ARENAS)), ("labels", "u8"), ("statistics", "u8"),
        ("statistics_stride", "i8"), ("sums", "u8"), ("trace", "u8"), ("trace_size", "i8"), ("trace_step", "i8"),
        ("replicas", "u8"), ("replica_count", "i8"), ("features", "u8", 2), ("labels_in", "u8", 2),
        ("row_scale", "u8", 2), ("stored", "i8"), ("samples", "i8"), ("scale", "f8"), ("batch", "i8"),
        ("micro_batch", "i8"), ("step", "i8"), ("first_step", "i8"), ("streamed", "i8"), ("window_steps", "i8"),
        ("window_stride", "i8"),
    ],
    align=True,
)  # fmt: skip

_BLOCK = 256
_ROW_BLOCK = 128
_MOST_BLOCKS = 1 << 15
_WARP = 32
_UPDATES = {"sgd": 1, "adam": 4}
"""Parameters a thread takes: with adam several, so that what a block works out first does not show (adam.cu)."""


@dataclass(frozen=True)
class Launch:
    """A kernel `cap_<kernel>` over grid (blocks, replicas) of `block` threads, for call number `call`."""

    kernel: str
    grid: tuple[int, int]
    block: int
    call: int
    micro: int


@dataclass(frozen=True)
class Matrix:
    """A row-major matrix in an arena; replica r's begins r arena strides later. `ld` elements from row to row."""

    arena: str
    offset: int
    ld: int


@dataclass(frozen=True)
class Product:
    """C (m, n) = alpha op(A) op(B) + beta C for every replica; op(A) is (m, k), op(B) is (k, n).

    `compute` is the arithmetic: 'float32', 'float64', or, on float32 elements, 'tf32' or 'bf16', in which the elements
    are rounded for the multiplication and sums are float32.
    """

    m: int
    n: int
    k: int
    a: Matrix
    b: Matrix
    c: Matrix
    transpose_a: bool
    transpose_b: bool
    alpha: float
    beta: float
    compute: str


@dataclass(frozen=True)
class Recording:
    """One step: the calls as the kernels read them (a structured array of CALL), and what is run in which order."""

    calls: NDArray[Any]
    items: tuple[Launch | Product, ...]


def record(program: Program, replicas: int, compute: str) -> Recording:
    """Record one step of a program for `replicas` replicas, with products in the arithmetic `compute`.

    A batch larger than the micro-batch runs the body several times. Every run works on all rows of the micro-batch;
    rows that a partial batch lacks are zeros (see gather.cu and softmax_xent.cu).
    """
    calls = (*program.body, *program.update)
    folded = any(c.attributes.get("update") for c in calls)
    recorder = _Recorder(program, replicas, compute)
    recorder.launch("begin_step", 1, _WARP, 0, 0)
    for micro in range(-(-program.batch // program.micro_batch)):
        for number, call in enumerate(program.body):
            recorder.add(call, number, micro)
    for number, call in enumerate(program.update, start=len(program.body)):
        recorder.add(call, number, 0)
    recorder.launch("end_step", 1, _WARP, 0, 0)
    table = np.array([_packed(call, folded=folded) for call in calls])
    return Recording(table, tuple(recorder.items))


class _Recorder:
    def __init__(self, program: Program, replicas: int, compute: str) -> None:
        self._rows, self._replicas, self._compute = program.micro_batch, replicas, compute
        self.items: list[Launch | Product] = []

    def launch(self, kernel: str, blocks: int, block: int, call: int, micro: int) -> None:
        grid = (max(1, min(blocks, _MOST_BLOCKS)), self._replicas)
        self.items.append(Launch(kernel, grid, block, call, micro))

    def add(self, call: BoundCall, number: int, micro: int) -> None:
        """Append what one call needs: its product, if it has one, and its kernel."""
        product = _PRODUCTS.get(call.op)
        if product is not None:
            self.items.append(replace(product(call, self._rows, micro), compute=self._compute))
        if call.op == "dense_grad_input" and call.operands[3] is None:
            return  # nothing is left to do after the product
        blocks, block = self._shape(call)
        self.launch(call.op, blocks, block, number, micro)

    def _shape(self, call: BoundCall) -> tuple[int, int]:
        """Return blocks and threads a block: a block, a warp or a thread for each thing the kernel goes over."""
        first = call.operands[0] or next(o for o in call.operands if o)
        rows, columns = self._rows, first.shape[-1]
        shapes = {
            "gather": (rows, _ROW_BLOCK),
            "dense": (rows * -(-columns // _BLOCK), _BLOCK),
            "dense_grad_weight": (-(-columns // _WARP), _BLOCK),
            "softmax_xent": (-(-rows * _WARP // _ROW_BLOCK), _ROW_BLOCK),
            "topk_errors": (-(-rows * _WARP // _ROW_BLOCK), _ROW_BLOCK),
            "tally": (1, _WARP),
            "trace": (1, _WARP),
        }
        if call.op in _UPDATES:
            size, state = math.prod(first.shape), call.operands[call.outputs - 1]
            traced = state is not None and state.arena == "sums"
            return blocks(size) if traced else -(-size // (_UPDATES[call.op] * _BLOCK)), _BLOCK
        if call.op == "shampoo":
            return (-(-columns // _BLOCK) if call.operands[2] is None else sum(1 for _ in tiles(*first.shape))), _BLOCK
        return shapes.get(call.op, (-(-rows * columns // _BLOCK), _BLOCK))


def _dense(call: BoundCall, rows: int, micro: int) -> Product:
    y, z, x, w, _ = call.operands
    return _product(rows, x, w, z or y, inner=0)


def _dense_grad_input(call: BoundCall, rows: int, micro: int) -> Product:
    dx, dy, w, _ = call.operands
    return _product(rows, dy, w, dx, inner=1)


def _dense_grad_weight(call: BoundCall, rows: int, micro: int) -> Product:
    dw, _, x, dy = call.operands
    update = bool(call.attributes.get("update"))
    (inputs, units), a, b, c = _shape(dw), _matrix(x), _matrix(dy), _matrix(dw)
    alpha, beta = -1.0 if update else 1.0, 1.0 if update or micro else 0.0
    return Product(inputs, units, rows, a, b, c, True, False, alpha, beta, "")


def _product(rows: int, a: Operand | None, w: Operand | None, c: Operand | None, *, inner: int) -> Product:
    """C = A W, or A W' when the axis summed over is W's second (`inner` = 1)."""
    shape = _shape(w)
    matrices = _matrix(a), _matrix(w), _matrix(c)
    return Product(rows, shape[1 - inner], shape[inner], *matrices, False, inner == 1, 1.0, 0.0, "")


_PRODUCTS = {"dense": _dense, "dense_grad_input": _dense_grad_input, "dense_grad_weight": _dense_grad_weight}


def _shape(o: Operand | None) -> tuple[int, int]:
    assert o is not None
    return o.shape[0], o.shape[1]


def _matrix(o: Operand | None) -> Matrix:
    assert o is not None
    return Matrix(o.arena, o.offset, o.shape[1])


def _packed(call: BoundCall, *, folded: bool) -> NDArray[Any]:
    """Return a call as the struct that kernels read. With SGD folded, softmax_xent is told to apply the rate."""
    packed = np.zeros((), CALL)
    packed["operands"]["arena"] = -1
    for i, o in enumerate(call.operands):
        if o is not None:
            rows, cols = matrix_shape(o)
            packed["operands"][i] = (ARENAS.index(o.arena), o.offset, rows, cols)
    packed["attributes"]["k"] = 1
    for name, value in call.attributes.items():
        packed["attributes"][name] = list(SAVED).index(str(value)) if name == "activation" else value
    if call.op == "softmax_xent":
        packed["attributes"]["update"] = folded
    packed["shares"] = 1
    return packed


def matrix_shape(o: Operand) -> tuple[int, int]:
    """Return an operand's shape as rows and columns: a vector is a row, a value with an entry a batch row a column."""
    if len(o.shape) == 2:
        return o.shape[0], o.shape[1]
    return (o.shape[0], 1) if o.shape[0] < 0 else (1, o.shape[0])
