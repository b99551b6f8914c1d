"""Tables become data sets: three passes over the rows, whatever file they come from, in bounded memory.

The first pass finds out which columns are numeric and how many rows count, the second learns categories, means and
standard deviations, the third encodes and writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from capacity.data.dataset import Dataset
from capacity.data.importers.columns import Categorical, Column, Labels, Numeric
from capacity.data.importers.splitting import check_draw, draw_test_rows
from capacity.data.layout import row_blocks
from capacity.data.opening import open_dataset
from capacity.data.sources import describe
from capacity.data.writing import DatasetWriter
from capacity.errors import InputError, did_you_mean

MISSING_RULES = ("mean", "drop", "error")
MAX_COLUMNS = 20_000
"""More columns than this are refused: each costs some 20 KB while a file is read, and time in every block."""

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Block:
    """Some rows of a table.

    Attributes
    ----------
    rows : ndarray (n,)
        Their numbers in the file, from 1, without the header.
    columns : list
        A column is an Arrow array of n numbers or texts; nulls are missing values.
    test : ndarray (n,) of bool, optional
        Which rows the source itself calls its test split; None where it has none.
    """

    rows: NDArray[np.int64]
    columns: list[Any]
    test: NDArray[np.bool_] | None = None

    def first_missing(self) -> tuple[int, int] | None:
        """Return (row number, column index) of a missing value, if there is one."""
        for index, column in enumerate(self.columns):
            if column.null_count:
                return int(self.rows[np.argmax(nulls(column))]), index
        return None

    def complete(self) -> Block:
        """Return the rows without a missing value."""
        whole = ~np.logical_or.reduce([nulls(column) for column in self.columns])
        test = None if self.test is None else self.test[whole]
        return Block(self.rows[whole], [column.filter(whole) for column in self.columns], test)


class Table(Protocol):
    """A source of rows, which can be read again and again.

    Attributes
    ----------
    path : Path
        What messages call it.
    sources : list of Path
        The files it is read from, for the provenance.
    names : list of str
        The columns' names.
    """

    path: Path
    sources: list[Path]
    names: list[str]

    def blocks(self) -> Iterator[Block]:
        """Yield the rows in order; no block is empty."""
        ...

    def first_text(self, column: Any) -> int | None:
        """Return the position of a column's first value that is a text, not a number, if there is one."""
        ...


@dataclass(frozen=True)
class TableRules:
    """What is done with a table's values and rows; the meaning of each is `import_csv`'s.

    `test_fraction` None asks for the source's own test rows.
    """

    missing: str
    standardise: bool
    test_fraction: float | None
    seed: int

    def __post_init__(self) -> None:
        if self.missing not in MISSING_RULES:
            hint = did_you_mean(self.missing, MISSING_RULES)
            raise InputError(f"missing is '{self.missing}': expected one of the rules{hint}")
        check_draw(self.test_fraction or 0, self.seed)

    def record(self) -> dict[str, Any]:
        drawn = {"test_fraction": self.test_fraction, "seed": self.seed} if self.test_fraction else {}
        return {"missing": self.missing, "standardise": self.standardise} | drawn


def find_column(table: Table, column: str | int) -> int:
    """Return the index of a column given by name or position; negative positions count from the end."""
    if isinstance(column, str) and column in table.names:
        return table.names.index(column)
    try:
        position = int(column)
    except ValueError:
        raise InputError(f"{table.path} has no column '{column}'{did_you_mean(str(column), table.names)}") from None
    count = len(table.names)
    if not -count <= position < count:
        raise InputError(f"{table.path} has no column {position}: expected {-count}..{count - 1}")
    return position % count


