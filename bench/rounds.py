"""Time the peers of one workload: processes of their own, in alternating rounds."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.machine import ROOT
from bench.peers import OURS, RefusedError, Spec
from bench.workload import Workload

ONE_THREAD = {
    f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "BLIS", "VECLIB_MAXIMUM", "NUMEXPR")
}


@dataclass(frozen=True)
class Timed:
    """What was measured of one peer.

    Attributes
    ----------
    us : dict
        Microseconds a step or an evaluation, of all replicas: median, q1, q3, least.
    loss, errors : float
        At the end, over all samples and replicas.
    description : dict
        What the peer says of itself.
    """

    us: dict[str, float]
    loss: float
    errors: float
    description: dict[str, str]


class Team:
    """The processes of one peer, each with a share of the replicas; they wait, idle, while the others have their turn.

    Parameters
    ----------
    spec : Spec
    workload : Path
        What Workload.save wrote.
    cores : sequence of int or None
        A process for each, kept to that core and with one thread; None is a process that is left alone.

    Raises
    ------
    RefusedError
        When the peer cannot do this here; says why.
    """

    def __init__(self, spec: Spec, workload: Path, cores: Sequence[int | None]) -> None:
        command = [sys.executable, "-m", "bench.peer", spec.module, str(workload)]
        self._processes = []
        for number, core in enumerate(cores):
            order = {"core": core, "share": [number, len(cores)], "options": dict(spec.options)}
            env = os.environ | ({} if core is None else ONE_THREAD)
            child = subprocess.Popen(
                [*command, json.dumps(order)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=env,
                cwd=ROOT,
            )
            self._processes.append(child)
        for answer in self._answers():
            if "refused" in answer:
                for process in self._processes:
                    process.communicate()
                raise RefusedError(answer["refused"])

    def seconds(self, action: str, times: int) -> float:
        """Run or evaluate so many times, all processes at once, and return how long the slowest took."""
        for process in self._processes:
            assert process.stdin
            process.stdin.write(f"{action} {times}\n")
            process.stdin.flush()
        return max(float(answer["seconds"]) for answer in self._answers())

    def finish(self) -> tuple[float, float, dict[str, str]]:
        """End the processes; return final loss, share of errors and the peer's description."""
        for process in self._processes:
            assert process.stdin
            process.stdin.close()
        last = self._answers()
        for process in self._processes:
            with process:  # waits, and closes the pipes
                pass
        description = last[0]["peer"] | ({"processes": str(len(last))} if len(last) > 1 else {})
        return statistics.fmean(a["loss"] for a in last), statistics.fmean(a["errors"] for a in last), description

    def _answers(self) -> list[dict[str, Any]]:
        return [self._read(process) for process in self._processes]

    @staticmethod
    def _read(process: subprocess.Popen[str]) -> dict[str, Any]:
        assert process.stdout
        line = process.stdout.readline()
        if not line:
            process.communicate()
            raise SystemExit(f"a peer ended early, with status {process.returncode}")
        return json.loads(line)  # type: ignore[no-any-return]


def time_peers(
    workload: Workload, rounds: int, peers: Mapping[str, Spec], *, cores: int | None, action: str = "run", times: int
) -> tuple[dict[str, Timed], dict[str, str]]:
    """Time peers on one workload, and return what was measured, and for those that refused, why.

    Parameters
    ----------
    workload : Workload
        Of (rounds + 1) * times steps to run; before evaluations all of its steps are run.
    rounds : int
        One more is run: the first warms up and is not counted.
    peers : dict
        Name in results -> how it is run.
    cores : int or None
        1 is one core, the same for all; None leaves that to each. With more, a peer that trains replicas one after
        the other gets a process for each core.
    action : {'run', 'evaluate'}
    times : int
        Steps or evaluations a round.
    """
    teams: dict[str, Team] = {}
    refused: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "workload.npz")
        workload.save(path)
        for name, spec in peers.items():
            kept = _cores_kept(cores, workload.shape.replicas if spec.alone else None)
            try:
                teams[name] = Team(spec, path, kept)
            except RefusedError as error:
                if name == OURS:
                    raise SystemExit(f"there is nothing to compare with: {error}") from error
                refused[name] = str(error)
        names = list(teams)
        if action == "evaluate":
            for team in teams.values():
                team.seconds("run", workload.batches.shape[1])
        taken: dict[str, list[float]] = {name: [] for name in names}
        for number in range(rounds + 1):
            for name in names if number % 2 else names[::-1]:
                taken[name].append(teams[name].seconds(action, times) / times * 1e6)
        return {name: Timed(summary(taken[name][1:]), *team.finish()) for name, team in teams.items()}, refused


def _cores_kept(cores: int | None, alone: int | None) -> list[int | None]:
    """Return the core for each process of a peer, which trains `alone` replicas one after the other, or None together.

    With one core it is the last: what else there is to do rather takes the first. Otherwise there are as many processes
    as can share the replicas equally.
    """
    if cores == 1:
        return [-1]
    if cores is None or alone is None:
        return [None]
    return list(range(max(n for n in range(1, cores + 1) if alone % n == 0)))


def same_work(timed: Mapping[str, Timed], peers: Mapping[str, Spec]) -> bool:
    """Return whether all ended with our own loss: within their tolerance, or a hundred-thousandth nat."""
    ours = timed[OURS].loss
    return all(
        math.isclose(peer.loss, ours, rel_tol=peers[name].tolerance, abs_tol=1e-5) for name, peer in timed.items()
    )


def summary(times: list[float]) -> dict[str, float]:
    """Return median, quartiles and least of two or more times."""
    q1, median, q3 = statistics.quantiles(times, n=4, method="inclusive")
    named = {"median": median, "q1": q1, "q3": q3, "least": min(times)}
    return {name: round(value, 3) for name, value in named.items()}
