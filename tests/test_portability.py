"""The kernels build for other processors and with another compiler, where these compilers are installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SOURCES = sorted(Path(__file__).parent.parent.glob("csrc/cpu/*.cpp"))
STRICT = ["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-fsyntax-only"]


@pytest.mark.parametrize(
    ("compiler", "package"), [("aarch64-linux-gnu-g++", "g++-aarch64-linux-gnu"), ("clang++", "clang")]
)
def test_the_kernels_build(compiler: str, package: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed (apt-get install {package})")
    for source in SOURCES:
        if source.name != "module.cpp":  # needs the Python headers of that processor
            subprocess.run([compiler, *STRICT, str(source)], check=True)
