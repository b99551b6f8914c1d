"""Time one SGD training step, batch gather included, on the GPU: capacity against PyTorch and JAX.

usage: python -m bench gpu [--quick] [--machine NAME] [--out FILE.json]

Every peer that is installed trains the same networks from the same initial weights on the same batches in the same
number of steps, in float32 without TF32, and their final losses are held against each other. Exit status 1 when these
differ, 2 where there is no GPU.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.cost import flop_of_a_step
from bench.gpu_table import markdown, verdicts
from bench.machine import ROOT, commit, describe_machine
from bench.peers import ON_GPU, OURS, PYTORCH, PYTORCH_GRAPHS
from bench.publish import differing, write
from bench.rounds import same_work, time_peers
from bench.workload import Shape, make_workload
from capacity.engine.cuda.availability import why_not

EXPECTED: dict[Shape, dict[str, float]] = {
    # shape -> peer -> how many times faster we are to be, at least
    Shape(1000, 1000, 1000, 128): {PYTORCH: 3.0, PYTORCH_GRAPHS: 1.0},
    **{Shape(1000, H, 1000, 128): {PYTORCH_GRAPHS: 1.0} for H in (2000, 5000, 7000, 10000)},
    Shape(1000, 15000, 1000, 128): {PYTORCH: 1.3, PYTORCH_GRAPHS: 1.0},
    Shape(1000, 100, 1000, 128, replicas=32): {PYTORCH: 15.0},
    **{Shape(1000, H, 1000, 128, replicas=32): {} for H in (200, 500, 1000)},
}
ROUNDS, QUICK_ROUNDS = 10, 2
MOST_STEPS, MOST_STEPS_OF_MANY = 5000, 1000
ROUND_SECONDS, ASSUMED_FLOP_PER_SECOND = 0.5, 4e13
CHECKS = {
    "torch": "import sys, torch; sys.exit(not torch.cuda.is_available())",
    "jax": "import sys, jax; sys.exit(jax.default_backend() != 'gpu')",
}


def main(arguments: list[str]) -> int:
    """Run all cases, print the table, write the results."""
    parser = argparse.ArgumentParser(
        prog="python -m bench gpu", description="Time one SGD training step on the GPU: capacity against its peers."
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds; writes a file only with --out")
    parser.add_argument("--machine", help="the machine's name in the results (default: its GPU)")
    parser.add_argument("--out", type=Path, help="results file (default: bench/results/gpu-MACHINE-DATE.json)")
    options = parser.parse_args(arguments)
    why = why_not()
    if why is not None:
        print(f"python -m bench gpu needs a GPU: {why.reason}; {why.remedy}.", file=sys.stderr)
        return 2

    names = [name for name, spec in ON_GPU.items() if name == OURS or _can_use(spec.library)]
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    ceilings = json.loads(_output(sys.executable, str(ROOT / "bench" / "ceilings.py")))
    before = describe_gpu()
    rows: list[dict[str, Any]] = []
    peers: dict[str, dict[str, str]] = {}
    for shape, expected in EXPECTED.items():
        print(f"{shape} ...", file=sys.stderr, flush=True)
        row, peers = run_case(shape, expected, QUICK_ROUNDS if options.quick else ROUNDS, names)
        rows.append(row)
    name = options.machine or before["name"]
    results = {
        "benchmark": "gpu", "date": today, "commit": commit(), "name": name, "machine": describe_machine(),
        "gpu": before, "clocks_after": describe_gpu()["clocks"], "ceilings": ceilings, "peers": peers, "rows": rows,
    }  # fmt: skip

    print(f"{markdown(results)}\n\n{verdicts(results)}")
    if options.out or not options.quick:
        write(results, options.out)
    return differing(results)


def run_case(
    shape: Shape, expected: dict[str, float], rounds: int, names: list[str]
) -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    """Return one row of the results, and what each peer says of itself."""
    steps = steps_of_a_round(shape)
    workload = make_workload(shape, steps * (rounds + 1))
    timed, _ = time_peers(workload, rounds, {name: ON_GPU[name] for name in names}, cores=None, times=steps)
    us = {name: peer.us for name, peer in timed.items()}
    ours = us[OURS]["median"]
    row = {
        "shape": str(shape), "rounds": rounds, "steps_per_round": steps, "us_per_step": us,
        "losses": {name: peer.loss for name, peer in timed.items()},
        "same_work": same_work(timed, ON_GPU),
        "ratios": {name: round(us[name]["median"] / ours, 2) for name in names if name != OURS},
        "expected": {name: ratio for name, ratio in expected.items() if name in us},
        "flop_per_second": flop_of_a_step(shape) / ours * 1e6, "bytes_per_second": bytes_of_a_step(shape) / ours * 1e6,
    }  # fmt: skip
    return row, {name: peer.description for name, peer in timed.items()}


def bytes_of_a_step(shape: Shape) -> int:
    """Return the least traffic of float32 weights: read forward, read for the gradient of h, read and written once."""
    return shape.replicas * 4 * (3 * shape.inputs * shape.width + 4 * shape.width * shape.classes)


def steps_of_a_round(shape: Shape) -> int:
    """Return how many steps make a round of about ROUND_SECONDS, and not too many for the peer with a host loop."""
    steps = int(ROUND_SECONDS * ASSUMED_FLOP_PER_SECOND / flop_of_a_step(shape))
    return max(100, min(steps, MOST_STEPS if shape.replicas == 1 else MOST_STEPS_OF_MANY))


def describe_gpu() -> dict[str, str]:
    """Return what nvidia-smi says of the first GPU that this process sees."""
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    fields = "name,driver_version,memory.total,power.limit,clocks.sm,clocks.max.sm,clocks.mem"
    said = _output("nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader", "-i", first)
    name, driver, memory, power, clock, most, memory_clock = (part.strip() for part in said.split(","))
    clocks = f"{clock} of {most}, memory {memory_clock}"
    return {"name": name, "driver": driver, "memory": memory, "power_limit": power, "clocks": clocks}


@functools.cache
def _can_use(library: str) -> bool:
    """Whether a library is installed and finds the GPU, asked in a process of its own; says so where not."""
    if importlib.util.find_spec(library) is None:
        print(f"{library} is not installed, and left out.", file=sys.stderr)
        return False
    found = subprocess.run([sys.executable, "-c", CHECKS[library]], capture_output=True, check=False).returncode == 0
    if not found:
        print(f"{library} finds no GPU, and is left out.", file=sys.stderr)
    return found


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
