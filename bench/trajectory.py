"""What it costs to measure the path through weight space: SGD with the four sums of every segment, against plain SGD.

The floor is the traffic that cannot be avoided, 16 bytes a float32 parameter (the parameter read and written, its
gradient and the anchor read), at the bandwidth that plain SGD reaches in the same run with its 12 bytes. Beside it are
the same sums in PyTorch, written straightforwardly and with its fused and foreach operations, and a PyTorch loop with
capacity.TrajectoryMeter. Forward and backward passes are not in it.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.machine import ROOT, commit, describe_machine
from bench.publish import write
from bench.rounds import ONE_THREAD

SIZES = (1500, 3000, 3000, 1000)
"""Inputs, two hidden layers and classes: 16.5 M parameters in 6 segments."""
THREADS, ROUNDS, STEPS = (1, 2), 9, 3
PLAIN_BYTES, FLOOR_BYTES = 12, 16
WANTED = 1.25
LR = 1e-3

Step = Callable[[], object]


def main(arguments: list[str]) -> int:
    """Measure with each number of threads, print a table, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m bench trajectory", description="SGD with trajectory metrics.")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="inputs, widths and classes of the network")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--out", type=Path, help="file for the results; bench/results/trajectory-sgd-DATE.json by default"
    )
    options = parser.parse_args(arguments)
    results = {
        "benchmark": "trajectory", "name": "sgd", "date": datetime.date.today().isoformat(), "commit": commit(),
        "machine": describe_machine(), "sizes": list(options.sizes), "rounds": options.rounds, "steps": STEPS,
        "rows": [_in_a_process(threads, options) for threads in THREADS],
    }  # fmt: skip
    for row in results["rows"]:
        print("\n".join(lines(row)))
    write(results, options.out)
    return 0


def lines(row: dict[str, Any]) -> list[str]:
    """Return what is printed for a number of threads: a line for each way to do it."""
    floor, factor = row["floor_ms"], row["ms"]["trajectory"] / row["floor_ms"]
    head = (
        f"{row['threads']} thread(s), {row['parameters'] / 1e6:.1f} M parameters: plain SGD "
        f"{row['bandwidth'] / 1e9:.1f} GB/s, floor of the sums {floor:.2f} ms, at most {WANTED} times that wanted: "
        f"{'met' if factor <= WANTED else 'MISSED'}"
    )
    return [head, *(f"  {name:28}{ms:9.2f} ms{ms / floor:8.2f} floors" for name, ms in row["ms"].items())]


def measure(sizes: list[int], threads: int, rounds: int) -> dict[str, Any]:
    """Time a step in each way, in milliseconds: the least over the rounds, in which all take turns."""
    ways: dict[str, Step] = {"plain SGD": ours(sizes, threads, trajectory=False)}
    ways["trajectory"] = ours(sizes, threads, trajectory=True)
    try:
        import torch
    except ImportError:
        versions = {}
    else:
        torch.set_num_threads(threads)
        versions = {"torch": torch.__version__}
        ways |= {
            "PyTorch, straightforward": straightforward(shapes(sizes)),
            "PyTorch, fused and foreach": foreach(shapes(sizes)),
            "PyTorch, TrajectoryMeter": metered(shapes(sizes), threads),
        }
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds + 1):  # the first warms up: what it takes is hardly ever the least
        for name, step in ways.items():
            start = time.perf_counter()
            for _ in range(STEPS):
                step()
            best[name] = min(best[name], (time.perf_counter() - start) / STEPS * 1e3)
    parameters = sum(D * H + H for D, H in shapes(sizes))
    bandwidth = PLAIN_BYTES * parameters / best["plain SGD"] * 1e3
    return {
        "threads": threads, "parameters": parameters, "bandwidth": bandwidth, "versions": versions, "ms": best,
        "floor_ms": FLOOR_BYTES * parameters / bandwidth * 1e3,
    }  # fmt: skip


def shapes(sizes: list[int]) -> list[tuple[int, int]]:
    """Return inputs and units of each layer."""
    return list(itertools.pairwise(sizes))


