"""What is found in the labels of one split, whatever they hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data.checking.feature_survey import FEW

LARGEST = np.iinfo(np.int32).max


@dataclass(frozen=True)
class WrongLabels:
    """Labels that are no class index.

    Attributes
    ----------
    kind : {"NaN", "fractional", "negative", "too large"}
    count : int
    first : tuple of (int, str)
        The first few, as (row, label).
    """

    kind: str
    count: int
    first: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Labels:
    """The labels of one split.

    Attributes
    ----------
    dtype : str
        As they are stored.
    low, high : float or None
        Their range, NaN left out; None where there is none.
    counts : tuple of (int, int)
        Each class in use and its rows, ascending; wrong labels are left out.
    wrong : tuple of WrongLabels
    """

    dtype: str
    low: float | None
    high: float | None
    counts: tuple[tuple[int, int], ...]
    wrong: tuple[WrongLabels, ...]


def survey_labels(labels: NDArray[Any], classes: int) -> Labels:
    """Survey labels (N,) of any numeric type, of which class indices 0..K-1 are expected."""
    with np.errstate(invalid="ignore"):
        nan = np.isnan(labels)
        fractional = ~nan & (labels != np.trunc(labels))
        negative = ~fractional & (labels < 0)
        beyond = ~fractional & (labels >= classes)
    kinds = {"NaN": nan, "fractional": fractional, "negative": negative, "too large": beyond}
    valid = ~(nan | fractional | negative | beyond)
    used, counts = np.unique(labels[valid], return_counts=True)
    numbers = labels[~nan]
    return Labels(
        dtype=labels.dtype.name,
        low=float(numbers.min()) if len(numbers) else None,
        high=float(numbers.max()) if len(numbers) else None,
        counts=tuple(zip(map(int, used), map(int, counts), strict=True)),
        wrong=tuple(_wrong(kind, labels, rows) for kind, rows in kinds.items() if rows.any()),
    )


def _wrong(kind: str, labels: NDArray[Any], which: NDArray[np.bool_]) -> WrongLabels:
    rows = np.flatnonzero(which)
    return WrongLabels(kind, len(rows), tuple((row, str(labels[row])) for row in rows[:FEW].tolist()))


def largest_class(labels: NDArray[Any]) -> int:
    """Return the largest label that can be a class index, or -1."""
    with np.errstate(invalid="ignore"):
        usable = (labels == np.trunc(labels)) & (labels >= 0) & (labels < LARGEST)
    return int(labels[usable].max()) if usable.any() else -1
