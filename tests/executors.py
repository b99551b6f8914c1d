"""Executors under test, and the means to run one op or one model on any of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from capacity.engine import _cpu, random
from capacity.engine.cpu import BF16_VARIABLE, CpuExecutor
from capacity.engine.cuda.availability import why_not
from capacity.engine.cuda.cupy_backend import shared_backend
from capacity.engine.cuda.executor import CudaExecutor
from capacity.engine.executor import Replicas, Source
from capacity.engine.initialise import initialise
from capacity.engine.ops import ROWS
from capacity.engine.optimizers import SGD, Optimizer
from capacity.engine.program import ARENAS, BoundCall, Operand, Program, compile_training
from capacity.engine.reference import ReferenceExecutor
from capacity.models import MLP
from tests.cudasim_backend import SimulatedBackend

WORKING = ("gradients", "activations", "labels", "sums")
"""The arenas that belong to an executor and not to a replica."""
STATISTICS = 4
TRACED = 3  # rows of the trace that single ops are given
SENTINEL = 777.0
GAP = 19  # elements between operands, filled with the sentinel: odd, so that nothing is aligned by luck


@dataclass(frozen=True)
class Target:
    """An executor under test: 'reference', 'cpu' on one path, 'cudasim' or, on a machine with a GPU, 'cuda'; a type.

    `factors`: what those of products are, 'stored', 'bf16' or, on 'cpu', 'bf16_emulated'.
    """

    device: str
    path: str = ""
    dtype: str = "float64"
    factors: str = "stored"

    def __str__(self) -> str:
        return "-".join(
            part for part in (self.device, self.path, self.dtype, self.factors) if part not in ("", "stored")
        )

    def executor(self, program: Program, threads: int = 1) -> Any:
        if self.device == "reference":
            return ReferenceExecutor(program)
        if self.device == "cudasim":
            return CudaExecutor(program, self.dtype, SimulatedBackend(seed=2))
        if self.device == "cuda":
            return CudaExecutor(program, self.dtype, shared_backend())
        with forced_path(self.path), pytest.MonkeyPatch.context() as patch:
            patch.setenv(BF16_VARIABLE, "emulated" if self.factors == "bf16_emulated" else "")
            return CpuExecutor(program, self.dtype if self.factors == "stored" else "bf16", threads)

    @property
    def epsilon(self) -> float:
        return float(np.finfo(self.dtype).eps)


REFERENCE = Target("reference")
CPU = [Target("cpu", path, dtype) for path in _cpu.supported_paths() for dtype in ("float32", "float64")]
BF16 = [Target("cpu", path, "float32", "bf16_emulated") for path in _cpu.supported_paths()]
"""Factors rounded to bfloat16 on every path and, first, by the processor where it can."""
if _cpu.why_no_bf16() is None:
    BF16.insert(0, Target("cpu", "avx512", "float32", "bf16"))
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
    samples: int | None = None  # n of the source's rows; None: all
    lr: float = 0.1
    step: int = 0  # steps before this one

    def __str__(self) -> str:
        return f"{self.op}-{self.name}"


def run_op(case: OpCase, target: Target) -> list[NDArray[Any]]:
    """Run the case's one call as a program; return the outputs and, last, the statistics and the trace's row.

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
    written = next((i for i, o in enumerate(case.operands) if isinstance(o, In)), len(bound))
    call = BoundCall(case.op, tuple(bound), case.attributes, written)
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
    return [*outputs, after["statistics"], after["trace"]]


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
    source = case.source or Source(np.zeros((case.rows, 1), np.float32), np.zeros(case.rows, np.int32), 1.0)
    replicas = make_replicas(
        before["parameters"][None].astype(dtype), case.samples or len(source.labels), statistics=STATISTICS,
        optimizer=before["optimizer"][None].astype(dtype), anchor=before["anchor"][None].astype(dtype),
        trace=np.full((1, 2, TRACED, 4), SENTINEL), lrs=[case.lr], subsets=[5],
    )  # fmt: skip
    for name in WORKING:
        _put(executor, name, before[name])
    executor.run(replicas, source, case.step, 1)
    kept = {name: getattr(replicas, name)[0] for name in ("parameters", "optimizer", "anchor")}
    return {
        **kept,
        **{name: _get(executor, name, before[name].shape, dtype) for name in WORKING},
        "statistics": replicas.statistics[0],
        "trace": replicas.trace[0],
    }


_TYPES: dict[str, Any] = {"labels": np.int32, "sums": np.float64}


