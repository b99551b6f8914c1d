"""`capacity sweep`."""

from __future__ import annotations

from typing import Any

import click

from capacity.cli.options import given, settings
from capacity.cli.running import output_options, run_and_show
from capacity.experiments import SweepConfig, load_config


@click.command()
@click.argument("source", required=False, metavar="[DATA | STUDY.toml]")
@settings(name for name in SweepConfig.model_fields if name != "data")
@output_options
def sweep(source: str | None, *, quiet: bool, as_json: bool, **options: Any) -> None:
    """Train networks of many widths: does added width still buy training error?

    DATA is a built-in name (digits) or a file made by `capacity data import`. STUDY.toml holds these options under
    their names, with _ for -; options given here override it. Lists: 16,32,64 or, doubling, 16..1024.

    The same command again goes on where it was stopped.
    """
    asked = given(options)
    if source is not None and source.endswith(".toml"):
        config = load_config(source, **asked)
    else:
        config = SweepConfig(**asked, **({} if source is None else {"data": source}))
    from capacity.experiments import run_sweep

    run_and_show(lambda progress: run_sweep(config, progress=progress), quiet=quiet, as_json=as_json)
