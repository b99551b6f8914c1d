"""Time one SGD training step, batch gather included, on one core: capacity against PyTorch.

usage: python bench/train_step.py [--quick] [--machine NAME] [--out FILE.json]

Every peer trains the same network from the same initial weights on the same batches in the same number of steps,
and their final losses are held against each other. Exit status 1 when these differ.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import math
import sys
from pathlib import Path
from typing import Any

from machine import commit, describe_machine
from peers import ON_CPU, OURS, PYTORCH
from publish import publish
from rounds import time_peers
from table import markdown, verdicts
from workload import Shape, make_workload

CASES = [
    # shape, steps a round, expected ratio to PyTorch
    (Shape(20, 16, 2, 32), 2000, 30.0),
    (Shape(100, 32, 10, 128), 1000, 8.0),
    (Shape(784, 100, 10, 128), 300, 2.0),
    (Shape(1000, 1000, 1000, 128), 20, 1.2),
]
ROUNDS, QUICK_ROUNDS = 20, 4
LOSS_TOLERANCE = 1e-3  # relative; float32 rounding differs between peers and grows over the steps


def main() -> int:
    """Run all cases, print the table, write the results."""
    parser = argparse.ArgumentParser(description="Time one SGD training step on one core: capacity against PyTorch.")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds; writes a file only with --out")
    parser.add_argument("--machine", help="the machine's name in the results (default: its processor)")
    parser.add_argument("--out", type=Path, help="results file (default: bench/results/train_step-MACHINE-DATE.json)")
    options = parser.parse_args()

    names = [OURS, *([PYTORCH] if importlib.util.find_spec("torch") else [])]
    if PYTORCH not in names:
        print("PyTorch is not installed: only our own times follow, and no ratios.", file=sys.stderr)
    machine = describe_machine()
    name = options.machine or str(machine["processor"])
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    rows: list[dict[str, Any]] = []
    peers: dict[str, dict[str, str]] = {}
    for shape, steps, expected in CASES:
        print(f"{shape} ...", file=sys.stderr, flush=True)
        row, peers = run_case(shape, steps, expected, QUICK_ROUNDS if options.quick else ROUNDS, names)
        rows.append(row)
    results = {
        "benchmark": "train_step", "date": today, "commit": commit(), "name": name, "machine": machine,
        "threads": 1, "peers": peers, "rows": rows,
    }  # fmt: skip

    return publish(results, f"{markdown(results)}\n\n{verdicts(results)}", options.out, quick=options.quick)


def run_case(
    shape: Shape, steps: int, expected: float, rounds: int, names: list[str]
) -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    """Return one row of the results, and what each peer says of itself."""
    peers = {name: ON_CPU[name] for name in names}
    timed = time_peers(make_workload(shape, steps * (rounds + 1)), rounds, peers, one_core=True)
    losses = {name: peer.loss for name, peer in timed.items()}
    row = {
        "shape": str(shape), "rounds": rounds, "steps_per_round": steps,
        "us_per_step": {name: peer.us_per_step for name, peer in timed.items()}, "losses": losses,
        "same_work": all(math.isclose(loss, losses[OURS], rel_tol=LOSS_TOLERANCE) for loss in losses.values()),
    }  # fmt: skip
    if PYTORCH in timed:
        ratio = timed[PYTORCH].us_per_step["median"] / timed[OURS].us_per_step["median"]
        row |= {"ratio": round(ratio, 2), "expected": expected, "met": ratio >= expected}
    return row, {name: peer.description for name, peer in timed.items()}


if __name__ == "__main__":
    sys.exit(main())
