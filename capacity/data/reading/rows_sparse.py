"""Rows that are stored sparse, as CSR: a group with `data`, `indices` and `indptr`, and its shape as an attribute.

That is what AnnData writes (`encoding-type` "csr_matrix"), and what one makes of a SciPy matrix by hand.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data import _rows
from capacity.data.reading.hdf5 import attribute, find, text
from capacity.data.reading.rows_file import RowFile
from capacity.data.reading.rows_stored import open_stored
from capacity.data.reading.rows_typed import Typed, blocks
from capacity.errors import InputError

_ENTRIES = 1 << 19
"""Stored entries that are read at once."""
_PIECE_BYTES = 1 << 20
_VALUES_A_BYTE, _FREE_VALUES = 10_000, 1 << 26
"""Values that a byte of the file may stand for: ten times as many as in sparse texts. The first of them are free."""


class Sparse:
    """The rows of a CSR group, dense: sums of int64, or of float32 and float64 as stored.

    Entries of the same row and column add up, as in SciPy. Only `indptr` is kept in memory, 8 bytes a row.

    Raises
    ------
    InputError
        An array is missing, the shapes do not belong together, or `indptr` does not ascend (the row is named).
    """

    def __init__(self, group: Any, file: RowFile) -> None:
        self.what = f"{file.path}: '{group.name}'"
        self.shape = self._shape(group, file)
        data, indices, indptr = (
            open_stored(self._array(group, key, file), file, axes=1) for key in ("data", "indices", "indptr")
        )
        if indices.dtype.kind not in "iu" or indptr.dtype.kind not in "iu":
            raise InputError(
                f"{self.what}: indices and indptr are {indices.dtype} and {indptr.dtype}: expected integers"
            )
        if data.shape != indices.shape or indptr.shape[0] != self.shape[0] + 1:
            raise InputError(
                f"{self.what} has {data.shape[0]} data, {indices.shape[0]} indices and {indptr.shape[0]} indptr for "
                f"{self.shape[0]} rows: expected as many data as indices, and one indptr more than rows"
            )
        self.slow = data.slow or indices.slow
        narrow = data.dtype.kind == "f" and data.dtype.itemsize <= 4
        self.dtype: np.dtype[Any] = np.dtype(
            np.float32 if narrow else np.float64 if data.dtype.kind == "f" else np.int64
        )
        self._data, self._indices = Typed(data, self.dtype), Typed(indices, np.dtype(np.int64))
        self._starts = np.empty(self.shape[0] + 1, np.int64)
        Typed(indptr, self._starts.dtype).read(0, len(self._starts), self._starts[:, None])
        self._check_starts(data.shape[0])
        self.piece_rows = max(1, _PIECE_BYTES // (self.shape[1] * self.dtype.itemsize))

    def _shape(self, group: Any, file: RowFile) -> tuple[int, int]:
        encoding = attribute(group, "encoding-type", text, "csr_matrix", file.path)
        found = attribute(group, "shape", lambda value: tuple(int(axis) for axis in value), (), file.path)
        if encoding != "csr_matrix":
            raise InputError(
                f"{self.what} is a group of the encoding '{encoding[:60]}': expected 'csr_matrix', sparse by rows"
            )
        if len(found) != 2 or min(found) < 0:
            raise InputError(
                f"{self.what} is a group without an attribute 'shape' (N, D): expected an array, or sparse rows (CSR); "
                "matrices of 10x Genomics are sparse by columns"
            )
        if not 0 < found[1] * 8 <= np.iinfo(np.int32).max:
            raise InputError(f"{self.what} has {found[1]} columns: expected 1 or more, and less than 2 GiB in a row")
        if found[0] * found[1] > _FREE_VALUES + _VALUES_A_BYTE * file.size:
            raise InputError(
                f"{self.what} has the shape {found}, in a file of {file.size} bytes: nearly all of its values would be "
                "zeros, and reading them would take for ever"
            )
        return found[0], found[1]

    def _array(self, group: Any, key: str, file: RowFile) -> Any:
        import h5py

        found = find(group, key, file.path)
        if not isinstance(found, h5py.Dataset):
            raise InputError(f"{self.what} has no array '{key}': expected data, indices and indptr, as in CSR")
        return found

    def _check_starts(self, entries: int) -> None:
        starts = self._starts
        wrong = (starts[:-1] > starts[1:]) | (starts[:-1] < 0) | (starts[1:] > entries)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise InputError(
                f"{self.what}: row {row} has the entries {starts[row]} to {starts[row + 1]} of {entries}: expected "
                "indptr to ascend, and not beyond the data"
            )

    def read(self, start: int, stop: int, out: NDArray[Any]) -> None:
        """Fill `out` (stop - start, D) with rows [start, stop)."""
        out[...] = 0
        starts = self._starts[start : stop + 1]
        for begin, end in blocks(int(starts[0]), int(starts[-1]), _ENTRIES):
            columns, values = np.empty((end - begin, 1), np.int64), np.empty((end - begin, 1), self.dtype)
            self._indices.read(begin, end, columns)
            self._data.read(begin, end, values)
            self._answer(_rows.add_sparse(starts, begin, columns, values, out), np.arange(start, stop))

    def gather(self, rows: NDArray[np.int64], out: NDArray[Any]) -> None:
        """Fill `out` (n, D) with the rows (n,)."""
        counts = self._starts[rows + 1] - self._starts[rows]
        ends = np.cumsum(counts)
        begin = 0
        while begin < len(rows):  # as many rows as have no more than so many entries, at least one
            before = int(ends[begin] - counts[begin])
            end = max(begin + 1, int(np.searchsorted(ends, before + _ENTRIES, side="right")))
            self._gather(rows[begin:end], counts[begin:end], out[begin:end])
            begin = end

    def _gather(self, rows: NDArray[np.int64], counts: NDArray[np.int64], out: NDArray[Any]) -> None:
        if len(rows) == 1:
            self.read(int(rows[0]), int(rows[0]) + 1, out)
            return
        starts = np.concatenate([[0], np.cumsum(counts)])
        places = np.arange(starts[-1]) + np.repeat(self._starts[rows] - starts[:-1], counts)
        columns, values = np.empty((len(places), 1), np.int64), np.empty((len(places), 1), self.dtype)
        self._indices.gather(places, columns)
        self._data.gather(places, values)
        out[...] = 0
        self._answer(_rows.add_sparse(starts, 0, columns, values, out), rows)

    def _answer(self, answer: tuple[str, int], rows: NDArray[np.int64]) -> None:
        found, row = answer
        if found == "outside":
            raise InputError(f"{self.what}: row {rows[row]} has an entry outside its {self.shape[1]} columns")
        if found:
            raise InputError(f"{self.what}: entries of row {rows[row]} add up to more than 64 bits hold")
