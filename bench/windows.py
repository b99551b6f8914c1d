"""Training on a file larger than memory: against the same data in memory; and commands with their peak memory.

Every way has a process of its own, and all take turns, with as many threads. Data in memory are read once before.
"""

from __future__ import annotations

import argparse
import datetime
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.machine import ROOT, commit, describe_machine
from bench.publish import write
from bench.rounds import summary

ROWS, ROUNDS, STEPS = 400_000, 7, 1000
WIDTH, BATCH = 64, 128
IN_MEMORY, SLICE = "memory", "slice"
"""All rows, mapped, or a tenth of them in an array."""
WANTED_SHARE, WANTED_PEAK = 0.95, 1.5e9


def main(arguments: list[str]) -> int:
    """Measure, print a line for each way, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m bench windows", description="Training on a file beyond memory.")
    parser.add_argument("--data", type=Path, help=f"data set file; by default {ROWS:,} rows of 1000 counts are made")
    parser.add_argument("--memory", default="128MB", help="for the windows")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of {BATCH} rows, in a turn")
    parser.add_argument("--out", type=Path, help="file for the results; bench/results/windows-...-DATE.json by default")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        data = options.data or make_data(Path(folder, "counts.h5"))
        results = {
            "benchmark": "windows", "name": f"width-{WIDTH}", "date": datetime.date.today().isoformat(),
            "commit": commit(), "machine": describe_machine(), "bytes": data.stat().st_size, "memory": options.memory,
            "batch": BATCH, "width": WIDTH, "rounds": options.rounds, "steps": options.steps,
            "training": compare(data, options.memory, options.rounds, options.steps),
            "commands": commands(data, options.memory, Path(folder)),
        }  # fmt: skip
    print("\n".join(lines(results)))
    write(results, options.out)
    return 0


def make_data(path: Path) -> Path:
    """Write counts of visual words, as many rows as make no machine swap."""
    from capacity.data import write_visual_words

    write_visual_words(path, ROWS)
    return path


def compare(data: Path, memory: str, rounds: int, steps: int) -> dict[str, Any]:
    """Let processes train in turns, and return microseconds a step and peak memory in bytes of each."""
    children = {name: _Child(data, name) for name in (IN_MEMORY, SLICE, memory)}
    taken: dict[str, list[float]] = {name: [] for name in children}
    for number in range(rounds + 1):
        for name in list(children) if number % 2 else list(children)[::-1]:
            taken[name].append(children[name].turn(steps))
    found = {}
    for name, child in children.items():
        peak = child.finish()
        found[name] = {"us": summary([seconds / steps * 1e6 for seconds in taken[name][1:]]), "peak_bytes": peak}
    return found


def commands(data: Path, memory: str, folder: Path) -> dict[str, dict[str, float]]:
    """Run what a user would on the whole file, and return seconds and peak memory in bytes of each process."""
    epoch = ["sweep", str(data), "--seeds", "1", "--epochs", "1", "--batch", str(BATCH), "--memory", memory, "-q"]
    six = ["--widths", "16,64,128", "--lrs", "0.5,0.1", "--out", str(folder / "six")]
    return {
        "check": watched(["data", "check", str(data)]),
        "one network": watched([*epoch, "--widths", str(WIDTH), "--lrs", "0.1", "--out", str(folder / "one")]),
        "six networks": watched([*epoch, *six]),
    }


def watched(arguments: list[str]) -> dict[str, float]:
    """Run the command `capacity`; return seconds and peak memory in bytes."""
    capacity = [sys.executable, "-c", "from capacity.cli import main; main()", *arguments]
    watch = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)"
    )
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", watch, *capacity], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"capacity {' '.join(arguments)} failed: {done.stderr.strip()}")
    return {"seconds": round(time.perf_counter() - began, 1), "peak_bytes": int(done.stdout)}


class _Child:
    """A process that trains, and waits, idle, while the other has its turn."""

    def __init__(self, data: Path, memory: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.windows", str(data), memory],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def turn(self, steps: int) -> float:
        """Return the seconds of so many steps."""
        assert self._process.stdin
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()
        return float(self._answer())

    def finish(self) -> int:
        """End the process, and return the most memory it had, in bytes."""
        assert self._process.stdin
        self._process.stdin.close()
        peak = int(self._answer())
        with self._process:
            return peak

    def _answer(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a training ended early; its reason is above")
        return line


def train(data: str, memory: str) -> None:
    """Be a child: train as many steps as each line says, and answer with the seconds; at the end with peak memory."""
    import capacity

    dataset = capacity.open_dataset(data, memory=None if memory in (IN_MEMORY, SLICE) else memory)
    if memory == IN_MEMORY:
        dataset.train.array.sum()  # from the disk into memory
    if memory == SLICE:
        rows = slice(len(dataset.train.labels) // 10)
        part = replace(dataset.train, features=dataset.train.array[rows].copy(), labels=dataset.train.labels[rows])
        dataset = replace(dataset, train=part)
    trainer = capacity.Trainer(capacity.MLP(hidden=(WIDTH,)), dataset, batch=BATCH, lrs=[0.1], seeds=[0])
    for line in sys.stdin:
        began = time.perf_counter()
        trainer.advance(int(line))
        print(time.perf_counter() - began, flush=True)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, flush=True)


def lines(results: dict[str, Any]) -> list[str]:
    """Return what is printed: a line for each way, then how they compare."""
    ways, memory, whole = results["training"], results["memory"], results["commands"]
    found = [
        f"{name:8}{way['us']['median']:10.1f} us a step, {BATCH / way['us']['median'] * 1e6:12,.0f} rows/s, "
        f"peak memory {way['peak_bytes'] / 1e6:6.0f} MB"
        for name, way in ways.items()
    ]
    for name, what in ((IN_MEMORY, "in memory"), (SLICE, "of a slice in memory")):
        share = ways[name]["us"]["median"] / ways[memory]["us"]["median"]
        found.append(
            f"in windows at {share:.1%} of the speed {what}, {WANTED_SHARE:.0%} wanted: "
            f"{'met' if share >= WANTED_SHARE else 'MISSED'}"
        )
    found.append(f"the whole file, {results['bytes'] / 1e9:.2f} GB; a sweep of one epoch with --memory {memory}:")
    for name, run in whole.items():
        met = "met" if run["peak_bytes"] <= WANTED_PEAK else "MISSED"
        peak = f"peak memory {run['peak_bytes'] / 1e6:.0f} MB, at most {WANTED_PEAK / 1e6:.0f} wanted: {met}"
        found.append(f"  {name:14}{run['seconds']:6.1f} s, {peak}")
    return found


if __name__ == "__main__":
    train(*sys.argv[1:])
