"""The pool of threads: a stress test under the thread sanitizer, and what happens after a fork."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.executors import CPU
from tests.test_replicas import LARGE, SMALL

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("sanitizer", ["thread", "address,undefined"])
def test_many_short_jobs(tmp_path: Path, sanitizer: str) -> None:
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    program = tmp_path / "threads"
    sources = [ROOT / "tests/native/threads.cpp", ROOT / "csrc/cpu/threads.cpp"]
    flags = ["-std=c++17", "-O1", "-g", "-pthread", "-Wall", "-Wextra", "-Werror", f"-fsanitize={sanitizer}"]
    subprocess.run(["g++", *flags, *map(str, sources), "-o", str(program)], check=True)
    env = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    done = subprocess.run([str(program)], capture_output=True, text=True, check=False, env=env)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # the point of the test
def test_a_forked_child_has_threads_of_its_own() -> None:
    expected = [run.on(CPU[0], 2, threads=2).parameters for run in (SMALL, LARGE)]
    child = os.fork()
    if child == 0:
        results = [run.on(CPU[0], 2, threads=2).parameters for run in (SMALL, LARGE)]
        os._exit(0 if all(np.array_equal(a, b) for a, b in zip(results, expected, strict=True)) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
