"""Training until a sample is fitted: the same on every executor as taking turns at training and measuring."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

import capacity
from capacity.engine.executor import Looks, Replicas
from capacity.engine.fitting import fit_by_turns
from capacity.engine.optimizers import Adam
from capacity.engine.program import compile_evaluation
from capacity.models import MLP
from tests.executors import ALL, BF16, CPU, REFERENCE, Run, Target, make_source
from tests.test_trainer import make_data, make_trainer

SMALL = Run(
    MLP((6,)), make_source(100, 6, 3), classes=3, batch=8, seeds=(3, 1, 4, 1), lrs=(0.5, 0.1, 1.0, 0.5),
    samples=(3, 20, 7, 60),
)  # fmt: skip
ADAM = replace(SMALL, optimizer=Adam(), lrs=(0.02, 0.01, 0.05, 0.02))
LARGE = Run(
    MLP((300,)), make_source(900, 260, 70), classes=70, batch=600, seeds=(3, 1, 2), lrs=(9, 3, 5), samples=(60, 900, 30)
)
"""Large enough for its products to be shared out, so that a team of threads works on one replica."""
MOST, EVERY, WRONG = 7, 5, 1


def fit(run: Run, target: Target, allowed: int, *, threads: int = 1, turns: bool = False) -> tuple[Replicas, Looks]:
    """Return the replicas after a fit on the target, and its looks; with `turns`, training and measuring in turn."""
    replicas = replace(run.start(target.dtype), statistics=np.zeros((len(run.seeds), 2)))
    evaluation = compile_evaluation(run.model, run.source.features.shape[1], run.classes, (1,))
    executors = [target.executor(program, threads) for program in (run.program(), evaluation)]
    looks = Looks(EVERY, WRONG, np.full(len(run.seeds), allowed), np.zeros((len(run.seeds), MOST, 2)))
    method = fit_by_turns if turns else type(executors[0]).fit
    looked = method(*executors, replicas, run.source, 0, looks)
    return replace(replicas, samples=looked), looks


@pytest.mark.parametrize("target", [*CPU, *BF16], ids=str)
@pytest.mark.parametrize(("run", "loose"), [(SMALL, 1), (ADAM, 1), (LARGE, 20)], ids=["small", "adam", "large"])
def test_a_fit_is_training_and_measuring_in_turn(target: Target, run: Run, loose: int) -> None:
    expected, measured = fit(run, target, loose, turns=True)
    for threads in (1, 2, 3):
        found, looks = fit(run, target, loose, threads=threads)
        np.testing.assert_array_equal(found.samples, expected.samples)  # the looks made
        np.testing.assert_array_equal(looks.measured, measured.measured)
        np.testing.assert_array_equal(found.parameters, expected.parameters)
        np.testing.assert_array_equal(found.optimizer, expected.optimizer)


@pytest.mark.parametrize("target", ALL, ids=str)
def test_replicas_end_where_they_have_fitted_and_others_go_on(target: Target) -> None:
    found, looks = fit(SMALL, target, 1)
    made = found.samples
    assert 1 <= made.min() < made.max() == MOST  # or this test shows nothing
    for r, count in enumerate(made):
        wrong = looks.measured[r, :, WRONG]
        assert (wrong[: count - 1] > 1).all()
        assert wrong[count - 1] <= 1 or count == MOST
        assert not looks.measured[r, count:].any()
        alone = replace(SMALL, seeds=SMALL.seeds[r : r + 1], lrs=SMALL.lrs[r : r + 1], samples=SMALL.samples[r : r + 1])  # type: ignore[index]
        np.testing.assert_array_equal(found.parameters[r], alone.on(target, EVERY * int(count)).parameters[0])


@pytest.mark.parametrize("target", ALL, ids=str)
def test_what_is_measured_is_loss_and_errors_of_the_replicas_own_rows(target: Target) -> None:
    _, looks = fit(SMALL, target, -1)
    _, exact = fit(SMALL, REFERENCE, -1)
    np.testing.assert_allclose(looks.measured[..., 0], exact.measured[..., 0], rtol=2e4 * target.epsilon)
    assert (looks.measured[..., WRONG] <= np.array(SMALL.samples)[:, None]).all()
    assert np.abs(looks.measured[..., WRONG] - exact.measured[..., WRONG]).max() <= 1


@pytest.mark.parametrize("target", ALL, ids=str)
def test_a_replica_that_diverges_goes_no_further(target: Target) -> None:
    rate = np.sqrt(np.finfo(target.dtype).max)  # whose square, in the next layer, overflows
    wild = replace(SMALL, model=MLP((6,), "identity"), lrs=(0.5, float(rate), 1.0, 0.5))
    found, looks = fit(wild, target, -1)
    made: NDArray[np.int64] = found.samples
    assert made[1] < MOST
    assert not np.isfinite(looks.measured[1, made[1] - 1, 0])
    assert (made[[0, 2, 3]] == MOST).all()


def test_the_trainer_names_what_was_measured() -> None:
    data = make_data()
    by_turns, at_once = (make_trainer("cpu", data=data, samples=[40, 12]) for _ in range(2))
    metrics, looks = at_once.fit(10, 4, [0, 12])
    assert looks.tolist() == [4, 1]  # the second is content at once
    assert (at_once.step, at_once.active.tolist()) == (40, [True, False])
    assert np.isnan(metrics.top1[1:, 1]).all()
    for look in range(4):
        by_turns.advance(10)
        expected = by_turns.evaluate("train")
        assert (metrics.loss[look, 0], metrics.top1[look, 0]) == (expected.loss[0], expected.top1[0])
        by_turns.active[1] = False
    for a, b in zip(by_turns.states(), at_once.states(), strict=True):
        np.testing.assert_array_equal(a.parameters, b.parameters)


def test_a_fit_is_refused_arrays_of_another_network() -> None:
    trainer, other = make_trainer("cpu"), make_trainer("cpu", model=capacity.MLP((3,)))
    trainer._evaluate = other._evaluate
    with pytest.raises(ValueError, match="evaluation must be of the same network"):
        trainer.fit(1, 1, [0, 0])
