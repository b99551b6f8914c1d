"""Search strategies: they find what they should, with few runs, whatever ran side by side and in whatever order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest

from capacity.analysis.threshold import SeedThreshold, seed_thresholds
from capacity.errors import InputError
from capacity.experiments.emc_search import Bracket, Pair, Scan, Search, candidate_sizes

Fits = Callable[[int, int], bool | None]
Run = tuple[int, int, bool | None]


def searched(search: Search, fits: Fits, at_most: int = 1) -> list[Run]:
    """Run what a search wants, `at_most` pairs at a time, until it wants nothing more."""
    runs: list[Run] = []
    while wanted := search.wanted(at_most):
        assert len(wanted) <= at_most
        assert not {run[:2] for run in runs} & set(wanted)
        assert len(set(wanted)) == len(wanted)
        for n, seed in wanted:
            runs.append((n, seed, fits(n, seed)))
            search.take(*runs[-1])
    return runs


def found(runs: Sequence[Run]) -> tuple[SeedThreshold, ...]:
    """Return what each seed's runs say; those without an answer are left out."""
    return seed_thresholds((n, seed, fitted) for n, seed, fitted in runs if fitted is not None)


def emc(runs: Sequence[Run]) -> list[int]:
    """Return each seed's EMC."""
    return [seed.emc for seed in found(runs)]


def up_to(*thresholds: int) -> Fits:
    """Return a callable that fits up to a threshold, one for each seed."""
    return lambda n, seed: n <= thresholds[seed]


def by_chance(seed: int, n50: float = 300, scale: float = 0.2, broken: float = 0) -> Fits:
    """Return a callable whose outcomes are random around n50, the same for the same pair; some are None."""

    def fits(n: int, k: int) -> bool | None:
        rng = np.random.default_rng([seed, n, k])
        return None if rng.random() < broken else bool(rng.random() < 1 / (1 + (n / n50) ** (1 / scale)))

    return fits


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        (candidate_sizes(1, 6), [1, 2, 3, 4, 5, 6]),
        (candidate_sizes(8, 50, resolution=0.5), [8, 12, 18, 27, 40, 50]),
        (candidate_sizes(98, 105, resolution=0.02), [98, 99, 100, 102, 104, 105]),
        (candidate_sizes(5, 26, increment=10), [5, 15, 25, 26]),
        (candidate_sizes(5, 25, increment=10), [5, 15, 25]),
        (candidate_sizes(7, 7), [7]),
    ],
)
def test_sizes(sizes: list[int], expected: list[int]) -> None:
    assert sizes == expected


def test_a_scan_takes_the_sizes_in_turn_until_one_fails() -> None:
    runs = searched(Scan([10, 20, 30, 40], [0, 7]), lambda n, seed: n <= {0: 25, 7: 40}[seed])
    assert runs == [(n, 0, n < 30) for n in (10, 20, 30)] + [(n, 7, True) for n in (10, 20, 30, 40)]
    side_by_side = Scan([10, 20, 30], [0, 7])
    assert side_by_side.wanted(8) == [(10, 0), (10, 7)]
    assert side_by_side.wanted(8, [(10, 7)]) == [(10, 0)]


def test_a_bracket_by_hand() -> None:
    runs = searched(Bracket(range(1, 1001), [0], retests=1), up_to(100))
    climb, bisection = [1, 2, 4, 8, 16, 32, 64, 128], [96, 112, 104, 100, 102, 101]
    assert [n for n, _, _ in runs] == [*climb, *bisection, 99]  # 102 was tried on the way
    assert found(runs) == (SeedThreshold(seed=0, emc=100, largest_fitted=100, smallest_failed=101, runs=15),)


@pytest.mark.parametrize("at_most", [1, 3, 16])
@pytest.mark.parametrize("retests", [0, 2])
def test_a_bracket_gives_the_answer_of_a_scan_where_outcomes_are_monotone(at_most: int, retests: int) -> None:
    rng = np.random.default_rng(at_most)
    for _ in range(30):
        first, n_max = int(rng.integers(1, 20)), int(rng.integers(20, 700))
        grid = {"increment": int(rng.integers(1, 9))} if rng.random() < 0.3 else {"resolution": rng.uniform(0.005, 0.3)}
        sizes = candidate_sizes(first, n_max, **grid)  # type: ignore[arg-type]
        typical, spread = rng.uniform(0, 1.2 * n_max), rng.choice([0, 0.1, 1])
        fits = up_to(*(int(typical * np.exp(spread * x)) for x in rng.normal(size=4)))
        scan = searched(Scan(sizes, range(4)), fits)
        bracket = searched(Bracket(sizes, range(4), retests), fits, at_most)
        assert emc(bracket) == emc(scan)
        assert [seed.smallest_failed for seed in found(bracket)] == [seed.smallest_failed for seed in found(scan)]
        assert not any(seed.non_monotone for seed in found(bracket))


