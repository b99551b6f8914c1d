"""The simulator itself: it runs correct kernels in any order, and catches every fault that it is there to catch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests import cudasim_build
from tests.cudasim_backend import Buffer, SimulatedBackend, SimulationError, load_kernels
from tests.cudasim_build import BuildError

pytestmark = pytest.mark.skipif(cudasim_build.compiler() is None, reason="no C++ compiler is installed")

ends_the_process_under_sanitizers = pytest.mark.skipif(
    cudasim_build.ADDRESS, reason="the address sanitizer would end this process"
)

SEEDS = range(6)
HEAD = """
struct Machine { float x[1024]; };
struct Call { int n; };
extern "C" __global__ void cap_toy(Machine* m, const Call* calls, int call, int micro) {
  [[maybe_unused]] const int n = calls[call].n, i = blockIdx.x * blockDim.x + threadIdx.x;
"""

ROTATE = """
  __shared__ float line[64];
  line[threadIdx.x] = m->x[threadIdx.x];
  BARRIER
  m->x[threadIdx.x] = line[(threadIdx.x + SHIFT) % blockDim.x];
"""
"""x[t] = x[t + SHIFT] within one block."""


def run_toy(
    body: str,
    x: np.ndarray,
    *,
    n: int = 0,
    grid: tuple[int, int] = (1, 1),
    block: int = 64,
    seed: int = 0,
    engine: str = "fibers",
) -> Any:
    """Run a kernel of the given body over a copy of x, as long as the kernel's array, and return the copy."""
    backend = SimulatedBackend(seed, engine)
    kernel = load_kernels({"toy": HEAD + body + "}\n"}, engine)["toy"]
    machine, calls = (_uploaded(backend, array) for array in (x, np.array([-1, n], np.int32)))
    backend.launch(kernel, grid, block, machine, calls, call=1)
    out = np.empty_like(x)
    backend.read(machine, out)
    return out


def _uploaded(backend: SimulatedBackend, array: np.ndarray) -> Buffer:
    buffer = backend.empty(array.nbytes)
    backend.write(buffer, array)
    return buffer


def _numbers(count: int) -> np.ndarray:
    return np.arange(1, count + 1, dtype=np.float32)


def _rotated(shift: int, barrier: str = "__syncthreads();") -> str:
    return ROTATE.replace("SHIFT", str(shift)).replace("BARRIER", barrier)


@pytest.mark.parametrize("seed", SEEDS)
def test_threads_blocks_and_arguments(seed: int) -> None:
    body = "if (i < n) m->x[i] = 1000 * blockIdx.y + 100 * gridDim.y + 10 * gridDim.x + blockDim.x + micro;"
    x = run_toy(body.replace("if (i < n)", "if (i < n && blockIdx.y == 1)"), np.zeros(200), n=0, grid=(3, 2), seed=seed)
    assert (x == 0).all()
    x = run_toy(body.replace("1000 *", "0.5f *"), _numbers(200), n=150, grid=(3, 1), seed=seed)
    np.testing.assert_array_equal(x, [*[100 + 30 + 64] * 150, *range(151, 201)])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("shift", [1, 63])
def test_a_barrier_lets_threads_exchange(seed: int, shift: int) -> None:
    np.testing.assert_array_equal(run_toy(_rotated(shift), _numbers(64), seed=seed), np.roll(_numbers(64), -shift))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_butterfly_of_shuffles_sums_a_warp(seed: int) -> None:
    body = """
      float v = m->x[i];
      for (int mask = 16; mask > 0; mask /= 2) v += CAP_SHUFFLE_XOR(v, mask);
      double w = CAP_SHUFFLE_XOR(double(v), 1);
      m->x[i] = float(w);
    """
    x = run_toy(body, _numbers(96), block=96, seed=seed)
    np.testing.assert_array_equal(x, np.repeat(_numbers(96).reshape(3, 32).sum(axis=1), 32))


def test_a_loop_of_barriers_in_many_blocks() -> None:
    # Every thread passes its number round the whole block, one place at each barrier.
    body = """
      __shared__ int place[2][64];
      place[0][threadIdx.x] = threadIdx.x;
      for (int k = 0; k < 64; ++k) {
        __syncthreads();
        place[(k + 1) % 2][(threadIdx.x + 1) % 64] = place[k % 2][threadIdx.x];
      }
      __syncthreads();
      m->x[i] = place[0][threadIdx.x];
    """
    for seed in SEEDS:
        np.testing.assert_array_equal(run_toy(body, _numbers(640), grid=(10, 1), seed=seed), np.tile(np.arange(64), 10))


def test_instantiations_of_a_template_have_shared_arrays_of_their_own() -> None:
    head = """
      template <int k> __device__ int* array() { __shared__ int values[k]; return values; }
    """
    body = "array<3>()[0] = 3; array<4>()[0] = 4; if (i == 0) m->x[0] = 10 * array<3>()[0] + array<4>()[0];"
    kernel = load_kernels({"toy": head + HEAD + body + "}\n"})["toy"]
    backend = SimulatedBackend()
    machine = _uploaded(backend, np.zeros(1, np.float32))
    backend.launch(kernel, (1, 1), 32, machine, _uploaded(backend, np.zeros(1, np.int32)))
    assert machine.view(np.dtype("f4"), 1)[0] == 34


def _faults(body: str, message: str, n: int = 0) -> None:
    """Assert that a block of 64 threads is stopped with the message, in every order of threads."""
    for seed in SEEDS:
        with pytest.raises(SimulationError, match=message):
            run_toy(body, _numbers(64), n=n, seed=seed)


def test_a_barrier_that_some_threads_do_not_reach() -> None:
    _faults(
        "if (i < n) { __syncthreads(); }", r"waits for all of its block at .*:\d+, but thread \d+ has finished", n=40
    )
    _faults("if (i >= n) return; __syncthreads();", r"waits for all of its block .*, but thread \d+ has finished", n=63)


def test_two_barriers_where_there_should_be_one() -> None:
    body = "if (i < n) { __syncthreads(); } else {\n __syncthreads(); }"
    _faults(body, r"thread \d+ waits for all of its block at .*, but thread \d+ waits for all of its block at .*", n=40)


def test_a_shuffle_that_some_lanes_do_not_reach() -> None:
    body = "if (i < n) m->x[i] = CAP_SHUFFLE_XOR(m->x[i], 1);"
    _faults(body, r"waits for all of its warp at .*, but thread \d+ has finished", n=40)
    _faults(body + "__syncthreads();", "waits for all of its (warp|block) .*, but .* waits for all of its", n=40)
    assert run_toy(body, _numbers(64), n=32)[0] == 2  # a whole warp may stay away


def test_a_shuffle_with_different_masks() -> None:
    _faults("m->x[i] = CAP_SHUFFLE_XOR(m->x[i], i < 3 ? 1 : 2);", "a shuffle with mask 1.*, but .* mask 2")


def test_a_syncwarp_that_some_lanes_do_not_reach() -> None:
    _faults("if (i < n) { __syncwarp(); }", "waits for all of its warp .*, but .* has finished", n=40)


def test_the_simulator_runs_on_after_a_fault() -> None:
    for _ in range(3):
        with pytest.raises(SimulationError):
            run_toy("if (i < 40) { __syncthreads(); }", _numbers(64))
        np.testing.assert_array_equal(run_toy(_rotated(1), _numbers(64)), np.roll(_numbers(64), -1))


@ends_the_process_under_sanitizers
@pytest.mark.parametrize(
    ("store", "message"),
    [
        ("m->x[i + 1] = 0;", "wrote past a buffer of 256 bytes"),
        ("m->x[i - 1] = 0;", "wrote before a buffer of 256 bytes"),
        ("m->x[i * 2] = 0;", "wrote past a buffer of 256 bytes"),
        ("reinterpret_cast<char*>(m->x)[256] = 0;", "wrote past a buffer of 256 bytes"),
        ("const_cast<Call*>(calls)[call + 1].n = 0;", "wrote past a buffer of 8 bytes"),
    ],
)
def test_a_store_outside_a_buffer(store: str, message: str) -> None:
    _faults(store, message)


@ends_the_process_under_sanitizers
def test_a_store_outside_a_shared_array() -> None:
    declaration = "__shared__ float a[2][17]; __shared__ double b[8];"
    for store in ("(&a[0][0])[i] = 0;", "b[i % 9] = 0;", "(b - 1)[i % 2] = 0;"):
        _faults(declaration + store + "m->x[i] = a[0][0] + b[0];", r"wrote beside a shared array of (136|64) bytes")


@pytest.mark.parametrize("shift", [1, 63])
def test_a_missing_barrier_shows_in_some_order(shift: int) -> None:
    right = [
        np.array_equal(run_toy(_rotated(shift, ""), _numbers(64), seed=s), np.roll(_numbers(64), -shift)) for s in SEEDS
    ]
    assert not all(right)


def test_shared_memory_is_nan_in_every_block_until_it_is_written() -> None:
    body = "__shared__ float a[64]; if (i < n) a[threadIdx.x] = 1; m->x[i] = a[threadIdx.x];"
    x = run_toy(body, _numbers(128), n=40, grid=(2, 1))
    assert (x[:40] == 1).all()
    assert np.isnan(x[40:]).all()


def test_memory_is_nan_until_it_is_written() -> None:
    assert np.isnan(SimulatedBackend().empty(64).view(np.dtype("f8"), 8)).all()


@pytest.mark.parametrize("block", [0, 31, 33, 2048])
def test_a_block_of_a_size_that_is_not_allowed(block: int) -> None:
    with pytest.raises(SimulationError, match=f"a block of {block} threads"):
        run_toy("", _numbers(64), block=block)


def test_a_shared_declaration_that_is_not_understood_is_refused() -> None:
    with pytest.raises(BuildError, match="__shared__"):
        run_toy("__shared__ float a[2], b[3]; m->x[0] = a[0] + b[0];", _numbers(64))
