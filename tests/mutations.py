"""Plants classic faults into copies of the CUDA kernels and shows that the tests catch every one.

`python -m tests.mutations` prints what caught each fault, and fails if one was not caught.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from capacity.engine.cuda.text import kernel_text
from tests.cudasim_backend import Texts
from tests.cudasim_checks import TRAININGS, check_case, check_training, small_cases
from tests.cudasim_sanitizers import report


@dataclass(frozen=True)
class Fault:
    """A fault: what it is, and what is changed how in the text of which kernel, or in a header that it includes."""

    name: str
    kernel: str
    before: str
    after: str

    def plant(self, op: str, dtype: np.dtype[Any]) -> str:
        """Return the text of a kernel, with the fault if it belongs there."""
        text = kernel_text(op, dtype)
        if op != self.kernel:
            return text
        start = text.index(f"csrc/cuda/{op}.cu")
        start *= self.before in text[start:]  # else it is in a header that the kernel includes
        times = text.count(self.before, start)
        if times != 1:
            raise ValueError(
                f"{self.name}: '{self.before}' is {times} times in {op}; bring tests/mutations.py up to date"
            )
        return text[:start] + text[start:].replace(self.before, self.after)


_LANES = "for (int64_t j = lane(); j < K; j += kWarp) {"
_WHOLE_WARPS = "for (int64_t j = lane(); j < K / kWarp * kWarp; j += kWarp) {"

FAULTS = (
    # Barriers and warps
    Fault("missing barrier after a write", "gather", "__syncthreads();\n    const", "const"),
    Fault("missing barrier after what one thread works out", "adam", "__syncthreads();", ""),
    Fault("missing barrier before the next round", "gather", "__syncthreads();  // shared_row", "// shared_row"),
    Fault("barrier that not all threads reach", "gather", "__syncthreads();\n    const",
          "if (threadIdx.x < D) { __syncthreads(); }\n    const"),
    Fault("sums read before all warps have written them", "dense_grad_weight", "__syncthreads();\n    if", "if"),
    Fault("every thread writes a shared value", "gather", "if (threadIdx.x == 0) {", "{"),
    Fault("every thread writes its replica's order", "begin_step", "if (first_index() != 0) return;", ""),
    Fault("lanes without work leave before a shuffle", "softmax_xent", "real max =",
          "if (lane() >= K) return;\n    real max ="),
    Fault("half a warp reduced", "softmax_xent", "mask = kWarp / 2; mask > 0; mask /= 2) value +=",
          "mask = kWarp / 4; mask > 0; mask /= 2) value +="),
    Fault("a lane's sum taken for the warp's", "softmax_xent", "sum = warp_sum(sum);", ""),
    Fault("every lane adds the warp's sum", "tally", "if (lane() == 0) m->", "m->"),
    Fault("two warps add to one sum", "tally", "first_warp() > 0 || ", ""),
    Fault("a warp's sum taken for the block's", "sgd", "warp < int(blockDim.x / kWarp)", "warp < 1"),
    Fault("warps' sums read before all are written", "sgd", "__syncthreads();\n    if (threadIdx.x < kTraceSums)",
          "if (threadIdx.x < kTraceSums)"),
    Fault("warps' sums written before they are read", "sgd", "__syncthreads();  // of_warps", "// of_warps"),
    Fault("rows turned by two teams at once", "shampoo", "__syncthreads();\n    }\n    if (first == 0)",
          "}\n    if (first == 0)"),
    Fault("cosines read before all teams have written them", "shampoo", "offs[team] = most;\n    __syncthreads();",
          "offs[team] = most;"),
    Fault("direction read before it is written", "shampoo", "__syncthreads();\n    load_tile(work, direction",
          "load_tile(work, direction"),
    Fault("half a team's sum taken", "shampoo", "mask = kTeam / 2", "mask = kTeam / 4"),
    # Bounds
    Fault("last element left out", "activation", "i < n;", "i < n - 1;"),
    Fault("an element too many", "dense", "j >= H", "j > H"),
    Fault("store not guarded in the last block", "sgd", "i < n; i += all_threads()) update(i);",
          "i < (n + 255) / 256 * 256; i += all_threads()) update(i);"),
    Fault("tail of a row left out", "softmax_xent", _LANES, _WHOLE_WARPS),
    Fault("a row too many in a partial batch", "softmax_xent", "r >= b.rows", "r > b.rows"),
    Fault("rows that a partial batch lacks not cleared", "gather", "if (!exists) {", "if (false) {"),
    # Strides and places
    Fault("stride of a block instead of the grid", "dense_grad_input", "i += all_threads()", "i += blockDim.x"),
    Fault("row taken for column", "dense", "b[j]", "b[row]"),
    Fault("factor of the batch's row taken for the data's", "gather", "real(row_scale[row])", "real(row_scale[i])"),
    Fault("infinity of float16 taken for a number", "gather", "special ? 224u << 23 : ", ""),
    Fault("denormal float16 left too large", "gather", "value -= denormal ? 0x1p-14f : 0.0f;", ""),
    Fault("last piece of a row left out", "dense", "(H + blockDim.x - 1) / blockDim.x", "H / 2 / blockDim.x + 1"),
    Fault("a round of pairs left out", "shampoo", "round < players - 1", "round < players - 2"),
    Fault("root of one side for both", "shampoo", "*of_right = of_left + right", "*of_right = of_left"),
    Fault("factors of tiles in one place", "shampoo", " + j * (left + whole)", ""),
    Fault("transposed stride", "dense_grad_weight", "dy[r * H + j]", "dy[j * rows.rows + r]"),
    Fault("rows of a warp left out", "dense_grad_weight", "int w = 1;", "int w = 2;"),
    Fault("replicas in one place", "sgd", "replica() * m->strides[o.arena] + o.offset", "o.offset"),
    Fault("sums of all replicas in one place", "tally", "replica() * m->statistics_stride + ", ""),
    Fault("trace of all replicas in one place", "trace", "replica() * m->trace_size + ", ""),
    Fault("trace of all steps in one row", "trace", " + (m->step - m->first_step) * m->trace_step", ""),
    Fault("row counted from the first step of all", "trace", "m->step - m->first_step", "m->step"),
    Fault("sums of all blocks in one place", "sgd", "first / kTraceBlock * kTraceSums + threadIdx.x", "threadIdx.x"),
    Fault("distance taken after the update", "adam", "const double before = double(w[i])",
          "update(i);\n      const double before = double(w[i])"),
    # State
    Fault("memory read before it is written", "dense_grad_weight", "micro > 0 ? db[j] + sum : sum", "db[j] + sum"),
    Fault("step counted from the run's beginning", "adam", "m->step + 1", "m->step - m->first_step + 1"),
    Fault("roots computed at every step", "shampoo", "m->step % c.attributes.every == 0", "true"),
    Fault("roots' step counted from the run's beginning", "shampoo", "m->step %", "(m->step - m->first_step) %"),
    Fault("replica that is not active preconditioned", "shampoo", "if (!is_active(m)) return;", ""),
    Fault("gradient descended along instead of the direction", "sgd", "real step = d[i]", "real step = g[i]"),
    Fault("rate of the first replica for all", "adam", "m->replicas[replica()].lr", "m->replicas[0].lr"),
    Fault("gradient of earlier micro-batches lost", "dense_grad_weight", "micro > 0 ? db[j] + sum : sum", "sum"),
    Fault("replica that is not active traced", "trace", " || !is_active(m)", ""),
    Fault("replica that is not active updated", "sgd", "if (!is_active(m)) return;", ""),
    Fault("replica that is not active given a gradient", "softmax_xent", " || !is_active(m)", ""),
    Fault("order of the first epoch kept", "begin_step", "r.epoch == epoch", "r.epoch >= 0"),
    Fault("all rows taken for the subset", "begin_step", "r.subset_seed, r.samples,", "r.subset_seed, m->samples,"),
    Fault("step counted by every replica", "end_step", " && replica() == 0", ""),
    Fault("ties broken the wrong way", "topk_errors", "!(logit <= own)", "!(logit < own)"),
    Fault("errors of a lane taken for the row's", "softmax_xent", "before = warp_sum(before);", ""),
)  # fmt: skip


def caught(fault: Fault) -> str | None:
    """Return what caught a fault; None when it passes everything."""
    for check in (_by_results, _by_races):
        reason = check(fault.plant, fault)
        if reason is not None:
            return reason
    return None


def _by_results(texts: Texts, fault: Fault) -> str | None:
    what = ""
    try:
        for case in small_cases(fault.kernel):
            what = f"{case}"
            check_case(case, texts)
        for name, training in TRAININGS.items():
            what = f"training {name}"
            check_training(training, texts)
    except AssertionError as error:
        return f"{what}: {next(line for line in str(error).splitlines() if line.strip())}"
    return None


def _by_races(texts: Texts, fault: Fault) -> str | None:
    number = FAULTS.index(fault)
    found = report(
        "thread",
        "from tests.cudasim_checks import run_with_threads; from tests.mutations import FAULTS;"
        f"fault = FAULTS[{number}]; run_with_threads(fault.plant, fault.kernel)",
    )
    return None if found is None else next(line for line in found.splitlines() if line.startswith("SUMMARY"))


def main() -> int:
    """Print a line for each fault; return the number of those that were not caught."""
    survivors = 0
    for fault in FAULTS:
        reason = caught(fault)
        survivors += reason is None
        print(f"{'caught' if reason else 'SURVIVED'}: {fault.kernel}: {fault.name}: {reason}")
    print(f"{len(FAULTS) - survivors} of {len(FAULTS)} faults caught")
    return survivors


if __name__ == "__main__":
    sys.exit(main())
