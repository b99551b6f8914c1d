"""`capacity resume`."""

from __future__ import annotations

from typing import Any

import click

from capacity.cli.options import given, settings
from capacity.cli.running import output_options, run_and_show
from capacity.experiments import SweepConfig


@click.command()
@click.argument("study")
# How to run is the same for every kind of study.
@settings(SweepConfig, ("device", "workers", "threads", "replicas"))
@output_options
def resume(study: str, *, quiet: bool, as_json: bool, **options: Any) -> None:
    """Go on with a study that was stopped.

    What is finished stays, what was running goes on from its last checkpoint.
    """
    from capacity.experiments import resume as resume_study

    asked = given(options)
    run_and_show(lambda progress: resume_study(study, progress=progress, **asked), quiet=quiet, as_json=as_json)
