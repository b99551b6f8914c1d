"""Reading a CSV file block by block, every cell as trimmed text or missing."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data.sources import is_gzip, open_source, reading, reason
from capacity.errors import InputError, did_you_mean

MISSING = ("", "?", "NA", "N/A", "NaN", "nan", "NULL", "null")
"""Cells with one of these texts are missing values."""

MAX_COLUMNS = 1 << 15
"""A column is work of its own in every block; tables that are wider are arrays, which other formats hold better."""

_BLOCK_BYTES = 4 << 20


@dataclass(frozen=True)
class Block:
    """Some rows of the file: `rows` (n,) are their numbers, from 1 without the header; a column is n texts or nulls."""

    rows: NDArray[np.int64]
    columns: list[Any]

    def first_missing(self) -> tuple[int, int] | None:
        """Return (row number, column index) of a missing value, if there is one."""
        for index, column in enumerate(self.columns):
            if column.null_count:
                return int(self.rows[np.argmax(nulls(column))]), index
        return None


class CsvText:
    """A CSV file, gzipped or not, comma-separated, in UTF-8.

    Parameters
    ----------
    path : Path
    header : bool
        Whether the first line holds the column names; without it they are f0, f1, ...
    """

    def __init__(self, path: Path, *, header: bool) -> None:
        self.path, self._header = path, header
        with _parsing(self.path):
            self._check_width()
            self._columns: list[str] = self._reader([]).schema.names
        self.names = [column.strip() for column in self._columns]
        if header:
            self._check_names()
        if len(self.names) < 2:
            raise InputError(f"{path} has one column: expected comma-separated features and labels")

    def find(self, column: str | int) -> int:
        """Return the index of a column given by name or position; negative positions count from the end."""
        if isinstance(column, str) and column in self.names:
            return self.names.index(column)
        try:
            position = int(column)
        except ValueError:
            raise InputError(f"{self.path} has no column '{column}'{did_you_mean(str(column), self.names)}") from None
        count = len(self.names)
        if not -count <= position < count:
            raise InputError(f"{self.path} has no column {position}: expected {-count}..{count - 1}")
        return position % count

    def blocks(self, *, complete_rows: bool = False) -> Iterator[Block]:
        """Yield the file's rows in order; with `complete_rows`, only those without a missing value."""
        first = 1
        with _parsing(self.path):
            for batch in self._reader(self._columns):
                rows = np.arange(first, first + batch.num_rows)
                first += batch.num_rows
                columns = [_cleaned(column) for column in batch.columns]
                if complete_rows:
                    whole = ~np.logical_or.reduce([nulls(column) for column in columns])
                    rows, columns = rows[whole], [column.filter(whole) for column in columns]
                if len(rows):
                    yield Block(rows, columns)

    def _reader(self, text_columns: list[str]) -> Any:
        """Open a stream of record batches, with the named columns as text (the types of the others are guessed)."""
        import pyarrow as pa
        from pyarrow import csv

        stream = pa.OSFile(str(self.path))
        return csv.open_csv(
            pa.CompressedInputStream(stream, "gzip") if is_gzip(self.path) else stream,
            csv.ReadOptions(autogenerate_column_names=not self._header, block_size=_BLOCK_BYTES),
            csv.ParseOptions(newlines_in_values=True),
            csv.ConvertOptions(column_types=dict.fromkeys(text_columns, pa.string()), strings_can_be_null=False),
        )

    def _check_width(self) -> None:
        """Count the columns before pyarrow does: it takes much memory for each, and aborts without it."""
        with open_source(self.path) as file:
            columns = 1 + re.split(rb"[\r\n]", file.read(_BLOCK_BYTES), maxsplit=1)[0].count(b",")
        if columns > MAX_COLUMNS:
            raise InputError(f"{self.path} has {columns} columns: expected at most {MAX_COLUMNS}; use an .npz archive")

    def _check_names(self) -> None:
        advice = "if the first line is not a header, say so (--no-header, header=False)"
        if all(_is_number(name) for name in self.names):
            raise InputError(f"{self.path} has only numbers for column names: {advice}")
        doubled = [name for name, count in Counter(self.names).items() if count > 1]
        if doubled:
            raise InputError(f"{self.path} has more than one column '{doubled[0]}': rename them, or {advice}")


@contextlib.contextmanager
def _parsing(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        with reading(path):
            yield
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a comma-separated table in UTF-8: {reason(error)}") from error


def nulls(column: Any) -> NDArray[np.bool_]:
    """Return where a column (n,) has no value."""
    missing: NDArray[np.bool_] = column.is_null().to_numpy(zero_copy_only=False)
    return missing


def _cleaned(column: Any) -> Any:
    import pyarrow as pa
    from pyarrow import compute

    text = compute.utf8_trim_whitespace(column)
    return compute.if_else(compute.is_in(text, value_set=pa.array(MISSING)), None, text)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
