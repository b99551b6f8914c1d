"""What the NVIDIA driver says of itself and of its GPUs, asked without CuPy, so that it can be told what is missing."""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass
from typing import Any

from capacity.engine.cuda.errors import CudaError

LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
VISIBLE = "CUDA_VISIBLE_DEVICES"

_SUCCESS, _NO_DEVICE = 0, 100  # CUresult
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76  # CUdevice_attribute


@dataclass(frozen=True)
class Gpu:
    """A GPU: its name, its compute capability (9, 0) and its memory in bytes."""

    name: str
    capability: tuple[int, int]
    memory: int

    @property
    def architecture(self) -> str:
        """The name under which kernels are compiled for it."""
        return "sm_{}{}".format(*self.capability)


def cuda_version() -> tuple[int, int]:
    """Return the newest CUDA version that the driver supports, for instance (13, 0).

    Raises
    ------
    CudaError
        When there is no driver.
    """
    library, version = _load(), ctypes.c_int()
    _check(library, library.cuDriverGetVersion(ctypes.byref(version)))
    return version.value // 1000, version.value % 1000 // 10


def gpus() -> tuple[Gpu, ...]:
    """Return the GPUs that this process may use, one or more, in CUDA's order.

    Raises
    ------
    CudaError
        When there is no driver, it does not start, or it has no GPU for this process.
    """
    library = _load()
    status = library.cuInit(0)
    count = ctypes.c_int(0)
    if status != _NO_DEVICE:
        _check(library, status)
        _check(library, library.cuDeviceGetCount(ctypes.byref(count)))
    if count.value == 0:
        hidden = os.environ.get(VISIBLE)
        if hidden is not None:
            raise CudaError(f"{VISIBLE}='{hidden}' lets this process see no GPU", f"change or unset {VISIBLE}")
        raise CudaError(
            "the NVIDIA driver finds no GPU",
            "see whether 'nvidia-smi' lists one, and whether this process may open /dev/nvidia*",
        )
    return tuple(_gpu(library, number) for number in range(count.value))


def _gpu(library: Any, number: int) -> Gpu:
    device, memory, name = ctypes.c_int(), ctypes.c_size_t(), ctypes.create_string_buffer(256)
    _check(library, library.cuDeviceGet(ctypes.byref(device), ctypes.c_int(number)))
    _check(library, library.cuDeviceGetName(name, ctypes.c_int(len(name)), device))
    _check(library, library.cuDeviceTotalMem_v2(ctypes.byref(memory), device))
    capability = []
    for attribute in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR):
        value = ctypes.c_int()
        _check(library, library.cuDeviceGetAttribute(ctypes.byref(value), ctypes.c_int(attribute), device))
        capability.append(value.value)
    return Gpu(name.value.decode(errors="replace"), (capability[0], capability[1]), memory.value)


def _load() -> Any:
    if sys.platform == "darwin":
        raise CudaError("there is no CUDA for macOS", "use a machine with an NVIDIA GPU")
    try:
        return ctypes.CDLL(LIBRARY)
    except OSError:
        raise CudaError(
            f"no NVIDIA driver is found ({LIBRARY})",
            "install the driver, or start the container with its GPUs (docker run --gpus all)",
        ) from None


def _check(library: Any, status: int) -> None:
    if status != _SUCCESS:
        name = ctypes.c_char_p()
        library.cuGetErrorName(ctypes.c_int(status), ctypes.byref(name))
        code = name.value.decode() if name.value else f"error {status}"
        raise CudaError(
            f"the NVIDIA driver refuses ({code})", "see what 'nvidia-smi' says, and restart after a driver update"
        )
