"""`capacity data check`: can these data be trusted, and what is to be done."""

from __future__ import annotations

import json
import sys
import textwrap
from typing import TYPE_CHECKING

import click

from capacity.cli.data_facts import aligned, balance
from capacity.cli.data_progress import progress
from capacity.cli.words import plural, printable

if TYPE_CHECKING:
    from capacity.data import DatasetCheck
    from capacity.data.checking.check_result import SplitCheck
    from capacity.data.checking.survey import Storage

_WIDTH = 120
_LISTED_CLASSES = 20


@click.command()
@click.argument("source", metavar="FILE")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")
def check(source: str, as_json: bool) -> None:
    """Read a whole data set file and say whether it can be trusted, and what to do where it cannot.

    Looks for labels that are no class, NaN and infinity, constant and equal features, rows that are empty, repeated or
    labelled in contradiction, test rows that occur in training, and damage. Reports all it finds. The exit code is 0
    when a training can use the file, else 2.
    """
    from capacity.data.checking.check import check_dataset, rows_in

    with progress("checking", rows_in(source)) as advance:
        found = check_dataset(source, progress=advance)
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=2, allow_nan=False))
    else:
        click.echo("\n".join([*aligned(_facts(found)), "", *_findings(found), _verdict(found)]))
    if not found.usable:
        sys.exit(2)


def _facts(found: DatasetCheck) -> list[tuple[str, str]]:
    return [
        ("name", found.name),
        ("file", str(found.path)),
        *(row for name, split in found.splits.items() for row in _split(found, name, split)),
        ("digest", _digest(found)),
    ]


def _split(found: DatasetCheck, name: str, split: SplitCheck) -> list[tuple[str, str]]:
    equal, labels = split.duplicates, found.labels.get(name)
    values = "no finite values" if split.low is None else f"{split.low:.6g} to {split.high:.6g}"
    rows = [
        (name, f"{plural(split.samples, 'sample')}, {split.inputs:,} features, {_storage(split.storage)}"),
        ("  values", f"{values}, times {found.scale:.6g} when used"),
    ]
    if labels is not None and labels.low is not None:
        used = f"{len(labels.counts):,} of {found.classes:,} classes in use"
        rows.append(("  labels", f"{labels.low:.6g} to {labels.high:.6g} ({labels.dtype}), {used}"))
        rows += [("", line) for line in _balance(found)] if name == "train" else []
    different = f"{split.read - equal.repeats:,} different"
    if equal.contradictory_rows:
        different += f", {equal.contradictory_rows:,} contradictory; {equal.fittable:,} can be fitted"
    return [*rows, ("  rows", different)]


def _storage(storage: Storage) -> str:
    """Say how the features lie in the file."""
    chunks = f" ({' x '.join(map(str, storage.chunks))})" if storage.chunks else ""
    filters = f", {' + '.join(storage.filters)}" if storage.filters else ""
    used = "" if storage.used_as == storage.dtype else f", used as {storage.used_as}"
    return f"{storage.layout}{chunks} {storage.dtype}{filters}{used}"


def _balance(found: DatasetCheck) -> list[str]:
    """Describe the training samples a class; of many classes those in use."""
    if "train" not in found.labels or not found.labels["train"].counts:
        return []
    used = dict(found.labels["train"].counts)
    if found.classes > _LISTED_CLASSES:
        return balance([str(number) for number in used], list(used.values()))
    names = [*found.class_names, *map(str, range(len(found.class_names), found.classes))][: found.classes]
    return balance(names, [used.get(number, 0) for number in range(found.classes)])


def _digest(found: DatasetCheck) -> str:
    if not found.digest:
        return f"{found.stored_digest or 'none'}, not checked: the content allows none"
    if not found.stored_digest:
        return f"{found.digest}, not stored in the file"
    if found.digest != found.stored_digest:
        return f"{found.stored_digest}, which is not that of the content"
    return f"{found.digest}, agrees with the content{'' if found.validated else ', values not marked as validated'}"


def _findings(found: DatasetCheck) -> list[str]:
    lines = []
    for finding in found.findings:
        label = f"{finding.level:9}"
        text, indent = printable(finding.text), " " * len(label)
        lines.append(textwrap.fill(text, _WIDTH, initial_indent=label, subsequent_indent=indent))
    return [*lines, ""] if lines else []


def _verdict(found: DatasetCheck) -> str:
    """Say in one sentence whether to go on."""
    levels = [finding.level for finding in found.findings]
    errors, warnings = plural(levels.count("error"), "error"), plural(levels.count("warning"), "warning")
    if found.verdict == "errors":
        return f"Not usable: {errors} and {warnings}; correct the errors before training."
    if found.verdict == "warnings":
        return f"Usable, with {warnings}: a training will run, its results need what is said above kept in mind."
    return "Usable: nothing was found that stands against these data."
