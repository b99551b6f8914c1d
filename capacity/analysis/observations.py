"""Runs as the fits of scaling laws take them: checked arrays, one entry a run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from capacity.errors import InputError

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.intp]


class TooFewSizesError(InputError):
    """Fewer sizes than the fit has constants: all that can be wrong with runs that are what they should be."""


@dataclass(frozen=True)
class Observations:
    """Measured values of N runs at S sizes.

    Attributes
    ----------
    sizes, values : ndarray, shape (N,), float64
        Size of each run's model, and what was measured; both positive.
    samples : ndarray, shape (N,), float64
        Training examples of each run; all 1 where data size is not looked at.
    censored : ndarray, shape (N,), bool
        Where the value is only a lower bound.
    stratum : ndarray, shape (N,), int
        Index of the run's size in the ascending distinct sizes.
    cluster : ndarray, shape (N,), int
        The same number for the runs of one seed at one size: what the bootstrap draws as a whole.
    cell : ndarray, shape (N,), int
        The same number for the runs of one size and data size: replicates, alike but for the seed.
    """

    sizes: FloatArray
    values: FloatArray
    samples: FloatArray
    censored: BoolArray
    stratum: IntArray
    cluster: IntArray
    cell: IntArray

    @property
    def runs(self) -> int:
        """Runs N, the censored ones among them."""
        return len(self.values)

    @property
    def observed(self) -> int:
        """Runs that are not censored."""
        return int(np.sum(~self.censored))

    @property
    def distinct(self) -> int:
        """Sizes that have a run which is not censored."""
        return len(np.unique(self.stratum[~self.censored]))

    @property
    def log_sizes(self) -> FloatArray:
        """Logarithm of the sizes over their geometric mean, which makes a fit independent of the unit."""
        return centred_log(self.sizes)


def observe(
    sizes: ArrayLike,
    values: ArrayLike,
    seeds: ArrayLike,
    *,
    samples: ArrayLike | None = None,
    censored: ArrayLike | None = None,
    name: str = "values",
    least: int,
) -> Observations:
    """Check the runs that a law is to be fitted to.

    Parameters
    ----------
    sizes, values, seeds : array-like, shape (N,)
        As the fits take them.
    samples, censored : array-like, shape (N,), or None
        As the fits take them; None is 1, and no run.
    name : str
        What the values are, for the errors.
    least : int
        So many sizes must have a run that is not censored.

    Returns
    -------
    Observations

    Raises
    ------
    InputError
        Unequal lengths, values that are not positive and finite, one setting with the same seed twice; as
        TooFewSizesError, too few sizes.
    """
    ones = np.ones(np.shape(sizes))
    columns = {
        "sizes": np.asarray(sizes, dtype=np.float64),
        name: np.asarray(values, dtype=np.float64),
        "samples": ones if samples is None else np.asarray(samples, dtype=np.float64),
    }
    seed = np.asarray(seeds)
    limited = np.zeros(np.shape(sizes), dtype=bool) if censored is None else np.asarray(censored, dtype=bool)
    for column, array in {**columns, "seeds": seed, "censored": limited}.items():
        if array.ndim != 1 or len(array) != len(columns["sizes"]):
            shape = columns["sizes"].shape
            raise InputError(f"{column} must have one entry a run, as sizes {shape} has, got shape {array.shape}")
    for column, array in columns.items():
        wrong = array[~(np.isfinite(array) & (array > 0))]
        if len(wrong):
            raise InputError(
                f"{column} must be positive and finite, got {wrong[0]:g}; leave out runs that stalled or diverged"
            )
    stratum = np.unique(columns["sizes"], return_inverse=True)[1]
    size, value, sample = columns.values()
    found = Observations(size, value, sample, limited, stratum, _numbered(size, seed), _numbered(size, sample))
    _check_design(found, seed, least)
    return found


def _check_design(found: Observations, seeds: NDArray[np.generic], least: int) -> None:
    if found.distinct < least:
        raise TooFewSizesError(
            f"the constants of this law need at least {least} sizes with a run that came to its end, "
            f"got {found.distinct}; add sizes or raise the step limit"
        )
    settings, counts = np.unique(np.column_stack([found.cell, _numbered(seeds)]), axis=0, return_counts=True)
    if counts.max() > 1:
        cell = settings[np.argmax(counts), 0]
        raise InputError(
            f"a seed may appear once for a setting, got one twice at size {found.sizes[found.cell == cell][0]:g}; "
            "fit one learning rate, depth and optimizer at a time"
        )


def _numbered(*columns: NDArray[np.generic]) -> IntArray:
    """Return the index of each row among the distinct rows."""
    codes = [np.unique(column, return_inverse=True)[1] for column in columns]
    return np.unique(np.column_stack(codes), axis=0, return_inverse=True)[1].reshape(-1)


def centred_log(values: FloatArray) -> FloatArray:
    """Return log(values) less its mean."""
    logs = np.log(values)
    return np.asarray(logs - logs.mean())
