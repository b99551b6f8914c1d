"""A small sweep from end to end, in a process of its own: how long it takes, and how much of that is not training.

`python -m bench.sweep EPOCHS` runs it and prints, as JSON, seconds of the call of `capacity.sweep`, of the native runs
(training and evaluation) in it, of the processors, and how many trials there were.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.machine import ROOT
from bench.rounds import summary

WIDTHS, LRS, SEEDS = (2, 4, 8, 16, 32), (0.1, 0.01), 3
EPOCHS, QUICK_EPOCHS = 50, 5


def measure(rounds: int, epochs: int) -> dict[str, Any]:
    """Run the sweep `rounds` times, each in a new process and folder.

    Returns
    -------
    dict
        'trials', 'epochs', 'cores', and median, quartiles and least of: 'process_seconds', from the start of Python to
        its end; 'call_seconds', of the call of `capacity.sweep`; 'outside', the share of the call in which no native
        run was under way: set-up, files, database, Python; 'busy', the processors' share of process time x cores.
    """
    runs = [_once(epochs) for _ in range(rounds + 1)][1:]  # the first warms the disk's cache
    named = {name: summary([run[name] for run in runs]) for name in ("process_seconds", "call_seconds")}
    named["outside"] = summary([1 - run["native_seconds"] / run["call_seconds"] for run in runs])
    named["busy"] = summary([run["cpu_seconds"] / (run["process_seconds"] * run["cores"]) for run in runs])
    return {"trials": runs[0]["trials"], "epochs": epochs, "cores": runs[0]["cores"], "rounds": rounds, **named}


def _once(epochs: int) -> dict[str, Any]:
    start = time.perf_counter()
    child = [sys.executable, "-m", "bench.sweep", str(epochs)]
    done = subprocess.run(child, stdout=subprocess.PIPE, check=True, cwd=ROOT)
    return {"process_seconds": time.perf_counter() - start, **json.loads(done.stdout)}


def _child(epochs: int) -> dict[str, Any]:
    import capacity
    from capacity.engine.cpu import CpuExecutor
    from capacity.engine.machine import usable_cores

    native = 0.0
    run = CpuExecutor.run

    def timed(*arguments: Any) -> None:
        nonlocal native
        start = time.perf_counter()
        run(*arguments)
        native += time.perf_counter() - start

    setattr(CpuExecutor, "run", timed)  # noqa: B010 (mypy would have it the other way)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        study = capacity.sweep(
            "digits", widths=WIDTHS, lrs=LRS, seeds=SEEDS, epochs=epochs, device="cpu", out=Path(folder, "study")
        )
        call = time.perf_counter() - start
        trials = len(study.rows())
    cpu = time.process_time()
    return {
        "call_seconds": call,
        "native_seconds": native,
        "cpu_seconds": cpu,
        "cores": usable_cores(),
        "trials": trials,
    }


if __name__ == "__main__":
    print(json.dumps(_child(int(sys.argv[1]))))
