"""A sweep in a process of its own, to be killed: python -m tests.sweep_to_kill DATA STUDY WORKERS."""

from __future__ import annotations

import multiprocessing
import sys
from typing import Any

import capacity
from capacity.experiments import Snapshot, driver

SETTINGS: dict[str, Any] = {"widths": (1, 2, 4, 8), "lrs": (0.1, 0.01), "epochs": 150, "seeds": 2, "threads": 1}


def announce(snapshot: Snapshot) -> None:
    """Tell the process that waits to kill this one that it can begin to, and the ids of the workers so far."""
    print(*(worker.pid for worker in multiprocessing.active_children()), flush=True)


if __name__ == "__main__":
    # Checkpoint every few milliseconds, so that a kill meets every part of a slice.
    driver.SLICE_SECONDS = 0.02
    driver.CHECKPOINT_SHARE = 1.0
    data, study, workers = sys.argv[1:]
    capacity.sweep(data, out=study, workers=int(workers), progress=announce, **SETTINGS)