def _put(executor: Any, name: str, values: NDArray[Any]) -> None:
    """Fill the first replica's arena of an executor that has not run yet."""
    if isinstance(executor, CudaExecutor):
        dtype = _TYPES.get(name, executor.dtype)
        executor.backend.write(executor.session(1, STATISTICS).arenas[name].buffer, values.astype(dtype))
    elif isinstance(executor, ReferenceExecutor):
        executor.arenas[name][:] = values
    else:
        executor.arena(name)[:] = values


def _get(executor: Any, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    if isinstance(executor, CudaExecutor):
        out = np.empty(shape, _TYPES.get(name, dtype))
        executor.backend.read(executor.session(1, STATISTICS).arenas[name].buffer, out)
        return out
    arena = executor.arenas[name] if isinstance(executor, ReferenceExecutor) else executor.arena(name)
    return arena.copy()


def make_replicas(
    parameters: NDArray[Any],
    samples: int | Sequence[int],
    *,
    optimizer: NDArray[Any] | None = None,
    anchor: NDArray[Any] | None = None,
    trace: NDArray[np.float64] | None = None,
    statistics: int = 0,
    seeds: Sequence[int] | None = None,
    lrs: Sequence[float] | None = None,
    subsets: Sequence[int] | None = None,
) -> Replicas:
    """Return replicas with these parameters (R, P), all active; what is left out is 0, but rates are 1."""
    R = len(parameters)
    return Replicas(
        parameters=parameters,
        optimizer=np.zeros((R, 0), parameters.dtype) if optimizer is None else optimizer,
        statistics=np.zeros((R, statistics)),
        seeds=np.array([0] * R if seeds is None else seeds, np.uint64),
        lrs=np.array([1.0] * R if lrs is None else lrs, np.float64),
        samples=np.full(R, samples, np.int64),
        subsets=np.array([0] * R if subsets is None else subsets, np.uint64),
        active=np.ones(R, np.bool_),
        anchor=np.zeros((R, 0), parameters.dtype) if anchor is None else anchor,
        trace=np.empty((R, 0, 0, 4)) if trace is None else trace,
    )


def make_source(samples: int, inputs: int, classes: int, *, seed: int = 0, stored: str = "uint8") -> Source:
    """Return random data whose labels depend on the features, so that there is something to learn."""
    rng = np.random.default_rng(seed)
    raw = rng.integers(0, 200, (samples, inputs))
    classifier = np.random.default_rng(99).normal(size=(inputs, classes))  # the same for every seed
    labels = ((raw - 100) @ classifier).argmax(axis=1).astype(np.int32)
    return Source(raw.astype(stored), labels, 1 / 255)


def make_factors(samples: int, *, seed: int = 0) -> NDArray[np.float32]:
    """Return a random factor for each row, about 1."""
    return np.random.default_rng([seed, samples]).uniform(0.5, 2, samples).astype(np.float32)


@dataclass(frozen=True)
class Run:
    """A training to run on a target: model, data and settings.

    Replica r has seed seeds[r], rate lrs[r] and the first samples[r] rows of that seed's subset (default: all).
    """

    model: MLP
    source: Source
    classes: int
    batch: int = 32
    optimizer: Optimizer = field(default_factory=SGD)
    seeds: Sequence[int] = (0,)
    lrs: Sequence[float] = (0.5,)
    samples: Sequence[int] | None = None
    fused: bool = True
    trajectory: int = 0  # steps that there is room for, each replica's distances from its initial parameters; 0: none

    def program(self) -> Program:
        return compile_training(
            self.model, self.source.features.shape[1], self.classes, self.batch, self.optimizer, fused=self.fused,
            trajectory=self.trajectory > 0,
        )  # fmt: skip

    def start(self, dtype: str) -> Replicas:
        program, count = self.program(), len(self.seeds)
        replicas = make_replicas(
            np.empty((count, program.sizes["parameters"]), dtype), self.samples or len(self.source.labels),
            optimizer=np.zeros((count, program.sizes["optimizer"]), dtype), seeds=self.seeds, lrs=self.lrs,
            subsets=self.seeds, anchor=np.zeros((count, program.sizes["anchor"]), dtype),
            trace=np.full((count, self.trajectory, program.traced_segments, 4), np.nan),
        )  # fmt: skip
        for row, seed in zip(replicas.parameters, self.seeds, strict=True):
            initialise(row, program.segments, seed, random.uniform)
        if self.trajectory:
            replicas.anchor[:] = replicas.parameters
        return replicas

    def on(self, target: Target, steps: int, *, threads: int = 1) -> Replicas:
        """Return the replicas after `steps` steps on the target."""
        replicas = self.start(target.dtype)
        target.executor(self.program(), threads).run(replicas, self.source, 0, steps)
        return replicas
