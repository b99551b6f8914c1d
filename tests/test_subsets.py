"""A replica may have n of the N rows: a random subset of its own, nested, the same on every executor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import capacity
from capacity.data import Dataset, Split
from capacity.engine import random
from capacity.engine.cuda import data
from capacity.engine.cuda.executor import CudaExecutor
from capacity.engine.executor import Source
from capacity.engine.optimizers import SGD
from capacity.engine.program import compile_evaluation
from capacity.errors import InputError
from capacity.models import MLP
from tests.cudasim_backend import SimulatedBackend
from tests.executors import ALL, Run, Target, make_replicas, make_source

N = 100
RUN = Run(
    MLP((5,)), make_source(N, 6, 3), classes=3, batch=16, optimizer=SGD(momentum=0.5),
    seeds=(3, 1, 4, 1), lrs=(0.5, 0.1, 0.2, 0.3), samples=(70, 7, N, 33),
)  # fmt: skip
"""Epochs of 5, 1, 7 and 3 steps; the second replica has fewer rows than a batch."""


def rows_of(seed: int, n: int) -> np.ndarray:
    return random.permutation(seed, random.PURPOSE_SUBSET, 0, N, np.arange(n))


def restricted(source: Source, rows: np.ndarray) -> Source:
    return Source(source.features[rows], source.labels[rows], source.scale)


def test_a_subset_has_no_row_twice_and_differs_between_seeds() -> None:
    assert len(set(rows_of(3, 70))) == 70
    assert set(rows_of(3, 70)) != set(rows_of(4, 70))


@pytest.mark.parametrize("target", ALL, ids=str)
def test_training_on_a_subset_is_training_on_its_rows(target: Target) -> None:
    together = RUN.on(target, 12)
    assert RUN.samples
    for r, (seed, lr, n) in enumerate(zip(RUN.seeds, RUN.lrs, RUN.samples, strict=True)):
        source = restricted(RUN.source, rows_of(seed, n)) if n < N else RUN.source
        alone = replace(RUN, source=source, seeds=(seed,), lrs=(lr,), samples=None).on(target, 12)
        np.testing.assert_array_equal(together.parameters[r], alone.parameters[0])
        np.testing.assert_array_equal(together.optimizer[r], alone.optimizer[0])


@pytest.mark.parametrize("target", ALL, ids=str)
def test_a_run_on_subsets_may_be_cut_anywhere(target: Target) -> None:
    unbroken, replicas = RUN.on(target, 12), RUN.start(target.dtype)
    for first, steps in ((0, 2), (2, 6), (8, 4)):
        target.executor(RUN.program()).run(replicas, RUN.source, first, steps)
    np.testing.assert_array_equal(replicas.parameters, unbroken.parameters)


@pytest.mark.parametrize("target", ALL, ids=str)
@pytest.mark.parametrize("n", [0, N + 1])
def test_more_rows_than_there_are_are_refused(target: Target, n: int) -> None:
    with pytest.raises(ValueError, match="samples must be from 1 to the 100 rows of the source"):
        replace(RUN, samples=(1, 1, 1, n)).on(target, 1)


@pytest.mark.parametrize("evaluation", [False, True])
@pytest.mark.parametrize("window_bytes", [0, 1000, 1 << 20])
def test_streamed_subsets_give_the_same_numbers(
    monkeypatch: pytest.MonkeyPatch, window_bytes: int, evaluation: bool
) -> None:
    monkeypatch.setattr(data, "WINDOW_BYTES", window_bytes)
    program = compile_evaluation(RUN.model, 6, 3, (1,)) if evaluation else replace(RUN, optimizer=SGD()).program()
    results = []
    for free in (0, 1 << 40):
        backend = SimulatedBackend(seed=2)
        backend.free_bytes = free
        replicas = make_replicas(
            RUN.start("float64").parameters, RUN.samples or N, statistics=2, seeds=RUN.seeds, subsets=RUN.seeds
        )
        executor = CudaExecutor(program, "float64", backend)
        executor.run(replicas, RUN.source, 0, 1 if evaluation else 12)
        assert isinstance(executor._data[-1], data.Resident if free else data.Streamed)
        results.append((replicas.parameters, replicas.statistics))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])


def make_dataset(rows: np.ndarray | None = None) -> Dataset:
    source, test = make_source(1300, 6, 7), make_source(40, 6, 7, seed=1)
    if rows is not None:
        source = restricted(source, rows)
    names = tuple("abcdefg")
    parts = Split(source.features, source.labels), Split(test.features, test.labels)
    return Dataset("made up", 7, names, (), source.scale, *parts, "", {})


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_a_trainer_measures_each_replica_on_its_own_rows(device: str) -> None:
    samples, settings = (1300, 9, 600), {"batch": 50, "device": device, "precision": "float64"}
    trainer = capacity.Trainer(
        MLP((4,)), make_dataset(), lrs=[0.5] * 3, seeds=[0, 1, 2], samples=samples, subset_seeds=[7, 8, 9], **settings
    )
    np.testing.assert_array_equal(trainer.steps_per_epoch, [26, 1, 12])
    trainer.advance(5)
    for r, n in enumerate(samples):
        rows = random.permutation(7 + r, random.PURPOSE_SUBSET, 0, 1300, np.arange(n)) if n < 1300 else None
        alone = capacity.Trainer(
            MLP((4,)), make_dataset(rows), lrs=[0.5], seeds=[r], **{**settings, "batch": min(n, 50)}
        )
        alone.advance(5)
        for split in ("train", "test"):
            for name in ("loss", "top1", "top5"):
                expected = getattr(alone.evaluate(split), name)[0]
                assert getattr(trainer.evaluate(split), name)[r] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"samples": [0]}, "samples must be from 1 to the 1300 rows"),
        ({"samples": [1301]}, "samples must be from 1 to the 1300 rows"),
        ({"samples": [5, 5]}, "one entry for each of the 1 seeds, got 2 and 1"),
        ({"subset_seeds": [-1]}, "subset_seed must be from 0"),
    ],
)
def test_subsets_that_make_no_sense_are_refused(arguments: dict[str, list[int]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        capacity.Trainer(MLP((4,)), make_dataset(), batch=1, lrs=[0.1], seeds=[0], **arguments)
