"""A test split drawn at random, for data that come without one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capacity.errors import InputError


def check_draw(fraction: float, seed: int = 0) -> None:
    """Refuse a test fraction that is no part of the rows, and a seed that is none."""
    if not 0 <= fraction < 1:
        raise InputError(f"test_fraction is {fraction}: expected a number from 0 up to, not including, 1")
    if not 0 <= seed < 2**64:
        raise InputError(f"seed is {seed}: expected a whole number in 0..2^64-1")


def draw_test_rows(rows: int, fraction: float, seed: int, path: Path) -> NDArray[np.bool_]:
    """Draw the test rows: those with the smallest of `rows` random words (Philox keyed by the seed).

    Returns a mask (rows,); `path` is for messages.
    """
    check_draw(fraction, seed)
    count = round(rows * fraction)
    if fraction and not 0 < count < rows:
        raise InputError(
            f"test_fraction is {fraction}, which of {rows} rows of {path} leaves a split empty: expected both filled"
        )
    drawn = np.zeros(rows, dtype=np.bool_)
    if count:
        order = np.argsort(np.random.Philox(key=seed).random_raw(rows), kind="stable")
        drawn[order[:count]] = True
    return drawn
