"""What the paths through weight space of the runs of one line say: figures and tables, by groups of layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from capacity.errors import InputError
from capacity.reporting.files import csv_bytes
from capacity.reporting.lines import Line, Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from capacity.analysis import ComparisonRow, ExponentRow, Spread
    from capacity.experiments import Study

QUANTITIES = {
    "direct_distance": ("distance", "Distance from the start to the minimum against width"),
    "path_length": ("path_length", "Length of the path to the minimum against width"),
    "step_size": ("mean_step_size", "Step size on the way to the minimum against width"),
    "angle_start": ("mean_angle", "Misalignment on the way to the minimum against width"),
    "angle_end": ("mean_angle", "Angle of the gradient and the way to the end against width"),
}
"""What is drawn: its name in `capacity.plots`, its column in a trial's file, and a headline."""
CLAIMS = {("step_size", "softmax"): 0.5, ("step_size", "hidden"): 0.21}
"""The exponents of width that a quantity is claimed to go with (Ardalani et al. 2019, section 4.3)."""
POWERS = ("direct_distance", "path_length", "step_size")
"""The quantities that are fitted by a power of width."""


@dataclass
class Paths:
    """Figures and CSV files by name, and the rows of the two tables of fits."""

    figures: dict[str, Figure] = field(default_factory=dict)
    tables: dict[str, bytes] = field(default_factory=dict)
    exponents: list[ExponentRow] = field(default_factory=list)
    distance_laws: list[ComparisonRow] = field(default_factory=list)


def report_paths(study: Study, line: Line, captions: tuple[str, str]) -> Paths:
    """Draw and fit distance, path length, step size and angle of the converged runs of a line.

    A run's path is looked at up to the minimum of its validation loss, or the last recorded step before.
    """
    from capacity import analysis, plots

    found = Paths()
    spreads = _spreads(study, line)
    for quantity, (_, headline) in QUANTITIES.items():
        drawn = spreads.get(quantity, [])
        if not drawn:
            continue
        title = f"{headline} on {study.data_name}"
        found.figures[quantity] = plots.trajectory_figure(quantity, drawn, title, captions)
        found.tables[f"{quantity}.csv"] = csv_bytes(analysis.SpreadRow, analysis.spread_table(drawn))
    exponents = {
        (quantity, spread.group): exponent
        for quantity in POWERS
        for spread in spreads.get(quantity, [])
        if (exponent := _fit(analysis.fit_exponent, spread, claim=CLAIMS.get((quantity, spread.group)))) is not None
    }
    if exponents:
        title = f"Step size as a power of width on {study.data_name}"
        of_steps = {group: exponent for (quantity, group), exponent in exponents.items() if quantity == "step_size"}
        found.figures["exponents"] = plots.exponent_figure("step_size", spreads["step_size"], of_steps, title, captions)
        found.exponents = analysis.exponent_table([(*which, exponent) for which, exponent in exponents.items()])
        found.tables["exponents.csv"] = csv_bytes(analysis.ExponentRow, found.exponents)
    laws = [(spread.group, _fit(analysis.compare_laws, spread)) for spread in spreads.get("direct_distance", [])]
    found.distance_laws = analysis.comparison_table([(group, law) for group, law in laws if law is not None])
    if found.distance_laws:
        found.tables["distance_laws.csv"] = csv_bytes(analysis.ComparisonRow, found.distance_laws)
    return found


def _fit(fit: Any, spread: Spread, **how: Any) -> Any:
    """Return a fit of a quantity to width, or None where there are too few widths for it."""
    try:
        return fit(spread.widths, spread.values, spread.seeds, **how)
    except InputError:
        return None


def _spreads(study: Study, line: Line) -> dict[str, list[Spread]]:
    """Return for every quantity a panel for each group of layers, from the runs that converged."""
    rows = [row for row in line.rows if row["outcome"] == "converged"]
    spreads = {}
    for quantity, (column, _) in QUANTITIES.items():
        anchor = "end" if quantity == "angle_end" else "start"
        spreads[quantity] = _spread(rows, [_path(study, row["key"], anchor) for row in rows], column)
    return spreads


def _path(study: Study, key: str, anchor: str) -> Any:
    try:
        return study.trajectory(key, anchor)
    except InputError:
        return None


def _spread(rows: Sequence[Row], paths: Sequence[Any], column: str) -> list[Spread]:
    """Return the panels of a column, from the runs that have a path."""
    from capacity.analysis import Spread

    there = [(row, *path) for row, path in zip(rows, paths, strict=True) if path is not None]
    if not there:
        return []
    widths, seeds = (np.array([row[name] for row, _, _ in there], np.intp) for name in ("width", "seed"))
    values = np.array([path[column][_at(path["step"], row["best_step"])] for row, _, path in there])
    groups = there[0][1]
    return [Spread(name, widths, seeds, values[:, g]) for g, name in enumerate(groups)]


def _at(steps: Any, step: int) -> int:
    """Return the place of the last recorded step that is not after `step`."""
    return int(np.searchsorted(steps, step, side="right")) - 1
