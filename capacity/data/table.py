"""CSV import: three passes over the file, in bounded memory.

The first pass finds out which columns are numeric and how many rows count, the second learns categories, means and
standard deviations, the third encodes and writes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capacity.data.columns import Categorical, Column, Labels, Numeric, is_numeric
from capacity.data.csv_text import CsvText
from capacity.data.dataset import Dataset
from capacity.data.opening import open_dataset
from capacity.data.sources import describe
from capacity.data.splitting import draw_test_rows
from capacity.data.writing import DatasetWriter
from capacity.errors import InputError, did_you_mean

MISSING_RULES = ("mean", "drop", "error")


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
) -> Dataset:
    """Import a comma-separated table, gzipped or not, as a data set file of float32 features.

    A column is numeric when every value in it is a number, else categorical and one-hot. Labels are texts or whole
    numbers; the classes are their sorted values. Empty cells and ?, NA, N/A, NaN, nan, NULL, null are missing.

    Parameters
    ----------
    source : str or Path
        The table, in UTF-8.
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

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        The file is missing, damaged or no such table, a value is infinite (row and column named), or an option does
        not fit; nothing is left behind.
    """
    if missing not in MISSING_RULES:
        raise InputError(f"missing is '{missing}': expected one of the rules{did_you_mean(missing, MISSING_RULES)}")
    table = CsvText(Path(source), header=header)
    target = table.find(label)
    drop = missing == "drop"
    kept, texts = _survey(table, drop=drop, refuse=missing == "error")
    testing = draw_test_rows(kept, test_fraction, seed, table.path)

    columns: list[Column] = [
        Categorical(column, texts[index]) if index in texts else Numeric(column, standardise=standardise)
        for index, column in enumerate(table.names)
        if index != target
    ]
    labels = Labels(table.names[target], numeric=target not in texts)
    _learn(table, columns, labels, target, testing, drop=drop)

    options = {"label": labels.name, "header": header, "missing": missing, "standardise": standardise}
    split = {"test_fraction": test_fraction, "seed": seed} if test_fraction else {}
    provenance = {
        "importer": "csv",
        "sources": [describe(table.path)],
        "options": options | split,
        "columns": [column.record() for column in columns],
    }
    feature_names = [output for column in columns for output in column.outputs]
    if not feature_names:
        raise InputError(f"{source} gives no features: expected a column with values beside the label")
    with DatasetWriter(
        out,
        inputs=len(feature_names),
        dtype=np.float32,
        classes=len(labels.names),
        samples=kept - int(testing.sum()),
        test_samples=int(testing.sum()),
        name=name,
        class_names=labels.names,
        feature_names=feature_names,
        provenance=provenance,
    ) as writer:
        _write(table, columns, labels, target, testing, writer, drop=drop)
    return open_dataset(out)


def _survey(table: CsvText, *, drop: bool, refuse: bool) -> tuple[int, dict[int, tuple[str, int]]]:
    """Count the rows that will be kept, and find the columns of texts: index -> (the first text, its data row)."""
    kept, texts = 0, dict[int, tuple[str, int]]()
    for block in table.blocks(complete_rows=drop):
        kept += len(block.rows)
        gap = block.first_missing() if refuse else None
        if gap:
            raise InputError(
                f"{table.path} has no value in data row {gap[0]}, column '{table.names[gap[1]]}': fill it, or choose "
                "another rule for missing values ('mean' or 'drop')"
            )
        for index, column in enumerate(block.columns):
            if index not in texts and not is_numeric(column):
                row = next(row for row in range(len(column)) if not is_numeric(column[row : row + 1]))
                texts[index] = (column[row].as_py(), int(block.rows[row]))
    if kept == 0:
        raise InputError(f"{table.path} has no{' complete' if drop else ''} data rows: expected at least one")
    return kept, texts


def _learn(
    table: CsvText, columns: list[Column], labels: Labels, target: int, testing: NDArray[np.bool_], *, drop: bool
) -> None:
    done = 0
    for block in table.blocks(complete_rows=drop):
        training = ~testing[done : done + len(block.rows)]
        done += len(block.rows)
        labels.learn(block.columns.pop(target), block.rows)
        for column, values in zip(columns, block.columns, strict=True):
            column.learn(values, block.rows, training)
    for column in columns:
        column.finish()


def _write(
    table: CsvText,
    columns: list[Column],
    labels: Labels,
    target: int,
    testing: NDArray[np.bool_],
    writer: DatasetWriter,
    *,
    drop: bool,
) -> None:
    done = 0
    for block in table.blocks(complete_rows=drop):
        tested = testing[done : done + len(block.rows)]
        done += len(block.rows)
        classes = labels.encode(block.columns.pop(target))
        encoded = [column.encode(values) for column, values in zip(columns, block.columns, strict=True)]
        features = np.concatenate(encoded, axis=1)
        writer.append(features[~tested], classes[~tested])
        if tested.any():
            writer.append(features[tested], classes[tested], split="test")