def write_table(
    table: Table,
    out: str | Path,
    rules: TableRules,
    *,
    target: int,
    provenance: Mapping[str, Any],
    known: Mapping[Any, str] | None = None,
    name: str | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Write a table as a data set file of float32 features.

    Parameters
    ----------
    table : Table
    out : str or Path
        The HDF5 file to make.
    rules : TableRules
    target : int
        Index of the label column.
    provenance : mapping
        The importer's name and its own options; sources, rules and columns are added.
    known : mapping, optional
        The classes, by label: their names. Default: the labels that are found.
    name : str, optional
        Default: the stem of `out`.
    progress : callable, optional
        Called with the number of rows read, block after block, three times for each row.
    """
    survey = _survey(table, rules, progress)
    testing = (
        survey.given
        if rules.test_fraction is None
        else draw_test_rows(survey.kept, rules.test_fraction, rules.seed, table.path)
    )
    columns: list[Column] = [
        Categorical(column, survey.texts[index])
        if index in survey.texts
        else Numeric(column, standardise=rules.standardise)
        for index, column in enumerate(table.names)
        if index != target
    ]
    labels = Labels(table.names[target], numeric=target not in survey.texts, known=known)
    for block, tested in _marked(table, rules, testing, progress):
        labels.learn(block.columns.pop(target), block.rows)
        for column, values in zip(columns, block.columns, strict=True):
            column.learn(values, block.rows, ~tested)
    for column in columns:
        column.finish()

    feature_names = [output for column in columns for output in column.outputs]
    if not feature_names:
        raise InputError(f"{table.path} gives no features: expected a column with values beside the label")
    with DatasetWriter(
        out,
        inputs=len(feature_names),
        dtype=np.float32,
        classes=len(labels.names),
        samples=survey.kept - int(testing.sum()),
        test_samples=int(testing.sum()),
        name=name,
        class_names=labels.names,
        feature_names=feature_names,
        provenance={
            **provenance,
            "sources": [describe(source) for source in table.sources],
            "options": {"label": labels.name, **provenance.get("options", {}), **rules.record()},
            "columns": [column.record() for column in columns],
        },
    ) as writer:
        for block, tested in _marked(table, rules, testing, progress):
            _encode(block, tested, columns, labels, target, writer)
    return open_dataset(out)


@dataclass(frozen=True)
class _Survey:
    """What the first pass finds out.

    kept : the rows that count; texts : column index -> (its first text, the number of its row);
    given (kept,) : the source's own test rows.
    """

    kept: int
    texts: dict[int, tuple[str, int]]
    given: NDArray[np.bool_]


def _survey(table: Table, rules: TableRules, progress: Progress | None) -> _Survey:
    texts, given = dict[int, tuple[str, int]](), list[NDArray[np.bool_]]()
    for block in _blocks(table, rules, progress):
        given.append(np.zeros(len(block.rows), dtype=np.bool_) if block.test is None else block.test)
        gap = block.first_missing() if rules.missing == "error" else None
        if gap:
            raise InputError(
                f"{table.path} has no value in data row {gap[0]}, column '{table.names[gap[1]]}': fill it, or choose "
                "another rule for missing values ('mean' or 'drop')"
            )
        for index, column in enumerate(block.columns):
            row = None if index in texts else table.first_text(column)
            if row is not None:
                texts[index] = (column[row].as_py(), int(block.rows[row]))
    if not given:
        complete = " complete" if rules.missing == "drop" else ""
        raise InputError(f"{table.path} has no{complete} data rows: expected at least one")
    marks = np.concatenate(given)
    return _Survey(len(marks), texts, marks)


def _blocks(table: Table, rules: TableRules, progress: Progress | None) -> Iterator[Block]:
    """Yield the rows that count."""
    for block in table.blocks():
        kept = block.complete() if rules.missing == "drop" else block
        if len(kept.rows):
            yield kept
        if progress:
            progress(len(block.rows))


def _marked(
    table: Table, rules: TableRules, testing: NDArray[np.bool_], progress: Progress | None
) -> Iterator[tuple[Block, NDArray[np.bool_]]]:
    """Yield the rows that count, with what `testing` (N,) says of them."""
    done = 0
    for block in _blocks(table, rules, progress):
        yield block, testing[done : done + len(block.rows)]
        done += len(block.rows)


def _encode(
    block: Block,
    tested: NDArray[np.bool_],
    columns: list[Column],
    labels: Labels,
    target: int,
    writer: DatasetWriter,
) -> None:
    """Append a block's rows, a part at a time: one-hot rows may be a thousand times as long as those of the file."""
    classes = labels.encode(block.columns.pop(target))
    outputs = sum(len(column.outputs) for column in columns)
    for part in row_blocks(len(classes), 8 * outputs):
        encoded = [column.encode(values[part]) for column, values in zip(columns, block.columns, strict=True)]
        features, test, answers = np.concatenate(encoded, axis=1), tested[part], classes[part]
        writer.append(features[~test], answers[~test])
        if test.any():
            writer.append(features[test], answers[test], split="test")


def nulls(column: Any) -> NDArray[np.bool_]:
    """Return where a column (n,) has no value."""
    missing: NDArray[np.bool_] = column.is_null().to_numpy(zero_copy_only=False)
    return missing
