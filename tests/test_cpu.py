"""The CPU executor in its process: paths by name, the GIL, other libraries' threads, what it says of itself."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from capacity.engine import _cpu
from capacity.engine.cpu import PATH_VARIABLE, describe
from capacity.models import MLP
from tests.executors import CPU, Run, Target, make_source


def _python(code: str, path: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {PATH_VARIABLE: path}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", _cpu.supported_paths())
def test_the_environment_forces_a_path(path: str) -> None:
    done = _python("from capacity.training import describe_device as d; print(d('cpu')['simd'])", path)
    assert done.stdout.strip() == path


def test_a_path_that_is_not_there_is_refused_in_one_sentence() -> None:
    done = _python("import sys; from capacity.cli import main; main(['sweep', '--out', '/nowhere/study'])", "sse9")
    assert done.returncode == 2
    assert f"{PATH_VARIABLE} must be one of" in done.stderr
    assert "Traceback" not in done.stderr


def test_other_threads_go_on_while_a_program_runs() -> None:
    run = Run(MLP((300,)), make_source(500, 200, 10), classes=10, batch=500)
    executor, replicas = CPU[0].executor(run.program()), run.start(CPU[0].dtype)
    began, ended, turns = threading.Event(), threading.Event(), 0

    def work() -> None:
        began.set()
        executor.run(replicas, run.source, 0, 50)
        ended.set()

    thread = threading.Thread(target=work)
    thread.start()
    began.wait()
    while not ended.is_set():
        turns += 1
    thread.join()
    # A switch of threads takes at most some milliseconds; were the GIL held, we would have had a turn or two.
    assert turns > 1000


def test_blas_has_its_threads_back_after_a_run() -> None:
    def pools() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = pools()
    Run(MLP((4,)), make_source(20, 3, 2), classes=2).on(CPU[0], 1)
    assert pools() == before


def test_read_only_and_mapped_data_can_be_trained_on(tmp_path: object) -> None:
    # Data sets are opened as read-only memory maps.
    source = make_source(40, 3, 2)
    expected = Run(MLP((4,)), source, classes=2).on(CPU[0], 3).parameters
    path = f"{tmp_path}/features"
    source.features.tofile(path)
    mapped = np.memmap(path, source.features.dtype, "r", shape=source.features.shape)
    run = Run(MLP((4,)), type(source)(mapped, source.labels, source.scale), classes=2)
    np.testing.assert_array_equal(run.on(CPU[0], 3).parameters, expected)


@pytest.mark.parametrize("target", CPU, ids=str)
def test_arrays_that_do_not_fit_are_refused_before_anything_runs(target: Target) -> None:
    run = Run(MLP((4,)), make_source(40, 3, 2), classes=2)
    replicas = run.start(target.dtype)
    wrong = type(replicas)(**{**vars(replicas), "lrs": np.zeros(2)})
    with pytest.raises(ValueError, match="lrs has the wrong shape"):
        target.executor(run.program()).run(wrong, run.source, 0, 1)


def test_it_says_what_it_runs_on() -> None:
    said = describe()
    assert said["simd"] == _cpu.current_path()
    assert said["blas"] != "unknown"
