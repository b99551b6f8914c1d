"""`capacity.emc_search`: any callable, its errors, executors, words, and the examples."""

from __future__ import annotations

import importlib.util
import re
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import capacity
from capacity.analysis.threshold import FitRun
from capacity.errors import InputError
from capacity.experiments.emc_callable import SearchError
from capacity.experiments.emc_result import RunError, make_result

EXAMPLES = Path(__file__).parents[1] / "examples"
THRESHOLDS = (100, 110, 95)


def fits(n: int, seed: int) -> bool:
    """Fit up to a threshold of the seed's."""
    return n <= THRESHOLDS[seed % 3]


def test_a_search_from_beginning_to_end() -> None:
    seen: list[FitRun | RunError] = []
    result = capacity.emc_search(fits, 1000, seeds=3, increment=1, progress=seen.append)
    assert [seed.emc for seed in result.seeds] == list(THRESHOLDS)
    assert [seed.smallest_failed for seed in result.seeds] == [101, 111, 96]
    assert result.runs == tuple(seen)
    assert all(run.fitted == fits(run.n, run.seed) for run in result.runs)
    assert (result.trainings, result.errors, result.at_least) == (len(seen), (), False)
    assert result.mean.value == pytest.approx(305 / 3)
    assert result.threshold is not None
    assert result.threshold.interval.low < 101 < result.threshold.interval.high
    assert result.table()[1] == {
        "seed": 1, "emc": 110, "at_least": False, "largest_fitted": 110, "smallest_failed": 111,
        "non_monotone": False, "runs": result.seeds[1].runs,
    }  # fmt: skip


def test_a_scan_returns_the_same_for_more_trainings() -> None:
    bracket = capacity.emc_search(fits, 500, seeds=3)
    scan = capacity.emc_search(fits, 500, seeds=3, search="scan")
    assert [seed.emc for seed in scan.seeds] == [seed.emc for seed in bracket.seeds]
    assert bracket.trainings < scan.trainings / 4


def test_seeds_may_be_named() -> None:
    result = capacity.emc_search(fits, 500, seeds=[7, 3])
    assert [seed.seed for seed in result.seeds] == [3, 7]


@pytest.mark.parametrize("workers", [2, 3, 8, None])
def test_trainings_side_by_side_lead_to_the_same_conclusions(workers: int | None) -> None:
    one = capacity.emc_search(fits, 1000, seeds=3)
    if workers == 8:
        many = capacity.emc_search(fits, 1000, seeds=3, workers=workers)
    else:
        with ThreadPoolExecutor(3) as executor:
            many = capacity.emc_search(fits, 1000, seeds=3, workers=workers, executor=executor)
            assert executor.submit(len, "abc").result() == 3  # it is the caller's, and goes on
    assert [seed.emc for seed in many.seeds] == [seed.emc for seed in one.seeds]
    assert [seed.smallest_failed for seed in many.seeds] == [seed.smallest_failed for seed in one.seeds]
    assert one.threshold is not None
    assert many.threshold is not None
    assert many.threshold.n50 == pytest.approx(one.threshold.n50, rel=0.05)


def test_an_executor_gets_one_training_a_seed_at_a_time() -> None:
    meeting, lock, active, most = threading.Barrier(3), threading.Lock(), 0, 0

    def counted(n: int, seed: int) -> bool:
        nonlocal active, most
        with lock:
            active += 1
            most = max(most, active)
        if n == 1:
            meeting.wait(60)  # the first training of every seed waits for the others
        with lock:
            active -= 1
        return fits(n, seed)

    with ThreadPoolExecutor(8) as executor:
        capacity.emc_search(counted, 1000, seeds=3, executor=executor)
    assert most == 3


def broken_at(*sizes: int) -> Callable[[int, int], bool]:
    """Return `fits`, raising at some sizes of seed 1."""

    def raising(n: int, seed: int) -> bool:
        if seed == 1 and n in sizes:
            raise MemoryError("out of memory")
        return fits(n, seed)

    return raising


def test_a_training_that_raises_stops_the_search() -> None:
    with pytest.raises(SearchError) as caught:
        capacity.emc_search(broken_at(100), 1000, seeds=3, increment=1)
    expected = "fits(100, 1) raised MemoryError: out of memory; errors='record' goes on without such trainings"
    assert str(caught.value) == expected
    assert isinstance(caught.value.__cause__, MemoryError)
    assert max(run.n for run in caught.value.runs if run.seed == 0) == 128  # what was found is not lost
    with pytest.raises(SearchError):
        capacity.emc_search(broken_at(64), 1000, seeds=3, workers=2, increment=1)


def test_a_training_that_raises_may_be_left_out() -> None:
    result = capacity.emc_search(broken_at(100, 108), 1000, seeds=3, increment=1, errors="record")
    assert RunError(100, 1, "MemoryError: out of memory") in result.errors
    assert [seed.emc for seed in result.seeds] == list(THRESHOLDS)
    assert result.trainings == len(result.runs) + len(result.errors)
    assert f"{len(result.errors)} of {result.trainings} trainings raised an exception" in result.summary()


