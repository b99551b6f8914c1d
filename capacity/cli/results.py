"""What a study found, for people (a table, paths, one line) and for programs (one JSON document)."""

from __future__ import annotations

import importlib
import json
import math
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from capacity.experiments import Study
    from capacity.reporting import Report


def show_results(study: Study, report: Report, *, as_json: bool) -> None:
    """Print the results of a study to stdout."""
    if as_json:
        click.echo(to_json(results(study, report)))
        return
    importlib.import_module(f"capacity.cli.{study.config.kind}_table").show_table(report, study.dataset_size)
    click.echo("figures (an SVG and the numbers as CSV beside each):")
    for path in report.figures:
        click.echo(f"  {path}")
    click.echo(report.conclusion)


def results(study: Study, report: Report) -> dict[str, Any]:
    """Return the results of a study with plain values."""
    return {
        **status_facts(study),
        "conclusion": report.conclusion,
        "figures": [str(path) for path in report.figures],
        **report.tables(),
    }


def status_facts(study: Study) -> dict[str, Any]:
    """Return how far a study is with plain values."""
    status = study.status()
    owner = status.owner
    return {
        "study": str(study.path),
        "data": study.data_name,
        "samples": study.dataset_size,
        "device": study.facts["device"],
        "trials": status.total,
        "done": status.done,
        "running": status.running,
        "pending": status.pending,
        "outcomes": status.outcomes,
        "owner": owner and {"pid": owner.pid, "host": owner.host, "since": owner.since},
    }


def to_json(value: Any) -> str:
    """Return one JSON document; what has no finite value (not measured, diverged) is null."""
    return json.dumps(_plain(value), indent=2, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
