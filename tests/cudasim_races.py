"""Runs Python code where the thread sanitizer watches the kernels (the engine 'threads' of the simulator)."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

from tests import cudasim_build

_FOUND = 66  # exit status when the sanitizer has reported


@functools.cache
def sanitizer() -> Path | None:
    """Return the sanitizer's runtime, which must be loaded before Python, or None where there is none."""
    compiler = cudasim_build.compiler()
    if compiler is None:
        return None
    for name in ("libtsan.so", "libclang_rt.tsan.so"):
        command = [compiler, f"-print-file-name={name}"]
        path = Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
        if path.is_absolute():
            return path
    return None


def races(code: str) -> str | None:
    """Run code that launches kernels on the engine 'threads'; return the sanitizer's report, or None if all is well."""
    options = f"exitcode={_FOUND} halt_on_error=1"
    environment = os.environ | {"LD_PRELOAD": str(sanitizer()), "OPENBLAS_NUM_THREADS": "1", "TSAN_OPTIONS": options}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=cudasim_build.ROOT)
    if done.returncode == 0:
        return None
    if done.returncode != _FOUND:
        raise RuntimeError(f"the process ended with {done.returncode}:\n{done.stderr}")
    return done.stderr
