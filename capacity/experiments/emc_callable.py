"""Effective model complexity of anything that is trained by a call."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

import numpy as np

from capacity.analysis.threshold import FitRun
from capacity.errors import CapacityError, InputError
from capacity.experiments import checks
from capacity.experiments.emc_result import EMCResult, RunError, make_result
from capacity.experiments.emc_search import Bracket, Pair, Scan, Search, candidate_sizes, checked
from capacity.experiments.launchers import InlineExecutor

_COUNT = checks.whole("a whole number of at least 1")


class SearchError(CapacityError):
    """A search that could not go on, because a training raised an exception.

    Attributes
    ----------
    runs : tuple of FitRun
        The trainings that had ended before.
    """

    def __init__(self, message: str, runs: Sequence[FitRun]) -> None:
        super().__init__(message)
        self.runs = tuple(runs)


def emc_search(
    fits: Callable[[int, int], bool],
    n_max: int,
    *,
    seeds: int | Sequence[int] = 5,
    search: str = "bracket",
    first: int = 1,
    resolution: float = 0.02,
    increment: int | None = None,
    retests: int = 2,
    workers: int | None = None,
    executor: Executor | None = None,
    errors: str = "raise",
    progress: Callable[[FitRun | RunError], None] | None = None,
) -> EMCResult:
    """Search for the largest sample that a model, trained your way, really fits.

    Effective model complexity (EMC) after Shwartz-Ziv et al. 2024: the largest n at which training from a fresh start
    reaches the target accuracy on a random sample of n. What that means is up to `fits`: the model, the optimizer, the
    budget, the target.

    Parameters
    ----------
    fits : callable (n, seed) -> bool
        Trains from a fresh start on a random sample of n and says whether it reached the target. It should depend on
        its arguments alone, and the samples of a seed should be nested: the first n rows in an order of that seed's.
    n_max : int
        The largest sample there is.
    seeds : int or sequence of int
        How many seeds, which are then 0, 1, ..., or which.
    search : {'bracket', 'scan'}
        'scan' is the paper's procedure, the sizes in turn until one fails. 'bracket' returns the same where outcomes
        are monotone, for far fewer trainings; the module `capacity.experiments.emc_search` says how.
    first : int
        The smallest sample.
    resolution : float
        Step between the sizes that may be tried as a fraction of n; a step is at least 1.
    increment : int or None
        Step in samples, instead.
    retests : int
        How many sizes more the search 'bracket' tries on either side of where a seed turns from fitting to failing.
    workers : int or None
        How many trainings run at a time: in threads or, with an `executor`, there. None is 1, and with an `executor`
        one for each seed. EMC does not depend on it where outcomes are monotone.
    executor : concurrent.futures.Executor or None
        Runs the trainings elsewhere. Processes need a `fits` that can be pickled.
    errors : {'raise', 'record'}
        Whether a training that raises an exception stops the search, or is recorded and otherwise left out.
    progress : callable or None
        Called with each training as it ends; ``progress=print`` will do.

    Returns
    -------
    EMCResult

    Raises
    ------
    InputError
        An argument cannot be used, or `fits` returned something else than True or False.
    SearchError
        A training raised an exception and `errors` is 'raise', or all of them did, or the executor broke.
    """
    if not callable(fits):
        raise InputError(f"fits must be a function (n, seed) -> bool, got {reprlib.repr(fits)}")
    sizes = candidate_sizes(first, n_max, resolution=resolution, increment=increment)
    which = seeds if isinstance(seeds, Sequence) else range(checked("seeds", _COUNT, seeds))
    scan = checked("search", checks.choice(("bracket", "scan")), search) == "scan"
    strategy: Search = Scan(sizes, which) if scan else Bracket(sizes, which, retests)
    at_once = checked("workers", checks.optional(_COUNT), workers) or (len(strategy.seeds) if executor else 1)
    stop = checked("errors", checks.choice(("raise", "record")), errors) == "raise"
    runs: list[FitRun] = []
    broken: list[RunError] = []
    try:
        with _opened(executor, at_once) as pool:
            for pair, future in _ended(strategy, pool, fits, at_once):
                outcome = _outcome(pair, future)
                if isinstance(outcome, FitRun):
                    runs.append(outcome)
                elif stop:
                    n, seed, error = outcome
                    advice = "errors='record' goes on without such trainings"
                    raise SearchError(f"fits({n}, {seed}) raised {error}; {advice}", runs) from future.exception()
                else:
                    broken.append(outcome)
                strategy.take(*pair, outcome.fitted if isinstance(outcome, FitRun) else None)
                if progress is not None:
                    progress(outcome)
    except BrokenExecutor as error:
        raise SearchError(f"the executor broke and takes no more trainings: {error}", runs) from error
    if not runs:
        raise SearchError(f"every training raised an exception, the first of them {broken[0].error}", runs)
    return make_result(runs, broken, sizes[0], sizes[-1])


def _ended(
    strategy: Search, pool: Executor, fits: Callable[[int, int], bool], at_once: int
) -> Iterator[tuple[Pair, Future[bool]]]:
    """Run what the search wants, `at_once` at a time, and yield each training as it ends.

    Those that have ended meanwhile come in the order in which they were wanted.
    """
    running: dict[Future[bool], Pair] = {}
    try:
        while True:
            for pair in strategy.wanted(at_once - len(running), running.values()):
                running[pool.submit(fits, *pair)] = pair
            if not running:
                return
            done = wait(running, return_when=FIRST_COMPLETED).done
            for future in [future for future in running if future in done]:
                yield running.pop(future), future
    finally:
        for future in running:
            future.cancel()


def _outcome(pair: Pair, future: Future[Any]) -> FitRun | RunError:
    """Return what came of a training that has ended."""
    n, seed = pair
    error = future.exception()
    if error is not None:
        return RunError(n, seed, f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
    fitted = future.result()
    if not isinstance(fitted, (bool, np.bool_)):
        raise InputError(
            f"fits must return True or False, got {reprlib.repr(fitted)} from fits({n}, {seed}); "
            "return bool(accuracy >= target)"
        )
    return FitRun(n, seed, bool(fitted))


@contextmanager
def _opened(executor: Executor | None, workers: int) -> Iterator[Executor]:
    """Yield what runs the trainings; an executor given by the user stays his."""
    if executor is not None:
        yield executor
    elif workers == 1:
        yield InlineExecutor()
    else:
        pool = ThreadPoolExecutor(workers)
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)
