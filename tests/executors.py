"""Executors under test, and the means to run one op or one model on any of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.engine import _cpu, random
from capacity.engine.cpu import CpuExecutor
from capacity.engine.cuda.availability import why_not
from capacity.engine.cuda.cupy_backend import shared_backend
from capacity.engine.cuda.executor import CudaExecutor
from capacity.engine.executor import Replicas, Source
from capacity.engine.initialise import initialise
from capacity.engine.ops import ROWS
from capacity.engine.program import ARENAS, SGD, BoundCall, Operand, Program, compile_training
from capacity.engine.reference import ReferenceExecutor
from capacity.models import MLP
from tests.cudasim_backend import SimulatedBackend

WORKING = ("gradients", "activations", "labels")
"""The arenas that belong to an executor and not to a replica."""
STATISTICS = 4
SENTINEL = 777.0
GAP = 19  # elements between operands, filled with the sentinel: odd, so that nothing is aligned by luck


@dataclass(frozen=True)
class Target:
    """An executor under test: 'reference', 'cpu' on one path, 'cudasim' or, on a machine with a GPU, 'cuda'; a type."""

    device: str
    path: str = ""
    dtype: str = "float64"

    def __str__(self) -> str:
        return "-".join(part for part in (self.device, self.path, self.dtype) if part)

    def executor(self, program: Program, threads: int = 1) -> Any:
        if self.device == "reference":
            return ReferenceExecutor(program)
        if self.device == "cudasim":
            return CudaExecutor(program, self.dtype, SimulatedBackend(seed=2))
        if self.device == "cuda":
            return CudaExecutor(program, self.dtype, shared_backend())
        with forced_path(self.path):
            return CpuExecutor(program, np.dtype(self.dtype), threads)

    @property
    def epsilon(self) -> float:
        return float(np.finfo(self.dtype).eps)


REFERENCE = Target("reference")
CPU = [Target("cpu", path, dtype) for path in _cpu.supported_paths() for dtype in ("float32", "float64")]
CUDASIM = [Target("cudasim", "", dtype) for dtype in ("float32", "float64")]
CUDA = [Target("cuda", "", dtype) for dtype in ("float32", "float64") if why_not() is None]
NATIVE = [*CPU, *CUDASIM, *CUDA]
ALL = [REFERENCE, *NATIVE]


@contextmanager
def forced_path(path: str) -> Iterator[None]:
    before = _cpu.current_path()
    _cpu.select_path(path)
    try:
        yield
    finally:
        _cpu.select_path(before)


@dataclass(frozen=True)
class In:
    """An operand that is read: its arena and its content (rows of the batch first, if it has them)."""

    array: NDArray[Any]
    arena: str = "activations"
    batch: bool = True


@dataclass(frozen=True)
class Out:
    """An operand that is written: its arena, its shape and what it holds before (in-place updates read it)."""

    shape: tuple[int, ...]
    arena: str = "activations"
    batch: bool = True
    before: NDArray[Any] | None = None


@dataclass(frozen=True)
class OpCase:
    """One row of the op test table."""

    op: str
    name: str
    operands: tuple[In | Out | None, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    rows: int = 1
    depth: int = 1  # length of the longest sum: rounding grows with it
    source: Source | None = None
    lr: float = 0.1

    def __str__(self) -> str:
        return f"{self.op}-{self.name}"


def run_op(case: OpCase, target: Target) -> list[NDArray[Any]]:
    """Run the case's one call as a program; return the outputs and, last, the statistics.

    Fails when anything but the outputs was touched.
    """
    if target.device == "cudasim" and case.op == "dense_grad_weight" and case.attributes["update"]:
        case = _with_rate_at_the_source(case)
    arenas: dict[str, list[NDArray[Any]]] = {name: [np.full(GAP, SENTINEL)] for name in ARENAS}
    bound: list[Operand | None] = []
    for o in case.operands:
        if o is None:
            bound.append(None)
            continue
        content = _content(o)
        shape = (ROWS, *content.shape[1:]) if o.batch else content.shape
        bound.append(Operand(o.arena, sum(map(len, arenas[o.arena])), shape))
        arenas[o.arena] += [content.reshape(-1).astype(np.float64), np.full(GAP, SENTINEL)]
    before = {name: np.concatenate(parts) for name, parts in arenas.items()}
    sizes = {name: len(flat) for name, flat in before.items()}
    call = BoundCall(case.op, tuple(bound), case.attributes)
    executor = target.executor(Program((call,), (), (), sizes, case.rows, case.rows))

    after = _run_in_arenas(executor, before, case, np.dtype(target.dtype))
    outputs = []
    for o, place in zip(case.operands, bound, strict=True):
        if isinstance(o, Out):
            assert place
            part = slice(place.offset, place.offset + int(np.prod(o.shape)))
            outputs.append(after[place.arena][part].reshape(o.shape).copy())
            after[place.arena][part] = before[place.arena][part]
    for name in ARENAS:
        expected = before[name].astype(after[name].dtype)
        np.testing.assert_array_equal(after[name], expected, err_msg=f"written outside the outputs, in {name}")
    return [*outputs, after["statistics"]]


def _with_rate_at_the_source(case: OpCase) -> OpCase:
    """On CUDA, with SGD folded in, the learning rate is in dy already (csrc/cuda/softmax_xent.cu)."""
    *others, dy = case.operands
    assert isinstance(dy, In)
    return replace(case, operands=(*others, replace(dy, array=dy.array.astype(np.float64) * case.lr)))


def _content(o: In | Out) -> NDArray[Any]:
    if isinstance(o, In):
        return o.array
    return np.full(o.shape, SENTINEL) if o.before is None else o.before


def _run_in_arenas(executor: Any, before: dict[str, Any], case: OpCase, dtype: np.dtype[Any]) -> dict[str, Any]:
    replicas = Replicas(
        before["parameters"][None].astype(dtype), before["optimizer"][None].astype(dtype), np.zeros((1, STATISTICS)),
        np.zeros(1, np.uint64), np.array([case.lr]), np.ones(1, np.bool_),
    )  # fmt: skip
    for name in WORKING:
        _put(executor, name, before[name])
    source = case.source or Source(np.zeros((case.rows, 1), np.float32), np.zeros(case.rows, np.int32), 1.0)
    executor.run(replicas, source, 0, 1)
    kept = {"parameters": replicas.parameters[0], "optimizer": replicas.optimizer[0]}
    return {
        **kept,
        **{name: _get(executor, name, before[name].shape, dtype) for name in WORKING},
        "statistics": replicas.statistics[0],
    }


def _put(executor: Any, name: str, values: NDArray[Any]) -> None:
    """Fill the first replica's arena of an executor that has not run yet."""
    if isinstance(executor, CudaExecutor):
        dtype = np.int32 if name == "labels" else executor.dtype
        executor.backend.write(executor.session(1, STATISTICS).arenas[name].buffer, values.astype(dtype))
    elif isinstance(executor, ReferenceExecutor):
        executor.arenas[name][:] = values
    else:
        executor.arena(name)[:] = values


