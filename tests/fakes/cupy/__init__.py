"""A stand-in for CuPy: the little that capacity uses of it, with the host's memory for the GPU's.

Kernels run in the simulator of csrc/cudasim, products in tests/native/libcublas.c. Told by environment variables:
FAKE_CUPY_VERSION, FAKE_CUPY_IMPORT (the last line of a failing import), FAKE_CUPY_CUDA (12090), FAKE_CUPY_HIP,
FAKE_CUPY_CONTEXT (the error when a context is made), FAKE_CUPY_FREE (bytes), FAKE_CUPY_COMPILE (the compiler's error),
FAKE_CUPY_LAUNCH (the error of a launch), FAKE_CUPY_LAZY (numbers of streams, see there),
FAKE_CUPY_UNLOCKED (no page-locked memory).
"""

from __future__ import annotations

import os

from . import cuda
from .cuda import Function, load

__version__ = os.environ.get("FAKE_CUPY_VERSION", "14.2.0")

if "FAKE_CUPY_IMPORT" in os.environ:
    line = "=" * 64
    raise ImportError(
        f"\n{line}\nFailed to import CuPy.\n\nOriginal error:\n  {os.environ['FAKE_CUPY_IMPORT']}\n{line}\n"
    )


class RawModule:
    def __init__(self, *, code: str, options: tuple[str, ...]) -> None:
        assert "--std=c++17" in options
        assert not {"-ftz=true", "--device-as-default-execution-space"} & {*options}, (
            "CuPy adds them, and only once works"
        )
        self._code = code

    def get_function(self, name: str) -> Function:
        if "FAKE_CUPY_COMPILE" in os.environ:
            raise RuntimeError(os.environ["FAKE_CUPY_COMPILE"])
        return load(self._code, name)


__all__ = ["RawModule", "cuda"]
