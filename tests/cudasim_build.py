"""Builds the text of CUDA kernels with the host's C++ compiler and csrc/cudasim/, as a library to be loaded."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parent.parent
RUNTIME = ROOT / "csrc/cudasim"
CACHE = ROOT / "build/cudasim"

# The address sanitizer works only where its runtime is loaded already (.ci/sanitize).
ADDRESS = hasattr(ctypes.CDLL(None), "__asan_init")
FLAGS = ["-O1", "-g1", "-fPIC", "-pthread"]
RUNTIME_FLAGS = [*FLAGS, "-std=c++20", "-Wall", "-Wextra", "-Werror"]
SANITIZE_ADDRESS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer"]
ENGINES = {"fibers": [], "threads": ["-fsanitize=thread"]}
"""The engines of csrc/cudasim and the flags by which kernels (not the engine) are compiled for them."""

_SHARED = re.compile(r"__shared__\s+([\w:<> ]+?)\s+(\w+)\s*((?:\[[^\]]*\]\s*)*);")


class BuildError(RuntimeError):
    """A kernel's text is not what the simulator or the compiler understands."""


@functools.cache
def compiler() -> str | None:
    """Return the C++ compiler, or None where there is none."""
    return shutil.which("g++") or shutil.which("clang++")


@functools.cache
def runtime(engine: str) -> Path:
    """Return the library of an engine, built unless it was built before."""
    flags = [*RUNTIME_FLAGS, *_address(engine)]
    objects = [_object(f'#include "{name}.cpp"\n', flags) for name in ("launch", engine)]
    return _linked(objects, _address(engine))


def kernels(texts: Mapping[str, str], engine: str) -> Path:
    """Return a library with the kernels of `texts` (stem to text), to be loaded after its engine's."""
    flags = [*FLAGS, "-std=c++17", *ENGINES[engine], *_address(engine)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(lambda name: _object(_unit(name, texts[name]), flags), texts))
    return _linked([*objects, runtime(engine)], [*ENGINES[engine], *_address(engine)])


def _address(engine: str) -> list[str]:
    return SANITIZE_ADDRESS if ADDRESS and engine == "fibers" else []


def _unit(name: str, text: str) -> str:
    """Return a translation unit for one kernel. In a namespace, what texts have in common does not collide."""
    text = _SHARED.sub(r"CUDASIM_SHARED(\2, \1, \3);", text)
    if "__shared__" in text:
        raise BuildError(f"{name}: a __shared__ declaration that tests/cudasim_build.py does not understand")
    kernel = f"{name}_text::cap_{name}"
    return f'#include "cuda_words.hpp"\nnamespace {name}_text {{\n{text}\n}}\nCUDASIM_KERNEL({name}, {kernel});\n'


def _object(source: str, flags: list[str]) -> Path:
    path = CACHE / f"{_digest(source, *flags)}.o"
    if not path.exists():
        _run([*flags, f"-I{RUNTIME}", "-c", "-x", "c++", "-"], path, source)
    return path


def _linked(objects: list[Path], flags: list[str]) -> Path:
    path = CACHE / f"{_digest(*map(str, objects), *flags)}.so"
    if not path.exists():
        _run(["-shared", "-pthread", *flags, *objects], path)
    return path


def _run(arguments: list[str | Path], out: Path, source: str = "") -> None:
    """Compile or link into a file that is whole or not there, whatever other processes do at the same time."""
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = out.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    command = [compiler(), *map(str, arguments), "-o", str(aside)]
    done = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{' '.join(command)}\n{done.stderr}")
    os.replace(aside, out)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join([_runtime_digest(), *parts]).encode()).hexdigest()[:32]


@functools.cache
def _runtime_digest() -> str:
    version = subprocess.run([compiler(), "--version"], capture_output=True, text=True, check=True).stdout
    files = sorted(RUNTIME.glob("*.*pp"))
    return hashlib.sha256("\0".join([version, *(p.read_text("utf-8") for p in files)]).encode()).hexdigest()