@pytest.mark.parametrize("room", [2, 5, 11])
def test_runs_may_end_in_any_order(room: int) -> None:
    rng = np.random.default_rng(room)
    for _ in range(10):
        sizes = candidate_sizes(1, 3000)
        fits = up_to(*(int(x) for x in rng.uniform(1, 3300, 3)))
        search, running = Bracket(sizes, range(3)), list[Pair]()
        runs: list[Run] = []
        while wanted := search.wanted(room - len(running), running) + running:
            assert len(wanted) == len(set(wanted)) <= room
            n, seed = wanted[rng.integers(len(wanted))]
            running = [pair for pair in wanted if pair != (n, seed)]
            runs.append((n, seed, fits(n, seed)))
            search.take(*runs[-1])
        assert emc(runs) == emc(searched(Scan(sizes, range(3)), fits))


@pytest.mark.parametrize("threshold", [37, 1000, 9999, 30_000])
def test_a_bracket_needs_far_fewer_trainings_than_a_scan(threshold: int) -> None:
    sizes, fits = candidate_sizes(1, 50_000), up_to(*(int(threshold * x) for x in (1, 0.97, 1.04, 0.99, 1.02)))
    bracket, scan = searched(Bracket(sizes, range(5)), fits), searched(Scan(sizes, range(5)), fits)
    exact = max(n for n in sizes if n <= threshold)
    assert emc(bracket)[0] == exact
    assert len(scan) > 5 * 0.9 * sizes.index(exact)
    assert len(bracket) <= 62
    assert len(bracket) < len(scan) / (3 if threshold < 100 else 15)
    # Failures cost most: a seed has three for certain, the end of its bracket and two re-tests above.
    assert sum(not fitted for _, _, fitted in bracket) <= 5 * 3 + 10
    assert max(n for n, _, _ in bracket) < 2 * 1.04 * threshold


def test_room_for_more_runs_than_seeds_splits_the_bracket() -> None:
    search = Bracket(range(1, 1001), [0])
    search.take(64, 0, True)
    search.take(128, 0, False)
    assert search.wanted(1) == [(96, 0)]
    assert search.wanted(3) == [(80, 0), (96, 0), (112, 0)]
    assert search.wanted(2, running=[(96, 0)]) == [(80, 0), (112, 0)]
    search.take(96, 0, True)
    assert search.wanted(3) == [(104, 0), (112, 0), (120, 0)]


def test_room_is_shared_evenly_and_seeds_that_wait_come_first() -> None:
    search = Bracket(range(1, 1001), [0, 1])
    for seed in (0, 1):
        search.take(64, seed, True)
        search.take(128, seed, False)
    assert search.wanted(2) == [(96, 0), (96, 1)]
    assert search.wanted(4) == [(85, 0), (106, 0), (85, 1), (106, 1)]
    assert search.wanted(1, running=[(96, 0)]) == [(96, 1)]
    climbing = Bracket(range(1, 1001), [0, 1])
    assert climbing.wanted(9) == [(1, 0), (1, 1)]  # one step of each at a time
    assert climbing.wanted(9, running=[(1, 0), (1, 1)]) == []


def settled(*thresholds: int, retests: int = 0) -> Bracket:
    """Return a search whose first seeds are settled at thresholds, with one seed more."""
    search = Bracket(range(1, 1001), range(len(thresholds) + 1), retests)
    for seed, threshold in enumerate(thresholds):
        search.take(threshold, seed, True)
        search.take(threshold + 1, seed, False)
    return search


def continued(search: Search, fits: Fits) -> list[int]:
    """Return the n of the runs that are left."""
    return [n for n, _, _ in searched(search, fits)]


