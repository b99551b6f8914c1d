"""What the kernels may take of a GPU: `python -m tests.nvrtc_budget` measures them and writes tests/nvrtc_budget.json.

Run it after a change of kernels that is worth what it takes; the difference of the file is there to be reviewed.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

from capacity.engine.cuda.text import KERNELS, kernel_text
from tests.nvrtc import Compiled, Usage, compile_text

FILE = Path(__file__).with_suffix(".json")
#: Turing, Ampere (A100), Hopper, Blackwell in data centres, Blackwell in workstations.
ARCHITECTURES = (75, 80, 90, 100, 120)
DTYPES = ("float32", "float64")

_REGISTERS_AT_ONCE = 8  # a thread's registers are allocated in eights, on all of these architectures

Budget = dict[str, int]


def compile_kernel(kernel: str, dtype: str, architecture: int) -> Compiled:
    """Compile a kernel, and with it what the launch counts on: its name and its parameters."""
    declaration = f'\nextern "C" __global__ void cap_{kernel}(Machine*, const Call*, int, int);\n'
    return compile_text(kernel_text(kernel, dtype) + declaration, architecture, name=f"{kernel}.cu")


def cost(usage: Usage) -> Budget:
    """Return what a kernel takes, as a budget says it: with the registers allocated, which are what occupancy knows."""
    registers = -(-usage.registers // _REGISTERS_AT_ONCE) * _REGISTERS_AT_ONCE
    return {"registers": registers, "stack": usage.stack, "shared": usage.shared}


def key(kernel: str, dtype: str, architecture: int) -> str:
    """Return the name of a budget."""
    return f"{kernel} {dtype} sm_{architecture}"


def load() -> dict[str, Budget]:
    """Return the budgets by their names."""
    budgets: dict[str, Budget] = json.loads(FILE.read_text("utf-8"))
    return budgets


def measure() -> dict[str, Budget]:
    """Compile every kernel for every type and architecture, printing the usage of each."""
    print(f"{'kernel':36} registers   stack  shared  spilled (bytes)")
    budgets = {}
    for kernel, dtype, architecture in itertools.product(KERNELS, DTYPES, ARCHITECTURES):
        usage = compile_kernel(kernel, dtype, architecture).usage[f"cap_{kernel}"]
        name = key(kernel, dtype, architecture)
        budgets[name] = cost(usage)
        print(f"{name:36} {usage.registers:9} {usage.stack:7} {usage.shared:7} {usage.spills:8}")
    return budgets


def write(budgets: dict[str, Budget]) -> None:
    """Write the file, a line a budget."""
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(budget)}" for name, budget in budgets.items())
    FILE.write_text(f"{{\n{lines}\n}}\n", "utf-8")


if __name__ == "__main__":
    write(measure())
