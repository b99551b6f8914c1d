"""Search strategies for effective model complexity: which trainings to run next, given those that are done.

EMC is the largest n at which training from a fresh start fits a random sample of n (Nakkiran et al. 2020; Shwartz-Ziv
et al. 2024). A search looks for it for every seed, on a fixed grid of sizes from the first to the largest sample; the
steps of the grid are its resolution. It trains nothing: it names pairs (n, seed) that are worth running now, and takes
answers. The searches share the grid: where outcomes are monotone they return the same EMC, whatever ran side by side.

What is wanted is a function of the set of answers alone, not of their order: a search that was killed goes on once its
recorded answers are taken again.

`Scan` is the procedure of the paper: the sizes in turn, each from a fresh start, until one fails. It costs a run for
every size below EMC.

`Bracket` is the default. A run that fails costs its full budget, one that fits costs less, and the less the smaller its
sample. So:

- A seed climbs from below, doubling n, until it fails once, and bisects between its last fit and that failure. With
  room for several runs of a seed they split the bracket evenly (k-section). Climbing is not speculated: what lies
  beyond the first failure costs most and says least.
- The thresholds of seeds lie near one another. Once some seeds are settled, the others suppose that theirs lies among
  those, bisect there, and only then test the ends of what they supposed; where it was wrong they leave it by steps
  that double, upwards never beyond 2n. With room for one run at a time the seeds so come one after the other, each
  starting from those before.
- A bracket that has closed does not show that outcomes are monotone: bisection never runs what could contradict it. So
  the sizes next to it are tried too: a seed is settled when the `retests` + 1 sizes next below its smallest failure
  have fitted and the `retests` + 1 sizes next above its largest fit have failed. Where the transition is sharp these
  are at most 2 `retests` runs, less those that the bisection had done. A failure below or a fit above moves the
  bracket, and the search goes on there.

A run that ended without an answer leaves a hole, as if its size were not on the grid of its seed.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence, Set
from itertools import islice, pairwise
from typing import Any

from capacity.errors import InputError
from capacity.experiments import checks

Pair = tuple[int, int]
"""n and seed of a training."""


def candidate_sizes(first: int, n_max: int, *, resolution: float = 0.02, increment: int | None = None) -> list[int]:
    """Return the sizes that a search may try: ascending, from `first` to `n_max`.

    Parameters
    ----------
    first, n_max : int
        Smallest and largest sample, 1 <= first <= n_max.
    resolution : float
        Step as a fraction of n, above 0 and below 1; a step is at least 1.
    increment : int or None
        Step in samples, instead.

    Raises
    ------
    InputError
        A value that is none of these.
    """
    count = checks.whole("a whole number of at least 1")
    first, n_max = checked("first", count, first), checked("n_max", count, n_max)
    if n_max < first:
        raise InputError(
            f"n_max must be at least the first sample size, {first}, got {n_max}; lower first or raise n_max"
        )
    if increment is not None:
        return [*range(first, n_max, checked("increment", count, increment)), n_max]
    share = checked("resolution", checks.real("a number above 0 and below 1", lambda x: 0 < x < 1), resolution)
    sizes = [first]
    while sizes[-1] < n_max:
        sizes.append(min(sizes[-1] + max(1, math.floor(share * sizes[-1])), n_max))
    return sizes


class Search(ABC):
    """A search over sizes and seeds that asks for runs and takes their answers.

    Parameters
    ----------
    sizes : sequence of int
        The grid: one or more, ascending, from 1 on; `candidate_sizes` makes it.
    seeds : sequence of int
        One or more different whole numbers of at least 0.

    Raises
    ------
    InputError
        Seeds that are none of these.
    """

    def __init__(self, sizes: Sequence[int], seeds: Sequence[int]) -> None:
        whole = checks.whole("a whole number of at least 0", least=0)
        self.sizes = tuple(sizes)
        self.seeds: tuple[int, ...] = checked(
            "seeds", checks.several(whole, "one or more whole numbers of at least 0"), seeds
        )
        self._answers: dict[int, dict[int, bool | None]] = {seed: {} for seed in self.seeds}

    def wanted(self, at_most: int, running: Iterable[Pair] = ()) -> list[Pair]:
        """Return what to run now: at most so many pairs (n, seed), none of which is running or answered.

        Parameters
        ----------
        at_most : int
            How many more runs there is room for. It is shared evenly among the seeds that have something to run, the
            first ones first.
        running : iterable of pairs
            What was asked for and has no answer yet.

        Returns
        -------
        list of pairs
            Empty when nothing is worth running before more answers are there, and for good once every seed is settled.
        """
        busy: dict[int, set[int]] = {seed: set() for seed in self.seeds}
        for n, seed in running:
            index = self._index(n, seed)
            busy[seed].add(index)
        chosen: list[Pair] = []
        while len(chosen) < at_most:
            left = at_most - len(chosen)
            idle_first = sorted(self.seeds, key=lambda seed: len(busy[seed]))
            active = list(islice((seed for seed in idle_first if self._next(seed, 1, busy[seed])), left))
            if not active:
                break
            for place, seed in enumerate(active):
                room = math.ceil((at_most - len(chosen)) / (len(active) - place))
                picked = self._next(seed, room, busy[seed])
                busy[seed].update(picked)
                chosen += [(self.sizes[i], seed) for i in picked]
        return chosen

    def take(self, n: int, seed: int, fitted: bool | None) -> None:
        """Take the answer of a run: whether it fitted, or None when it broke off and will not be run again.

        Raises
        ------
        InputError
            A pair that this search does not have, or another answer than the one it took before.
        """
        index = self._index(n, seed)
        answer = None if fitted is None else bool(fitted)
        before = self._answers[seed].setdefault(index, answer)
        if before is not answer:
            raise InputError(f"a run has one outcome, got fitted={answer} after {before} for n={n}, seed={seed}")

    def _index(self, n: int, seed: int) -> int:
        index = bisect_left(self.sizes, n)
        if seed not in self._answers or index == len(self.sizes) or self.sizes[index] != n:
            raise InputError(f"n={n}, seed={seed} is none of the runs of this search; use its own sizes and seeds")
        return index

    @abstractmethod
    def _next(self, seed: int, room: int, busy: set[int]) -> list[int]:
        """Return at most `room` indices of sizes that this seed should run now, beside those that are `busy`."""


class Scan(Search):
    """Every size in turn until one fails, seed by seed: the procedure of Shwartz-Ziv et al. 2024."""

    def _next(self, seed: int, room: int, busy: set[int]) -> list[int]:
        answers = self._answers[seed]
        reached = max(answers, default=-1)
        if busy or answers.get(reached) is False or reached == len(self.sizes) - 1:
            return []
        return [reached + 1]


class Bracket(Search):
    """Bracketing from below, bisection that starts from the other seeds' results, and re-tests of the neighbours.

    Parameters
    ----------
    sizes, seeds
        As for `Search`.
    retests : int
        How many sizes more are tried on either side of a closed bracket, at least 0.
    """

    def __init__(self, sizes: Sequence[int], seeds: Sequence[int], retests: int = 2) -> None:
        super().__init__(sizes, seeds)
        self.retests: int = checked("retests", checks.whole("a whole number of at least 0", least=0), retests)
        self._settled: dict[int, int | None] = {}  # by seed, as far as it was asked for since its last answer

    def take(self, n: int, seed: int, fitted: bool | None) -> None:
        super().take(n, seed, fitted)
        self._settled.pop(seed, None)

    def _settled_at(self, seed: int) -> int | None:
        """Return the index that a seed has settled on; None while it has not."""
        if seed not in self._settled:
            low, high = self._bracket(seed)
            found = high < len(self.sizes) or low == len(self.sizes) - 1
            self._settled[seed] = low if found and self._confirming(seed) == [] else None
        return self._settled[seed]

    def _next(self, seed: int, room: int, busy: set[int]) -> list[int]:
        confirming = self._confirming(seed)
        if confirming is not None:
            return [i for i in confirming if i not in busy][:room]
        used, (low, high) = busy | self._answers[seed].keys(), self._bracket(seed)
        lowest, highest = self._others()
        if high == len(self.sizes) and highest <= low:
            return [] if busy else [self._climb(seed, lowest, highest)]
        if low == -1 and high <= lowest:
            down = max(0, high - max(1, highest - high))
            if busy:
                return []
            if down not in used:
                return [down]
        ends = [i for i in (lowest, highest) if low < i < high and i not in self._answers[seed]]
        below = lowest if lowest in ends else low
        above = highest if highest in ends else high
        return (_split(below, above, used, room) + [i for i in ends if i not in busy])[:room]

    def _others(self) -> tuple[int, int]:
        """Return between which indices all settled seeds turned from fitting to failing; (-1, -1) without any."""
        lows = [low for low in map(self._settled_at, self.seeds) if low is not None]
        return (min(lows), max(lows) + 1) if lows else (-1, -1)

    def _climb(self, seed: int, lowest: int, highest: int) -> int:
        """Return the next index up: twice the sample, or less where the distance from the settled seeds has doubled."""
        reached = max(self._answers[seed], default=-1)
        if reached == -1:
            return 0
        up = min(bisect_left(self.sizes, 2 * self.sizes[reached]), len(self.sizes) - 1)
        return up if highest == -1 else min(up, reached + max(1, reached - lowest))

    def _bracket(self, seed: int) -> tuple[int, int]:
        """Return the index of the largest fit below the smallest failure, and of that; off the grid where none is."""
        answers = self._answers[seed].items()
        high = min((i for i, fitted in answers if fitted is False), default=len(self.sizes))
        return max((i for i, fitted in answers if fitted and i < high), default=-1), high

    def _confirming(self, seed: int) -> list[int] | None:
        """Return which neighbours of a closed bracket are still to be tried; None while it is open."""
        answers, (low, high) = self._answers[seed], self._bracket(seed)
        last = len(self.sizes) - 1
        if high > last:
            return [] if last in answers else None
        if any(i not in answers for i in range(low + 1, high)):
            return None
        top = max((i for i, fitted in answers.items() if fitted), default=-1)
        near = [*range(high - 1 - self.retests, high), *range(top + 1, top + 2 + self.retests)]
        return [i for i in near if 0 <= i <= last and i not in answers]


def _split(low: int, high: int, used: Set[int], room: int) -> list[int]:
    """Return at most `room` unused indices between `low` and `high` that cut the gaps between used ones evenly."""
    ends = sorted({low, high, *(i for i in used if low < i < high)})
    gaps = list(pairwise(ends))
    parts = [1] * len(gaps)
    for _ in range(room):
        widest = max(range(len(gaps)), key=lambda k: (gaps[k][1] - gaps[k][0]) / parts[k])
        if parts[widest] < gaps[widest][1] - gaps[widest][0]:
            parts[widest] += 1
    return [a + (b - a) * j // k for (a, b), k in zip(gaps, parts, strict=True) for j in range(1, k)]


def checked(name: str, check: Callable[[Any], Any], value: Any) -> Any:
    """Return a value in its canonical form, or say what the argument must be."""
    try:
        return check(value)
    except checks.UnfitError as error:
        raise InputError(f"{name} {error}") from None
