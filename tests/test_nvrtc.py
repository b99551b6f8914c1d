"""Every CUDA kernel compiles for every type and architecture, within its budget, and reads what Python writes."""

from __future__ import annotations

import numpy as np
import pytest

from capacity.engine.cuda.recording import CALL, MACHINE, REPLICA
from capacity.engine.cuda.text import FOLDER, KERNELS, kernel_text
from tests import nvrtc_budget
from tests.nvrtc import CompileError, Usage, compile_text
from tests.nvrtc_budget import ARCHITECTURES, DTYPES, compile_kernel

REVERSED = """
extern "C" __global__ void reversed(float* y, const float* x) {
  __shared__ float block[256];
  block[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = block[255 - threadIdx.x];
}
"""

# A hundred values of a thread that are alive at once: more than 32 registers.
CROWDED = """
extern "C" __global__ void crowded(float* y, const float* x) {
  float kept[100];
  for (int i = 0; i < 100; ++i) kept[i] = x[i * 32 + threadIdx.x];
  __syncthreads();
  for (int i = 0; i < 100; ++i) y[i * 32 + threadIdx.x] = kept[i];
}
"""


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_kernel_compiles_within_its_budget(kernel: str, dtype: str) -> None:
    budgets = nvrtc_budget.load()
    for architecture in ARCHITECTURES:
        compiled = compile_kernel(kernel, dtype, architecture)
        assert compiled.complaints == ""
        assert list(compiled.usage) == [f"cap_{kernel}"]
        usage, name = compiled.usage[f"cap_{kernel}"], nvrtc_budget.key(kernel, dtype, architecture)
        assert usage.spills == 0, f"{name} spills registers"
        grown = {what: n for what, n in nvrtc_budget.cost(usage).items() if n > budgets[name][what]}
        assert not grown, f"{name} outgrew its budget {budgets[name]}; see tests/nvrtc_budget.py"


def test_every_kernel_has_a_budget() -> None:
    expected = {nvrtc_budget.key(k, d, a) for k in KERNELS for d in DTYPES for a in ARCHITECTURES}
    assert set(nvrtc_budget.load()) == expected


@pytest.mark.parametrize("dtype", DTYPES)
def test_structs_are_laid_out_as_python_writes_them(dtype: str) -> None:
    text = kernel_text("begin_step", dtype)
    for name, struct in {"Machine": MACHINE, "Replica": REPLICA, "Call": CALL}.items():
        asserted = _asserted_layout(name, struct)
        compile_text(text + asserted, 90)
        last = asserted.rindex("==")
        with pytest.raises(CompileError, match="static assertion failed"):
            compile_text(f"{text}{asserted[:last]} == 1 + {asserted[last + 2 :]}", 90)


def _asserted_layout(name: str, struct: np.dtype) -> str:
    """Return C++ that compiles when the struct `name` has the members of `struct` at the same places, and no others."""
    lines = []
    for member, (place, size) in _members(struct).items():
        at = f"(({name}*)0)->{member}"
        # What EDG's <cstddef>, which NVRTC has not, makes offsetof of.
        lines.append(f"static_assert(__INTADDR__(&({at})) == {place} && sizeof({at}) == {size});")
    return "\n".join(["", *lines, f"static_assert(sizeof({name}) == {struct.itemsize});\n"])


def _members(struct: np.dtype) -> dict[str, tuple[int, int]]:
    """Return the place and the size of every member of a structured type, those of structs in it by their paths."""
    members = {}
    for name, (dtype, place, *_) in (struct.fields or {}).items():
        members[name] = (place, dtype.itemsize)
        path = f"{name}[0]" if dtype.subdtype else name
        inner = dtype.subdtype[0] if dtype.subdtype else dtype
        members |= {f"{path}.{n}": (place + p, size) for n, (p, size) in _members(inner).items()}
    return members


def test_usage_is_read_from_the_compiler() -> None:
    compiled = compile_text(REVERSED + CROWDED, 90, ["--maxrregcount=32"])
    assert compiled.complaints == ""
    assert set(compiled.usage) == {"reversed", "crowded"}
    assert compiled.usage["reversed"] == Usage(compiled.usage["reversed"].registers, stack=0, shared=1024, spills=0)
    crowded = compiled.usage["crowded"]
    assert crowded.registers == 32
    assert crowded.shared == 0
    assert crowded.stack > 4 * (100 - 32)
    assert crowded.spills > 2 * 4 * (100 - 32)  # stored, then loaded


def test_a_warning_is_a_complaint() -> None:
    unused = 'extern "C" __global__ void kernel(float* y) { int unused; y[0] = 0; }'
    assert "never referenced" in compile_text(unused, 90).complaints


def test_an_error_names_the_file_and_the_line() -> None:
    text = kernel_text("gather", "float32")
    assert text.count("CAP_KERNEL(gather)") == 1
    line = 1 + (FOLDER / "cuda" / "gather.cu").read_text("utf-8").partition("CAP_KERNEL(gather)")[0].count("\n")
    with pytest.raises(CompileError, match=rf"csrc/cuda/gather\.cu\({line}\): error: "):
        compile_text(text.replace("CAP_KERNEL(gather)", "CAP_KERNEL(gather) wrong"), 90)


def test_a_kernel_of_other_parameters_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    text = kernel_text("tally", "float32").replace("int call, int micro", "long long call, int micro")
    monkeypatch.setattr(nvrtc_budget, "kernel_text", lambda kernel, dtype: text)
    with pytest.raises(CompileError, match="cap_tally"):
        compile_kernel("tally", "float32", 90)
