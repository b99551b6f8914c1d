"""A study in a process of its own, to be killed: python -m tests.study_to_kill KIND DATA STUDY WORKERS."""

from __future__ import annotations

import multiprocessing
import sys
from typing import Any

import capacity
from capacity.experiments import Snapshot, Study, driver

SETTINGS: dict[str, dict[str, Any]] = {
    "sweep": {"widths": (1, 2, 4, 8), "lrs": (0.1, 0.01), "epochs": 150, "seeds": 2, "threads": 1},
    "converge": {
        "widths": (4, 8), "optimizers": ("sgd", "adam"), "fractions": (0.3, 1.0), "seeds": 3, "epochs": 60,
        "patience": 8, "threads": 1,
    },
    "emc": {"widths": (4, 8), "labels": "random", "lrs": (0.5, 0.1), "seeds": 3, "steps": 2000, "threads": 1},
}  # fmt: skip


def announce(snapshot: Snapshot) -> None:
    """Tell the process that waits to kill this one that it can begin to, and the ids of the workers so far."""
    print(*(worker.pid for worker in multiprocessing.active_children()), flush=True)


def run(kind: str, data: str, out: object, **more: Any) -> Study:
    """Run the study of a kind."""
    study: Study = getattr(capacity, kind)(data, out=out, **SETTINGS[kind], **more)
    return study


if __name__ == "__main__":
    # Checkpoint every few milliseconds, so that a kill meets every part of a slice.
    driver.SLICE_SECONDS = 0.02
    driver.CHECKPOINT_SHARE = 1.0
    kind, data, study, workers = sys.argv[1:]
    run(kind, data, study, workers=int(workers), progress=announce)
