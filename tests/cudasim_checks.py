"""What our kernels must pass in the simulator, in any order of threads and over any grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.engine.cuda.backend import Arena
from capacity.engine.cuda.executor import CudaExecutor
from capacity.engine.cuda.recording import Launch, Product, Recording
from capacity.engine.cuda.text import kernel_text
from capacity.engine.executor import steps_per_epoch
from capacity.engine.optimizers import SGD, AdamW, Shampoo
from capacity.engine.program import Program, compile_evaluation
from capacity.models import MLP
from tests import test_ops
from tests.cases import CASES
from tests.cudasim_backend import Buffer, SimulatedBackend, SimulatedStep, Texts
from tests.executors import REFERENCE, In, OpCase, Run, Target, make_source, run_op

FEW = 1
MANY = 3
"""Blocks instead of those recorded: one for all work, so that loops go round; or more than there is work for."""

_MOST_ELEMENTS = 4500  # so that there is an update whose sums are of two blocks


@dataclass(frozen=True)
class Simulated(Target):
    """The CUDA kernels in one order of threads and blocks, perhaps over another grid or of another text."""

    device: str = "cudasim"
    dtype: str = "float32"
    seed: int = 0
    blocks: int | None = None
    engine: str = "fibers"
    texts: Texts = kernel_text

    def executor(self, program: Program, threads: int = 1) -> Any:
        backend = _OverGrids(self.blocks, self.seed, self.engine, self.texts)
        return CudaExecutor(program, np.dtype(self.dtype), backend)


class _OverGrids(SimulatedBackend):
    """Launches over other grids than those recorded: FEW blocks for everything, or MANY more than recorded."""

    def __init__(self, blocks: int | None, seed: int, engine: str, texts: Texts) -> None:
        super().__init__(seed, engine, texts)
        self._blocks = blocks

    def prepare(
        self,
        dtype: np.dtype[Any],
        recording: Recording,
        replicas: int,
        machine: Buffer,
        calls: Buffer,
        arenas: Mapping[str, Arena],
    ) -> SimulatedStep:
        recording = replace(recording, items=tuple(map(self._over_grid, recording.items)))
        return super().prepare(dtype, recording, replicas, machine, calls, arenas)

    def _over_grid(self, item: Launch | Product) -> Launch | Product:
        if self._blocks is None or isinstance(item, Product):
            return item
        blocks = FEW if self._blocks == FEW else item.grid[0] + MANY
        return replace(item, grid=(blocks, item.grid[1]))


VARIANTS = [{"seed": 0}, {"seed": 1}, {"seed": 2}, {"seed": 3, "blocks": FEW}, {"seed": 4, "blocks": MANY}]
"""Orders and grids: rising, falling, shuffled; and shuffled over other grids."""


def small_cases(op: str | None = None) -> list[OpCase]:
    """Return the cases of the op table, or of one op, that have few elements: at most some blocks of threads."""

    def size(case: OpCase) -> int:
        shapes = (o.array.shape if isinstance(o, In) else o.shape for o in case.operands if o is not None)
        return max(int(np.prod(shape)) for shape in shapes)

    return [case for case in CASES if size(case) <= _MOST_ELEMENTS and op in (None, case.op)]


@dataclass(frozen=True)
class Training:
    """Steps of three replicas, the second of which is not active, over epochs with a partial last batch."""

    run: Run
    steps: int

    def on(self, target: Target) -> dict[str, NDArray[Any]]:
        """Return what is left in the replicas: after training, and of an evaluation after it."""
        run, replicas = self.run, self.run.start(target.dtype)
        replicas.active[1] = False
        replicas.trace[:] = -1  # to be found again where nothing is written
        target.executor(run.program()).run(replicas, run.source, 0, self.steps)
        topk = (1, 5)
        evaluation = compile_evaluation(run.model, run.source.features.shape[1], run.classes, topk)
        sums = np.zeros((len(run.seeds), 1 + len(topk)))
        none = np.zeros((len(run.seeds), 0), target.dtype)
        evaluated = replace(replicas, statistics=sums, optimizer=none, anchor=none)
        target.executor(evaluation).run(evaluated, run.source, 0, steps_per_epoch(evaluation, len(run.source.labels)))
        names = ("parameters", "optimizer", "trace")
        return {**{name: getattr(replicas, name) for name in names}, "statistics": sums}


_PLAIN = Run(MLP((9, 4)), make_source(70, 6, 7), classes=7, seeds=(3, 1, 4), lrs=(0.5, 0.1, 0.2))
TRAININGS = {
    "plain": Training(_PLAIN, 4),
    "momentum": Training(replace(_PLAIN, source=make_source(70, 6, 7, stored="float32"), optimizer=SGD(0.5, 1e-3)), 4),
    "adam": Training(replace(_PLAIN, optimizer=AdamW(weight_decay=0.1)), 4),
    "traced": Training(replace(_PLAIN, trajectory=4), 4),
    "traced adam": Training(replace(_PLAIN, optimizer=AdamW(weight_decay=0.1), trajectory=4), 4),
    "unfused": Training(replace(_PLAIN, model=MLP((9, 4), activation="gelu"), fused=False), 4),
    "subsets": Training(replace(_PLAIN, samples=(50, 70, 20)), 4),
    "accumulated": Training(replace(_PLAIN, source=make_source(700, 6, 7), batch=600), 2),
    # The slowest come last: what looks for a fault need seldom come to them.
    "shampoo": Training(replace(_PLAIN, optimizer=Shampoo(every=2, weight_decay=0.1)), 4),
    "traced shampoo": Training(replace(_PLAIN, optimizer=Shampoo(), trajectory=4), 4),
}


def check_case(case: OpCase, texts: Texts = kernel_text, variants: list[dict[str, int]] = VARIANTS) -> None:
    """Assert that a case of the op table gives what the reference gives, to the last bit the same in every variant."""
    results = []
    for variant in variants:
        target = Simulated(**variant, texts=texts)
        test_ops.test_op_computes_what_the_reference_computes(case, target)
        results.append(run_op(case, target))
    for result in results[1:]:
        for have, want in zip(result, results[0], strict=True):
            np.testing.assert_array_equal(have, want)


def check_training(training: Training, texts: Texts = kernel_text, variants: list[dict[str, int]] = VARIANTS) -> None:
    """Assert that a training gives what the reference gives, to the last bit the same in every variant."""
    expected = training.on(REFERENCE)
    results = [training.on(Simulated(**variant, dtype="float64", texts=texts)) for variant in variants]
    for name, want in expected.items():
        np.testing.assert_allclose(results[0][name], want, rtol=1e-11, atol=1e-13, err_msg=name)
        for result in results[1:]:
            np.testing.assert_array_equal(result[name], results[0][name], err_msg=name)


def run_with_threads(texts: Texts = kernel_text, op: str | None = None) -> None:
    """Run the small cases of an op, or of all, and some trainings on real threads, for the thread sanitizer."""
    run_cases_with_threads(op, texts)
    run_trainings_with_threads(texts)


def run_cases_with_threads(op: str | None, texts: Texts = kernel_text) -> None:
    """Run the small cases of an op, or of all."""
    for blocks in (None, FEW):
        for case in small_cases(op):
            run_op(case, Simulated(blocks=blocks, engine="threads", texts=texts))


def run_trainings_with_threads(texts: Texts = kernel_text) -> None:
    """Run some trainings."""
    for name in ("plain", "traced adam"):  # between them every kernel that the cases of ops leave out, or combine
        TRAININGS[name].on(Simulated(engine="threads", texts=texts))
