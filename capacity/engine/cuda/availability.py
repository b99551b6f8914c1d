"""Whether the device 'cuda' can be used here, and why not. The only module that imports CuPy."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import importlib.util
import re
import warnings
from typing import Any

from capacity.engine.cuda import driver
from capacity.engine.cuda.errors import CudaError, FullError

OLDEST_CUDA = 12
"""Major version of the oldest CUDA with an extra of this package."""

NEWEST_EXTRA = 13
"""Major version of the newest CUDA with an extra of this package."""

OLDEST_CUPY = (14, 2)

OLDEST_CAPABILITY = (7, 5)
"""Compute capability of the oldest GPUs that the kernels are compiled for."""

_LIBRARIES = {"cublas": "cuBLAS", "nvrtc": "NVRTC"}


def why_not() -> CudaError | None:
    """Return why device 'cuda' cannot be used, or None when it can. Asked once per process."""
    found = _outcome()
    return found if isinstance(found, CudaError) else None


def load_cupy() -> Any:
    """Return the module `cupy`, once all that device 'cuda' needs is there.

    Raises
    ------
    CudaError
        With the reason and the remedy.
    """
    found = _outcome()
    if isinstance(found, CudaError):
        raise CudaError(found.reason, found.remedy)  # a new one: a raised exception keeps its frames
    return found


def free_bytes() -> int:
    """Return how much memory of the GPU in use is free."""
    free, _ = load_cupy().cuda.runtime.memGetInfo()
    return int(free)


def describe() -> dict[str, str]:
    """Return GPU, driver and CuPy in use, for provenance."""
    cupy, gpu = load_cupy(), driver.gpus()[0]
    return {
        "gpu": gpu.name,
        "architecture": gpu.architecture,
        "driver": f"CUDA {_dotted(driver.cuda_version())}",
        "cupy": cupy.__version__,
    }


def details() -> dict[str, Any]:
    """Return what there is of driver, GPUs and CuPy, even if device 'cuda' cannot be used.

    `driver` is the newest CUDA version it supports, or None; `gpus` have their memory in bytes, and how much of it is
    free where CuPy can tell; `cupy` is every installed distribution of it with its version.
    """
    try:
        version: str | None = _dotted(driver.cuda_version())
    except CudaError:
        version = None
    try:
        found = driver.gpus()
    except CudaError:
        found = ()
    gpus = [
        {"name": gpu.name, "architecture": gpu.architecture, "memory": gpu.memory, "free": _free(number)}
        for number, gpu in enumerate(found)
    ]
    return {"driver": version, "gpus": gpus, "cupy": installed_cupy()}


def _free(number: int) -> int | None:
    cupy = _outcome()
    if isinstance(cupy, CudaError):
        return None
    free, _ = cupy.cuda.Device(number).mem_info
    return int(free)


def installed_cupy() -> dict[str, str]:
    """Return name and version of every installed distribution that provides CuPy; there should be one at most."""
    pattern = re.compile(r"(amd-)?cupy(-(cuda|rocm)[\w-]*)?", re.IGNORECASE)
    found = {}
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        if name and pattern.fullmatch(name):
            found[name.lower()] = distribution.version
    return found


def extra(cuda: tuple[int, int]) -> str:
    """Return how to install what suits a driver that supports CUDA `cuda`."""
    return f"pip install 'capacity-nn[cuda{min(cuda[0], NEWEST_EXTRA)}]'"


@functools.cache
def _outcome() -> Any:
    """Return the module `cupy`, or the CudaError that says why it cannot be used."""
    try:
        cuda = driver.cuda_version()
        if cuda[0] < OLDEST_CUDA:
            raise CudaError(
                f"the NVIDIA driver supports CUDA {_dotted(cuda)}, and {OLDEST_CUDA}.0 or newer is needed",
                "update the driver",
            )
        _check_gpu(driver.gpus()[0])
        cupy = _import_cupy(cuda)
        _check_cupy(cupy, cuda)
        _check_libraries()
    except CudaError as error:
        return error.with_traceback(None)
    return cupy


def _check_gpu(gpu: driver.Gpu) -> None:
    """See that the kernels can be compiled for the GPU that CUDA puts first, which is the one we use."""
    if gpu.capability < OLDEST_CAPABILITY:
        raise CudaError(
            f"the GPU '{gpu.name}' has compute capability {_dotted(gpu.capability)}, and the kernels need "
            f"{_dotted(OLDEST_CAPABILITY)} or newer",
            f"choose another GPU with {driver.VISIBLE}",
        )


def _import_cupy(cuda: tuple[int, int]) -> Any:
    if importlib.util.find_spec("cupy") is None:
        raise CudaError("CuPy is not installed", f"install it with {extra(cuda)}")
    packages = installed_cupy()
    if len(packages) > 1:
        names = sorted(packages)
        raise CudaError(
            f"{len(names)} CuPy packages are installed over each other ({', '.join(names)})",
            f"remove all with pip uninstall {' '.join(names)}, then {extra(cuda)}",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what CuPy warns of is checked here, and said in one sentence
            return importlib.import_module("cupy")
    except Exception as error:  # a broken installation fails in many ways; each is told in CuPy's own last line
        raise CudaError(
            f"CuPy is installed but cannot be imported ({_gist(error)})", f"reinstall it with {extra(cuda)}"
        ) from error


def _check_cupy(cupy: Any, cuda: tuple[int, int]) -> None:
    runtime = cupy.cuda.runtime
    if runtime.is_hip:
        raise CudaError("the installed CuPy is built for ROCm, not CUDA", f"replace it with {extra(cuda)}")
    version = tuple(int(part) for part in re.findall(r"\d+", cupy.__version__)[:2])
    if version < OLDEST_CUPY:
        raise CudaError(
            f"CuPy {cupy.__version__} is installed, and {_dotted(OLDEST_CUPY)} or newer is needed",
            f"update it with {extra(cuda)}",
        )
    built = runtime.runtimeGetVersion() // 1000
    if built > cuda[0]:
        raise CudaError(
            f"CuPy is built for CUDA {built}, and the NVIDIA driver supports CUDA {_dotted(cuda)}",
            f"update the driver, or replace CuPy with {extra(cuda)}",
        )
    try:
        runtime.memGetInfo()  # the first call that makes a context on the GPU
    except Exception as error:
        unclear = CudaError(f"the GPU refuses ({_gist(error)})", "see what 'nvidia-smi' says")
        raise refusal(error) or unclear from error


def _check_libraries() -> None:
    """See that the parts of the CUDA toolkit are there that CuPy comes without, unless it is asked for them."""
    try:
        pathfinder = importlib.import_module("cuda.pathfinder")
    except ImportError as error:
        raise CudaError(f"CuPy lacks a part ({error})", "install that with pip install cuda-pathfinder") from error
    missing = []
    for name, title in _LIBRARIES.items():
        try:
            pathfinder.load_nvidia_dynamic_lib(name)
        except RuntimeError:
            missing.append(title)
    if pathfinder.find_nvidia_header_directory("cudart") is None:
        missing.append("the CUDA headers")
    if missing:
        package = next(iter(installed_cupy()), f"cupy-cuda{OLDEST_CUDA}x")
        raise CudaError(f"CuPy does not find {', '.join(missing)}", f"install that with pip install '{package}[ctk]'")


def refusal(error: Exception) -> CudaError | None:
    """Return what an error raised by CuPy means for the user, or None when it is no state of the machine but a bug."""
    text = _gist(error)
    if isinstance(error, MemoryError) or re.search("ErrorMemoryAllocation|OUT_OF_MEMORY", text):
        return FullError("the GPU is full", "end what else runs on it (see 'nvidia-smi'), use smaller sizes")
    if re.search("DevicesUnavailable|DEVICE_UNAVAILABLE", text):
        return CudaError("another process has the GPU for itself", "wait for it to end (see 'nvidia-smi')")
    if re.search("--gpu-architecture|NoKernelImageForDevice|NO_BINARY_FOR_GPU", text):
        return CudaError(f"this CuPy cannot compile the kernels for this GPU ({text})", "update CuPy")
    return None


def _gist(error: Exception) -> str:
    """Return the line of an error's text that says most: the one with an error in it, or else the last."""
    lines = [line.strip(" =") for line in str(error).splitlines() if line.strip(" =")]
    telling = (line for line in lines if re.search(r"error(:|s)? \w|\wError", line, re.IGNORECASE))
    return next(telling, lines[-1] if lines else type(error).__name__)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
