"""Our kernels in the simulator: the same result in every order of threads and over any grid, and no races."""

from __future__ import annotations

import pytest

from capacity.engine.ops import OPS
from tests import cudasim_build
from tests.cudasim_checks import TRAININGS, check_case, check_training, small_cases
from tests.cudasim_sanitizers import report, runtimes
from tests.executors import OpCase

pytestmark = pytest.mark.skipif(cudasim_build.compiler() is None, reason="no C++ compiler is installed")


@pytest.mark.parametrize("case", small_cases(), ids=str)
def test_op_in_any_order_of_threads_and_over_any_grid(case: OpCase) -> None:
    check_case(case)


@pytest.mark.parametrize("name", TRAININGS)
def test_training_in_any_order_of_threads_and_over_any_grid(name: str) -> None:
    check_training(TRAININGS[name])


@pytest.mark.slow
@pytest.mark.skipif(runtimes("thread") is None, reason="no thread sanitizer is installed")
@pytest.mark.parametrize("op", OPS)
def test_kernels_have_no_races(op: str) -> None:
    found = report("thread", f"from tests.cudasim_checks import run_cases_with_threads as run; run('{op}')")
    assert found is None, found


@pytest.mark.slow
@pytest.mark.skipif(runtimes("thread") is None, reason="no thread sanitizer is installed")
def test_trainings_have_no_races() -> None:
    found = report("thread", "from tests.cudasim_checks import run_trainings_with_threads as run; run()")
    assert found is None, found
