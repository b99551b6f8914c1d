"""What a sweep found, as a table."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

import click

from capacity.analysis.words import number, percent

if TYPE_CHECKING:
    from capacity.analysis import CapacityRow, ReturnRow
    from capacity.reporting.sweep import SweepReport


def show_table(report: SweepReport, samples: int) -> None:
    """Print a row for every network, with its best learning rate; `samples` is N."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    chosen = [row for row in report.capacity if row["chosen"]]
    steps = {(step["depth"], step["width_to"]): step for step in report.roi}
    several_seeds = any(row["runs"] + row["missing"] > 1 for row in chosen)
    depths, tested = {row["depth"] for row in chosen}, any(not math.isnan(row["test_error"]) for row in chosen)
    columns: list[tuple[str, list[str]]] = [
        ("depth", [str(row["depth"]) for row in chosen] if len(depths) > 1 else []),
        ("width", [f"{row['width']:,}" for row in chosen]),
        ("learning\nrate", [f"{row['lr']:g}" for row in chosen]),
        ("training\nerror (%)", [_error(row["train_error"], samples) for row in chosen]),
        ("smallest\nto largest", [_range(row, samples) for row in chosen] if several_seeds else []),
        ("test\nerror (%)", [_error(row["test_error"], samples) for row in chosen] if tested else []),
        ("runs", [_runs(row) for row in chosen]),
        ("return: examples\nper added unit", [_return(steps.get((row["depth"], row["width"]))) for row in chosen]),
    ]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown = [(name, cells) for name, cells in columns if cells]
    for name, _ in shown:
        table.add_column(name, justify="right", no_wrap=True)
    for cells in zip(*(cells for _, cells in shown), strict=True):
        table.add_row(*cells)
    console = Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else 120)
    console.print(table)
    click.echo("return: training examples newly fitted per hidden unit added since the row above; the reference is 1")


def _error(error: float, samples: int) -> str:
    return percent(error, samples) if math.isfinite(error) else "diverged" if math.isinf(error) else "-"


def _range(row: CapacityRow, samples: int) -> str:
    low, high = row["train_error_min"], row["train_error_max"]
    return f"{percent(low, samples)} to {percent(high, samples)}" if math.isfinite(low) else "-"


def _runs(row: CapacityRow) -> str:
    """Return how many runs stand behind the median, and what became of the others."""
    counts = {"diverged": row["diverged"], "missing": row["missing"]}
    notes = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return f"{row['runs']} ({notes})" if notes else f"{row['runs']}"


def _return(step: ReturnRow | None) -> str:
    if step is None or math.isnan(step["examples_per_unit"]):
        return "-"
    if step["low"] is None or step["high"] is None:
        return number(step["examples_per_unit"])
    return f"{number(step['examples_per_unit'])} ({number(step['low'])} to {number(step['high'])})"
