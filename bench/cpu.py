"""Time training on the CPU: capacity against PyTorch, JAX and scikit-learn, and all of them against the floor.

Every peer that is installed trains the same networks from the same initial weights on the same batches in the same
number of steps, and their final losses are held against each other. Exit status 1 when these differ, 2 where a process
cannot be kept to one core.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench import cost, sweep
from bench.cases import CASES, MEASUREMENTS, SWEEP, Case
from bench.cpu_table import tables, verdicts
from bench.floors import Floors
from bench.machine import commit, describe_machine
from bench.peers import ON_CPU, OURS
from bench.publish import differing, write
from bench.readme import publish
from bench.rounds import same_work, time_peers
from bench.workload import make_workload

ROUNDS, QUICK_ROUNDS, QUICKER = 20, 3, 5
STEPS_BEFORE = 64
"""Evaluated are networks that have learned something."""


def main(arguments: list[str]) -> int:
    """Run the measurements, print the tables; a full run also writes results, plot and the README's tables."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Time training on the CPU: capacity against PyTorch, JAX and scikit-learn, those installed. A full "
        "run writes its results and a plot to bench/results, and the tables in README.md.",
    )
    parser.add_argument("--quick", action="store_true", help="few and short rounds; writes a file only with --out")
    parser.add_argument("--only", choices=MEASUREMENTS, action="append", help="measure this alone; may be repeated")
    parser.add_argument("--machine", help="the machine's name in the results (default: its processor)")
    parser.add_argument("--out", type=Path, help="write the results here, and nothing else")
    options = parser.parse_args(arguments)
    if not hasattr(os, "sched_setaffinity"):
        print("python -m bench needs Linux: elsewhere a process cannot be kept to one core.", file=sys.stderr)
        return 2

    results = measure(options.only or MEASUREMENTS, quick=options.quick, machine=options.machine)
    print(f"{tables(results)}\n\n{verdicts(results)}")
    if options.out:
        write(results, options.out)
    elif not options.quick and not options.only:
        publish(write(results, None))
    return differing(results)


def measure(measurements: Iterable[str], *, quick: bool, machine: str | None = None) -> dict[str, Any]:
    """Return the results of some measurements, as they are written to a file."""
    before = describe_machine()
    missing = {name: spec.library for name, spec in ON_CPU.items() if importlib.util.find_spec(spec.library) is None}
    left_out = {name: f"{library} is not installed" for name, library in missing.items()}
    timed: list[tuple[Case, dict[str, Any]]] = []
    peers: dict[str, dict[str, str]] = {}
    with Floors() as floors:
        for case in CASES:
            if case.measurement not in measurements:
                continue
            print(f"{case.measurement}: {case.shape} ...", file=sys.stderr, flush=True)
            floors.measure()
            row, said = run_case(case, left_out, quick=quick)
            timed.append((case, row))
            peers |= said
        floors.measure()
    swept = None
    if SWEEP in measurements:
        print("sweep ...", file=sys.stderr, flush=True)
        swept = sweep.measure(QUICK_ROUNDS, sweep.QUICK_EPOCHS) if quick else sweep.measure(5, sweep.EPOCHS)
    return {
        "benchmark": "cpu",
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "commit": commit(),
        "name": machine or str(before["processor"]),
        "machine": before,
        "floors": floors.best,
        "floors_missing": floors.missing,
        "peers": {name: peers[name] for name in ON_CPU if name in peers},
        "rows": [row | against_floor(case, row, floors.best) for case, row in timed],
        "left_out": {f"{case.measurement}, {case.shape}": row["left_out"] for case, row in timed if row["left_out"]},
        "sweep": swept,
    }


def run_case(case: Case, left_out: dict[str, str], *, quick: bool) -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    """Return one row of the results, not yet held against the floor, and what each peer says of itself."""
    rounds = QUICK_ROUNDS if quick else ROUNDS
    times = max(1, case.times // QUICKER) if quick else case.times
    cores = case.cores or len(os.sched_getaffinity(0))
    workload = make_workload(case.shape, times * (rounds + 1) if case.action == "run" else STEPS_BEFORE)
    peers = {name: ON_CPU[name] for name in case.peers if name not in left_out}
    timed, refused = time_peers(workload, rounds, peers, cores=cores, action=case.action, times=times)
    us = {name: peer.us for name, peer in timed.items()}
    row = {
        "measurement": case.measurement, "shape": str(case.shape), "replicas": case.shape.replicas, "cores": cores,
        "action": case.action, "rounds": rounds, "times_per_round": times,
        "us": us, "losses": {name: peer.loss for name, peer in timed.items()},
        "errors": {name: peer.errors for name, peer in timed.items()},
        "same_work": same_work(timed, ON_CPU),
        "ratios": {name: round(us[name]["median"] / us[OURS]["median"], 2) for name in us if name != OURS},
        "expected": {name: ratio for name, ratio in case.expected.items() if name in us},
        "left_out": {name: why for name, why in left_out.items() if name in case.peers} | refused,
    }  # fmt: skip
    return row, {name: peer.description for name, peer in timed.items()}


def against_floor(case: Case, row: dict[str, Any], floors: dict[str, float]) -> dict[str, Any]:
    """Return what a row has to say about the floor: arithmetic, least microseconds, and how many times that we take."""
    run = case.action == "run"
    flop = (cost.flop_of_a_step if run else cost.flop_of_an_evaluation)(case.shape)
    traffic = (cost.bytes_of_a_step if run else cost.bytes_of_an_evaluation)(case.shape)
    floor = {
        name: cost.floor_us(flop, traffic, floors, ON_CPU[name].options.get("precision", "float32"), row["cores"])
        for name in row["us"]
        if ON_CPU[name].module == ON_CPU[OURS].module
    }
    known = {name: us for name, us in floor.items() if us is not None}
    return {
        "flop": flop, "bytes": traffic, "floor_us": {name: round(us, 3) for name, us in known.items()},
        "of_floor": {name: round(row["us"][name]["median"] / us, 3) for name, us in known.items()},
        "wanted_of_floor": {name: round(most, 3) for name, most in case.of_floor.items() if name in known},
    }  # fmt: skip
