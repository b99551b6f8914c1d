"""CSV files: read block by block, every cell as trimmed text or missing, and imported."""

from __future__ import annotations

import bisect
import contextlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from capacity.data.dataset import Dataset
from capacity.data.importers.columns import is_numeric
from capacity.data.importers.table import MAX_COLUMNS, Block, Progress, TableRules, find_column, write_table
from capacity.data.importers.utf8 import text_head
from capacity.data.sources import is_gzip, reading, reason
from capacity.errors import InputError

MISSING = ("", "?", "NA", "N/A", "NaN", "nan", "NULL", "null")
"""Cells with one of these texts are missing values."""

_BLOCK_BYTES = 4 << 20
_LONGEST_ROW = 4 << 20  # bytes: the parser wants a block of rows to hold one
_LINE_END = re.compile(rb"[\r\n]")


def import_csv(
    source: str | Path,
    out: str | Path,
    *,
    label: str | int = -1,
    header: bool = True,
    missing: str = "mean",
    standardise: bool = False,
    test_fraction: float = 0.0,
    seed: int = 0,
    name: str | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Import a comma-separated table, gzipped or not, as a data set file of float32 features.

    A column is numeric when every value in it is a number, else categorical and one-hot. Labels are texts or whole
    numbers; the classes are their sorted values. Empty cells and ?, NA, N/A, NaN, nan, NULL, null are missing.

    Parameters
    ----------
    source : str or Path
        The table, in UTF-8 (with or without a byte order mark), of at most 20,000 columns and 4 MiB a row.
    out : str or Path
        The HDF5 file to make.
    label : str or int
        The label column by name, or by position from 0; negative positions count from the end.
    header : bool
        Whether the first line holds the column names.
    missing : {"mean", "drop", "error"}
        "mean": a missing number becomes the column's mean, a missing category is zero in all its outputs; a missing
        label is an error. "drop": rows with a missing value are left out. "error": they are refused.
    standardise : bool
        Bring numeric columns to mean 0 and standard deviation 1; the constants are kept in the provenance.
    test_fraction : float
        Part of the rows, drawn at random, that becomes the test split; means and deviations are of the others only.
    seed : int
        Seed of that draw.
    name : str, optional
        Default: the stem of `out`.
    progress : callable, optional
        Called with the number of rows read, block after block, three times for each row.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        The file is missing, damaged or no such table, a value is infinite (row and column named), or an option does
        not fit; nothing is left behind.
    """
    rules = TableRules(missing, standardise, test_fraction, seed)
    table = CsvText(Path(source), header=header)
    provenance = {"importer": "csv", "options": {"header": header}}
    target = find_column(table, label)
    return write_table(table, out, rules, target=target, provenance=provenance, name=name, progress=progress)


class CsvText:
    """A table: a CSV file, gzipped or not, comma-separated, in UTF-8.

    Parameters
    ----------
    path : Path
    header : bool
        Whether the first line holds the column names; without it they are `names`, or f0, f1, ...
    names : sequence of str
        Names for a file without a header, which must have as many columns.
    skip : int
        Lines to leave out at the beginning.
    """

    def __init__(self, path: Path, *, header: bool, names: Sequence[str] = (), skip: int = 0) -> None:
        self.path, self.sources, self._header, self._skip = path, [path], header, skip
        _check_first_row(path)
        if names:
            self._columns = list(names)
        else:
            with _parsing(path):
                self._columns = self._reader([]).schema.names
        self.names = [column.strip() for column in self._columns]
        if header:
            self._check_names()
        if len(self.names) < 2:
            raise InputError(f"{path} has one column: expected comma-separated features and labels")

    def blocks(self) -> Iterator[Block]:
        """Yield the file's rows in order."""
        first = 1
        with _parsing(self.path):
            for batch in self._reader(self._columns):
                if batch.num_rows:
                    rows = np.arange(first, first + batch.num_rows)
                    yield Block(rows, [cleaned(column) for column in batch.columns])
                first += batch.num_rows

    def first_text(self, column: Any) -> int | None:
        """Return the position of a column's first value that does not read as a number, if there is one."""
        if is_numeric(column):
            return None
        return bisect.bisect(range(len(column)), False, key=lambda last: not is_numeric(column[: last + 1]))

    def _reader(self, text_columns: list[str]) -> Any:
        """Open a stream of record batches, with the named columns as text (the types of the others are guessed)."""
        import pyarrow as pa
        from pyarrow import csv

        stream = pa.OSFile(str(self.path))
        given = [] if self._header else text_columns
        return csv.open_csv(
            pa.CompressedInputStream(stream, "gzip") if is_gzip(self.path) else stream,
            csv.ReadOptions(
                column_names=given,
                autogenerate_column_names=not self._header and not given,
                skip_rows=self._skip,
                block_size=_BLOCK_BYTES,
            ),
            csv.ParseOptions(newlines_in_values=True),
            csv.ConvertOptions(column_types=dict.fromkeys(text_columns, pa.string()), strings_can_be_null=False),
        )

    def _check_names(self) -> None:
        advice = "if the first line is not a header, say so (--no-header, header=False)"
        if all(_is_number(name) for name in self.names):
            raise InputError(f"{self.path} has only numbers for column names: {advice}")
        doubled = [name for name, count in Counter(self.names).items() if count > 1]
        if doubled:
            raise InputError(f"{self.path} has more than one column '{doubled[0]}': rename them, or {advice}")
        if any("\0" in name for name in self.names):
            raise InputError(f"{self.path} has a NUL byte in a column's name: is it a text file in UTF-8?")


def _check_first_row(path: Path) -> None:
    """Refuse what the parser would take minutes and gigabytes to refuse: too many columns, a row without an end."""
    head = text_head(path, _LONGEST_ROW)
    columns = 1
    for position, part in enumerate(head.split(b'"')):
        if position % 2:  # within quotes
            continue
        row, *more = _LINE_END.split(part, maxsplit=1)
        columns += row.count(b",")
        if more:
            break
    else:
        if len(head) == _LONGEST_ROW:
            raise InputError(_endless(path))
    if columns > MAX_COLUMNS:
        raise InputError(
            f"{path} has {columns} columns: expected at most {MAX_COLUMNS}; for more features use an array (import npz)"
        )


def _endless(path: Path) -> str:
    return f"{path} has a row longer than {_LONGEST_ROW >> 20} MiB: is it a table, is a quotation mark left open?"


@contextlib.contextmanager
def _parsing(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        with reading(path):
            yield
    except (pa.ArrowException, UnicodeDecodeError) as error:
        said = reason(error)
        if "straddl" in said:
            raise InputError(_endless(path)) from error
        raise InputError(f"{path} is not a comma-separated table in UTF-8: {said}") from error


def cleaned(column: Any) -> Any:
    """Return a column of texts (n,) trimmed, with nulls for those that mean a missing value."""
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
