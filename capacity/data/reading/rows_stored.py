"""One array of an HDF5 file, in the type it is stored in, by the way that suits its layout.

| stored | read |
|---|---|
| contiguous, or chunks without filters | at its offsets, natively: ranges by pread, single rows from a map |
| chunks with deflate, lzf, shuffle | raw by pread, decoded here |
| in the object's header | kept in memory, it has 64 KiB at most |
| with other filters, or of a type that is not NumPy's | by HDF5, one thread at a time |
"""

from __future__ import annotations

import itertools
import threading
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data import _rows
from capacity.data.reading.chunks import ChunkTable, Pipeline, chunk_table, decodable, filters_of
from capacity.data.reading.rows_file import RowFile, damage, hdf5_errors
from capacity.data.reading.rows_typed import Rows, blocks
from capacity.errors import InputError

_PIECE_BYTES = 1 << 20


def open_stored(stored: Any, file: RowFile, axes: int) -> Rows:
    """Return the rows of an h5py.Dataset of `axes` axes, 1 or 2; one of one axis has a single column.

    Raises
    ------
    InputError
        Another number of axes, values that are no numbers or lie in other files, a filter that is not installed, or
        a file that is damaged.
    """
    import h5py

    what = f"{file.path}: '{stored.name}'"
    with hdf5_errors(what), damage(what):
        if len(stored.shape or ()) != axes:
            expected = "two axes (N, D), a sample a row" if axes == 2 else "one axis"
            raise InputError(f"{what} has the shape {stored.shape}: expected {expected}")
        if stored.dtype.kind not in "biuf":
            raise InputError(f"{what} has the type {stored.dtype}: expected whole or floating-point numbers")
        if stored.is_virtual or stored.external:
            raise InputError(f"{what} has its values in other files: expected them in this one")
        slow = _why_slow(stored)
        if slow:
            return ThroughHDF5(stored, file, what, slow)
        if stored.id.get_create_plist().get_layout() == h5py.h5d.COMPACT:
            return InMemory(stored, what)
        if stored.chunks is not None and filters_of(stored):
            return Filtered(stored, file, what)
        return Plain(stored, file, what)


def _why_slow(stored: Any) -> str:
    """Return why HDF5 has to read an array, or ''."""
    import h5py

    if stored.id.get_type() != h5py.h5t.py_create(stored.dtype, logical=True):
        return "its numbers are stored in a way that NumPy has no type for"
    filters = filters_of(stored)
    if stored.chunks is None or decodable(filters):
        unsure = stored.chunks and stored.file.userblock_size and h5py.version.hdf5_version_tuple < (2, 0, 0)
        return "HDF5 before 2.0 does not say where chunks lie in a file with a user block" if unsure else ""
    missing = [each.name for each in filters if not h5py.h5z.filter_avail(each.number)]
    if missing:
        raise InputError(
            f"{stored.file.filename}: '{stored.name}' was stored with the filter '{missing[0]}', which is not "
            "installed: store it with gzip, lzf or uncompressed (or install and import hdf5plugin)"
        )
    names = ", ".join(f"'{each.name}'" for each in filters)
    return f"it was stored with the filters {names}; contiguous, uncompressed, gzip, lzf and shuffle are read directly"


