"""The text of the CUDA kernels: complete, in an order that compiles, and within the rules that let a host run it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from capacity.engine.cuda import text
from capacity.engine.cuda.text import FOLDER, KERNELS, kernel_text
from capacity.engine.ops import OPS

SOURCES = sorted(path for folder in ("common", "cuda") for path in (FOLDER / folder).iterdir())

# Words that no kernel may use, and why. `warp.h` is the one place of warp operations.
FORBIDDEN = {
    r"\basm\b": "a host compiler cannot run it",
    r"<<<": "kernels launch no kernels",
    r"\bprintf\b": "results leave through memory",
    r"\batomic\w+\(": "sums are made in a fixed order",
    r"\bextern\s+__shared__": "shared arrays are static",
    r"__(shfl|ballot|any|all|reduce)_\w*sync": "warp operations come from csrc/common/warp.h",
    r"\b(tex[123]D|__ldg)\b": "a host compiler has it not",
    r"(threadIdx|blockDim)\.[yz]": "blocks have one dimension",
    r"\bblockIdx\.z|\bgridDim\.z": "grids have two dimensions",
}


def test_every_op_has_a_kernel() -> None:
    assert set(KERNELS) == set(OPS) | {"begin_step", "end_step"}


@pytest.mark.parametrize("op", KERNELS)
def test_text_is_complete_and_the_same_everywhere(op: str) -> None:
    joined = kernel_text(op, "float32")
    assert not re.search(r"#\s*(include|pragma)", joined)
    assert str(FOLDER) not in joined
    assert joined.startswith("#define CAP_CUDA 1\n#define CAP_REAL float\n")
    assert kernel_text(op, "float64") == joined.replace("CAP_REAL float\n", "CAP_REAL double\n", 1)


@pytest.mark.parametrize("op", KERNELS)
def test_every_line_is_at_the_number_it_has_in_its_file(op: str) -> None:
    parts = re.split(r'^#line 1 "csrc/(.+)"\n', kernel_text(op, "float32"), flags=re.MULTILINE)[1:]
    assert "cuda/device.cuh" in parts[::2]
    assert parts[-2] == f"cuda/{op}.cu"
    for name, part in zip(parts[::2], parts[1::2], strict=True):
        lines = (FOLDER / name).read_text("utf-8").splitlines()
        left_out = [line for line, kept in zip(lines, part.splitlines(), strict=True) if line != kept]
        assert all(re.match("#include |#pragma once", line) for line in left_out)


def test_a_file_comes_once_and_after_what_it_includes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "common/base.h": "#pragma once\n#include <cmath>\nbase\n",
        "common/left.h": '#pragma once\n#include "base.h"\nleft\n',
        "common/right.h": '#pragma once\n  # include   "base.h"  // spaced\nright\n',
        "cuda/device.cuh": '#pragma once\n#include "../common/right.h"\n#include "../common/left.h"\ndevice\n',
        "cuda/op.cu": '#include "device.cuh"\n#include "../common/more.h"\nop\n',
        "common/more.h": "more",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    monkeypatch.setattr(text, "FOLDER", tmp_path)
    words = [line for line in kernel_text("op", "float64").splitlines() if line and not line.startswith("#")]
    assert words == ["base", "right", "left", "device", "more", "op"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_kernels_keep_to_the_rules(path: Path) -> None:
    code = re.sub(r"//.*", "", path.read_text("utf-8"))
    allowed = r"__shfl_xor_sync" if path.name == "warp.h" else r"$."
    broken = {why for word, why in FORBIDDEN.items() if re.search(word, re.sub(allowed, "", code))}
    assert not broken
