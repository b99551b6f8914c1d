"""Progress of long work on a data set, on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from capacity.cli.progress import LINE_SECONDS
from capacity.cli.words import duration


@contextmanager
def progress(doing: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show how far something is, with the time left.

    Parameters
    ----------
    doing : str
        What is done, as in "generating".
    total : int or None
        How much there is to do, in any unit; None where it is not known.

    Yields
    ------
    callable
        To be told how much more has been done.
    """
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(doing, total=total)
            yield lambda more: bar.advance(task, more)
        return
    began = said = time.monotonic()
    done = 0

    def advance(more: int) -> None:
        nonlocal done, said
        done, now = done + more, time.monotonic()
        if now - said >= LINE_SECONDS:
            said = now
            click.echo(_line(doing, done, total, now - began), err=True)

    yield advance


def _line(doing: str, done: int, total: int | None, seconds: float) -> str:
    if not total:
        return f"{doing}: {done:,} done"
    left = duration(seconds * (total - done) / done) if done else "unknown time"
    return f"{doing}: {done / total:.0%}, {left} left"
