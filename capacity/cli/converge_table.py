"""What a study of convergence found, as a table."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from capacity.analysis.words import number

if TYPE_CHECKING:
    from capacity.analysis import ScalingRow
    from capacity.reporting.converge import ConvergeReport


def show_table(report: ConvergeReport, samples: int) -> None:
    """Print a row for every line of the study: its fit steps = a M^-k + b, and the verdict."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("line", overflow="fold")
    for name in ("runs", "step\nlimit", "k", "b (steps)", "power\nlaw", "power law,\nsmoothed"):
        table.add_column(name, justify="right", no_wrap=True)
    for row, smoothed in zip(report.fits, report.fits_smoothed, strict=True):
        table.add_row(
            row["line"],
            str(row["runs"]),
            str(row["censored"]),
            _interval(row["k"], row["k_low"], row["k_high"]),
            _interval(row["b"], row["b_low"], row["b_high"]),
            _verdict(row),
            _verdict(smoothed),
        )
    Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else 120).print(table)
    click.echo("steps = a M^-k + b, M the parameters; intervals are of 95% over the seeds")
    reasons = [(row["line"], row["reason"]) for row in report.fits]
    reasons += [(row["line"], row["reason"]) for row in report.data_laws]
    reasons += [(f"{row['quantity'].replace('_', ' ')}, {row['group']}", row["reason"]) for row in report.exponents]
    reasons += [(f"distance, {row['group']}", row["reason"]) for row in report.distance_laws]
    for line, reason in reasons:
        click.echo(f"{line}: {reason}")


def _verdict(row: ScalingRow) -> str:
    return "yes" if row["verdict"] == "power_law" else "no"


def _interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "-"
    return number(value) if low is None or high is None else f"{number(value)} ({number(low)} to {number(high)})"