def test_a_seed_starts_where_the_others_ended() -> None:
    assert continued(settled(300), lambda n, seed: n <= 300) == [300, 301]
    assert continued(settled(300), lambda n, seed: n <= 310) == [300, 301, 302, 304, 308, 316, 312, 310, 311]
    assert continued(settled(300), lambda n, seed: n <= 297) == [300, 299, 297, 298]
    # Between the others it bisects at once, and tests what it supposed only where that is the end of its bracket.
    assert continued(settled(300, 315), lambda n, seed: n <= 306) == [308, 304, 306, 307]
    assert continued(settled(300, 315), lambda n, seed: n <= 300) == [308, 304, 302, 301, 300]
    assert continued(settled(300, 315), lambda n, seed: n <= 250)[-1] == 251
    # Two at once: the ends of what is supposed.
    assert settled(300).wanted(2) == [(300, 1), (301, 1)]


def test_a_late_answer_may_unsettle_a_seed() -> None:
    search = settled(300)
    search.take(250, 0, False)
    assert search.wanted(2) == [(125, 0), (1, 1)]


def test_no_step_up_is_more_than_twice_the_sample() -> None:
    for retests in (0, 2):
        for lower in (1, 60, 400):
            thresholds, search = (lower, 30_000), Bracket(candidate_sizes(1, 50_000), range(2), retests)
            reached = [1, 1]
            for n, seed, fitted in searched(search, up_to(*thresholds)):
                assert n <= max(2.04 * reached[seed], 1.06 * lower + 3)
                reached[seed] = max(reached[seed], n if fitted else 1)


def test_a_sample_that_runs_out_costs_the_other_seeds_one_run() -> None:
    runs = searched(Bracket(candidate_sizes(1, 1000), range(5)), lambda n, seed: True)
    first = [n for n, seed, _ in runs if seed == 0]
    assert all(after >= 2 * n for n, after in pairwise(first[:-1]))
    assert (len(first), first[-1]) == (11, 1000)
    assert [(n, seed) for n, seed, _ in runs if seed] == [(1000, seed) for seed in (1, 2, 3, 4)]
    assert all(seed.at_least and seed.emc == 1000 for seed in found(runs))


def test_a_seed_that_fits_nothing_is_left_after_its_retests() -> None:
    runs = searched(Bracket(candidate_sizes(8, 1000), range(3), retests=2), lambda n, seed: False)
    assert [(n, seed) for n, seed, _ in runs] == [(n, seed) for seed in range(3) for n in (8, 9, 10)]
    assert emc(runs) == [0, 0, 0]
    assert emc(searched(Scan(candidate_sizes(8, 1000), range(3)), lambda n, seed: False)) == [0, 0, 0]


@pytest.mark.parametrize("at_most", [1, 4])
def test_a_fit_above_a_failure_is_found(at_most: int) -> None:
    runs = searched(Bracket(range(1, 1001), [0], retests=2), lambda n, seed: n <= 100 or n == 102, at_most)
    (seed,) = found(runs)
    assert (seed.emc, seed.smallest_failed, seed.largest_fitted, seed.non_monotone) == (100, 101, 102, True)
    assert {103, 104, 105} <= {n for n, _, _ in runs}  # three failures above the largest fit


@pytest.mark.parametrize("at_most", [1, 4])
def test_a_failure_below_fits_moves_the_bracket(at_most: int) -> None:
    def fits(n: int, seed: int) -> bool:
        return n <= 100 and n != 98

    runs = searched(Bracket(range(1, 1001), [0], retests=2), fits, at_most)
    (seed,) = found(runs)
    assert (seed.emc, seed.smallest_failed, seed.largest_fitted, seed.non_monotone) == (97, 98, 100, True)
    assert {95, 96, 97} <= {n for n, _, _ in runs}  # three fits below the smallest failure
    assert emc(searched(Scan(range(1, 1001), [0]), fits)) == [97]


def test_without_retests_outcomes_that_are_not_monotone_go_unseen() -> None:
    runs = searched(Bracket(range(1, 1001), [0], retests=0), lambda n, seed: n <= 100 and n != 99)
    assert emc(runs) == [100]


@pytest.mark.parametrize("at_most", [1, 7])
def test_chance_outcomes_end_with_every_neighbour_tried(at_most: int) -> None:
    sizes = candidate_sizes(1, 3000)
    for case in range(20):
        runs = searched(Bracket(sizes, range(3), retests=2), by_chance(case), at_most)
        for seed in found(runs):
            tried = {n: fitted for n, k, fitted in runs if k == seed.seed}
            assert seed.smallest_failed is not None
            high, top = sizes.index(seed.smallest_failed), sizes.index(seed.largest_fitted)
            assert all(tried[n] is True for n in sizes[high - 3 : high])
            assert all(tried[n] is False for n in sizes[top + 1 : top + 4])
        assert len(runs) < 250


