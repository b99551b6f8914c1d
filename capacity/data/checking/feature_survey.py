"""What is found column by column while the features pass block after block: ranges, NaN, constant and equal columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data.equal_rows import numbered

FEW = 5
"""How many positions of each kind are kept for people; all are counted."""


@dataclass(frozen=True)
class Places:
    """Where something was found.

    Attributes
    ----------
    count : int
        How often.
    first : tuple of tuple of int
        The first few places, in the order of the file: (row, column), or (row,) where it is about whole rows.
    """

    count: int = 0
    first: tuple[tuple[int, ...], ...] = ()

    def __add__(self, later: Places) -> Places:
        return Places(self.count + later.count, (self.first + later.first)[:FEW])


def places(found: NDArray[np.bool_], first_row: int) -> Places:
    """Return the places where a block (n, D) or (n,) is True."""
    count = int(np.count_nonzero(found))
    if not count:
        return Places()
    enough = np.flatnonzero(found.reshape(len(found), -1).any(axis=1))[:FEW]  # each of these rows holds one or more
    few = [(first_row + int(enough[row]), *map(int, rest)) for row, *rest in np.argwhere(found[enough])[:FEW]]
    return Places(count, tuple(few))


class FeatureSurvey:
    """Takes the blocks of one split in order.

    Attributes
    ----------
    low, high : ndarray (D,)
        Smallest and largest finite stored value of each column; `low > high` where there is none.
    nan, infinite : Places
        Of (row, column).
    spoilt : ndarray (D,) of bool
        Which columns hold NaN or infinity.
    equal : EqualColumns
    """

    def __init__(self, columns: int) -> None:
        self.low: NDArray[Any] = np.zeros(columns)
        self.high: NDArray[Any] = np.zeros(columns)
        self.nan, self.infinite = Places(), Places()
        self.spoilt = np.zeros(columns, np.bool_)
        self.equal = EqualColumns(columns)

    def update(self, block: NDArray[Any], first_row: int) -> None:
        """Take the next rows (n, D), plain as :func:`plain` makes them."""
        with np.errstate(invalid="ignore"):
            low, high = block.min(axis=0), block.max(axis=0)
        spoilt = ~(np.isfinite(low) & np.isfinite(high))  # NaN passes through both, infinity through one
        if spoilt.any():
            self._spoilt(block, spoilt, low, high, first_row)
        self.equal.update(block, low, high, (low != high) | spoilt)
        self.low = np.minimum(self.low, low) if first_row else low
        self.high = np.maximum(self.high, high) if first_row else high
        self.spoilt |= spoilt

    def _spoilt(
        self, block: NDArray[Any], spoilt: NDArray[np.bool_], low: NDArray[Any], high: NDArray[Any], first_row: int
    ) -> None:
        """Note NaN and infinity, and set right the range of their columns."""
        nan, infinite = np.isnan(block), np.isinf(block)
        self.nan += places(nan, first_row)
        self.infinite += places(infinite, first_row)
        finite = ~(nan | infinite)[:, spoilt]
        low[spoilt] = np.where(finite, block[:, spoilt], np.inf).min(axis=0)
        high[spoilt] = np.where(finite, block[:, spoilt], -np.inf).max(axis=0)

    def constant(self) -> NDArray[np.int64]:
        """Return the columns that hold one finite value throughout."""
        return np.flatnonzero((self.low == self.high) & ~self.spoilt)


def plain(block: NDArray[Any]) -> NDArray[Any]:
    """Return a block with what a network cannot tell apart made the same bits: -0.0 is 0.0, and any NaN is one NaN."""
    if block.dtype.kind != "f":
        return block
    same = block + np.zeros((), block.dtype)
    nan = np.isnan(same)
    if nan.any():
        same[nan] = np.nan
    return same


class EqualColumns:
    """Keeps account of which columns have been equal so far, exactly and without storing any of them.

    All columns begin as copies of column 0. A block that shows a column to differ from what it is a copy of makes it,
    with those that were copies of the same and still equal it, a family of its own. Columns that have none left that
    equals them are not looked at any more: on most data that is nearly all of them after the first block.
    """

    def __init__(self, columns: int) -> None:
        self._copies = np.arange(1, columns)
        self._originals = np.zeros(len(self._copies), np.int64)  # of which column each of them is a copy so far

    def update(self, block: NDArray[Any], low: NDArray[Any], high: NDArray[Any], varying: NDArray[np.bool_]) -> None:
        """Take the next rows (n, D) with their columns' finite ranges (D,) and whether each varies within the block."""
        copies, originals = self._copies, self._originals
        if not len(copies):
            return
        bits = block.view(f"u{block.dtype.itemsize}")  # so that NaN equals NaN
        differs = (low[copies] != low[originals]) | (high[copies] != high[originals])
        look = np.flatnonzero(~differs & (varying[copies] | varying[originals]))
        differs[look] = (bits[:, copies[look]] != bits[:, originals[look]]).any(axis=0)
        if not differs.any():
            return
        moved, left = copies[differs], originals[differs]
        content = np.ascontiguousarray(bits[:, moved].T).view(np.uint8)
        family = numbered(np.hstack([left[:, None].view(np.uint8), content]))
        _, first, of = np.unique(family, return_index=True, return_inverse=True)
        heads = moved[first][of]
        stay, follow = ~differs, heads != moved
        self._copies = np.concatenate([copies[stay], moved[follow]])
        self._originals = np.concatenate([originals[stay], heads[follow]])

    def families(self) -> list[list[int]]:
        """Return the families of two columns and more, columns ascending, ordered by their first."""
        members: dict[int, list[int]] = {}
        for copy, original in zip(self._copies.tolist(), self._originals.tolist(), strict=True):
            members.setdefault(original, [original]).append(copy)
        return sorted(sorted(family) for family in members.values())
