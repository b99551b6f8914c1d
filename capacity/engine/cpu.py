"""The CPU executor: the native loop of csrc/cpu over the same programs, float32 or float64, or float32
with the factors of products rounded to bfloat16.
"""

from __future__ import annotations

import functools
import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.engine.executor import Executor, Looks, Replicas, Source, check_run, check_whole
from capacity.engine.initialise import Uniform
from capacity.engine.machine import usable_cores
from capacity.engine.program import ARENAS, BoundCall, Operand, Program
from capacity.errors import DeviceError

try:
    from capacity.engine import _blas, _cpu
except ImportError as error:
    raise DeviceError(
        f"the CPU kernels cannot be loaded ({error}); reinstall the package (pip install .) or use device 'reference'."
    ) from error

_cpu.set_blas(*_blas.addresses())

PATH_VARIABLE = "CAPACITY_SIMD"
"""Environment variable that forces an instruction set, for tests: one of `_cpu.supported_paths()`."""

if os.environ.get(PATH_VARIABLE):
    try:
        _cpu.select_path(os.environ[PATH_VARIABLE])
    except ValueError as error:
        raise DeviceError(
            f"{PATH_VARIABLE} must be one of {', '.join(_cpu.supported_paths())} here: {error}; unset it."
        ) from error

BF16_VARIABLE = "CAPACITY_BF16"
"""Environment variable that, set to 'emulated', offers precision 'bf16' on every processor, slowly: for tests."""

uniform: Uniform = _cpu.uniform
permutation = _cpu.permutation
step_sums = _cpu.step_sums


class CpuExecutor:
    """Runs a program natively. The GIL is released, nothing is allocated per step, Python is not entered."""

    def __init__(self, program: Program, precision: str, threads: int | None = None) -> None:
        self.program = program
        native = _cpu.ProgramF64 if precision == "float64" else _cpu.ProgramF32
        factors = "stored" if precision != "bf16" else "bf16_emulated" if _emulates_bf16() else "bf16"
        sizes = [program.sizes[name] for name in ARENAS]
        body, update = ([_native_call(c) for c in calls] for calls in (program.body, program.update))
        self._native = native(body, update, sizes, program.batch, program.micro_batch, factors)
        self._threads, self._blas = threads or usable_cores(), _cpu.uses_blas()

    def reserve(self, replicas: Replicas) -> None:
        """Do nothing: memory is allocated at the first run, and data take none."""

    def run(self, replicas: Replicas, source: Source, first_step: int, steps: int) -> None:
        """Run `steps` steps of every active replica; see :class:`capacity.engine.executor.Executor`."""
        check_run(self.program, replicas, source, first_step, steps)
        with self._alone():
            self._native.run(_arrays(replicas), _source(source), first_step, steps, self._threads)

    def fit(
        self, evaluation: Executor, replicas: Replicas, source: Source, first_step: int, looks: Looks
    ) -> NDArray[np.int64]:
        """Run until a look finds that a replica has fitted; see :class:`capacity.engine.executor.Executor`."""
        assert isinstance(evaluation, CpuExecutor)
        check_whole(source)
        check_run(self.program, replicas, source, first_step, looks.every)
        looked = np.zeros(len(replicas.seeds), np.int64)
        asked = looks.every, looks.wrong, looks.allowed, looks.measured, looked
        with self._alone():
            self._native.fit(evaluation._native, _arrays(replicas), _source(source), first_step, asked, self._threads)
        return looked

    def _alone(self) -> AbstractContextManager[object]:
        """Give BLAS, where it is used, one thread each while our threads run."""
        return _blas_pools().limit(limits=1) if self._blas else nullcontext()

    def arena(self, name: str) -> NDArray[Any]:
        """Return a view of the first worker's 'gradients', 'activations' or 'labels', for tests of single ops."""
        return self._native.arena(ARENAS.index(name))


def why_no_bf16() -> str | None:
    """Return why precision 'bf16' cannot be had here (a sentence without its full stop), or None where it can."""
    return None if _emulates_bf16() else _cpu.why_no_bf16()


def describe() -> dict[str, str]:
    """Return the instruction set in use, and the BLAS if it needs one, for provenance."""
    found = details()
    blas = sorted({f"{library['name']} {library['version']}" for library in found["blas"]})
    return {"simd": found["simd"], "blas": (", ".join(blas) or "unknown") if _cpu.uses_blas() else "none"}


def details() -> dict[str, Any]:
    """Return the instruction set in use and those that could be, whether bf16 can be had, and the BLAS libraries."""
    why, pools = why_no_bf16(), [pool for pool in _blas_pools().info() if pool["user_api"] == "blas"]
    return {
        "simd": _cpu.current_path(),
        "simd_supported": _cpu.supported_paths(),
        "bf16": why is None,
        **({} if why is None else {"bf16_reason": why}),
        "blas": [{"name": p["internal_api"], "version": p["version"], "threads": p["num_threads"]} for p in pools],
    }


def _arrays(replicas: Replicas) -> tuple[Any, ...]:
    return tuple(vars(replicas).values())


def _source(source: Source) -> tuple[Any, ...]:
    window = None if source.window is None else tuple(vars(source.window).values())
    return source.features, source.labels, source.scale, source.row_scale, window


def _emulates_bf16() -> bool:
    return os.environ.get(BF16_VARIABLE) == "emulated"


def _native_call(call: BoundCall) -> tuple[str, list[tuple[int, int, int, int] | None], dict[str, Any]]:
    return call.op, [None if o is None else _native_operand(o) for o in call.operands], call.attributes


def _native_operand(o: Operand) -> tuple[int, int, int, int]:
    rows, cols = o.shape if len(o.shape) == 2 else (o.shape[0], 1) if o.shape[0] < 0 else (1, o.shape[0])
    return ARENAS.index(o.arena), o.offset, rows, cols


@functools.cache
def _blas_pools() -> Any:
    """Return a handle on the thread pools of the BLAS libraries loaded so far.

    While our threads run, BLAS gets one thread each: a second pool beside ours would only fight it for cores.
    """
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
