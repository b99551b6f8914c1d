"""`capacity export`."""

from __future__ import annotations

import click


@click.command()
@click.argument("study")
@click.argument("target", metavar="FILE.csv | FILE.parquet | -")
def export(study: str, target: str) -> None:
    """Write a study's table of trials to a CSV or Parquet file.

    One row per trial: settings, outcome, errors, times. `-` prints it as CSV.
    """
    from capacity.experiments import export as export_table
    from capacity.experiments import open_study

    text = export_table(open_study(study), target)
    if text is None:
        click.echo(f"wrote {target}", err=True)
    else:
        click.echo(text, nl=False)
