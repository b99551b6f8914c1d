"""NVRTC, from its package on PyPI, called directly: it needs no driver, while CuPy asks for a device first."""

from __future__ import annotations

import ctypes
import importlib.resources
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import pytest

from capacity.engine.cuda.text import OPTIONS

#: What CuPy adds to the options of a kernel (14.2, cupy/cuda/compiler.py). The last -ftz wins, so it cannot be undone.
CUPY_OPTIONS = ("-ftz=true", "--device-as-default-execution-space")

_ENTRY = re.compile(
    r"Compiling entry function '(?P<name>\w+)'.*?"
    r"(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, (?P<loads>\d+) bytes spill loads.*?"
    r"Used (?P<registers>\d+) registers(?:[^\n]*?(?P<shared>\d+) bytes smem)?",
    re.DOTALL,
)
_FIGURES = re.compile(r"^ptxas (info +:|  +\.) .*$", re.MULTILINE)


@dataclass(frozen=True)
class Usage:
    """What a kernel takes: registers and bytes of stack a thread, bytes of shared memory a block, bytes spilled."""

    registers: int
    stack: int
    shared: int
    spills: int


@dataclass(frozen=True)
class Compiled:
    """What the compiler had to say about a program: complaints, and the usage of its kernels by name."""

    complaints: str
    usage: dict[str, Usage]


class CompileError(Exception):
    """The text is not a program; the message is the compiler's."""


@cache
def load() -> ctypes.CDLL:
    """Load NVRTC; skip the test that asks for it where its package is not installed."""
    try:
        folder = importlib.resources.files("nvidia.cuda_nvrtc") / "lib"
    except ModuleNotFoundError:
        pytest.skip("NVRTC is not installed (pip install nvidia-cuda-nvrtc-cu12)")
    # NVRTC opens this one itself, but under a sanitizer, which intercepts dlopen, it does not find it.
    ctypes.CDLL(str(folder / "libnvrtc-builtins.so.12.9"))
    return ctypes.CDLL(str(folder / "libnvrtc.so.12"))


def compile_text(text: str, architecture: int, options: Sequence[str] = (), name: str = "kernel.cu") -> Compiled:
    """Compile CUDA C++ to a program of an architecture (90: sm_90), with the options that CuPy would use."""
    nvrtc = load()
    wanted = [f"--gpu-architecture=sm_{architecture}", *OPTIONS, *CUPY_OPTIONS, "--ptxas-options=-v", *options]
    program = ctypes.c_void_p()
    _check(nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), name.encode(), 0, None, None))
    try:
        words = (ctypes.c_char_p * len(wanted))(*(word.encode() for word in wanted))
        failed = nvrtc.nvrtcCompileProgram(program, len(wanted), words)
        log = _log(program)
        if failed:
            raise CompileError(log)
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return Compiled(_FIGURES.sub("", log).strip(), {m["name"]: _usage(m) for m in _ENTRY.finditer(log)})


def _usage(match: re.Match[str]) -> Usage:
    spills = int(match["stores"]) + int(match["loads"])
    return Usage(int(match["registers"]), int(match["stack"]), int(match["shared"] or 0), spills)


def _log(program: ctypes.c_void_p) -> str:
    nvrtc, size = load(), ctypes.c_size_t()
    _check(nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size)))
    buffer = ctypes.create_string_buffer(size.value)
    _check(nvrtc.nvrtcGetProgramLog(program, buffer))
    return buffer.value.decode()


def _check(status: int) -> None:
    if status:
        nvrtc = load()
        nvrtc.nvrtcGetErrorString.restype = ctypes.c_char_p
        raise RuntimeError(nvrtc.nvrtcGetErrorString(status).decode())
