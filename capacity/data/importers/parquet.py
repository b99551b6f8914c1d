"""Parquet files: a table whose columns say themselves what they hold."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from capacity.data.dataset import Dataset
from capacity.data.importers.columns import MAX_TEXT
from capacity.data.importers.csv_text import cleaned
from capacity.data.importers.table import MAX_COLUMNS, Block, Progress, TableRules, find_column, write_table
from capacity.data.sources import reading
from capacity.errors import InputError

_BLOCK_BYTES = 32 << 20  # of eight bytes a number; a column costs time in every block
_MOST_ROWS = 1 << 14
_TEXTS = ("string", "large_string", "string_view")
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")


def import_parquet(
    source: str | Path,
    out: str | Path,
    *,
    label: str | int,
    missing: str = "mean",
    standardise: bool = False,
    test_fraction: float = 0.0,
    seed: int = 0,
    name: str | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Import a Parquet table as a data set file of float32 features, by the rules of `import_csv`.

    Types are those of the file: whole numbers, fractions, decimals and truth values (0, 1) are numeric; texts are
    categorical and one-hot, also where they read as numbers; dictionaries are what their values are; fixed-size lists
    of numbers are as many numeric columns (`x[0]`, `x[1]`, ...). Nulls, NaN and the texts that `import_csv` takes for
    missing are missing values. The index that pandas adds to a table without names for its rows is left out.

    Parameters
    ----------
    source : str or Path
        The table, of at most 20,000 columns. It is read a few row groups' pages at a time.
    out : str or Path
        The HDF5 file to make.
    label : str or int
        The label column by name, or by position from 0; negative positions count from the end.
    missing, standardise, test_fraction, seed, name, progress
        As in `import_csv`.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        The file is missing, damaged or not Parquet, a column is of another type (named), or as in `import_csv`.
    """
    rules = TableRules(missing, standardise, test_fraction, seed)
    table = ParquetTable(Path(source))
    target = find_column(table, label)
    return write_table(
        table, out, rules, target=target, provenance={"importer": "parquet"}, name=name, progress=progress
    )


class ParquetTable:
    """A table: a Parquet file.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path, self.sources = path, [path]
        with _parsing(path), self._open([]) as file:
            fields = [field for field in file.schema_arrow if not _PANDAS_INDEX.fullmatch(field.name)]
        self._stored = [field.name for field in fields]
        widths = [_width(field, path) for field in fields]
        self._texts = [field.name for field in fields if _is_text(field.type)]
        if sum(max(1, width) for width in widths) > MAX_COLUMNS:
            raise InputError(f"{path} has more than {MAX_COLUMNS} columns: use an array for so many (import npz)")
        self.names = [
            name
            for field, width in zip(fields, widths, strict=True)
            for name in ([f"{field.name}[{place}]" for place in range(width)] if width else [field.name])
        ]
        self._check_names()

    def blocks(self) -> Iterator[Block]:
        """Yield the file's rows in order."""
        first, most = 1, max(1, min(_MOST_ROWS, _BLOCK_BYTES // (8 * len(self.names))))
        with _parsing(self.path), self._open(self._texts) as file:
            for batch in file.iter_batches(batch_size=most, columns=self._stored):
                if batch.num_rows == 0:
                    continue
                batch.validate(full=True)  # texts come as they are stored: they may not be UTF-8
                pairs = zip(self._stored, batch.columns, strict=True)
                columns = [part for name, column in pairs for part in _parts(name, column)]
                yield Block(np.arange(first, first + batch.num_rows), columns)
                first += batch.num_rows

    def first_text(self, column: Any) -> int | None:
        """Return the position of the first value of a column of texts, if there is one."""
        if not _is_text(column.type) or column.null_count == len(column):
            return None
        return int(np.argmax(column.is_valid().to_numpy(zero_copy_only=False)))

    def _open(self, dictionaries: list[str]) -> Any:
        """Open the file, read through a small buffer; texts come as dictionaries, which hold each only once."""
        from pyarrow import parquet

        return parquet.ParquetFile(self.path, read_dictionary=dictionaries, buffer_size=1 << 20)

    def _check_names(self) -> None:
        doubled = [name for name, count in Counter(self.names).items() if count > 1]
        if doubled:
            raise InputError(f"{self.path} has more than one column '{doubled[0]}': rename them")
        if any("\0" in name for name in self.names):
            raise InputError(f"{self.path} has a NUL byte in a column's name: rename it")
        if len(self.names) < 2:
            raise InputError(f"{self.path} has one column or none: expected features and labels")


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return str(kind.value_type if types.is_dictionary(kind) else kind) in _TEXTS


def _is_number(kind: Any) -> bool:
    from pyarrow import types

    tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal, types.is_null)
    return any(test(kind) for test in tests)


def _width(field: Any, path: Path) -> int:
    """Return how many numbers a value of a fixed-size list is, 0 for plain columns; refuse all other types."""
    from pyarrow import types

    kind = field.type
    value = kind.value_type if types.is_dictionary(kind) else kind
    if _is_text(kind) or _is_number(value):
        return 0
    if types.is_fixed_size_list(kind) and _is_number(kind.value_type) and kind.list_size > 0:
        return int(kind.list_size)
    raise InputError(
        f"{path}: column '{field.name}' is of the type {str(kind)[:60]}: expected numbers, truth values, texts or "
        "lists of numbers of a fixed size; convert it or remove it"
    )


def _parts(name: str, column: Any) -> list[Any]:
    """Return the numeric or text columns (n,) that a stored column is."""
    import pyarrow as pa
    from pyarrow import compute, types

    if types.is_fixed_size_list(column.type):
        return [_number(compute.list_element(column, place)) for place in range(column.type.list_size)]
    if not _is_text(column.type):
        return [_number(column.dictionary_decode() if types.is_dictionary(column.type) else column)]
    coded = column if types.is_dictionary(column.type) else column.dictionary_encode()
    texts = coded.dictionary.cast(pa.string())
    longest = compute.max(compute.utf8_length(texts)).as_py() or 0
    if longest > MAX_TEXT:  # seen before a dictionary's few texts become as many as there are rows
        raise InputError(
            f"column '{name}' holds a text of {longest} characters: expected categories of at most {MAX_TEXT}; remove "
            "the column from the file"
        )
    return [cleaned(texts).take(coded.indices)]


def _number(column: Any) -> Any:
    """Return a column of numbers (n,), null where there is none."""
    import pyarrow as pa
    from pyarrow import compute

    return compute.if_else(compute.is_nan(column), None, column) if pa.types.is_floating(column.type) else column


@contextlib.contextmanager
def _parsing(path: Path) -> Iterator[None]:
    import pyarrow as pa

    with reading(path):
        try:
            yield
        except (pa.ArrowException, UnicodeDecodeError, OverflowError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            reason = " ".join(str(error).split())[:300]
            raise InputError(f"{path} is not a Parquet table, or it is damaged: {reason}") from error
