"""Rows of HDF5 arrays for training: without HDF5's global lock, and without h5py's fancy indexing."""

from __future__ import annotations

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data.reading.rows_file import RowFile, hdf5_errors
from capacity.data.reading.rows_sparse import Sparse
from capacity.data.reading.rows_stored import open_stored
from capacity.data.reading.rows_typed import Rows, Typed, blocks
from capacity.errors import InputError

DELIVERED = tuple(np.dtype(name) for name in ("uint8", "int16", "int32", "float16", "float32"))
"""The types in which rows are used."""
_LOAD_BYTES = 4 << 20
_SAID: set[tuple[int, int, int, str]] = set()


class RowReader:
    """Rows (N, D) of an HDF5 array, in the type they are used in.

    Contiguous arrays and chunks that are uncompressed, gzip, lzf or shuffled are read straight from the file, by any
    number of threads at once; arrays with other filters through h5py, one thread at a time, which a warning says. The
    h5py file may be closed once the reader is made.

    Parameters
    ----------
    stored : h5py.Dataset or h5py.Group
        An array of two axes of any real type, or a group of sparse rows (CSR): arrays `data`, `indices` and `indptr`,
        attribute `shape` (N, D).
    path : Path
        Its file.
    dtype : dtype
        uint8, int16, int32, float16 or float32: what is delivered. Values are converted as by NumPy's astype.

    Attributes
    ----------
    shape : (int, int)
    dtype : dtype
    nbytes : int
        Of all rows as they are delivered.
    piece_rows : int
        Rows that are best read together, beginning at a multiple of it: those of a chunk, or about a MiB.

    Raises
    ------
    InputError
        The file is damaged, or the array is none that can be read. Reading raises it too: for chunks that are damaged,
        a file that was cut, and an integer that `dtype` cannot hold (its row is named). A file that is cut while rows
        are gathered from its map, within that call, ends the process, as with every map.
    """

    ndim = 2

    def __init__(self, stored: Any, path: Path, dtype: np.dtype[Any]) -> None:
        import h5py

        self.dtype = np.dtype(dtype)
        if self.dtype not in DELIVERED:
            raise InputError(f"rows cannot be delivered as {dtype}: expected {', '.join(map(str, DELIVERED))}")
        if not isinstance(stored, (h5py.Dataset, h5py.Group)):
            raise InputError(f"{path}: '{stored.name}' is neither an array nor a group: expected rows (N, D)")
        with hdf5_errors(f"{path}: '{stored.name}'"):
            self._file = RowFile(path, stored.file)
            found: Rows = (
                Sparse(stored, self._file)
                if isinstance(stored, h5py.Group)
                else open_stored(stored, self._file, axes=2)
            )
        if found.slow:
            _say_slow(self._file, f"{found.what} is read slowly, through HDF5: {found.slow}")
        self._rows = Typed(found, self.dtype)
        self._what = found.what
        self.shape = found.shape
        self.nbytes = self.shape[0] * self.shape[1] * self.dtype.itemsize
        self.piece_rows = found.piece_rows
        self._path, self._mapped_at = path, None if found.slow else _offset(stored, self.dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> NDArray[Any]:
        """Return a range of rows, or those of an index array (n,), in any order, as a new array (n, D).

        Raises
        ------
        InputError
            An index outside 0..N-1, or a slice with a step.
        """
        self._check_open()
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step != 1:
                raise InputError(f"rows cannot be read with the step {step}: expected a slice without one")
            out = np.empty((max(0, stop - start), self.shape[1]), self.dtype)
            self._rows.read(start, start + len(out), out)
            return out
        indices = np.ascontiguousarray(rows)
        if indices.ndim != 1 or (indices.dtype.kind not in "iu" and indices.size):
            raise InputError(f"rows are chosen by a slice or whole numbers (n,), got {indices.dtype} {indices.shape}")
        indices = indices.astype(np.int64, copy=False)
        if indices.size and not 0 <= indices.min() <= indices.max() < len(self):
            wrong = indices[(indices < 0) | (indices >= len(self))][0]
            raise InputError(f"{self._what} has no row {wrong}: expected 0 to {len(self) - 1}")
        out = np.empty((len(indices), self.shape[1]), self.dtype)
        self._rows.gather(indices, out)
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return all rows in memory; NumPy calls this."""
        if copy is False:
            raise ValueError("rows of a file cannot become an array without a copy")
        values = self._all(1)
        return values if dtype is None else values.astype(dtype, copy=False)

    def read(self, start: int, stop: int, out: NDArray[Any]) -> None:
        """Fill `out` (stop - start, D), C-contiguous and of the reader's type, with rows [start, stop).

        Any number of threads may do so at once. Nothing slow is done under the GIL.
        """
        self._check_open()
        if not 0 <= start <= stop <= len(self):
            raise InputError(f"{self._what} has no rows {start} to {stop}: expected a range within 0 to {len(self)}")
        if out.shape != (stop - start, self.shape[1]) or out.dtype != self.dtype or not out.flags.carray:
            raise InputError(
                f"out is {out.dtype} {out.shape}: expected {self.dtype} {(stop - start, self.shape[1])}, C-contiguous "
                "and writable"
            )
        self._rows.read(start, stop, out)

    def load(self, threads: int) -> NDArray[Any]:
        """Return all rows, read by so many threads, as a read-only array (N, D)."""
        values = self._all(threads)
        values.setflags(write=False)
        return values

    def mapped(self) -> NDArray[Any] | None:
        """Return all rows as a memory map of the file, (N, D), if they lie there as one piece in their type."""
        if self._mapped_at is None:
            return None
        try:
            return np.memmap(self._path, dtype=self.dtype, mode="r", offset=self._mapped_at, shape=self.shape)
        except (OSError, ValueError) as error:
            raise InputError(f"{self._what} is truncated or cannot be mapped: {error}") from error

    def close(self) -> None:
        """Close the file; it is closed too when the reader is no longer used."""
        self._file.close()

    def _all(self, threads: int) -> NDArray[Any]:
        try:
            out = np.empty(self.shape, self.dtype)
        except (MemoryError, ValueError) as error:
            raise InputError(f"{self._what} has {self.nbytes} bytes as {self.dtype}, more than memory holds") from error
        row_bytes = self.shape[1] * self.dtype.itemsize
        parts = blocks(0, len(self), self.piece_rows * max(1, _LOAD_BYTES // (self.piece_rows * row_bytes)))

        def read(part: tuple[int, int]) -> None:
            self.read(*part, out[slice(*part)])

        if threads == 1:
            for part in parts:
                read(part)
            return out
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(read, parts))  # the list raises what a thread raised
        return out

    def _check_open(self) -> None:
        if self._file.fd < 0:
            raise InputError(f"{self._what} is closed: open it again")


def _say_slow(file: RowFile, sentence: str) -> None:
    """Warn once for a file, however often and under whatever name it is opened."""
    state = os.fstat(file.fd)
    key = state.st_dev, state.st_ino, state.st_mtime_ns, sentence.rpartition("/")[2]
    if key not in _SAID:
        _SAID.add(key)
        warnings.warn(sentence, stacklevel=3)


def _offset(stored: Any, dtype: np.dtype[Any]) -> int | None:
    """Return where in the file an array of this type lies as one piece, or None."""
    import h5py

    if isinstance(stored, h5py.Group) or stored.dtype != dtype or stored.chunks is not None:
        return None
    offset: int | None = stored.id.get_offset()
    return None if offset is None or offset % dtype.itemsize else offset
