"""Why device 'cuda' cannot be used: every reason is named with its remedy, and none is a traceback."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from capacity.engine import devices
from capacity.engine.cuda import availability, driver
from capacity.engine.cuda.errors import CudaError, FullError
from capacity.errors import DeviceError
from tests import fake_cuda
from tests.fake_cuda import machine

pytestmark = fake_cuda.possible


def refusal(folder: Path, **settings: object) -> str:
    """Return what is said of device 'cuda' on a machine."""
    with machine(folder, **settings):  # type: ignore[arg-type]
        with pytest.raises(DeviceError) as caught:
            devices.resolve_device("cuda")
        assert devices.resolve_device("auto") == "cpu"
        return str(caught.value)


def test_a_machine_that_has_everything(tmp_path: Path) -> None:
    with machine(tmp_path, FAKE_CUDA_GPUS="NVIDIA H200|9|0|140;Tesla P100|6|0|16"):
        assert availability.why_not() is None
        assert devices.resolve_device("cuda") == "cuda"
        assert devices.resolve_device("auto") == "cuda"
        described = devices.describe_device("cuda")
    assert {name: described[name] for name in ("device", "gpu", "architecture", "driver", "cupy")} == {
        "device": "cuda", "gpu": "NVIDIA H200", "architecture": "sm_90", "driver": "CUDA 12.9", "cupy": "14.2.0"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "reason", "remedy"),
    [
        (
            {"packages": ()},
            "CuPy is not installed",
            "install it with pip install 'capacity-nn[cuda12]'",
        ),
        (
            {"packages": (), "FAKE_CUDA_VERSION": "14010"},
            "CuPy is not installed",
            "install it with pip install 'capacity-nn[cuda13]'",
        ),
        (
            {"packages": ("cupy-cuda12x", "cupy-cuda13x")},
            "2 CuPy packages are installed over each other (cupy-cuda12x, cupy-cuda13x)",
            "remove all with pip uninstall cupy-cuda12x cupy-cuda13x, then pip install 'capacity-nn[cuda12]'",
        ),
        (
            {"FAKE_CUPY_IMPORT": "ImportError: libfoo.so.1: cannot open shared object file"},
            "CuPy is installed but cannot be imported (ImportError: libfoo.so.1: cannot open shared object file)",
            "reinstall it with pip install 'capacity-nn[cuda12]'",
        ),
        (
            {"FAKE_CUPY_VERSION": "13.6.0"},
            "CuPy 13.6.0 is installed, and 14.2 or newer is needed",
            "update it with pip install 'capacity-nn[cuda12]'",
        ),
        (
            {"packages": ("cupy-rocm-7-0",), "FAKE_CUPY_HIP": "1"},
            "the installed CuPy is built for ROCm, not CUDA",
            "replace it with pip install 'capacity-nn[cuda12]'",
        ),
        (
            {"FAKE_CUDA_VERSION": "11040"},
            "the NVIDIA driver supports CUDA 11.4, and 12.0 or newer is needed",
            "update the driver",
        ),
        (
            {"FAKE_CUPY_CUDA": "13000"},
            "CuPy is built for CUDA 13, and the NVIDIA driver supports CUDA 12.9",
            "update the driver, or replace CuPy with pip install 'capacity-nn[cuda12]'",
        ),
        (
            {"FAKE_CUDA_INIT": "803"},
            "the NVIDIA driver refuses (CUDA_ERROR_SYSTEM_DRIVER_MISMATCH)",
            "see what 'nvidia-smi' says, and restart after a driver update",
        ),
        (
            {"FAKE_CUDA_INIT": "999"},
            "the NVIDIA driver refuses (error 999)",
            "see what 'nvidia-smi' says, and restart after a driver update",
        ),
        (
            {"FAKE_CUDA_INIT": "100"},
            "the NVIDIA driver finds no GPU",
            "see whether 'nvidia-smi' lists one, and whether this process may open /dev/nvidia*",
        ),
        (
            {"FAKE_CUDA_GPUS": "", "CUDA_VISIBLE_DEVICES": "-1"},
            "CUDA_VISIBLE_DEVICES='-1' lets this process see no GPU",
            "change or unset CUDA_VISIBLE_DEVICES",
        ),
        (
            {"FAKE_CUDA_GPUS": "Tesla P100|6|0|16;NVIDIA H200|9|0|140"},
            "the GPU 'Tesla P100' has compute capability 6.0, and the kernels need 7.5 or newer",
            "choose another GPU with CUDA_VISIBLE_DEVICES",
        ),
        (
            {"FAKE_CUPY_CONTEXT": "cudaErrorMemoryAllocation: out of memory"},
            "the GPU is full",
            "end what else runs on it (see 'nvidia-smi'), use smaller sizes",
        ),
        (
            {"FAKE_CUPY_CONTEXT": "cudaErrorDevicesUnavailable: CUDA-capable device(s) is/are busy or unavailable"},
            "another process has the GPU for itself",
            "wait for it to end (see 'nvidia-smi')",
        ),
        (
            {"FAKE_CUPY_CONTEXT": "cudaErrorECCUncorrectable: uncorrectable ECC error encountered"},
            "the GPU refuses (cudaErrorECCUncorrectable: uncorrectable ECC error encountered)",
            "see what 'nvidia-smi' says",
        ),
        (
            {"FAKE_MISSING": "cublas,cudart headers"},
            "CuPy does not find cuBLAS, the CUDA headers",
            "install that with pip install 'cupy-cuda12x[ctk]'",
        ),
        (
            {"packages": ("cupy-cuda13x",), "FAKE_CUDA_VERSION": "13000", "FAKE_MISSING": "nvrtc"},
            "CuPy does not find NVRTC",
            "install that with pip install 'cupy-cuda13x[ctk]'",
        ),
    ],
)
def test_what_is_missing_is_named_with_its_remedy(
    tmp_path: Path, settings: dict[str, object], reason: str, remedy: str
) -> None:
    said = f"device 'cuda' cannot be used: {reason}; {remedy}, or use device 'cpu'."
    assert refusal(tmp_path, **settings) == said


def test_no_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with machine(tmp_path):
        monkeypatch.setattr(driver, "LIBRARY", "libno-driver-here.so.1")
        why = availability.why_not()
    assert why is not None
    assert why.reason == "no NVIDIA driver is found (libno-driver-here.so.1)"
    assert "install the driver" in why.remedy


def test_no_pathfinder(tmp_path: Path) -> None:
    with machine(tmp_path):
        (tmp_path / "cuda").unlink()
        importlib.invalidate_caches()
        why = availability.why_not()
    assert why is not None
    assert why.reason.startswith("CuPy lacks a part (No module named 'cuda")
    assert why.remedy == "install that with pip install cuda-pathfinder"


def test_no_cuda_on_a_mac(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with machine(tmp_path):
        monkeypatch.setattr("sys.platform", "darwin")
        why = availability.why_not()
    assert why is not None
    assert why.reason == "there is no CUDA for macOS"


def test_the_reason_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found once per process, and every time it is raised it is a new exception."""
    with machine(tmp_path, packages=()):
        first = availability.why_not()
        monkeypatch.setattr(driver, "LIBRARY", "libno-driver-here.so.1")
        assert availability.why_not() is first
        raised = []
        for _ in range(2):
            with pytest.raises(CudaError) as caught:
                availability.load_cupy()
            raised.append(caught.value)
    assert raised[0] is not raised[1]
    assert {str(error) for error in raised} == {str(first)}


