"""The tests of the CUDA kernels catch classic faults."""

from __future__ import annotations

import pytest

from tests.cudasim_sanitizers import runtimes
from tests.mutations import FAULTS, Fault, caught


@pytest.mark.slow
@pytest.mark.skipif(runtimes("thread") is None, reason="no thread sanitizer is installed")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kernel}: {fault.name}")
def test_fault_is_caught(fault: Fault) -> None:
    assert caught(fault) is not None