@pytest.mark.parametrize("make", [Scan, Bracket])
def test_what_is_wanted_depends_on_the_answers_alone(make: Callable[[Sequence[int], Sequence[int]], Search]) -> None:
    sizes, rng = candidate_sizes(1, 3000, resolution=0.05), np.random.default_rng(0)
    for case in range(8):
        runs = searched(make(sizes, range(3)), by_chance(case, broken=0.1), at_most=2)
        for count in rng.integers(len(runs) + 1, size=6):
            in_order, shuffled = make(sizes, range(3)), make(sizes, range(3))
            for run in runs[:count]:
                in_order.take(*run)
            for i in rng.permutation(count):
                shuffled.take(*runs[i])
            running: list[Pair] = in_order.wanted(2)
            for at_most in (1, 2, 9):
                assert in_order.wanted(at_most) == shuffled.wanted(at_most)
                assert in_order.wanted(at_most, running) == shuffled.wanted(at_most, running)


def test_a_search_that_was_killed_goes_on_with_the_same_runs() -> None:
    sizes = candidate_sizes(1, 5000)
    whole = searched(Bracket(sizes, range(4)), by_chance(3))
    for count in range(0, len(whole) + 1, 7):
        search = Bracket(sizes, range(4))
        for run in whole[:count]:
            search.take(*run)
        assert whole[:count] + searched(search, by_chance(3)) == whole


@pytest.mark.parametrize("at_most", [1, 6])
def test_runs_without_an_answer_are_not_asked_for_again(at_most: int) -> None:
    sizes = candidate_sizes(1, 2000)
    for case in range(20):
        runs = searched(Bracket(sizes, range(3)), by_chance(case, scale=0.02, broken=0.2), at_most)
        for seed in found(runs):
            tried = {n for n, k, _ in runs if k == seed.seed}
            assert seed.smallest_failed is not None
            assert {n for n in sizes if seed.emc < n < seed.smallest_failed} <= tried
            assert seed.emc == pytest.approx(300, rel=0.2)
    assert len(searched(Bracket(sizes, range(3)), lambda n, seed: None)) < 3 * 20
    assert len(searched(Scan([1, 2, 3], [0]), lambda n, seed: None)) == 3


def test_answers_that_cannot_be() -> None:
    search = Bracket([10, 20, 30], [0, 1])
    for n, seed in [(15, 0), (40, 0), (10, 2)]:
        message = f"^n={n}, seed={seed} is none of the runs of this search; use its own sizes and seeds$"
        with pytest.raises(InputError, match=message):
            search.take(n, seed, True)
        with pytest.raises(InputError, match=message):
            search.wanted(1, running=[(n, seed)])
    search.take(20, 0, np.bool_(True))  # type: ignore[arg-type]
    search.take(20, 0, True)
    with pytest.raises(InputError, match=r"^a run has one outcome, got fitted=False after True for n=20, seed=0$"):
        search.take(20, 0, False)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: candidate_sizes(0, 10), "^first must be a whole number of at least 1, got 0$"),
        (lambda: candidate_sizes(1, 10.5), r"^n_max must be a whole number of at least 1, got 10\.5$"),
        (lambda: candidate_sizes(8, 7), "^n_max must be at least the first sample size, 8, got 7; lower first or"),
        (lambda: candidate_sizes(1, 9, increment=0), "^increment must be a whole number of at least 1, got 0$"),
        (lambda: candidate_sizes(1, 9, resolution=1), "^resolution must be a number above 0 and below 1, got 1$"),
        (lambda: candidate_sizes(1, 9, resolution=0.0), r"^resolution must be a number above 0 and below 1, got 0\.0$"),
        (lambda: Bracket([1, 2], []), "^seeds must be one or more whole numbers of at least 0, got an empty list$"),
        (lambda: Bracket([1, 2], [-1]), "^seeds must be one or more whole numbers of at least 0, got -1$"),
        (lambda: Bracket([1, 2], [3, 3]), "^seeds must be a list of different values, got 3 more than once$"),
        (lambda: Bracket([1, 2], [0], retests=-1), "^retests must be a whole number of at least 0, got -1$"),
    ],
)
def test_bad_input(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