class _Stored(ABC):
    """What all have in common: shape, type, chunk and fill value of an h5py.Dataset."""

    slow = ""

    def __init__(self, stored: Any, what: str) -> None:
        self.what = what
        self.dtype: np.dtype[Any] = np.dtype(stored.dtype)
        rows, columns = (*stored.shape, 1)[:2]
        self.shape: tuple[int, int] = (int(rows), int(columns))
        self.row_bytes = self.shape[1] * self.dtype.itemsize
        if not 0 < self.row_bytes <= np.iinfo(np.int32).max:
            raise InputError(f"{what} has {self.shape[1]} columns: expected 1 or more, and less than 2 GiB in a row")
        chunk = (*stored.chunks, 1)[:2] if stored.chunks else (max(1, self.shape[0]), self.shape[1])
        self.chunk: tuple[int, int] = (int(chunk[0]), int(chunk[1]))
        self.chunk_bytes = self.chunk[0] * self.chunk[1] * self.dtype.itemsize
        self.piece_rows = self.chunk[0] if stored.chunks else max(1, _PIECE_BYTES // self.row_bytes)

    def fill(self, stored: Any, missing: bool) -> NDArray[Any]:
        """Return the value (1,) of chunks that are missing; HDF5 is asked only if some are.

        HDF5 2.0 crashes on some damaged files when it is asked.
        """
        return np.array(stored.fillvalue if missing else 0, self.dtype).reshape(1)

    def table(self, stored: Any, file: RowFile, *, filtered: bool) -> ChunkTable:
        return chunk_table(
            stored, self.shape, self.chunk, chunk_bytes=self.chunk_bytes, filtered=filtered, file_size=file.size
        )

    @abstractmethod
    def read(self, start: int, stop: int, out: NDArray[Any]) -> None:
        """Fill `out` (stop - start, D) with rows [start, stop)."""

    def gather(self, rows: NDArray[np.int64], out: NDArray[Any]) -> None:
        """Fill `out` (n, D) with the rows (n,): each piece that has some of them is read once."""
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        pieces = ordered // self.piece_rows
        cuts = (np.flatnonzero(np.diff(pieces, prepend=-1))).tolist()
        for begin, end in itertools.pairwise([*cuts, len(rows)]):
            first, last = int(ordered[begin]), int(ordered[end - 1]) + 1
            scratch = np.empty((last - first, self.shape[1]), self.dtype)
            self.read(first, last, scratch)
            out[order[begin:end]] = scratch[ordered[begin:end] - first]


class Plain(_Stored):
    """Contiguous, or chunks without filters."""

    def __init__(self, stored: Any, file: RowFile, what: str) -> None:
        super().__init__(stored, what)
        self._file = file
        width = self.chunk[1] * self.dtype.itemsize
        offsets = self._offsets(stored)
        fill = self.fill(stored, bool((offsets < 0).any())).view(np.uint8)
        self._layout = _rows.Layout(self.shape[0], self.row_bytes, self.chunk[0], width, offsets, fill)
        if self._layout.end > file.size:
            raise _rows.DamageError(f"it should reach to byte {self._layout.end} of a file that has {file.size}")
        self._map: NDArray[np.uint8] | None = None

    def _offsets(self, stored: Any) -> NDArray[np.int64]:
        if stored.chunks is not None:
            table = self.table(stored, self._file, filtered=False)
            cells = table.cells.ravel()
            return np.where(cells < 0, -1, np.append(table.offsets, -1)[cells])
        if self.shape[0] == 0:
            return np.empty(0, np.int64)
        written = stored.id.get_storage_size() > 0  # the offset of an array that was never written may be anything
        return np.array([stored.id.get_offset() if written else -1], np.int64)

    def read(self, start: int, stop: int, out: NDArray[Any]) -> None:
        with damage(self.what):
            self._layout.read(self._file.fd, start, stop, out)

    def gather(self, rows: NDArray[np.int64], out: NDArray[Any]) -> None:
        """Fill `out` (n, D) with the rows (n,) from a map of the file, made at the first call."""
        with damage(self.what):
            if self._map is None:
                self._map = self._file.map(self._layout.end)
            self._layout.gather(self._file.fd, self._map, rows, out)


class Filtered(_Stored):
    """Chunks that were stored through filters: read raw, and decoded by the thread that asks."""

    def __init__(self, stored: Any, file: RowFile, what: str) -> None:
        super().__init__(stored, what)
        self._file = file
        self._pipeline = Pipeline(filters_of(stored), self.chunk_bytes)
        self._table = self.table(stored, file, filtered=True)
        self._fill = self.fill(stored, bool((self._table.cells < 0).any()))

    def read(self, start: int, stop: int, out: NDArray[Any]) -> None:
        rows, columns = self.chunk
        with damage(self.what):
            for begin, end in blocks(start, stop, rows):
                part, first = out[begin - start : end - start], begin % rows
                for across, chunk in enumerate(self._table.cells[begin // rows]):
                    place = part[:, across * columns : (across + 1) * columns]
                    if chunk < 0:
                        place[...] = self._fill
                    elif place.shape == self.chunk and columns == self.shape[1]:
                        self._decode(int(chunk), place.reshape(-1).view(np.uint8))
                    else:
                        scratch = np.empty(self.chunk, self.dtype)
                        self._decode(int(chunk), scratch.reshape(-1).view(np.uint8))
                        place[...] = scratch[first : first + len(place), : place.shape[1]]

    def _decode(self, chunk: int, out: NDArray[np.uint8]) -> None:
        block = np.empty(int(self._table.sizes[chunk]), np.uint8)
        self._file.read(int(self._table.offsets[chunk]), block)
        self._pipeline.decode(block, int(self._table.masks[chunk]), out)


class ThroughHDF5(_Stored):
    """What only HDF5 can read: its own file, opened once more, and a lock."""

    def __init__(self, stored: Any, file: RowFile, what: str, slow: str) -> None:
        import h5py

        super().__init__(stored, what)
        self.slow = slow
        self.dtype = self.dtype.newbyteorder("=")
        self._lock = threading.Lock()
        file.others.append(h5py.File(file.path, "r"))
        self._array = file.others[-1][stored.name]

    def read(self, start: int, stop: int, out: NDArray[Any]) -> None:
        if start == stop:
            return
        with self._lock, hdf5_errors(self.what):
            self._array.read_direct(out.reshape(len(out), *self._array.shape[1:]), np.s_[start:stop])


class InMemory(_Stored):
    """An array that lies in the header of its object."""

    def __init__(self, stored: Any, what: str) -> None:
        super().__init__(stored, what)
        self._values = stored[()].reshape(self.shape)

    def read(self, start: int, stop: int, out: NDArray[Any]) -> None:
        out[...] = self._values[start:stop]

    def gather(self, rows: NDArray[np.int64], out: NDArray[Any]) -> None:
        """Fill `out` (n, D) with the rows (n,)."""
        out[...] = self._values[rows]
