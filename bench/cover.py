"""What linear classifiers can separate: Cover's function, linear programs for single samples, and exact intervals.

References
----------
Cover, "Geometrical and statistical properties of systems of linear inequalities with applications in pattern
recognition", IEEE Transactions on Electronic Computers 14, 1965: the function-counting theorem (theorem 1) and the
separating capacity of a hyperplane.
Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial", Biometrika 26,
1934.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

FAMILY_LEVEL = 0.01
"""Probability that one or more intervals of a family miss what they are for, at most."""


def separation_probability(n: int, d: int) -> float:
    """Return P(n, d) = 2^(1-n) sum_{k<d} C(n-1, k): how likely a random labelling of n points can be separated.

    The points are in general position, the labels independent and even, and a separator has d = D + 1 free numbers: D
    weights and a threshold. P is 1 for n <= d and 1/2 at n = 2 d.

    Where points are added one by one, the largest number that can be separated is the toss in which the d-th head comes
    of an even coin, since P(n, d) is the probability of fewer than d heads in n - 1 tosses. So its mean is 2 d, and
    so is its variance.
    """
    probability: float = sum(math.comb(n - 1, k) for k in range(d)) / 2 ** (n - 1)
    return probability


def separable(features: ArrayLike, labels: ArrayLike) -> bool:
    """Return whether a hyperplane with a threshold separates two classes, by a linear program.

    The program looks for w and b, no number of them beyond 1, with the largest m such that y (w x + b) >= m for every
    row x; y = 1 for class 1 and -1 for class 0. The margin is then taken from w and b, so a yes is certain up to
    rounding in float64. (To ask for a margin of 1 without bounds would do too, but leaves the solver undecided now and
    then.)

    Parameters
    ----------
    features : array_like (n, D)
    labels : array_like (n,)
        0 or 1.

    Raises
    ------
    RuntimeError
        The solver came to no end.
    """
    from scipy.optimize import linprog

    x = np.asarray(features, np.float64)
    signs = np.where(np.asarray(labels) == 1, 1.0, -1.0)
    system = signs[:, None] * np.column_stack([x, np.ones(len(x))])
    n, d = system.shape
    found = linprog(
        np.append(np.zeros(d), -1.0), A_ub=np.column_stack([-system, np.ones(n)]), b_ub=np.zeros(n),
        bounds=[(-1, 1)] * d + [(None, None)], method="highs",
    )  # fmt: skip
    if found.status != 0:
        raise RuntimeError(f"the linear program of {n} rows has no answer: {found.message}")
    return bool((system @ found.x[:d]).min() > 0)


def separable_prefix(features: ArrayLike, labels: ArrayLike) -> int:
    """Return how many of the rows, taken from the first on, can be separated.

    It is found by bisection: rows that can be separated still can be when some are taken away.
    """
    x, y = np.asarray(features), np.asarray(labels)
    low, high = 0, len(y) + 1
    while low + 1 < high:
        n = (low + high) // 2
        low, high = (n, high) if separable(x[:n], y[:n]) else (low, n)
    return low


def joint_intervals(counts: Sequence[int], runs: Sequence[int]) -> list[tuple[float, float]]:
    """Return intervals for the probabilities behind counts out of so many runs each, that hold together.

    Each is the exact one of Clopper and Pearson at the confidence 1 - FAMILY_LEVEL / m for m counts. So whatever the
    probabilities are, and however the counts depend on one another, all intervals hold theirs at once with a
    probability of at least 1 - FAMILY_LEVEL (Bonferroni).
    """
    from scipy.stats import binomtest

    confidence = 1 - FAMILY_LEVEL / len(counts)
    tests = (binomtest(count, of) for count, of in zip(counts, runs, strict=True))
    intervals = (test.proportion_ci(confidence, method="exact") for test in tests)
    return [(float(low), float(high)) for low, high in intervals]
