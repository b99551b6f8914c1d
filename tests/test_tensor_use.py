"""Products on tensor cores in a training: when they are used, what they are given, and the module that is built."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capacity.engine.cuda import tensor_product
from capacity.engine.cuda.availability import why_not
from capacity.engine.cuda.cupy_backend import shared_backend
from capacity.engine.cuda.errors import CudaError
from capacity.engine.cuda.executor import CudaExecutor
from capacity.engine.cuda.recording import Launch, record
from capacity.engine.cuda.tensor_product import SETTING, Fused
from capacity.engine.cuda.text import FOLDER
from capacity.models import MLP
from tests import fake_cuda
from tests.cudasim_backend import SimulatedBackend
from tests.executors import Run, make_source
from tests.tensor_simulated import SimulatedModule

ROOT = Path(__file__).parent.parent
MODULE = "capacity._cuda"
OPS = ("dense", "dense_grad_input")
TOLERANCE = {"tf32": 1e-4, "bf16": 1e-3}
"""After 10 steps. Sums have another order; where one is in the middle of two roundings, a factor of the next moves."""
on_a_made_up_gpu = [
    *fake_cuda.possible,
    pytest.mark.skipif(not (FOLDER / "tensor").is_dir(), reason="needs the sources of a checkout"),
]


def _run(activation: str = "sigmoid") -> Run:
    model = MLP((7, 5), activation)
    return Run(model, make_source(50, 6, 3), 3, batch=16, seeds=(0, 1, 2), lrs=(0.5, 0.1, 0.3))


class EnqueuingModule:
    """The simulated module, on a stream of the made-up GPU: what it is told is done when the stream comes to it."""

    def __init__(self) -> None:
        self.simulated = SimulatedModule(SimulatedBackend(seed=2))

    def forward(self, **arguments: Any) -> None:
        self._enqueue(self.simulated.forward, arguments)

    def backward(self, **arguments: Any) -> None:
        self._enqueue(self.simulated.backward, arguments)

    def _enqueue(self, function: Callable[..., None], arguments: dict[str, Any]) -> None:
        from cupy.cuda import Stream

        Stream.of[arguments["stream"]].enqueue(lambda: function(**arguments))


def test_a_product_and_the_kernel_of_its_layer_become_one() -> None:
    items = record(_run().program(), 3, "tf32").items
    found = tensor_product.fused(items)
    fused = [item for item in found if isinstance(item, Fused)]
    assert [item.op for item in fused] == ["dense"] * 3 + ["dense_grad_input"] * 2
    replaced = {item.call for item in fused}
    kept = [item for item in items if not (isinstance(item, Launch) and item.call in replaced and item.kernel in OPS)]
    assert [item.product if isinstance(item, Fused) else item for item in found] == kept


@pytest.mark.parametrize("compute", ["float32", "float64"])
def test_other_arithmetic_is_left_alone(compute: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "1")
    items = record(_run().program(), 3, compute).items
    assert tensor_product.fused(items) == items
    assert tensor_product.chosen(items) == items


def test_they_are_used_only_where_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    items = record(_run().program(), 3, "bf16").items
    monkeypatch.setattr(tensor_product, "available", lambda: None)
    for value, expected in ((None, items), ("0", items), ("1", tensor_product.fused(items))):
        if value is not None:
            monkeypatch.setenv(SETTING, value)
        else:
            monkeypatch.delenv(SETTING, raising=False)
        assert tensor_product.chosen(items) == expected


def test_asked_for_where_they_were_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "1")
    monkeypatch.setitem(sys.modules, MODULE, None)
    with pytest.raises(
        CudaError, match=r"capacity\._cuda cannot be imported .*CAPACITY_CUDA=1 .*; unset CAPACITY_TENSOR_PRODUCT"
    ):
        tensor_product.chosen(record(_run().program(), 3, "tf32").items)


class TestOnAMadeUpGpu:
    pytestmark = on_a_made_up_gpu

    def test_gpus_that_have_what_it_takes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, MODULE, EnqueuingModule())
        with fake_cuda.gpu(tmp_path):
            assert tensor_product.available() is None
            monkeypatch.setenv("FAKE_CUDA_GPUS", "NVIDIA T4|7|5|16")
            reason = "the GPU 'NVIDIA T4' is of architecture sm_75, and sm_80 or newer is needed"
            assert tensor_product.available() == reason
            monkeypatch.setenv("FAKE_CUDA_GPUS", "")
            assert "finds no GPU" in str(tensor_product.available())

    @pytest.mark.parametrize("precision", tensor_product.PRECISIONS)
    @pytest.mark.parametrize("activation", ["sigmoid", "gelu"])  # with the output saved, and with the input
    def test_a_training_is_the_same_with_them(
        self, activation: str, precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        steps, run, module = 10, _run(activation), EnqueuingModule()
        monkeypatch.setitem(sys.modules, MODULE, module)

        def trained() -> np.ndarray:
            replicas = run.start("float32")
            CudaExecutor(run.program(), precision, shared_backend()).run(replicas, run.source, 0, steps)
            return replicas.parameters

        with fake_cuda.gpu(tmp_path):
            expected = trained()
            assert module.simulated.launches == 0
            monkeypatch.setenv(SETTING, "1")
            got = trained()
        assert module.simulated.launches == 5 * (steps + 1)  # once before the capture
        np.testing.assert_allclose(got, expected, rtol=TOLERANCE[precision], atol=TOLERANCE[precision])
        assert not np.array_equal(got, run.start("float32").parameters)


@pytest.mark.gpu
@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
@pytest.mark.parametrize("precision", tensor_product.PRECISIONS)
def test_a_training_is_the_same_with_them_on_a_gpu(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = tensor_product.available()
    if reason is not None:
        pytest.skip(reason)
    run, parameters = _run(), []
    for setting in ("0", "1"):
        monkeypatch.setenv(SETTING, setting)
        replicas = run.start("float32")
        CudaExecutor(run.program(), precision, shared_backend()).run(replicas, run.source, 0, 10)
        parameters.append(replicas.parameters)
    np.testing.assert_allclose(*parameters, rtol=TOLERANCE[precision], atol=TOLERANCE[precision])


def test_without_nvcc_the_build_ends_with_one_sentence(tmp_path: Path) -> None:
    environment = os.environ | {"CAPACITY_CUDA": "1", "PATH": str(tmp_path), "CUDA_HOME": str(tmp_path)}
    command = [sys.executable, "setup.py", "--version"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "CAPACITY_CUDA=1 needs nvcc, which is neither on the PATH nor in CUDA_HOME/bin: install the CUDA toolkit or "
        "unset CAPACITY_CUDA.\n"
    )


BUILD = f"""
import runpy, setuptools
complete = setuptools.setup
def setup(ext_modules, **settings):
    complete(ext_modules=[e for e in ext_modules if e.name == {MODULE!r}], **settings)
