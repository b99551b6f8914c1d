"""The command `capacity`. This package is the only one that prints.

Results go to stdout, everything else (progress, notes, errors) to stderr. A user's mistake is one line and exit code 2;
an interrupt is exit code 130.
"""

from __future__ import annotations

import importlib
import shlex
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click

from capacity import __version__
from capacity.cli.words import printable
from capacity.errors import CapacityError, did_you_mean

COMMANDS = {
    "sweep": "Train networks of many widths: does added width still buy training error?",
    "converge": "Train networks of many sizes until they converge: how many steps does each size take?",
    "emc": "Find the largest sample that a network really fits: its effective model complexity.",
    "status": "Say how far a study is.",
    "resume": "Go on with a study that was stopped.",
    "report": "Draw the figures of a study and say what they mean.",
    "export": "Write a study's table of trials to a CSV or Parquet file.",
    "theory": "Hold a paper's theory to Monte Carlo and to training on the engine.",
    "data": "Import, inspect, check and generate data sets.",
    "doctor": "Say what this machine offers, and for what is missing the reason and the remedy.",
}
"""Each command and the first line of its help; the command NAME is the object NAME of `capacity.cli.NAME`."""


class _Commands(click.Group):
    """Imports a command when it is called for, so that `capacity --help` does not wait for all of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"capacity.cli.{cmd_name}"), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"no command '{args[0]}'{did_you_mean(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=_Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="capacity")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Measure what neural networks do with their capacity.

    `capacity sweep` alone runs a small study on built-in data, in under a minute.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Parameters
    ----------
    args : sequence of str or None
        What follows `capacity`; None takes it from `sys.argv`.
    """
    with _terminate_like_interrupt(), warnings.catch_warnings():
        warnings.showwarning = _warn
        sys.exit(_run(args))


def _run(args: Sequence[str] | None) -> int:
    """Return the exit code, after one line on stderr when it is not 0."""
    try:
        cli.main(args, prog_name="capacity", standalone_mode=False)
    except click.Abort as abort:  # click's word for an interrupt, and for the end of input
        return _interrupted(abort.__cause__)
    except KeyboardInterrupt as interrupt:
        return _interrupted(interrupt)
    except (click.ClickException, CapacityError, MemoryError, OSError) as error:
        if isinstance(error, OSError) and error.filename is None:
            raise  # no file of the user's, so no mistake of his
        click.echo(f"capacity: error: {printable(_sentence(error))}", err=True)
        return 2
    return 0


def _sentence(error: Exception) -> str:
    """Return an error as one sentence without its full stop."""
    if isinstance(error, MemoryError):
        return f"there is not enough memory ({error or 'no details'}); use smaller sizes or fewer at a time"
    if isinstance(error, OSError):
        return f"cannot use '{error.filename}': {error.strerror}"
    text = error.format_message() if isinstance(error, click.ClickException) else str(error)
    text = " ".join(text.split()).rstrip(".").replace(". (", " (")
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "capacity"
        return f"{text[:1].lower()}{text[1:]}; see '{command} --help'"
    return text


def _warn(message: Warning | str, *where: Any, **more: Any) -> None:
    """Say a warning in one line, without the place in the code, which is none of the user's."""
    click.echo(f"capacity: warning: {printable(' '.join(str(message).split()))}", err=True)


def _interrupted(interrupt: BaseException | None) -> int:
    study = getattr(interrupt, "study", None)
    saved = f"; what ran is saved, resume with: capacity resume {shlex.quote(str(study))}" if study else ""
    click.echo(f"capacity: interrupted{saved}", err=True)
    return 130


@contextmanager
def _terminate_like_interrupt() -> Iterator[None]:
    """Let SIGTERM (from a batch system, a service manager) end the program as Ctrl-C does."""

    def end(number: int, frame: FrameType | None) -> None:
        if not callable(signal.getsignal(signal.SIGINT)):  # ignored, as in the background of a script
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)

    before: Callable[..., Any] | int | None = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
