"""The text of the CUDA kernels: one string per op and element type, complete in itself, for a compiler at run time.

A string holds csrc/cuda/device.cuh and the kernel's file, each after what it includes, every file once. So no include
path is needed, and CuPy's cache, whose key is the string, never serves a kernel built of older headers. Line directives
keep the compiler's messages pointing to the files.
"""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

_PACKAGE = Path(__file__).parents[2]
_INSTALLED = _PACKAGE / "_csrc"  # see setup.py
#: The folder that holds common/ and cuda/: in an installed package, or, where that is editable, in the checkout.
FOLDER = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent / "csrc"

#: Every op that has a CUDA kernel.
KERNELS: tuple[str, ...] = tuple(sorted(path.stem for path in (FOLDER / "cuda").glob("*.cu")))

#: What NVRTC is to be given with a text, beside the architecture. Lambdas need the second, which CuPy adds anyway.
OPTIONS = ("--std=c++17", "--device-as-default-execution-space")

_REAL = {"float32": "float", "float64": "double"}
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"(.+)"|<.+>).*$', re.MULTILINE)
_ONCE = re.compile(r"^[ \t]*#[ \t]*pragma[ \t]+once.*$", re.MULTILINE)


def kernel_text(op: str, dtype: DTypeLike) -> str:
    """Return the CUDA C++ text of the kernel of `op` for elements of type `dtype` (float32 or float64).

    It includes nothing. Of the files' own `#include` lines, those of our files are followed, wherever they stand; those
    of the standard library, which a compiler at run time does not have, are left out.
    """
    return _kernel_text(op, _REAL[np.dtype(dtype).name])


@functools.cache
def _kernel_text(op: str, real: str) -> str:
    return f"#define CAP_CUDA 1\n#define CAP_REAL {real}\n" + joined("cuda/device.cuh", f"cuda/{op}.cu")


def joined(*names: str) -> str:
    """Return files below FOLDER as one text, each after what it includes, every file once."""
    files: dict[Path, None] = {}  # an ordered set
    for name in names:
        _add(FOLDER / name, files)
    return "".join(_plain(path) for path in files)


def _add(path: Path, files: dict[Path, None]) -> None:
    """Add `path` to `files`, after those that it includes, directly or not."""
    for name in _INCLUDE.findall(path.read_text("utf-8")):
        if name:
            _add(Path(os.path.normpath(path.parent / name)), files)
    files.setdefault(path)


def _plain(path: Path) -> str:
    """Return the text of a file as part of a larger one: without its includes, every line at its own number."""
    text = _ONCE.sub("", _INCLUDE.sub("", path.read_text("utf-8")))
    return f'#line 1 "csrc/{path.relative_to(FOLDER).as_posix()}"\n{text.rstrip()}\n'
