"""`capacity emc`."""

from __future__ import annotations

from typing import Any

import click

from capacity.cli.options import configured, settings
from capacity.cli.running import output_options, run_and_show
from capacity.experiments import EmcConfig


@click.command()
@click.argument("source", required=False, metavar="[DATA | STUDY.toml]")
@settings(EmcConfig, (name for name in EmcConfig.model_fields if name != "data"))
@output_options
def emc(source: str | None, *, quiet: bool, as_json: bool, **options: Any) -> None:
    """Find the largest sample that a network really fits: its effective model complexity.

    DATA is a built-in name (digits) or a file made by `capacity data import`. STUDY.toml holds these options under
    their names, with _ for -; options given here override it. Lists: 16,32,64 or, doubling, 16..1024.

    The same command again goes on where it was stopped.
    """
    config = configured(EmcConfig, source, options)
    from capacity.experiments import run_study

    run_and_show(lambda progress: run_study(config, progress=progress), quiet=quiet, as_json=as_json)
