"""Runs Python code in a process where a sanitizer watches the kernels."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

from tests import cudasim_build

_RUNTIMES = {
    "thread": ("libtsan.so",),  # watches the engine 'threads'
    "address": ("libasan.so", "libubsan.so", "libstdc++.so"),  # the engine 'fibers'; also undefined behaviour
}
_FOUND = 66  # exit status when a sanitizer has reported


@functools.cache
def runtimes(sanitizer: str) -> tuple[Path, ...] | None:
    """Return the libraries that must be loaded before Python, or None where there are none (GCC brings them)."""
    compiler = cudasim_build.compiler()
    if compiler is None:
        return None
    commands = ([compiler, f"-print-file-name={name}"] for name in _RUNTIMES[sanitizer])
    found = [subprocess.run(c, capture_output=True, text=True, check=True).stdout.strip() for c in commands]
    return tuple(map(Path, found)) if all(map(os.path.isabs, found)) else None


def report(sanitizer: str, code: str) -> str | None:
    """Run code that launches kernels; return what the sanitizer says of it, or None when that is nothing."""
    libraries = runtimes(sanitizer)
    assert libraries is not None
    options = f"exitcode={_FOUND}:halt_on_error=1:detect_leaks=0"
    environment = os.environ | {
        "LD_PRELOAD": " ".join(map(str, libraries)),
        "PYTHONMALLOC": "malloc",
        "OPENBLAS_NUM_THREADS": "1",
        "TSAN_OPTIONS": options,
        "ASAN_OPTIONS": options,
        "UBSAN_OPTIONS": options,
    }
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=cudasim_build.ROOT)
    if done.returncode == 0:
        return None
    if done.returncode != _FOUND:
        raise RuntimeError(f"the process ended with {done.returncode}:\n{done.stderr}")
    return done.stderr
