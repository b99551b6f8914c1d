"""One pass over the features of a split: read once, in blocks, looked at from all sides side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data.checking.duplicates import row_digests
from capacity.data.checking.feature_survey import FeatureSurvey, Places, places, plain
from capacity.data.equal_rows import row_hashes
from capacity.data.layout import SplitHash, row_blocks, row_scale, storage_dtype
from capacity.data.reading.rows import RowReader
from capacity.errors import InputError

_THREADS = 3  # the digest, the rows and the columns of a block, while the next is read
_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scaleoffset", 32000: "lzf"}


@dataclass(frozen=True)
class Storage:
    """How an array lies in the file.

    Attributes
    ----------
    dtype : str
        As stored, with its byte order where that is not this machine's.
    used_as : str
        What it is converted to when it is used; the same where nothing has to be converted.
    layout : {"contiguous", "chunked", "compact", "sparse"}
    chunks : tuple of int or None
    filters : tuple of str
        As "shuffle", "gzip".
    stored_bytes : int
        What it takes in the file.
    """

    dtype: str
    used_as: str
    layout: str
    chunks: tuple[int, ...] | None
    filters: tuple[str, ...]
    stored_bytes: int


def storage_of(stored: Any, used_as: np.dtype[Any], *, sparse: bool) -> Storage:
    """Describe an array of an HDF5 file; with `sparse`, as that of the values of sparse rows."""
    import h5py

    made = stored.id.get_create_plist()
    filters = [made.get_filter(index) for index in range(made.get_nfilters())]
    layouts = {h5py.h5d.CONTIGUOUS: "contiguous", h5py.h5d.CHUNKED: "chunked", h5py.h5d.COMPACT: "compact"}
    native = stored.dtype.newbyteorder("=")
    order = "" if stored.dtype == native else "big-endian "
    return Storage(
        dtype=f"{order}{native.name}",
        used_as=used_as.name,
        layout="sparse" if sparse else layouts[made.get_layout()],
        chunks=stored.chunks,
        filters=tuple(_FILTERS.get(code) or name.decode() for code, _, _, name in filters),
        stored_bytes=int(stored.id.get_storage_size()),
    )


class Rows:
    """The features of one split, read in blocks and in the type they are used in. The one place that reads them.

    Parameters
    ----------
    features : h5py.Dataset or h5py.Group
        An array, or a group of sparse rows.
    values : h5py.Dataset
        The array that holds their values.
    path : Path
    what : str
        How messages call them.
    """

    def __init__(self, features: Any, values: Any, path: Path, what: str) -> None:
        self.dtype, self._what = storage_dtype(values.dtype, what), what
        self._reader = RowReader(features, path, self.dtype)
        self.shape = self._reader.shape
        self.storage = storage_of(values, self.dtype, sparse=features is not values)
        self.row_bytes = self.shape[1] * self.dtype.itemsize

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        try:
            return self._reader[rows]
        except InputError as error:
            place = f"rows {rows.start} to {rows.stop - 1}"
            raise InputError(
                f"{self._what} cannot be read in {place}: {error}; fetch or make the file again"
            ) from error

    def blocks(self) -> Iterator[slice]:
        """Cut the rows into blocks that are read well."""
        pieces = self._reader.piece_rows if self.storage.chunks else 1  # so that each is decoded once
        return row_blocks(self.shape[0], self.row_bytes, multiple=pieces)


class SplitSurvey:
    """What one pass over a split found.

    Attributes
    ----------
    rows : Rows
    read : int
        Rows looked at: all, unless the file is damaged.
    hashes : ndarray (N,) of uint64
    columns : FeatureSurvey
    zero_rows : Places
        Of (row,): nothing but zeros.
    content : SplitHash
    row_scale : ndarray (N,) or (0,), float32
        The factors of the rows, where they were asked for.
    """

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.read = 0
        self.hashes = np.empty(rows.shape[0], np.uint64)
        self.columns = FeatureSurvey(rows.shape[1])
        self.zero_rows = Places()
        self.content = SplitHash()
        self.row_scale = np.empty(0, np.float32)

    def run(
        self,
        labels: NDArray[np.int32] | None,
        progress: Callable[[int], None] | None,
        normalisation: str = "none",
    ) -> None:
        """Go through all rows; `labels` (N,) become part of the digest, which is left out when there are none.

        Raises
        ------
        InputError
            The file is damaged; what was found in the rows before stays.
        """
        if normalisation != "none":
            self.row_scale = np.empty(self.rows.shape[0], np.float32)
        waiting: list[Future[None]] = []
        with ThreadPoolExecutor(_THREADS) as pool:
            for rows in self.rows.blocks():
                block = self.rows[rows]
                self._finish(waiting)
                same = plain(block)
                waiting = [
                    pool.submit(self._rows, same, rows),
                    pool.submit(self.columns.update, same, rows.start),
                ]
                if labels is not None:
                    waiting.append(pool.submit(self.content.update, block, labels[rows]))
                if len(self.row_scale):
                    self.row_scale[rows] = row_scale(block, normalisation)
                self.read = rows.stop
                if progress:
                    progress(rows.stop - rows.start)
            self._finish(waiting)

    @staticmethod
    def _finish(waiting: list[Future[None]]) -> None:
        for part in waiting:
            part.result()

    def _rows(self, block: NDArray[Any], rows: slice) -> None:
        self.hashes[rows] = hashes = row_hashes(block)
        zero = hashes == 0
        zero[zero] = ~block[zero].any(axis=1)
        self.zero_rows += places(zero, rows.start)

    def digests(self, rows: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Return the digests (n, 2) of rows, ascending, read again."""
        return row_digests(lambda part: plain(self.rows[part]), rows, self.rows.row_bytes)