setuptools.setup = setup
runpy.run_path("setup.py")
"""
"""Runs setup.py for the one module."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the module, built by setup.py as a user would."""
    if shutil.which("nvcc") is None:
        pytest.skip("nvcc is not installed (the CUDA toolkit has it)")
    folder = tmp_path_factory.mktemp("built")
    arguments = ["-q", "build_ext", "--build-lib", str(folder), "--build-temp", str(folder / "temp")]
    environment = os.environ | {"CAPACITY_CUDA": "1"}
    command = [sys.executable, "-c", BUILD, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    (path,) = folder.glob("capacity/_cuda*")
    loader = importlib.machinery.ExtensionFileLoader(MODULE, str(path))
    spec = importlib.util.spec_from_file_location(MODULE, path, loader=loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


COMMON = {"precision": "tf32", "activation": 1, "shape": (8, 8, 8), "replicas": 2, "stream": 0}
FORWARD = dict.fromkeys(("x", "w", "b", "z", "y"), (256, 8, 64))
BACKWARD = dict.fromkeys(("dy", "w", "saved", "dx"), (256, 8, 64))


@pytest.mark.slow
def test_the_module_checks_what_it_is_given(built: Any) -> None:
    for changed, said in [
        ({"precision": "fp8"}, "precision must be 'tf32' or 'bf16', got 'fp8'"),
        ({"activation": 6}, "no activation has the number 6"),
        ({"shape": (8, -1, 8)}, "must not be negative"),
        ({"shape": (2**50, 8, 8)}, "too large for one grid"),
        ({"replicas": 65536}, "replicas must be 0 to 65535, got 65536"),
        ({"w": (0, 8, 64)}, "w has no address"),
        ({"w": (258, 8, 64)}, "w is not aligned to 4 bytes"),
        ({"w": (256, 7, 64)}, "w has rows of 8, but 7 from one to the next"),
        ({"w": (256, 8, -64)}, "w has a negative stride"),
    ]:
        for function, arguments in ((built.forward, FORWARD), (built.backward, BACKWARD)):
            with pytest.raises(ValueError, match=said):
                function(**COMMON | arguments | changed)
    built.forward(**COMMON | FORWARD | {"shape": (0, 8, 8)})  # nothing to do
    built.backward(**COMMON | BACKWARD | {"replicas": 0, "saved": None})


@pytest.mark.slow
@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="there is a GPU, whose memory these addresses are not")
def test_the_module_names_the_error_of_cuda(built: Any) -> None:
    for call in (
        lambda: built.forward(**COMMON | FORWARD | {"z": None}),
        lambda: built.backward(**COMMON | BACKWARD | {"saved": None}),
    ):
        with pytest.raises(RuntimeError, match=r"^cudaError(InsufficientDriver|NoDevice): "):
            call()
