"""What a study of effective model complexity found, as a table."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from capacity.analysis.words import number

if TYPE_CHECKING:
    from capacity.reporting.emc import EmcReport
    from capacity.reporting.emc_rows import EmcRow


def show_table(report: EmcReport, samples: int) -> None:
    """Print a row for every network: its EMC, and what stands behind it."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    aspects = ("labels", "classes", "optimizer", "activation", "depth")
    shown = [name for name in aspects if len({row[name] for row in report.emc}) > 1]  # type: ignore[literal-required]
    for name in shown:
        table.add_column(name)
    numbers = (
        "width", "parameters", "EMC (s.e.)", "fitted half\nof the time", "EMC per\nparameter", "runs",
        "ended at\nminimum", "saddle", "out of\nbudget",
    )  # fmt: skip
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    for row in report.emc:
        table.add_row(
            *(str(row[name] or "-") for name in shown),  # type: ignore[literal-required]
            f"{row['width']:,}",
            f"{row['parameters']:,}",
            _emc(row),
            _half(row),
            number(row["per_parameter"]),
            f"{row['trainings']:,}",
            *(str(row[name]) for name in ("at_minimum", "at_saddle", "out_of_budget")),
        )
    Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else 120).print(table)
    total = {
        name: sum(row[name] for row in report.emc)
        for name in ("steps", "scan_steps", "carried", "false_stops", "verified", "corrected")
    }
    click.echo(
        f"{total['steps']:,.3g} training steps; a scan of the same sizes would take about {total['scan_steps']:,.3g}\n"
        f"ended early, but for a tenth: of {total['carried']:,} trainings of that tenth that were judged hopeless, "
        f"{total['false_stops']:,} fitted\n"
        f"smallest failures that had been ended early and were run again to the limit: {total['verified']:,}, of which "
        f"{total['corrected']:,} fitted"
    )


def _emc(row: EmcRow) -> str:
    bound = "≥ " if row["at_least"] else ""
    error = "" if row["standard_error"] is None else f" ({number(row['standard_error'])})"
    return f"{bound}{number(row['emc'])}{error}"


def _half(row: EmcRow) -> str:
    if row["n50"] is None or row["n50_low"] is None or row["n50_high"] is None:
        return "-"
    return f"{number(row['n50'])} ({number(row['n50_low'])} to {number(row['n50_high'])})"
