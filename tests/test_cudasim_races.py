"""The simulator's engine of real threads, with which the thread sanitizer finds races whatever the order was."""

from __future__ import annotations

import pytest

from tests.cudasim_races import races, sanitizer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sanitizer() is None, reason="no thread sanitizer is installed"),
]

ROTATE = """
  __shared__ float line[64];
  line[threadIdx.x] = m->x[i];
  __syncthreads();
  m->x[i] = line[(threadIdx.x + 1) % 64];
"""
"""Two barriers would be needed if a block did it twice."""

SUM = """
  float v = m->x[i];
  for (int mask = 16; mask > 0; mask /= 2) v += CAP_SHUFFLE_XOR(v, mask);
  m->x[i] = v;
"""

THROUGH_MEMORY = """
  __shared__ float line[64];
  line[threadIdx.x] = m->x[i];
  BETWEEN
  m->x[i] = line[threadIdx.x ^ 1];
"""
"""Exchanged between neighbouring lanes of one warp."""


def _run(body: str, expected: str, grid: tuple[int, int] = (3, 1)) -> str | None:
    """Run the body on three blocks of 64 threads and check what it leaves of x = 1 .. 192; return the report."""
    return races(f"""
import numpy as np
from tests.test_cudasim import run_toy
x = np.arange(1, 193, dtype=np.float32)
got = run_toy({body!r}, x, grid={grid!r}, engine="threads")
np.testing.assert_array_equal(got, {expected})
""")


def test_correct_kernels_have_no_races() -> None:
    assert _run(ROTATE, "np.roll(x.reshape(3, 64), -1, axis=1).ravel()") is None
    assert _run(SUM, "np.repeat(x.reshape(6, 32).sum(axis=1), 32)") is None
    exchanged = "x.reshape(96, 2)[:, ::-1].ravel()"
    assert _run(THROUGH_MEMORY.replace("BETWEEN", "__syncwarp();"), exchanged) is None


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(ROTATE.replace("__syncthreads();", ""), id="no barrier between write and read"),
        pytest.param("for (int k = 0; k < 2; ++k) {" + ROTATE + "}", id="no barrier before the next round"),
        pytest.param(ROTATE.replace("__syncthreads", "__syncwarp"), id="a barrier of the warp, not of the block"),
        pytest.param(THROUGH_MEMORY.replace("BETWEEN", ""), id="lanes in step are not assumed"),
        pytest.param(THROUGH_MEMORY.replace("BETWEEN", "CAP_SHUFFLE_XOR(0, 1);"), id="a shuffle does not order memory"),
        pytest.param("m->x[0] += m->x[i];", id="all threads add to one element"),
        pytest.param("if (threadIdx.x == 0) m->x[0] = blockIdx.x;", id="two blocks write one element"),
        pytest.param("m->x[threadIdx.x] = blockIdx.x * 0;", id="blocks write the same, even if the same value"),
    ],
)
def test_a_race_is_reported(body: str) -> None:
    report = _run(body, "got")
    assert report is not None
    assert "data race" in report
    assert "cap_toy" in report


def test_a_barrier_that_some_threads_do_not_reach_ends_with_an_error() -> None:
    with pytest.raises(RuntimeError, match="another has finished"):
        _run("if (i != 5) { __syncthreads(); }", "x")
    with pytest.raises(RuntimeError, match=r"waits for all of its block at .*, another for all of its block at"):
        _run("if (i < 5) { __syncthreads(); } else {\n __syncthreads(); }", "x")
    with pytest.raises(RuntimeError, match="another has finished"):
        _run("if (i != 5) m->x[i] = CAP_SHUFFLE_XOR(m->x[i], 1);", "x")
