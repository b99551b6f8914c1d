"""Time each op of a training step alone, on one core and on every instruction set, and SciPy's BLAS on its product.

usage: python bench/ops.py

It shows where a step's time goes, and is what the choice in csrc/cpu/product.hpp was measured with.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

SHAPES = [(20, 16, 2, 32), (100, 32, 10, 128), (784, 100, 10, 128), (1000, 1000, 1000, 128)]  # D, H, K, B
REPEATS, SECONDS = 9, 0.02
SAMPLES = 4096


def main() -> None:
    """Print a table per shape: microseconds a call and GFLOP/s of products."""
    from capacity.engine import _cpu

    one_core = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    measured = {}
    for path in _cpu.supported_paths():
        command = [sys.executable, __file__, "--child"]
        child = subprocess.run(command, env=one_core | {"CAPACITY_SIMD": path}, capture_output=True, check=True)
        measured[path] = json.loads(child.stdout)
    for number, (D, H, K, B) in enumerate(SHAPES):
        print(f"\n{D}-{H}-{K}, B={B}: microseconds (GFLOP/s)")
        print("".join(f"{name:>24}" for name in ("op", *measured, "BLAS product")))
        for rows in zip(*(table[number] for table in measured.values()), strict=True):
            cells = [_cell(row["us"], row["flop"]) for row in rows]
            cells.append(_cell(rows[0]["blas_us"], rows[0]["flop"]) if rows[0]["flop"] else "")
            print("".join(f"{cell:>24}" for cell in (rows[0]["op"], *cells)))


def _cell(us: float, flop: int) -> str:
    return f"{us:.2f}" + (f" ({flop / us / 1e3:.0f})" if flop else "")


def child() -> list[list[dict[str, Any]]]:
    """Measure every shape on this process's instruction set."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    return [_measure(*shape) for shape in SHAPES]


def _measure(D: int, H: int, K: int, B: int) -> list[dict[str, Any]]:
    import numpy as np

    from capacity.engine.cpu import CpuExecutor
    from capacity.engine.executor import Replicas, Source
    from capacity.engine.program import SGD, compile_training
    from capacity.models import MLP

    rng = np.random.default_rng(0)
    program = compile_training(MLP((H,)), D, K, B, SGD())
    labels = rng.integers(0, K, SAMPLES).astype(np.int32)
    source = Source(rng.standard_normal((SAMPLES, D), np.float32), labels, 1.0)
    replicas = Replicas(
        parameters=rng.standard_normal((1, program.sizes["parameters"]), np.float32),
        optimizer=np.zeros((1, 0), np.float32), statistics=np.zeros((1, 0)),
        seeds=np.zeros(1, np.uint64), lrs=np.full(1, 1e-6), active=np.ones(1, np.bool_),
    )  # fmt: skip

    def time_of(body: tuple[Any, ...]) -> float:
        executor = CpuExecutor(replace(program, body=body), np.dtype(np.float32), threads=1)
        return _least(lambda steps: executor.run(replicas, source, 0, steps))

    rows = []
    for call in program.body:
        m, n, k = _product(call, B)
        row = {"op": call.op, "us": time_of((call,)), "flop": 2 * m * n * k}
        rows.append(row | ({"blas_us": _blas(m, n, k)} if m else {}))
    return rows


def _product(call: Any, B: int) -> tuple[int, int, int]:
    """Return (m, n, k) of a call's matrix product, or zeros."""
    weight = {"dense": 3, "dense_grad_input": 2, "dense_grad_weight": 0}.get(call.op)
    if weight is None:
        return 0, 0, 0
    D, H = call.operands[weight].shape
    return {"dense": (B, H, D), "dense_grad_input": (B, D, H), "dense_grad_weight": (D, H, B)}[str(call.op)]


def _blas(m: int, n: int, k: int) -> float:
    """Time SciPy's sgemm without transposition, called from Python (which adds about a microsecond)."""
    import numpy as np
    from scipy.linalg.blas import sgemm

    a, b, c = (np.ones(shape, np.float32, order="F") for shape in ((m, k), (k, n), (m, n)))

    def run(times: int) -> None:
        for _ in range(times):
            sgemm(1.0, a, b, c=c, overwrite_c=True)

    return _least(run)


def _least(run: Callable[[int], object]) -> float:
    """Return the time of one of many, in microseconds: the least of REPEATS runs of at least SECONDS each."""
    times, least = 1, math.inf
    for _ in range(REPEATS):
        while (seconds := _seconds(run, times)) < SECONDS:
            times *= 2
        least = min(least, seconds / times)
    return least * 1e6


def _seconds(run: Callable[[int], object], times: int) -> float:
    start = time.perf_counter()
    run(times)
    return time.perf_counter() - start


if __name__ == "__main__":
    if "--child" in sys.argv:
        print(json.dumps(child()))
    else:
        main()
