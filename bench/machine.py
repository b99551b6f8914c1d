"""What the numbers were measured on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout, from which `python -m bench` and its child processes run."""


def describe_machine() -> dict[str, str | int | float]:
    """Return processor, cores, cache, system, Python and load; nothing that names a person or a host."""
    from capacity.engine.machine import processor_name

    return {
        "processor": processor_name(),
        "architecture": platform.machine(),
        "cores": os.cpu_count() or 1,
        "cache": _largest_cache(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def commit() -> str:
    """Return the checkout's commit, with '+' when files that are tracked were changed; 'unknown' outside git."""
    git = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=10", "--dirty=+"]
    return subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def slug(text: str) -> str:
    """Return `text` as part of a file name: lower case, words joined by hyphens."""
    return "-".join(re.findall(r"[a-z0-9]+", re.sub(r"\((r|tm)\)", "", text.lower())))


def _largest_cache() -> str:
    sizes = [path.read_text().strip() for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")]
    return max(sizes, key=lambda size: int(size[:-1]), default="unknown")
