"""A study's table as CSV or Parquet: one row per trial."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

from capacity.errors import InputError
from capacity.experiments import store
from capacity.experiments.study import Study
from capacity.files import disk_refusals, replace_files


def export(study: Study, target: str | Path) -> str | None:
    """Write a study's rows to a `.csv` or `.parquet` file, or, for '-', return them as CSV text.

    The columns are the items of :meth:`Study.rows`. What is not known is an empty field in CSV and null in Parquet.
    The file is whole or not there, and an earlier one of the name is replaced.

    Raises
    ------
    InputError
        When the name ends in something else, or its folder is not there.
    StudyError
        When the disk refuses.
    """
    if str(target) == "-":
        return _csv(study.rows())
    path = Path(target)
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise InputError(f"the file to export to must end in .csv or .parquet, or be '-', got '{target}'.")
    content = _csv(study.rows()).encode() if suffix == ".csv" else _parquet(study.rows())
    with disk_refusals(f"write '{path}'", "choose another place"):
        if not path.parent.is_dir():
            raise InputError(f"the folder '{path.parent}' to export to is not there; make it first.")
        replace_files(path.parent, [(path.name, content)])
    return None


def columns() -> tuple[str, ...]:
    """Return the names of the columns, in order."""
    return ("key", *store.ASKED, "parameters", *(name for name in store.CHANGING if name != "provenance"))


def _csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns(), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _known(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"key": "TEXT", "parameters": "INTEGER", **store.ASKED, **store.CHANGING}
    types = {"TEXT": pa.string(), "INTEGER": pa.int64(), "REAL": pa.float64()}
    schema = pa.schema([(name, types[kinds[name].split()[0]]) for name in columns()])
    table = pa.Table.from_pylist([{name: _known(value) for name, value in row.items()} for row in rows], schema)
    content = io.BytesIO()
    pq.write_table(table, content)
    return content.getvalue()


def _known(value: Any) -> Any:
    """Return None in the place of NaN."""
    return None if isinstance(value, float) and math.isnan(value) else value
