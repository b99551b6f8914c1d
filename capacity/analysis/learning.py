"""Training error against epochs, one line a width (Dauphin & Bengio 2013, figure 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from capacity.analysis.runs import Runs


@dataclass(frozen=True)
class LearningCurve:
    """The learning curve of one network shape at one learning rate.

    Attributes
    ----------
    runs : Runs
        The runs behind it.
    median : ndarray, shape (E + 1,), float64
        Median training error over the runs after 0..E epochs, a fraction; infinite where half or more have diverged.
    low, high : ndarray, shape (E + 1,), float64
        Smallest and largest among the runs that have not diverged by then; NaN where there is none.
    """

    runs: Runs
    median: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def learning_curve(runs: Runs, errors: Mapping[str, ArrayLike]) -> LearningCurve:
    """Combine the runs of one shape and learning rate, epoch by epoch.

    Parameters
    ----------
    runs : Runs
        Its `keys` say which curves belong to it; it must have at least one.
    errors : mapping from trial key to array-like, shape (epochs done + 1,)
        Training error after 0, 1, ... epochs, fractions. A run that diverged may be shorter or hold NaN: from there on
        it counts as infinitely bad.

    Returns
    -------
    LearningCurve
    """
    curves = [np.asarray(errors[key], dtype=np.float64) for key in runs.keys]
    table = np.full((len(curves), max(map(len, curves))), np.inf)  # (runs, E + 1)
    for row, curve in zip(table, curves, strict=True):
        row[: len(curve)] = np.where(np.isnan(curve), np.inf, curve)
    low = table.min(axis=0)
    high = np.where(np.isinf(table), -np.inf, table).max(axis=0)
    gone = np.isinf(low)
    return LearningCurve(runs, np.median(table, axis=0), np.where(gone, np.nan, low), np.where(gone, np.nan, high))
