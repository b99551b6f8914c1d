"""Hold the instructions of a step against those recorded: a guard that does not depend on the machine's mood.

Valgrind counts the instructions that small trainings retire, run for some steps and for twice as many; the difference
is what the steps take, without Python's start. Valgrind knows no AVX-512, so the paths are AVX2 and portable.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys

from bench.machine import ROOT
from bench.rounds import ONE_THREAD
from bench.workload import Shape, make_trainer, make_workload

RECORD = ROOT / "bench" / "instructions.json"
TOLERANCE = 0.1  # compilers differ by less
STEPS = 40
SHAPES = {str(shape): shape for shape in (Shape(20, 16, 2, 32), Shape(100, 32, 10, 128))}
PATHS = ("avx2", "portable")


def main(arguments: list[str]) -> int:
    """Count, print and compare; return 1 when a count is off by more than TOLERANCE."""
    parser = argparse.ArgumentParser(
        prog="python -m bench instructions",
        description=f"Count the instructions of a training step with valgrind, and compare with {RECORD.name}.",
    )
    parser.add_argument("--update", action="store_true", help="record what is counted; after a change that is meant")
    options = parser.parse_args(arguments)
    if shutil.which("valgrind") is None:
        print("no instructions are counted: valgrind is not installed (on Debian: apt install valgrind).")
        return 0

    from capacity.engine import _cpu

    paths = [path for path in PATHS if path in _cpu.supported_paths()]
    counted = {f"{name}, {path}": count(name, path) for path in paths for name in SHAPES}
    if options.update:
        RECORD.write_text(json.dumps(counted, indent=1) + "\n", encoding="utf-8")
    recorded: dict[str, int] = json.loads(RECORD.read_text(encoding="utf-8"))
    lines = verdicts(counted, recorded)
    print("\n".join(lines))
    return int(any(line.endswith("MISSED") for line in lines))


def verdicts(counted: dict[str, int], recorded: dict[str, int]) -> list[str]:
    """Return a line for each training: instructions a step, how far from the record, and whether that is near enough.

    Fewer are a miss as well: the record is then to be updated.
    """
    lines = []
    for name, instructions in counted.items():
        change = instructions / recorded[name] - 1
        verdict = "met" if abs(change) <= TOLERANCE else "MISSED"
        lines.append(f"{name}: {instructions:,} instructions a step, {change:+.1%} from the record: {verdict}")
    return lines


def count(name: str, path: str) -> int:
    """Return how many instructions a step takes on an instruction set."""
    once, twice = (_instructions(name, path, steps) for steps in (STEPS, 2 * STEPS))
    return round((twice - once) / STEPS)


def _instructions(name: str, path: str, steps: int) -> int:
    """Return the instructions of a process that takes `steps` steps."""
    valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={os.devnull}"]
    child = [sys.executable, "-m", "bench.instructions", name, str(steps)]
    # An equal hash seed makes Python's part the same in every process.
    env = os.environ | ONE_THREAD | {"CAPACITY_SIMD": path, "PYTHONHASHSEED": "0"}
    done = subprocess.run([*valgrind, *child], env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    collected = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or collected is None:
        raise SystemExit(f"valgrind ended with status {done.returncode}: {done.stderr.strip()[-500:]}")
    return int(collected[1])


def train(name: str, steps: int) -> None:
    """Take some steps of a training, on one thread."""
    make_trainer(make_workload(SHAPES[name], 0), "cpu").advance(steps)


if __name__ == "__main__":
    train(sys.argv[1], int(sys.argv[2]))