def ours(sizes: list[int], threads: int, *, trajectory: bool) -> Step:
    """Return the update of one step, run natively, for gradients that are there already."""
    import numpy as np

    from capacity.engine.cpu import CpuExecutor
    from capacity.engine.executor import Replicas, Source
    from capacity.engine.optimizers import SGD
    from capacity.engine.program import compile_training
    from capacity.models import MLP

    D, *hidden, K = sizes
    program = compile_training(MLP(tuple(hidden)), D, K, 1, SGD(), fused=False, trajectory=trajectory)
    program = replace(program, body=())
    executor = CpuExecutor(program, "float32", threads)
    executor.arena("gradients")[:] = 1.0
    replicas = Replicas(
        parameters=np.ones((1, program.sizes["parameters"]), np.float32), optimizer=np.empty((1, 0), np.float32),
        statistics=np.empty((1, 0)), seeds=np.zeros(1, np.uint64), lrs=np.full(1, LR), samples=np.ones(1, np.int64),
        subsets=np.zeros(1, np.uint64), active=np.ones(1, np.bool_),
        anchor=np.ones((1, program.sizes["anchor"]), np.float32), trace=np.empty((1, 1, program.traced_segments, 4)),
    )  # fmt: skip
    source = Source(np.zeros((1, D), np.float32), np.zeros(1, np.int32), 1.0)
    return lambda: executor.run(replicas, source, 0, 1)


def _torch_params(layers: list[tuple[int, int]]) -> list[Any]:
    import torch

    params = [torch.nn.Parameter(torch.ones(shape)) for D, H in layers for shape in ((D, H), (H,))]
    for p in params:
        p.grad = torch.ones_like(p)
    return params


def straightforward(layers: list[tuple[int, int]]) -> Step:
    """Return a step of PyTorch's SGD with the sums as one would write them down."""
    import torch

    params = _torch_params(layers)
    start = [p.detach().clone() for p in params]
    optimizer = torch.optim.SGD(params, lr=LR)

    def step() -> list[list[float]]:
        before = [p.detach().clone() for p in params]
        optimizer.step()
        rows = []
        with torch.no_grad():
            for p, w, w0 in zip(params, before, start, strict=True):
                g, dw, d = p.grad, p - w, w - w0
                rows.append([x.item() for x in ((g * g).sum(), (dw * dw).sum(), (d * g).sum(), (d * d).sum())])
        return rows

    return step


def foreach(layers: list[tuple[int, int]]) -> Step:
    """Return the same with the fused optimizer, operations on all tensors at once, and nothing allocated twice."""
    import torch

    params = _torch_params(layers)
    grads = [p.grad for p in params]
    start = [p.detach().clone() for p in params]
    before = [p.detach().clone() for p in params]
    optimizer = torch.optim.SGD(params, lr=LR, fused=True)

    def step() -> Any:
        with torch.no_grad():
            torch._foreach_copy_(before, params)
            optimizer.step()
            away, moved = torch._foreach_sub(before, start), torch._foreach_sub(params, before)
            along = [torch.dot(d.view(-1), g.view(-1)) for d, g in zip(away, grads, strict=True)]
            norms = [*torch._foreach_norm(grads), *torch._foreach_norm(moved), *torch._foreach_norm(away)]
            return torch.stack([*norms, *along]).tolist()

    return step


def metered(layers: list[tuple[int, int]], threads: int) -> Step:
    """Return a step of PyTorch's fused SGD, measured by our meter."""
    import torch

    from capacity import TrajectoryMeter

    params = _torch_params(layers)
    grads = [p.grad for p in params]
    optimizer, meter = torch.optim.SGD(params, lr=LR, fused=True), TrajectoryMeter(params, threads=threads)

    def step() -> Any:
        optimizer.step()
        return meter.update(params, grads)

    return step


def _in_a_process(threads: int, options: argparse.Namespace) -> dict[str, Any]:
    """Measure in a process of its own, so that every library has so many threads from its start."""
    env = os.environ | {name: str(threads) for name in ONE_THREAD}
    order = json.dumps({"sizes": list(options.sizes), "threads": threads, "rounds": options.rounds})
    command = [sys.executable, "-m", "bench.trajectory", order]
    child = subprocess.run(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return json.loads(child.stdout)  # type: ignore[no-any-return]


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
