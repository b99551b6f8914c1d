"""The files of a report: figures in two formats, tables as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = ("png", "svg")


def figure_files(figures: Mapping[str, Figure]) -> list[tuple[str, bytes]]:
    """Return the names and contents of the files of named figures."""
    from capacity import plots

    return [(f"{name}.{kind}", plots.render(figure, kind)) for name, figure in figures.items() for kind in KINDS]


def csv_bytes(columns: type, table: Sequence[Mapping[str, Any]]) -> bytes:
    """Return rows as CSV; what has no value is an empty field, the infinite error of a diverged run is `inf`."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns.__annotations__), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _known(value) for name, value in row.items()} for row in table)
    return text.getvalue().encode()


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def write_figures(folder: Path, files: Sequence[tuple[str, bytes]]) -> None:
    """Write files into a folder, made if need be; a disk that refuses is one StudyError sentence."""
    from capacity.files import disk_refusals, replace_files

    with disk_refusals(f"write the figures to '{folder}'", "see to that or choose another folder (out)"):
        folder.mkdir(parents=True, exist_ok=True)
        replace_files(folder, files)
