"""`capacity report`."""

from __future__ import annotations

import click


@click.command()
@click.argument("study")
@click.option("--out", metavar="FOLDER", help="Folder for the figures.  [default: figures in the study's folder]")
@click.option("--json", "as_json", is_flag=True, help="Print the results as one JSON document.")
def report(study: str, *, out: str | None, as_json: bool) -> None:
    """Draw the figures of a study and say what they mean.

    An unfinished study is reported as far as it is.
    """
    from capacity import reporting
    from capacity.cli.results import show_results
    from capacity.experiments import open_study

    opened = open_study(study)
    show_results(opened, reporting.report(opened, out), as_json=as_json)
