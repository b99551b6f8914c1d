"""Rows whose number or narrowest type is known only at their end, kept in a file without a name until then."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data.layout import row_blocks
from capacity.errors import InputError


class RowSpool:
    """Keeps rows of whole numbers >= 0 on disk, beside `out`. A context manager; whatever happens, no file stays.

    Parameters
    ----------
    out : Path
        The file that the rows will go to.
    inputs : int
        D.
    dtype : dtype
        Type that holds all rows.

    Attributes
    ----------
    largest : int
        The largest number so far.
    """

    def __init__(self, out: Path, *, inputs: int, dtype: np.dtype[Any]) -> None:
        self._out, self._inputs, self._dtype = out, inputs, dtype
        self.largest = 0

    def __enter__(self) -> RowSpool:
        with self._writing():
            self._file = tempfile.TemporaryFile(dir=self._out.parent)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._writing():
            self._file.close()

    def append(self, row: NDArray[Any]) -> None:
        """Add a row (D,)."""
        self.largest = max(self.largest, int(row.max()))
        with self._writing():
            self._file.write(np.ascontiguousarray(row, dtype=self._dtype).data)

    def blocks(self, start: int, rows: int, dtype: np.dtype[Any]) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Yield (rows counted from `start`, values (n, D) as `dtype`) of the rows start..start+rows-1, in order."""
        row_bytes = self._inputs * self._dtype.itemsize
        for block in row_blocks(rows, row_bytes):
            count = block.stop - block.start
            with self._writing():
                self._file.seek((start + block.start) * row_bytes)
                data = self._file.read(count * row_bytes)
            yield block, np.frombuffer(data, self._dtype).reshape(count, self._inputs).astype(dtype)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(f"cannot write {self._out}: {error.strerror or error}") from error
