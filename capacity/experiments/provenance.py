"""Where a number came from: versions, machine, data."""

from __future__ import annotations

import os
import platform
import socket
from datetime import datetime, timezone
from typing import Any

import capacity
from capacity.data import Dataset
from capacity.engine.devices import resolve_precision
from capacity.engine.machine import usable_cores
from capacity.training import describe_device


def now() -> str:
    """Return the present time, UTC, ISO 8601 to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def provenance(dataset: Dataset, device: str, precision: str, threads: int | None, replicas: int) -> dict[str, Any]:
    """Return what is recorded with every trial about the process that trained it.

    `replicas` is how many trials were trained together, `threads` how many threads they shared.
    """
    import numpy
    import scipy

    return {
        "capacity": capacity.__version__,
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
        "platform": platform.platform(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        **describe_device(device),
        "precision": resolve_precision(device, precision),
        "threads": threads or usable_cores(),
        "replicas": replicas,
        "data": {"name": dataset.name, "path": str(dataset.path), "digest": dataset.digest},
        "since": now(),
    }
