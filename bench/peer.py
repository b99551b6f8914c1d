"""The child process of one peer: `python peer.py MODULE WORKLOAD.npz one-core|all-cores`, driven by bench/rounds.py.

Each line on stdin is a number of steps; the answer is the seconds they took. End of input: the answer is the final
loss and the peer's description.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path


def main(module: str, path: str, cores: str) -> None:
    """Serve one peer until stdin ends."""
    if cores == "one-core" and hasattr(
        os, "sched_setaffinity"
    ):  # before the libraries are loaded: they count the cores then
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    from workload import Workload

    peer = importlib.import_module(f"peers.{module}").Peer(Workload.load(Path(path)))
    _answer({"ready": True})
    for line in sys.stdin:
        steps = int(line)
        start = time.perf_counter()
        peer.run(steps)
        _answer({"seconds": time.perf_counter() - start})
    _answer({"loss": peer.loss(), "peer": peer.describe()})


def _answer(content: dict[str, object]) -> None:
    print(json.dumps(content), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
