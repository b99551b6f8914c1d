"""What `sweep` and `resume` have in common: progress while a study runs, and its results at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from capacity.cli.progress import make_reporter

if TYPE_CHECKING:
    from capacity.experiments import Progress, Study

Command = TypeVar("Command", bound=Callable[..., Any])


def output_options(command: Command) -> Command:
    """Add --quiet and --json to a command."""
    command = click.option("--json", "as_json", is_flag=True, help="Print the results as one JSON document.")(command)
    return click.option("-q", "--quiet", is_flag=True, help="Show no progress.")(command)


def run_and_show(run: Callable[[Progress], Study], *, quiet: bool, as_json: bool) -> None:
    """Run a study with progress on stderr, then draw its figures and print its results.

    Raises
    ------
    Interrupted
        After Ctrl-C, naming the study when there is one.
    """
    from capacity.cli.results import show_results
    from capacity.experiments import Interrupted
    from capacity.reporting import report

    reporter = make_reporter(quiet=quiet)
    try:
        with reporter:
            study = run(reporter)
    except KeyboardInterrupt as interrupt:
        if reporter.study is None or isinstance(interrupt, Interrupted):
            raise
        raise Interrupted(reporter.study) from interrupt
    if reporter.study is None and not quiet:
        click.echo(f"nothing left to run; study {study.path}", err=True)
    show_results(study, report(study), as_json=as_json)