def _get(executor: Any, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    if isinstance(executor, CudaExecutor):
        out = np.empty(shape, np.int32 if name == "labels" else dtype)
        executor.backend.read(executor.session(1, STATISTICS).arenas[name].buffer, out)
        return out
    arena = executor.arenas[name] if isinstance(executor, ReferenceExecutor) else executor.arena(name)
    return arena.copy()


def make_source(samples: int, inputs: int, classes: int, *, seed: int = 0, stored: str = "uint8") -> Source:
    """Return random data whose labels depend on the features, so that there is something to learn."""
    rng = np.random.default_rng(seed)
    raw = rng.integers(0, 200, (samples, inputs))
    classifier = np.random.default_rng(99).normal(size=(inputs, classes))  # the same for every seed
    labels = ((raw - 100) @ classifier).argmax(axis=1).astype(np.int32)
    return Source(raw.astype(stored), labels, 1 / 255)


@dataclass(frozen=True)
class Run:
    """A training to run on a target: model, data and settings; replica r has seed seeds[r] and rate lrs[r]."""

    model: MLP
    source: Source
    classes: int
    batch: int = 32
    optimizer: SGD = field(default_factory=SGD)
    seeds: Sequence[int] = (0,)
    lrs: Sequence[float] = (0.5,)
    fused: bool = True

    def program(self) -> Program:
        return compile_training(
            self.model, self.source.features.shape[1], self.classes, self.batch, self.optimizer, fused=self.fused
        )

    def start(self, dtype: str) -> Replicas:
        program, count = self.program(), len(self.seeds)
        replicas = Replicas(
            np.empty((count, program.sizes["parameters"]), dtype), np.zeros((count, program.sizes["optimizer"]), dtype),
            np.zeros((count, 0)), np.array(self.seeds, np.uint64), np.array(self.lrs, np.float64),
            np.ones(count, np.bool_),
        )  # fmt: skip
        for row, seed in zip(replicas.parameters, self.seeds, strict=True):
            initialise(row, program.segments, seed, random.uniform)
        return replicas

    def on(self, target: Target, steps: int, *, threads: int = 1) -> Replicas:
        """Return the replicas after `steps` steps on the target."""
        replicas = self.start(target.dtype)
        target.executor(self.program(), threads).run(replicas, self.source, 0, steps)
        return replicas
