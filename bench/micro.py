"""Time each op of training and evaluation alone, on one core and on every instruction set, and BLAS on its product.

It shows where a step's time goes, and is what the choice in csrc/cpu/product.hpp was measured with. Products are held
against the peak of multiply-adds in registers, all else against a copy within a core's cache (bench/floors.cpp).
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.cases import CASES, STEPS
from bench.floors import Floors
from bench.machine import ROOT
from bench.peer import pin
from bench.rounds import ONE_THREAD
from bench.workload import Shape, Workload, make_trainer, make_workload, optimizer_of

SHAPES = [case.shape for case in CASES if case.measurement == STEPS]
REPEATS, SECONDS = 9, 0.02
ROWS = -1


def main(arguments: list[str]) -> int:
    """Print a table for each size: microseconds, GFLOP/s or GB/s, share of the floor."""
    parser = argparse.ArgumentParser(prog="python -m bench micro", description="Time each op alone, on one core.")
    parser.add_argument("--out", type=Path, help="also write what was measured, as JSON")
    options = parser.parse_args(arguments)
    from capacity.engine import _cpu

    with Floors() as floors:
        floors.measure()
        measured = {path: _on(path) for path in _cpu.supported_paths()}
        floors.measure()
    for number, shape in enumerate(SHAPES):
        tables = {path: shapes[number] for path, shapes in measured.items()}
        print(f"\n{shape}: microseconds (GFLOP/s or GB/s, share of the floor)\n{table(tables, floors.best)}")
    if options.out:
        content = {"floors": floors.best, "shapes": [str(shape) for shape in SHAPES], "ops": measured}
        options.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0


def table(paths: dict[str, list[dict[str, Any]]], floors: dict[str, float]) -> str:
    """Return the table of a size: a row for each op, a column for each instruction set and for BLAS."""
    lines = [["op", *paths, "BLAS product"]]
    for rows in zip(*paths.values(), strict=True):
        first = rows[0]
        cells = [_cell(row["us"], row, floors) for row in rows]
        lines.append([first["op"], *cells, _cell(first["blas_us"], first, floors) if "blas_us" in first else ""])
    return "\n".join(f"{cells[0]:<28}" + "".join(f"{cell:>24}" for cell in cells[1:]) for cells in lines)


def _cell(us: float, row: dict[str, Any], floors: dict[str, float]) -> str:
    amount, peak = ("flop", "float32_flop_per_second") if row["flop"] else ("bytes", "cache_copy_bytes_per_second")
    rate = row[amount] / us * 1e6
    share = f", {rate / floors[peak]:.0%}" if peak in floors else ""
    return f"{us:.2f} ({rate / 1e9:.0f}{share})"


def _on(path: str) -> list[list[dict[str, Any]]]:
    """Measure all sizes on an instruction set, in a process of its own."""
    env = os.environ | ONE_THREAD | {"CAPACITY_SIMD": path}
    child = subprocess.run([sys.executable, "-m", "bench.micro"], env=env, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return json.loads(child.stdout)  # type: ignore[no-any-return]


def measure(shape: Shape) -> list[dict[str, Any]]:
    """Return op, time, arithmetic and traffic of every op of a size, on this process's instruction set."""
    from capacity.engine.devices import make_executor

    workload = make_workload(shape, 0)
    rows = []
    for trainer, program, call in calls(workload):
        executor = make_executor("cpu", replace(program, body=(call,), update=()), "float32", 1)
        taken = functools.partial(_steps, executor, trainer)
        row = {"op": call.op, "us": least(taken), "flop": 0, "bytes": bytes_of(call, shape.batch)}
        product = product_of(call, shape.batch)
        if product:
            size = "x".join(str(n) for n in weight_of(call))
            row |= {"op": f"{call.op} {size}", "flop": 2 * math.prod(product), "blas_us": _blas(*product)}
        rows.append(row)
    return rows


def _steps(executor: Any, trainer: Any, steps: int) -> None:
    from capacity.training.feed import resident

    executor.run(trainer._replicas, resident(trainer.data, trainer.data.train), 0, steps)


def calls(workload: Workload) -> Iterator[tuple[Any, Any, Any]]:
    """Yield trainer, program and call for every op of a step of SGD, the update of Adam, and those of an evaluation."""
    from capacity.training import SGD
    from capacity.training.trainer import compile_programs

    trainer = make_trainer(workload, "cpu")
    training, evaluation = compile_programs(trainer.model, trainer.data, trainer.batch, SGD())
    yield from ((trainer, training, call) for call in training.body)
    adam = replace(workload.shape, optimizer="adam")
    other = make_trainer(replace(workload, shape=adam), "cpu")
    program = compile_programs(other.model, other.data, other.batch, optimizer_of(adam))[0]
    yield from ((other, program, call) for call in program.update)
    # As many rows as in training, and each op once.
    evaluation = replace(evaluation, batch=training.batch, micro_batch=training.micro_batch)
    new = {call.op: call for call in evaluation.body if call.op not in {known.op for known in training.body}}
    yield from ((trainer, evaluation, call) for call in new.values())


def product_of(call: Any, batch: int) -> tuple[int, int, int] | None:
    """Return (m, n, k) of a call's matrix product, m rows and n columns of the result, or None."""
    if not call.op.startswith("dense"):
        return None
    D, H = weight_of(call)
    return {"dense": (batch, H, D), "dense_grad_input": (batch, D, H), "dense_grad_weight": (D, H, batch)}[call.op]


def weight_of(call: Any) -> tuple[int, int]:
    """Return the shape of the weight, or of its gradient, in a product's call."""
    shapes = (o.shape for o in call.operands if o is not None)
    D, H = next(shape for shape in shapes if len(shape) == 2 and shape[0] != ROWS)
    return D, H


def bytes_of(call: Any, batch: int) -> int:
    """Return the traffic of a call in float32: each operand once, and for `gather` what it reads as well."""
    shapes = [o.shape for o in call.operands if o is not None]
    elements = sum(math.prod(batch if n == ROWS else n for n in shape) for shape in shapes)
    return 4 * elements * (2 if call.op == "gather" else 1)


def _blas(m: int, n: int, k: int) -> float:
    """Time SciPy's sgemm without transposition, called from Python (which adds about a microsecond)."""
    import numpy as np
    from scipy.linalg.blas import sgemm

    a, b, c = (np.ones(shape, np.float32, order="F") for shape in ((m, k), (k, n), (m, n)))

    def run(times: int) -> None:
        for _ in range(times):
            sgemm(1.0, a, b, c=c, overwrite_c=True)

    return least(run)


def least(run: Callable[[int], object]) -> float:
    """Return the time of one of many, in microseconds: the least of REPEATS runs of at least SECONDS each."""
    times, shortest = 1, math.inf
    for _ in range(REPEATS):
        while (seconds := _seconds(run, times)) < SECONDS:
            times *= 2
        shortest = min(shortest, seconds / times)
    return shortest * 1e6


def _seconds(run: Callable[[int], object], times: int) -> float:
    start = time.perf_counter()
    run(times)
    return time.perf_counter() - start


if __name__ == "__main__":
    pin()
    print(json.dumps([measure(shape) for shape in SHAPES]))
