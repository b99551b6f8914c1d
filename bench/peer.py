"""The child process of one peer: `python -m bench.peer MODULE WORKLOAD.npz ORDER`, driven by bench/rounds.py.

ORDER is JSON: the one core to keep to, or null; which share of the replicas to train; options of the peer. Each line on
stdin is an action and how often, "run 100" or "evaluate 3"; the answer is the seconds it took. End of input: the answer
is the final loss, the share of errors and the peer's description.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def main(module: str, path: str, order: str) -> None:
    """Serve one peer until stdin ends."""
    asked = json.loads(order)
    if asked["core"] is not None:  # before the libraries are loaded: they count the cores then
        pin(asked["core"])
    from bench.peers import RefusedError
    from bench.workload import Workload

    workload = Workload.load(Path(path)).share(*asked["share"])
    try:
        peer = importlib.import_module(f"bench.peers.{module}").Peer(workload, **asked["options"])
    except RefusedError as error:
        _answer({"refused": str(error)})
        return
    _answer({"ready": True})
    for line in sys.stdin:
        action, times = line.split()
        start = time.perf_counter()
        _act(peer, action, int(times))
        _answer({"seconds": time.perf_counter() - start})
    loss, errors = peer.evaluate()
    _answer({"loss": loss, "errors": errors, "peer": peer.describe()})


def pin(core: int = -1) -> None:
    """Keep this process to one of the cores that it may run on, by default the last."""
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[core]})


def _act(peer: Any, action: str, times: int) -> None:
    if action == "run":
        peer.run(times)
        return
    for _ in range(times):
        peer.evaluate()


def _answer(content: dict[str, object]) -> None:
    print(json.dumps(content), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
