"""What the commands on data sets say of one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from capacity.cli.words import printable

if TYPE_CHECKING:
    from capacity.data import Dataset

_LISTED_CLASSES = 20


def report(dataset: Dataset) -> None:
    facts = facts_of(dataset)
    kinds = f"{dataset.inputs} features ({facts['dtype']}), {dataset.classes} classes"
    click.echo(f"wrote {printable(str(dataset.path))}: {size_of(facts)}, {kinds}")


def facts_of(dataset: Dataset) -> dict[str, Any]:
    import numpy as np

    splits = {"train": dataset.train, "test": dataset.test}
    counts = {
        name: np.bincount(split.labels, minlength=dataset.classes).tolist() for name, split in splits.items() if split
    }
    return {
        "name": dataset.name,
        "path": str(dataset.path),
        "samples": len(dataset.train.labels),
        "test_samples": len(dataset.test.labels) if dataset.test else 0,
        "inputs": dataset.inputs,
        "classes": dataset.classes,
        "dtype": dataset.train.features.dtype.name,
        "scale": dataset.scale,
        "normalisation": dataset.normalisation,
        "class_names": dataset.class_names,
        "class_counts": counts,
        "feature_names": dataset.feature_names,
        "digest": dataset.digest,
        "provenance": dataset.provenance,
    }


def size_of(facts: dict[str, Any]) -> str:
    return f"{facts['samples']} training and {facts['test_samples'] or 'no'} test samples"


def lines_of(facts: dict[str, Any]) -> list[str]:
    """Lay out the facts for people: a label and a value a line."""
    rows = [
        ("name", facts["name"]),
        ("file", facts["path"]),
        ("samples", size_of(facts)),
        ("features", f"{facts['inputs']} of {facts['dtype']}, times {facts['scale']:.6g} when used{_divided(facts)}"),
        ("classes", f"{facts['classes']}"),
        *(("", line) for line in balance(facts["class_names"], facts["class_counts"]["train"])),
        ("digest", facts["digest"]),
        ("provenance", ""),
        *((f"  {key}", _brief(value)) for key, value in facts["provenance"].items()),
    ]
    return aligned(rows)


def aligned(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Lay out a label and a value a line."""
    width = max(len(label) for label, _ in rows)
    return [f"{label:{width}}  {printable(text)}".rstrip() for label, text in rows]


def _divided(facts: dict[str, Any]) -> str:
    norm = facts["normalisation"]
    return "" if norm == "none" else f", each row divided by its {norm.upper()} norm"


def balance(names: Sequence[str], counts: Sequence[int]) -> list[str]:
    """Describe the training samples a class: each class when they are few, else the extremes and the median."""
    if len(counts) <= _LISTED_CLASSES:
        width = max(len(name) for name in names)
        rows = zip(names, counts, strict=True)
        return [f"{name:{width}} {count:8d}  {count / sum(counts):6.1%}" for name, count in rows]
    ordered = sorted(counts)
    return [f"training samples a class: {ordered[0]} to {ordered[-1]}, median {ordered[len(ordered) // 2]}"]


def _brief(value: Any) -> str:
    """Write a value of the provenance on one line; long lists are counted."""
    text = value if isinstance(value, str) else json.dumps(value)
    return f"{len(value)} entries (shown by --json)" if isinstance(value, list) and len(text) > 400 else text
