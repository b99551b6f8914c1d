"""CoverType and Adult in the layouts of the UCI Machine Learning Repository."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from capacity.data.dataset import Dataset
from capacity.data.importers.csv_text import CsvText
from capacity.data.importers.table import Block, Progress, TableRules, find_column, write_table
from capacity.data.importers.utf8 import text_head
from capacity.errors import InputError

COVER_TYPES = (
    "Spruce/Fir",
    "Lodgepole Pine",
    "Ponderosa Pine",
    "Cottonwood/Willow",
    "Aspen",
    "Douglas-fir",
    "Krummholz",
)
_COVTYPE_TRAINING = 15_120
_COVTYPE_COLUMNS = (
    "Elevation",
    "Aspect",
    "Slope",
    "Horizontal_Distance_To_Hydrology",
    "Vertical_Distance_To_Hydrology",
    "Horizontal_Distance_To_Roadways",
    "Hillshade_9am",
    "Hillshade_Noon",
    "Hillshade_3pm",
    "Horizontal_Distance_To_Fire_Points",
    *(f"Wilderness_Area={area}" for area in ("Rawah", "Neota", "Comanche Peak", "Cache la Poudre")),
    *(f"Soil_Type={number}" for number in range(1, 41)),
    "Cover_Type",
)

INCOMES = ("<=50K", ">50K")
_ADULT_COLUMNS = (
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education-num",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital-gain",
    "capital-loss",
    "hours-per-week",
    "native-country",
    "income",
)
_COMMENT = b"|"  # begins the first line of adult.test


def import_covtype(
    source: str | Path,
    out: str | Path,
    *,
    standardise: bool = False,
    test_fraction: float | None = None,
    seed: int = 0,
    name: str | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Import CoverType (Blackard and Dean 1999, doi:10.24432/C50K5N) as a data set file: 54 features, 7 classes.

    The default split is the one that UCI's covtype.info describes: the first 15,120 rows (11,340 for training and 3,780
    for validation, 2,160 of each class) are the training split, the other 565,892 the test split, whose classes are
    as frequent as in the forest. For training on most of the rows, give a `test_fraction`: rows are then drawn from
    all of the file, whose order is not random.

    Parameters
    ----------
    source : str or Path
        covtype.data or covtype.data.gz: no header, 54 numbers and the class 1..7.
    out : str or Path
        The HDF5 file to make.
    standardise : bool
        Bring each column, also those of zeros and ones, to mean 0 and standard deviation 1 over the training rows.
    test_fraction : float, optional
        Part of the rows, drawn at random, that becomes the test split; 0 for none. Default: UCI's split.
    seed : int
        Seed of that draw.
    name, progress
        As in `import_csv`.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        The file is missing, damaged or not CoverType; nothing is left behind.
    """
    rules = TableRules("error", standardise, test_fraction, seed)
    table = _Covtype(Path(source), header=False, names=_COVTYPE_COLUMNS)
    provenance = {
        "importer": "covtype",
        "doi": "10.24432/C50K5N",
        "options": {"split": "UCI" if test_fraction is None else "drawn"},
    }
    known = dict(enumerate(COVER_TYPES, 1))
    return write_table(table, out, rules, target=54, provenance=provenance, known=known, name=name, progress=progress)


class _Covtype(CsvText):
    """CoverType's table, with UCI's split."""

    def blocks(self) -> Iterator[Block]:
        for block in super().blocks():
            yield replace(block, test=block.rows > _COVTYPE_TRAINING)


def import_adult(
    source: str | Path,
    out: str | Path,
    *,
    missing: str = "mean",
    standardise: bool = False,
    test_fraction: float | None = None,
    seed: int = 0,
    name: str | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Import Adult, also called Census Income (Becker and Kohavi 1996, doi:10.24432/C5XW20), as a data set file.

    14 columns become 6 numeric features and a one-hot feature for each category that the rows have; the classes are
    incomes "<=50K" and ">50K".

    Parameters
    ----------
    source : str or Path
        UCI's folder with adult.data and adult.test (gzipped or not), one such file, or the merged table with a header
        and the income in a column of that name or in the last (adult.csv).
    out : str or Path
        The HDF5 file to make.
    missing : {"mean", "drop", "error"}
        As in `import_csv`: "?" is a missing category, which is zero in all its features.
    standardise : bool
        Bring numeric columns to mean 0 and standard deviation 1 over the training rows.
    test_fraction : float, optional
        Part of all rows, drawn at random, that becomes the test split; 0 for none. Default: adult.test, where there is
        one, else none.
    seed : int
        Seed of that draw.
    name, progress
        As in `import_csv`.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        A file is missing, damaged or not Adult; nothing is left behind.
    """
    rules = TableRules(missing, standardise, test_fraction, seed)
    table = _Adult(Path(source))
    provenance = {
        "importer": "adult",
        "doi": "10.24432/C5XW20",
        "options": {"split": "UCI" if test_fraction is None and len(table.sources) == 2 else "drawn"},
    }
    known = {income: income for income in INCOMES}
    return write_table(
        table, out, rules, target=table.target, provenance=provenance, known=known, name=name, progress=progress
    )


class _Adult:
    """A table: the files of Adult one after the other, labels without the dot that ends those of adult.test.

    Rows are numbered over both files.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sources = _adult_files(path)
        self._parts = [_adult_part(source) for source in self.sources]
        self.names = self._parts[0].names
        self.target = find_column(self, _ADULT_COLUMNS[-1] if _ADULT_COLUMNS[-1] in self.names else -1)

    def blocks(self) -> Iterator[Block]:
        from pyarrow import compute

        first = 1
        for number, part in enumerate(self._parts):
            for block in part.blocks():
                columns, rows = block.columns, np.arange(first, first + len(block.rows))
                columns[self.target] = compute.utf8_rtrim(columns[self.target], characters=".")
                yield Block(rows, columns, np.full(len(rows), number == 1))
                first += len(rows)

    def first_text(self, column: Any) -> int | None:
        return self._parts[0].first_text(column)


def _adult_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = [
        next((path / f"{stem}{end}" for end in ("", ".gz") if (path / f"{stem}{end}").is_file()), None)
        for stem in ("adult.data", "adult.test")
    ]
    files = [file for file in found if file is not None]
    if len(files) < len(found):
        raise InputError(
            f"{path} lacks adult.data or adult.test (gzipped or not): expected both, as UCI has them; name a file to "
            "import it alone"
        )
    return files


def _adult_part(path: Path) -> CsvText:
    """Open one of the files: UCI's begin with a number or, where there is a comment, go on with one."""
    head = text_head(path, 1)
    if head == _COMMENT:
        return CsvText(path, header=False, names=_ADULT_COLUMNS, skip=1)
    if head.isdigit():
        return CsvText(path, header=False, names=_ADULT_COLUMNS)
    return CsvText(path, header=True)
