"""Rows in the type they are used in, whatever type they are stored in."""

from __future__ import annotations

import itertools
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from capacity.errors import InputError

_BLOCK_BYTES = 1 << 20


class Rows(Protocol):
    """Rows (N, D) of one type, from wherever. All methods may be called from several threads at once.

    Attributes
    ----------
    shape : (int, int)
    dtype : dtype
    piece_rows : int
        Rows that come together: pieces begin at its multiples.
    slow : str
        Why they are read through h5py, one thread at a time; or ''.
    what : str
        File and array, for messages.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    piece_rows: int
    slow: str
    what: str

    def read(self, start: int, stop: int, out: NDArray[Any]) -> None:
        """Fill `out` (stop - start, D) of the type `dtype`, C-contiguous, with rows [start, stop)."""

    def gather(self, rows: NDArray[np.int64], out: NDArray[Any]) -> None:
        """Fill `out` (n, D) with the rows (n,), each in [0, N), in any order."""


class Typed:
    """`rows` converted to `dtype`, as NumPy's astype does, but that an integer which does not fit is refused."""

    def __init__(self, rows: Rows, dtype: np.dtype[Any]) -> None:
        self.rows, self.dtype, self.shape, self.what, self.slow = rows, dtype, rows.shape, rows.what, rows.slow
        row_bytes = max(1, rows.shape[1] * rows.dtype.itemsize)
        self.piece_rows = rows.piece_rows
        self.block_rows = rows.piece_rows * max(1, _BLOCK_BYTES // (row_bytes * rows.piece_rows))

    def read(self, start: int, stop: int, out: NDArray[Any]) -> None:
        """Fill `out` (stop - start, D) with rows [start, stop)."""
        if self.rows.dtype == self.dtype:
            self.rows.read(start, stop, out)
            return
        for begin, end in blocks(start, stop, self.block_rows):
            scratch = np.empty((end - begin, self.shape[1]), self.rows.dtype)
            self.rows.read(begin, end, scratch)
            convert(scratch, out[begin - start : end - start], range(begin, end), self.what)

    def gather(self, rows: NDArray[np.int64], out: NDArray[Any]) -> None:
        """Fill `out` (n, D) with the rows (n,)."""
        if self.rows.dtype == self.dtype:
            self.rows.gather(rows, out)
            return
        scratch = np.empty((len(rows), self.shape[1]), self.rows.dtype)
        self.rows.gather(rows, scratch)
        convert(scratch, out, rows, self.what)


def blocks(start: int, stop: int, step: int) -> list[tuple[int, int]]:
    """Cut [start, stop) at the multiples of `step`."""
    cuts = [start, *range((start // step + 1) * step, stop, step), stop]
    return list(itertools.pairwise(cuts)) if start < stop else []


def convert(values: NDArray[Any], out: NDArray[Any], rows: range | NDArray[np.int64], what: str) -> None:
    """Fill `out` (n, D) with `values` (n, D); `rows` (n,) are their numbers, for messages.

    A floating-point number too large for a smaller type becomes infinite, as with astype; what no integer of the type
    of `out` can hold is an InputError.
    """
    if values.dtype.kind == "b":
        values = values.view(np.uint8) != 0  # a byte of a file need not be 0 or 1
    elif out.dtype.kind in "iu" and not np.can_cast(values.dtype, out.dtype):
        _check_range(values, out.dtype, rows, what)
    with np.errstate(over="ignore"):
        np.copyto(out, values, casting="unsafe")


def _check_range(values: NDArray[Any], dtype: np.dtype[Any], rows: range | NDArray[np.int64], what: str) -> None:
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    if not values.size:
        return
    if values.dtype.kind in "iu":
        if int(values.min()) >= least and int(values.max()) <= most:
            return
        wrong = (values < least) | (values > most)
    else:
        whole = np.trunc(values, dtype=np.promote_types(values.dtype, np.float64))
        wrong = ~((whole >= float(least)) & (whole < float(most) + 1))  # also where it is NaN
    if wrong.any():
        row, column = (int(index) for index in np.argwhere(wrong)[0])
        raise InputError(
            f"{what} holds {values[row, column]} in row {rows[row]}, column {column}: expected {least} to {most}, "
            f"the numbers of {dtype}"
        )
