"""Which rows of a source `gather` takes, for executors that find them in Python; csrc/cpu/gather.cpp is the twin."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from capacity.engine.executor import Source
from capacity.engine.random import PURPOSE_ORDER, PURPOSE_SUBSET, PURPOSE_WINDOW

Permutation = Callable[[int, int, int, int, NDArray[np.int64]], NDArray[np.int64]]
""":func:`capacity.engine.random.permutation` or its native twin."""


def rows_at(
    source: Source,
    positions: NDArray[np.int64],
    *,
    shuffled: bool,
    seed: int,
    epoch: int,
    samples: int,
    subset: int,
    permutation: Permutation,
) -> NDArray[np.int64]:
    """Return the rows of the source's arrays that stand at positions of an epoch.

    Parameters
    ----------
    source : Source
    positions : ndarray of int64
        From 0 to samples - 1; with a window, from those that it holds.
    shuffled : bool
        Whether the epoch has an order of its own, as in a training.
    seed, samples, subset : int
        Of a replica, see :class:`capacity.engine.executor.Replicas`.
    epoch : int
    permutation : callable
    """
    held, window = len(source.labels), source.window
    if window is not None:
        rows = positions - window.first
        return permutation(window.seed, PURPOSE_WINDOW, window.number, held, rows) if shuffled else rows
    rows = permutation(seed, PURPOSE_ORDER, epoch, samples, positions) if shuffled else positions
    return permutation(subset, PURPOSE_SUBSET, 0, held, rows) if samples < held else rows
