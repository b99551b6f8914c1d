"""The backend on CuPy, on a made-up GPU: CuPy and cuBLAS are stand-ins, the kernels run in the simulator."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from capacity.engine import devices
from capacity.engine.cuda.backend import Arena
from capacity.engine.cuda.cupy_backend import CupyBackend, shared_backend
from capacity.engine.cuda.errors import CudaError, FullError
from capacity.engine.cuda.executor import CudaExecutor
from capacity.engine.cuda.recording import CALL, Launch, Matrix, Product, Recording
from capacity.engine.executor import element_type
from capacity.engine.optimizers import SGD, AdamW, Optimizer
from capacity.models import MLP
from tests import fake_cuda
from tests.executors import REFERENCE, Run, make_source

pytestmark = fake_cuda.possible
NO_CALLS = np.zeros(1, CALL)


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[CupyBackend]:
    with fake_cuda.gpu(tmp_path):
        yield shared_backend()


def uploaded(backend: CupyBackend, array: NDArray[Any]) -> Any:
    buffer = backend.empty(array.nbytes)
    backend.write(buffer, array)
    return buffer


def prepared(backend: CupyBackend, items: tuple[Any, ...], arenas: dict[str, Arena], dtype: str, replicas: int) -> Any:
    machine, calls = backend.empty(8), uploaded(backend, NO_CALLS)
    return backend.prepare(np.dtype(dtype), Recording(NO_CALLS, items), replicas, machine, calls, arenas)


def test_memory_is_written_and_read(backend: CupyBackend) -> None:
    sent = np.arange(12.0).reshape(3, 4)
    buffer = uploaded(backend, sent)
    backend.write(buffer, np.full(2, 7.0))
    got = np.empty(11)
    backend.read(buffer, got)
    np.testing.assert_array_equal(got, [7, 7, *range(2, 11)])
    assert backend.address(buffer) % 256 == 0


@pytest.mark.parametrize("compute", ["float32", "float64", "tf32", "bf16"])
@pytest.mark.parametrize(("transpose_a", "transpose_b"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_products(backend: CupyBackend, compute: str, transpose_a: bool, transpose_b: bool, beta: float) -> None:
    """C = alpha op(A) op(B) + beta C for each of three replicas, each matrix amid other things in its arena."""
    m, n, k, replicas = 3, 5, 4, 3
    dtype = element_type(compute).name
    rng = np.random.default_rng(0)
    host = {
        name: rng.integers(-5, 6, (replicas, 80)).astype(dtype) for name in ("activations", "parameters", "gradients")
    }
    arenas = {name: Arena(backend.empty(array.nbytes), array.shape[1]) for name, array in host.items()}
    a = Matrix("activations", 2, (m if transpose_a else k) + 3)
    b = Matrix("parameters", 5, (k if transpose_b else n) + 1)
    c = Matrix("gradients", 7, n + 2)
    step = prepared(
        backend, (Product(m, n, k, a, b, c, transpose_a, transpose_b, -2.0, beta, compute),), arenas, dtype, replicas
    )

    for name, array in host.items():
        backend.write(arenas[name].buffer, array)
    step.replay(2)

    def matrix(place: Matrix, rows: int, cols: int) -> NDArray[Any]:
        index = place.offset + place.ld * np.arange(rows)[:, None] + np.arange(cols)
        return host[place.arena][:, index]

    left = matrix(a, k, m).swapaxes(1, 2) if transpose_a else matrix(a, m, k)
    right = matrix(b, n, k).swapaxes(1, 2) if transpose_b else matrix(b, k, n)
    ab, expected = -2 * left @ right, host["gradients"].copy()
    index = c.offset + c.ld * np.arange(m)[:, None] + np.arange(n)
    expected[:, index] = 2 * ab + expected[:, index] if beta else ab
    got = np.empty_like(expected)
    backend.read(arenas["gradients"].buffer, got)
    np.testing.assert_array_equal(got, expected)  # whole numbers: exact in either type


@pytest.mark.parametrize(("compute", "kept"), [("float32", {12, 9, 5}), ("tf32", {9, 5}), ("bf16", {5})])
def test_products_round_as_their_arithmetic_does(backend: CupyBackend, compute: str, kept: set[int]) -> None:
    # (1 + 2^-b) * 1: TF32 keeps 10 bits of a fraction, bf16 keeps 7.
    bits = np.array([12, 9, 5])
    arena = Arena(backend.empty(4 * 10), 10)
    left, right, out = Matrix("activations", 0, 1), Matrix("activations", 3, 1), Matrix("activations", 4, 1)
    product = Product(3, 1, 1, left, right, out, False, False, 1.0, 0.0, compute)
    step = prepared(backend, (product,), {"activations": arena}, "float32", 1)
    backend.write(arena.buffer, np.array([*(1 + 2.0**-bits), 1, 0, 0, 0], np.float32))
    step.replay(1)
    got = np.empty(7, np.float32)
    backend.read(arena.buffer, got)
    assert {int(b) for b, value in zip(bits, got[4:], strict=True) if value != 1} == kept


def test_arenas_begin_as_nan(backend: CupyBackend) -> None:
    arena = Arena(uploaded(backend, np.zeros(6, np.float32)), 6)
    prepared(backend, (), {"activations": arena}, "float32", 1)
    got = np.zeros(6, np.float32)
    backend.read(arena.buffer, got)
    assert np.isnan(got).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", [SGD(), SGD(momentum=0.9, weight_decay=0.01), AdamW()], ids=str)
def test_a_training_is_that_of_the_reference(backend: CupyBackend, dtype: str, optimizer: Optimizer) -> None:
    run = Run(MLP((7,)), make_source(50, 6, 3), 3, batch=16, optimizer=optimizer, seeds=(0, 1, 2), lrs=(0.5, 0.1, 0.3))
    expected = run.on(REFERENCE, 10)
    executor = CudaExecutor(run.program(), dtype, backend)
    trained = run.start(dtype)
    executor.run(trained, run.source, 0, 4)
    executor.run(trained, run.source, 4, 6)
    tolerance = 1e-4 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(trained.parameters, expected.parameters, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(trained.optimizer, expected.optimizer, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("lazy", ["", "0", "1", "0,1"])
def test_data_that_do_not_fit_are_streamed_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lazy: str) -> None:
    """Copies overtake steps, or steps copies, wherever the backend lets them."""
    monkeypatch.setattr("capacity.engine.cuda.data.WINDOW_BYTES", 400)
    run = Run(MLP((5,)), make_source(50, 6, 3), 3, batch=16, seeds=(0, 1), lrs=(0.5, 0.1))
    expected = run.on(REFERENCE, 9)
    with fake_cuda.gpu(tmp_path, FAKE_CUPY_LAZY=lazy, FAKE_CUPY_FREE=str(100 << 20)):
        trained = run.start("float64")
        CudaExecutor(run.program(), "float64", shared_backend()).run(trained, run.source, 0, 9)
    np.testing.assert_allclose(trained.parameters, expected.parameters, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("locked", [True, False])
def test_parameters_lie_in_page_locked_memory_if_there_is_some(tmp_path: Path, locked: bool) -> None:
    with fake_cuda.gpu(tmp_path, **({} if locked else {"FAKE_CUPY_UNLOCKED": "1"})):
        array = devices.host_array("cuda", (2, 3), np.dtype("float32"))
        from cupy.cuda import PinnedMemory

        assert (array.ctypes.data in PinnedMemory.of) is locked
        with contextlib.nullcontext() if locked else pytest.raises(MemoryError, match=r"0\.00 GiB of page-locked"):
            shared_backend().pinned(5)
    np.testing.assert_array_equal(array, np.zeros((2, 3), "float32"))
    assert array.flags.writeable
    assert devices.host_array("cpu", (0,), np.dtype("float64")).shape == (0,)


def test_kernels_are_compiled_once(backend: CupyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    items = (Launch("begin_step", (1, 1), 32, 0, 0),)
    prepared(backend, items, {}, "float32", 1)
    monkeypatch.setenv("FAKE_CUPY_COMPILE", "it was compiled again")
    prepared(backend, items, {}, "float32", 1)
    with pytest.raises(RuntimeError, match="it was compiled again"):
        prepared(backend, items, {}, "float64", 1)


def test_memory_that_is_not_there(backend: CupyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_CUPY_FREE", str(3 << 30))
    with pytest.raises(FullError) as caught:
        backend.empty(5 << 30)
    assert str(caught.value) == (
        "device 'cuda' cannot be used: 5.00 GiB more are needed on the GPU 'NVIDIA H200', and 3.00 GiB are free; "
        "lower width, batch or replicas, end what else runs on it (see 'nvidia-smi'), or use device 'cpu'."
    )


@pytest.mark.parametrize(
    ("setting", "error", "said"),
    [
        (
            "COMPILE",
            "nvrtc: error: invalid value for --gpu-architecture (-arch)",
            "cannot compile the kernels for this GPU",
        ),
        (
            "LAUNCH",
            "CUDA_ERROR_NO_BINARY_FOR_GPU: no kernel image is available",
            "cannot compile the kernels for this GPU",
        ),
        ("LAUNCH", "CUDA_ERROR_OUT_OF_MEMORY: out of memory", "the GPU is full"),
    ],
)
def test_what_a_gpu_cannot_do_is_one_sentence(
    backend: CupyBackend, monkeypatch: pytest.MonkeyPatch, setting: str, error: str, said: str
) -> None:
    monkeypatch.setenv(f"FAKE_CUPY_{setting}", error)
    with pytest.raises(CudaError, match=said):
        prepared(backend, (Launch("begin_step", (1, 1), 32, 0, 0),), {}, "float32", 1)


def test_after_a_failed_capture_the_stream_can_be_used(backend: CupyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    items = (Launch("begin_step", (1, 1), 32, 0, 0),)
    with monkeypatch.context() as patch:
        patch.setenv("FAKE_CUPY_LAUNCH", "cudaErrorInvalidValue: invalid argument")
        with pytest.raises(RuntimeError, match="cudaErrorInvalidValue"):
            prepared(backend, items, {}, "float32", 1)
    test_memory_is_written_and_read(backend)
    prepared(backend, items, {}, "float32", 1)


def test_a_product_that_cublas_refuses_is_a_bug(backend: CupyBackend) -> None:
    arenas = {"parameters": Arena(backend.empty(400), 100)}
    matrix = Matrix("parameters", 0, 2)
    narrow = Product(4, 5, 6, matrix, matrix, matrix, False, False, 1.0, 0.0, "float32")
    with pytest.raises(RuntimeError, match="CUBLAS_STATUS_INVALID_VALUE"):
        prepared(backend, (narrow,), arenas, "float32", 1)


def test_one_handle_of_cublas_for_all_and_none_left(tmp_path: Path) -> None:
    with fake_cuda.gpu(tmp_path) as cublas:
        gc.collect()
        before = fake_cuda.handles(cublas)
        assert shared_backend() is shared_backend()
        assert fake_cuda.handles(cublas) == before + 1
        assert shared_backend()._cublas.version() == 120903
        shared_backend.cache_clear()
        gc.collect()
        assert fake_cuda.handles(cublas) == before
