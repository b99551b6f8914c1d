"""`capacity status`."""

from __future__ import annotations

import shlex
from typing import Any

import click

from capacity.cli.words import plural


@click.command()
@click.argument("study")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def status(study: str, *, as_json: bool) -> None:
    """Say how far a study is."""
    from capacity.cli.results import status_facts, to_json
    from capacity.experiments import open_study

    facts = status_facts(open_study(study))
    click.echo(to_json(facts) if as_json else "\n".join(_lines(facts)))


def _lines(facts: dict[str, Any]) -> list[str]:
    from capacity.experiments import Outcome

    trials = plural(facts["trials"], "trial")
    lines = [
        f"{facts['study']}: {trials} on {facts['data']} ({facts['samples']:,} training examples), {facts['device']}"
    ]
    lines.append(f"  done     {facts['done']:6,}")
    lines += [f"    {code:11}{count:4,}  {Outcome(code).sentence}" for code, count in sorted(facts["outcomes"].items())]
    lines += [f"  begun    {facts['running']:6,}", f"  to do    {facts['pending']:6,}"]
    if facts["owner"]:
        owner = facts["owner"]
        lines.append(f"run by process {owner['pid']} on {owner['host']} since {owner['since']}")
    elif facts["done"] < facts["trials"]:
        lines.append(f"nobody runs it; go on with: capacity resume {shlex.quote(facts['study'])}")
    return lines
