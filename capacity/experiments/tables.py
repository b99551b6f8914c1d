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
from capacity.experiments.trials import TRIALS
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
        return _csv(study)
    path = Path(target)
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise InputError(f"the file to export to must end in .csv or .parquet, or be '-', got '{target}'.")
    content = _csv(study).encode() if suffix == ".csv" else _parquet(study)
    with disk_refusals(f"write '{path}'", "choose another place"):
        if not path.parent.is_dir():
            raise InputError(f"the folder '{path.parent}' to export to is not there; make it first.")
        replace_files(path.parent, [(path.name, content)])
    return None


def columns(study: Study) -> dict[str, str]:
    """Return the names of the columns in order, each with its SQL type: TEXT, INTEGER or REAL."""
    trial = TRIALS[study.config.kind]
    kinds = {"key": "TEXT", **store.asked(trial), "parameters": "INTEGER", **store.changing(trial)}
    return {name: kind.split()[0] for name, kind in kinds.items() if name != "provenance"}


def _csv(study: Study) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns(study)), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _known(value) for name, value in row.items()} for row in study.rows())
    return text.getvalue()


def _parquet(study: Study) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"TEXT": pa.string(), "INTEGER": pa.int64(), "REAL": pa.float64()}
    schema = pa.schema([(name, types[kind]) for name, kind in columns(study).items()])
    rows = [{name: _known(value) for name, value in row.items()} for row in study.rows()]
    table = pa.Table.from_pylist(rows, schema)
    content = io.BytesIO()
    pq.write_table(table, content)
    return content.getvalue()


def _known(value: Any) -> Any:
    """Return None in the place of NaN."""
    return None if isinstance(value, float) and math.isnan(value) else value
