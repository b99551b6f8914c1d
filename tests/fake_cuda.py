"""A machine with a GPU, made up: a driver, CuPy and cuBLAS that tests furnish as they like."""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from capacity.engine.cuda import availability, cupy_backend, driver
from tests.cudasim_build import CACHE, compiler

NATIVE = Path(__file__).parent / "native"
FAKES = Path(__file__).parent / "fakes"
H200 = "NVIDIA H200|9|0|140"
SETTINGS = {"FAKE_CUDA_VERSION": "12090", "FAKE_CUDA_INIT": "0", "FAKE_CUDA_GPUS": H200}

possible = [
    pytest.mark.skipif(compiler() is None, reason="no C++ compiler is installed"),
    pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="the real CuPy is installed"),
]
"""Marks of tests that use `machine`."""


@functools.cache
def build(name: str) -> Path:
    """Build a library of tests/native, once per process."""
    CACHE.mkdir(parents=True, exist_ok=True)
    out = CACHE / f"lib{name}-{sys.implementation.cache_tag}.so"
    aside = out.with_suffix(f".{os.getpid()}")
    flags = ["-x", "c", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([str(compiler()), *flags, str(NATIVE / f"lib{name}.c"), "-o", str(aside)], check=True)
    return aside.replace(out)


@contextmanager
def machine(folder: Path, packages: tuple[str, ...] = ("cupy-cuda12x",), **settings: str) -> Iterator[None]:
    """Let `capacity` find a GPU, its driver and CuPy.

    Parameters
    ----------
    folder : Path
        An empty folder.
    packages : tuple of str
        Distributions of CuPy that are installed; () for no CuPy.
    settings : str
        Environment variables that tell the stand-ins what to say; see there.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "LIBRARY", str(build("cuda")))
        patch.delenv(driver.VISIBLE, raising=False)
        for name, value in (SETTINGS | settings).items():
            patch.setenv(name, value)
        (folder / "cuda").symlink_to(FAKES / "cuda")
        if packages:
            (folder / "cupy").symlink_to(FAKES / "cupy")
        for package in packages:
            info = folder / f"{package.replace('-', '_')}-14.2.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 14.2.0\n")
        patch.syspath_prepend(folder)
        _forget()
        yield
        _forget()


@contextmanager
def gpu(folder: Path, **settings: str) -> Iterator[ctypes.CDLL]:
    """Let `capacity` find a GPU that computes: kernels in the simulator, products in the cuBLAS that this returns."""
    path = str(build("cublas"))
    with machine(folder, FAKE_CUBLAS=path, **settings):
        from cupy.cuda import Stream

        library = ctypes.CDLL(path)

        @ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_int64)
        def enqueue(number: int, stream: int) -> None:
            Stream.of[stream].enqueue(lambda: library.fake_run(number))

        library.fake_on_product(enqueue)
        yield library


def _forget() -> None:
    """Forget what was found and imported."""
    availability._outcome.cache_clear()
    cupy_backend.shared_backend.cache_clear()
    cupy_backend._compiled.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] in ("cupy", "cuda")]:
        del sys.modules[name]


def handles(cublas: ctypes.CDLL) -> int:
    """Return how many handles of the made-up cuBLAS are open."""
    return ctypes.c_int.in_dll(cublas, "fake_handles").value
