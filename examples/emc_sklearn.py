"""How many digits with random labels a linear classifier of scikit-learn fits, beside what Cover's theorem says."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

import capacity
from capacity.experiments.emc_result import EMCResult


def main(seeds: int = 5) -> EMCResult:
    """Measure the effective model complexity, print it, and return what was found."""
    digits = capacity.open_dataset("digits")
    x = digits.train.features * digits.scale

    def fits(n: int, seed: int) -> bool:
        rng = np.random.default_rng(seed)
        rows, y = rng.permutation(len(x))[:n], rng.integers(2, size=len(x))[:n]
        if y.min() == y.max():
            return True  # scikit-learn takes no single class
        return bool(LogisticRegression(C=1e8, max_iter=1000).fit(x[rows], y).score(x[rows], y) == 1)

    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # what it does not fit does not converge either
        result = capacity.emc_search(fits, n_max=len(x), seeds=seeds)
    print("seed   EMC  smallest failed  trainings")
    for row in result.table():
        print(f"{row['seed']:4}  {row['emc']:4}  {row['smallest_failed']:15}  {row['runs']:9}")
    print(result.summary())
    rank = np.linalg.matrix_rank(np.column_stack([x, np.ones(len(x))]))
    print(f"Cover 1965: points in general position are separable half of the time at n = {2 * rank}.")
    return result


if __name__ == "__main__":
    main()
