"""Progress of a running study on stderr: a live bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import click

from capacity.cli.words import duration, plural, rate

if TYPE_CHECKING:
    from rich.live import Live

    from capacity.experiments import Snapshot

LINE_SECONDS = 30.0
"""Least time between two lines where there is no terminal."""


class Reporter:
    """Says what is happening, when called with a snapshot; a context in which the terminal is in use.

    Parameters
    ----------
    quiet : bool
        Say nothing.

    Attributes
    ----------
    study : Path or None
        The study's folder, once it is known.
    """

    def __init__(self, *, quiet: bool) -> None:
        self.study: Path | None = None
        self._quiet = quiet
        self._began = self._said = time.monotonic()
        self._last: Snapshot | None = None

    def __enter__(self) -> Reporter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._last is not None and not self._quiet:
            self._close(self._last)

    def __call__(self, snapshot: Snapshot) -> None:
        """Take in how far the study is."""
        before, self.study, self._last = self._last, snapshot.study, snapshot
        if self._quiet:
            return
        if before is not None and before.noun != snapshot.noun:
            self._close(before)
        if before is None or before.noun != snapshot.noun:
            trials = plural(snapshot.trials_total, snapshot.noun)
            done = f", {snapshot.trials_done:,} of them done before" if snapshot.trials_done else ""
            data = f"; data in windows within {snapshot.memory / 1e6:,.0f} MB" if snapshot.memory else ""
            click.echo(f"{trials}{done}; device {snapshot.device}{data}; study {snapshot.study}", err=True)
        self._show(snapshot)

    def _show(self, snapshot: Snapshot) -> None:
        now = time.monotonic()
        if now - self._said >= LINE_SECONDS:
            self._said = now
            click.echo(f"{line(snapshot)}{_running(snapshot)}", err=True)

    def _close(self, snapshot: Snapshot) -> None:
        spent = duration(time.monotonic() - self._began)
        trials = plural(snapshot.trials_total, snapshot.noun)
        click.echo(f"{snapshot.trials_done:,} of {trials} done after {spent}", err=True)


class LiveReporter(Reporter):
    """Draws a bar over the epochs of all trials, and under it what is running."""

    def __init__(self) -> None:
        super().__init__(quiet=False)
        self._live: Live | None = None

    def _show(self, snapshot: Snapshot) -> None:
        from rich.console import Console, Group
        from rich.live import Live
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        if self._live is None:
            self._live = Live(console=Console(stderr=True), transient=True, refresh_per_second=4)
            self._live.start()
        row = Table.grid(padding=(0, 2, 0, 0))
        row.add_row(ProgressBar(max(snapshot.epochs_total, 1), snapshot.epochs_done, width=24), Text(line(snapshot)))
        self._live.update(Group(row, Text(_running(snapshot).lstrip(": "), style="dim")))

    def _close(self, snapshot: Snapshot) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        super()._close(snapshot)


def make_reporter(*, quiet: bool) -> Reporter:
    """Return the reporter that suits stderr."""
    return LiveReporter() if sys.stderr.isatty() and not quiet else Reporter(quiet=quiet)


def line(snapshot: Snapshot) -> str:
    """Return the progress in one line: trials, epochs, and, once they are known, rate and time left."""
    parts = [
        f"{snapshot.trials_done:,} of {plural(snapshot.trials_total, snapshot.noun)}",
        f"{snapshot.epochs_done / max(snapshot.epochs_total, 1):.0%} of epochs",
    ]
    if snapshot.examples_per_second > 0:
        parts.append(rate(snapshot.examples_per_second))
    if snapshot.seconds_left is not None:
        parts.append(f"{duration(snapshot.seconds_left)} left")
    return ", ".join(parts)


def _running(snapshot: Snapshot) -> str:
    if not snapshot.running:
        return ""
    others = len(snapshot.running) - 1
    return f": {snapshot.running[0]}{f' and {others} more' if others else ''}"
