"""One pass over the features of a split: read once, in blocks, looked at from all sides side by side."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data.duplicates import row_digests
from capacity.data.equal_rows import row_hashes
from capacity.data.feature_survey import FeatureSurvey, Places, places, plain
from capacity.data.layout import SplitHash, row_blocks, storage_dtype, to_storage
from capacity.errors import InputError

_THREADS = 3  # the digest, the rows and the columns of a block, while the next is read
_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scaleoffset", 32000: "lzf"}
_LARGEST_RATIO = 1100  # deflate cannot compress further than to 1/1032
_SMALL = 1 << 20


@dataclass(frozen=True)
class Storage:
    """How an array lies in the file.

    Attributes
    ----------
    dtype : str
        As stored, with its byte order where that is not this machine's.
    used_as : str
        What it is converted to when it is used; the same where nothing has to be converted.
    layout : {"contiguous", "chunked", "compact"}
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


def storage_of(stored: Any, used_as: np.dtype[Any]) -> Storage:
    """Describe an array of an HDF5 file."""
    import h5py

    made = stored.id.get_create_plist()
    filters = [made.get_filter(index) for index in range(made.get_nfilters())]
    layouts = {h5py.h5d.CONTIGUOUS: "contiguous", h5py.h5d.CHUNKED: "chunked", h5py.h5d.COMPACT: "compact"}
    native = stored.dtype.newbyteorder("=")
    order = "" if stored.dtype == native else "big-endian "
    return Storage(
        dtype=f"{order}{native.name}",
        used_as=used_as.name,
        layout=layouts[made.get_layout()],
        chunks=stored.chunks,
        filters=tuple(_FILTERS.get(code) or name.decode() for code, _, _, name in filters),
        stored_bytes=int(stored.id.get_storage_size()),
    )


def check_size(stored: Any, path: Path, what: str) -> None:
    """Refuse an array that announces more values than a file of this size can hold, before they are made room for."""
    announced, size = int(stored.size) * stored.dtype.itemsize, path.stat().st_size
    if announced > _LARGEST_RATIO * size + _SMALL:
        raise InputError(
            f"{what} have the shape {stored.shape}, which is {announced:,} bytes in a file of {size:,}: "
            "the file does not hold them, make it anew"
        )


class Rows:
    """The features of one split, read in blocks and in the type they are used in. The one place that reads them."""

    def __init__(self, stored: Any, what: str) -> None:
        self.dtype = storage_dtype(stored.dtype, what)
        self.shape: tuple[int, int] = stored.shape
        self.storage = storage_of(stored, self.dtype)
        self.row_bytes = self.shape[1] * max(stored.dtype.itemsize, self.dtype.itemsize)
        self._stored, self._what = stored, what

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        try:
            values = self._stored[rows]
        except (OSError, RuntimeError) as error:  # h5py raises both
            reason = " ".join(str(error).split())
            raise InputError(
                f"{self._what} cannot be read in rows {rows.start} to {rows.stop - 1}, the file is damaged: fetch or "
                f"make it again ({reason})"
            ) from error
        return to_storage(values, self.dtype)


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
    """

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.read = 0
        self.hashes = np.empty(rows.shape[0], np.uint64)
        self.columns = FeatureSurvey(rows.shape[1])
        self.zero_rows = Places()
        self.content = SplitHash()

    def run(self, labels: NDArray[np.int32] | None, progress: Callable[[int], None] | None) -> None:
        """Go through all rows; `labels` (N,) become part of the digest, which is left out when there are none.

        Raises
        ------
        InputError
            The file is damaged; what was found in the rows before stays.
        """
        waiting: list[Future[None]] = []
        with ThreadPoolExecutor(_THREADS) as pool:
            for rows in row_blocks(self.rows.shape[0], self.rows.row_bytes):
                block = self.rows[rows]
                self._finish(waiting)
                same = plain(block)
                waiting = [
                    pool.submit(self._rows, same, rows),
                    pool.submit(self.columns.update, same, rows.start),
                ]
                if labels is not None:
                    waiting.append(pool.submit(self.content.update, block, labels[rows]))
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
