"""What sanitizers find in simulated kernels: races, whatever the order was, and reads that nobody would notice."""

from __future__ import annotations

import pytest

from tests.cudasim_sanitizers import report, runtimes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (runtimes("thread") and runtimes("address")), reason="no sanitizers are installed"),
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


def _run(sanitizer: str, body: str, expected: str = "got") -> str | None:
    """Run the body on three blocks of 64 threads and check what it leaves of x = 1 .. 192; return the report."""
    engine = {"thread": "threads", "address": "fibers"}[sanitizer]
    return report(
        sanitizer,
        f"""
import numpy as np
from tests.test_cudasim import run_toy
x = np.arange(1, 193, dtype=np.float32)
got = run_toy({body!r}, x, grid=(3, 1), engine={engine!r})
np.testing.assert_array_equal(got, {expected})
""",
    )


@pytest.mark.parametrize("sanitizer", ["thread", "address"])
def test_correct_kernels_are_left_alone(sanitizer: str) -> None:
    assert _run(sanitizer, ROTATE, "np.roll(x.reshape(3, 64), -1, axis=1).ravel()") is None
    assert _run(sanitizer, SUM, "np.repeat(x.reshape(6, 32).sum(axis=1), 32)") is None
    exchanged = "x.reshape(96, 2)[:, ::-1].ravel()"
    assert _run(sanitizer, THROUGH_MEMORY.replace("BETWEEN", "__syncwarp();"), exchanged) is None


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
    found = _run("thread", body)
    assert found is not None
    assert "data race" in found
    assert "cap_toy" in found


def test_a_barrier_that_some_threads_do_not_reach_ends_with_an_error() -> None:
    with pytest.raises(RuntimeError, match="another has finished"):
        _run("thread", "if (i != 5) { __syncthreads(); }")
    with pytest.raises(RuntimeError, match=r"waits for all of its block at .*, another for all of its block at"):
        _run("thread", "if (i < 5) { __syncthreads(); } else {\n __syncthreads(); }")
    with pytest.raises(RuntimeError, match="another has finished"):
        _run("thread", "if (i != 5) m->x[i] = CAP_SHUFFLE_XOR(m->x[i], 1);")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param("if (m->x[i + 1] == 7) m->x[0] = 7;", "use-after-poison", id="read past a buffer"),
        pytest.param("m->x[i] = calls[call - 2].n;", "use-after-poison", id="read before a buffer"),
        pytest.param("m->x[i + 1] = 7;", "use-after-poison", id="store past a buffer"),
        pytest.param("__shared__ float a[8]; m->x[i] = a[i % 9];", "index 8 out of bounds", id="shared array"),
        pytest.param("float a[8] = {}; m->x[i] = a[i % 9];", "index 8 out of bounds", id="local array"),
        pytest.param(
            "float a[8] = {}; float* p = a + n; m->x[i] = p[i % 9];",
            "insufficient space",
            id="local array's pointer",
        ),
        pytest.param("m->x[0] = *(double*)(m->x + 1);", "misaligned address", id="alignment"),
        pytest.param("m->x[0] = float((i + 2000000000) * 2);", "signed integer overflow", id="overflow"),
    ],
)
def test_a_wrong_access_is_reported(body: str, message: str) -> None:
    found = _run("address", body)
    assert found is not None
    assert message in found