def test_a_driver_without_cupy_is_described(tmp_path: Path) -> None:
    with machine(tmp_path, packages=(), FAKE_CUDA_GPUS="NVIDIA H200|9|0|140;Tesla T4|7|5|15"):
        assert availability.details() == {
            "driver": "12.9",
            "gpus": [
                {"name": "NVIDIA H200", "architecture": "sm_90", "memory": 140 << 30, "free": None},
                {"name": "Tesla T4", "architecture": "sm_75", "memory": 15 << 30, "free": None},
            ],
            "cupy": {},
        }


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError("Out of memory allocating 10 bytes"), FullError),
        (RuntimeError("CUDA_ERROR_OUT_OF_MEMORY: out of memory"), FullError),
        (RuntimeError("nvrtc: error: invalid value for --gpu-architecture (-arch)\n"), CudaError),
        (RuntimeError("CUDA_ERROR_NO_BINARY_FOR_GPU: no kernel image is available"), CudaError),
        (RuntimeError("cudaErrorIllegalAddress: an illegal memory access was encountered"), type(None)),
        (KeyError("cap_dense"), type(None)),
    ],
)
def test_bugs_are_not_dressed_up_as_states_of_the_machine(error: Exception, kind: type) -> None:
    assert type(availability.refusal(error)) is kind
