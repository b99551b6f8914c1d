"""Time the peers of one workload: a process each, in alternating rounds."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workload import Workload

ONE_THREAD = {
    f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "BLIS", "VECLIB_MAXIMUM", "NUMEXPR")
}


@dataclass(frozen=True)
class Timed:
    """What was measured of one peer: microseconds a step (median, q1, q3, least), final loss, its description."""

    us_per_step: dict[str, float]
    loss: float
    description: dict[str, str]


class Child:
    """A peer in its own process; it waits, idle, while the others have their turn."""

    def __init__(self, module: str, workload: Path, *, one_core: bool) -> None:
        script, cores = Path(__file__).with_name("peer.py"), "one-core" if one_core else "all-cores"
        self._process = subprocess.Popen(
            [sys.executable, str(script), module, str(workload), cores],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | (ONE_THREAD if one_core else {}),
        )  # fmt: skip
        self._read()

    def seconds(self, steps: int) -> float:
        """Run `steps` steps and return how long they took."""
        assert self._process.stdin
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()
        return float(self._read()["seconds"])

    def finish(self) -> tuple[float, dict[str, str]]:
        """End the process; return the final loss and the peer's description."""
        assert self._process.stdin
        self._process.stdin.close()
        last = self._read()
        with self._process:  # waits, and closes the pipes
            pass
        return last["loss"], last["peer"]

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"a peer ended early, with status {self._process.wait()}")
        return json.loads(line)  # type: ignore[no-any-return]


def time_peers(workload: Workload, rounds: int, peers: Mapping[str, str], *, one_core: bool) -> dict[str, Timed]:
    """Time peers (name in results -> module) on one workload, each with one core, the same for all, or with all cores.

    All steps of the workload are run, in one round more than `rounds`: the first warms up and is not counted.
    """
    steps, names = workload.batches.shape[1] // (rounds + 1), list(peers)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "workload.npz")
        workload.save(path)
        children = {name: Child(module, path, one_core=one_core) for name, module in peers.items()}
        times: dict[str, list[float]] = {name: [] for name in names}
        for number in range(rounds + 1):
            order = names if number % 2 else names[::-1]
            for name in order:
                times[name].append(children[name].seconds(steps) / steps * 1e6)
        return {name: Timed(_summary(times[name][1:]), *child.finish()) for name, child in children.items()}


def _summary(times: list[float]) -> dict[str, float]:
    q1, median, q3 = statistics.quantiles(times, n=4, method="inclusive")
    named = {"median": median, "q1": q1, "q3": q3, "least": min(times)}
    return {name: round(value, 3) for name, value in named.items()}