def test_when_every_training_raises_the_first_is_named() -> None:
    def raising(n: int, seed: int) -> bool:
        raise KeyError

    with pytest.raises(SearchError, match=r"^every training raised an exception, the first of them KeyError$"):
        capacity.emc_search(raising, 1000, errors="record")


class Dead(Executor):
    """An executor whose processes have died."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        raise BrokenExecutor("a process died")


def test_an_executor_that_breaks_is_named() -> None:
    with pytest.raises(SearchError, match=r"^the executor broke and takes no more trainings: a process died$"):
        capacity.emc_search(fits, 100, executor=Dead(), errors="record")


def test_interrupts_go_through() -> None:
    def interrupted(n: int, seed: int) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        capacity.emc_search(interrupted, 100, errors="record")


def test_numpy_booleans_are_taken_and_other_values_are_not() -> None:
    assert capacity.emc_search(lambda n, seed: np.bool_(n < 5), 10, seeds=1).runs[0] == FitRun(1, 0, True)
    for value in (1, 0.99, None, np.array(True)):
        message = rf"^fits must return True or False, got {re.escape(repr(value))} from fits\(1, 0\); return bool"
        with pytest.raises(InputError, match=message):
            capacity.emc_search(lambda n, seed, value=value: value, 10, errors="record")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_max": 0}, "n_max must be a whole number of at least 1, got 0"),
        ({"first": 50, "n_max": 49}, "n_max must be at least the first sample size, 50, got 49; lower first or raise"),
        ({"seeds": 0}, "seeds must be a whole number of at least 1, got 0"),
        ({"seeds": []}, "seeds must be one or more whole numbers of at least 0, got an empty list"),
        ({"resolution": 1.5}, r"resolution must be a number above 0 and below 1, got 1\.5"),
        ({"increment": 0}, "increment must be a whole number of at least 1, got 0"),
        ({"retests": -1}, "retests must be a whole number of at least 0, got -1"),
        ({"workers": 0}, "workers must be a whole number of at least 1, got 0"),
        ({"search": "brackets"}, r"search must be one of bracket, scan, got 'brackets' \(did you mean 'bracket'\?\)"),
        ({"errors": "ignore"}, "errors must be one of raise, record, got 'ignore'"),
        ({"fits": 3}, r"fits must be a function \(n, seed\) -> bool, got 3"),
    ],
)
def test_bad_input(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        capacity.emc_search(**{"fits": fits, "n_max": 100, **arguments})


def test_words_for_a_threshold() -> None:
    result = capacity.emc_search(fits, 1000, seeds=3, increment=1)
    assert re.fullmatch(
        r"EMC is 102 ± 4\.4 \(3 seeds, 95 to 110\); \d+ trainings\. A sample of 10\d is fitted half of the time "
        r"\(95% interval \d+ to \d+\)\.",
        result.summary(),
    )


def test_words_for_a_sample_that_runs_out() -> None:
    all_of_it = capacity.emc_search(lambda n, seed: True, 1437, seeds=2)
    assert all_of_it.summary() == "EMC is at least 1,437: no training of 2 seeds failed; 13 trainings."
    assert (all_of_it.at_least, all_of_it.threshold) == (True, None)
    part = make_result([FitRun(50, 0, True), FitRun(40, 1, True), FitRun(50, 1, False)], [], 1, 50)
    assert part.summary().startswith(
        "EMC is at least 45 ± 5 (2 seeds, 40 to 50, of which 1 never failed); 3 trainings."
    )


def test_words_for_what_went_wrong() -> None:
    unfitted = capacity.emc_search(lambda n, seed: False, 100, seeds=1, first=8, retests=0)
    assert unfitted.summary() == "EMC is 0 (1 seed, 0 to 0); 1 trainings. 1 of 1 seeds did not fit 8, and count as 0."
    odd = capacity.emc_search(lambda n, seed: n <= 50 or n == 52, 100, seeds=1, increment=1)
    assert odd.summary().endswith(
        "1 of 1 seeds fitted a larger sample than one that failed, up to 52; EMC counts up to the first failure."
    )


def test_the_example_for_scikit_learn_runs(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    result = loaded("emc_sklearn").main(seeds=2)
    header, *rows, summary, cover = capsys.readouterr().out.splitlines()
    assert header.split() == ["seed", "EMC", "smallest", "failed", "trainings"]
    assert [int(row.split()[1]) for row in rows] == [seed.emc for seed in result.seeds]
    assert summary == result.summary()
    rank = int(cover.split()[-1].rstrip(".")) // 2
    # 62 points in general position are always separable; no set of them much above twice as many is.
    assert all(rank <= seed.emc < 3 * rank for seed in result.seeds)


def test_the_example_for_pytorch_runs(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    results = loaded("emc_pytorch").main(steps=60, seeds=1)
    assert capsys.readouterr().out.splitlines() == [f"{name}: {found.summary()}" for name, found in results.items()]
    assert results["own labels"].mean.value > 1.5 * results["random labels"].mean.value > 0


def loaded(name: str) -> ModuleType:
    """Return an example as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
