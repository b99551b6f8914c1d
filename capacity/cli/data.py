"""`capacity data`: import, inspect and generate data sets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from capacity.data import Dataset

_FILE = click.Path(path_type=Path)
_LISTED_CLASSES = 20


@click.group()
def data() -> None:
    """Import, inspect and generate data sets."""


@data.group("import")
def import_() -> None:
    """Turn files of common formats into a data set file (HDF5)."""


def _name_option(command: Callable[..., None]) -> Callable[..., None]:
    return click.option("--name", help="Name of the data set in titles and tables.  [default: the stem of OUT.h5]")(
        command
    )


@import_.command("idx")
@click.argument("paths", nargs=-1, required=True, type=_FILE, metavar="IMAGES LABELS OUT.h5 | FOLDER OUT.h5")
@click.option("--test-images", type=_FILE, help="IDX file of the test split's samples.")
@click.option("--test-labels", type=_FILE, help="IDX file of the test split's labels.")
@_name_option
def idx(paths: tuple[Path, ...], test_images: Path | None, test_labels: Path | None, name: str | None) -> None:
    """Import IDX files, the format of MNIST, gzipped or not.

    Name the files, or a FOLDER that holds them under their classic names (train-images-idx3-ubyte[.gz], ...).
    8-bit images are kept and scaled by 1/255 when they are used.
    """
    from capacity.data import import_idx, import_idx_folder

    if len(paths) == 3:
        _report(import_idx(*paths, test_images=test_images, test_labels=test_labels, name=name))
    elif len(paths) == 2 and test_images is None and test_labels is None:
        _report(import_idx_folder(*paths, name=name))
    else:
        raise click.UsageError("expected IMAGES LABELS OUT.h5, with test files as options, or FOLDER OUT.h5")


@import_.command("csv")
@click.argument("source", type=_FILE, metavar="TABLE.csv[.gz]")
@click.argument("out", type=_FILE, metavar="OUT.h5")
@click.option(
    "--label", default="-1", show_default="the last", help="Label column: name, or position from 0 or from -1."
)
@click.option("--header/--no-header", default=True, show_default=True, help="Whether the first line names the columns.")
@click.option(
    "--missing",
    type=click.Choice(["mean", "drop", "error"]),
    default="mean",
    show_default=True,
    help="Missing values: a number becomes its column's mean and a category zero in all outputs; or leave out such "
    "rows; or refuse them.",
)
@click.option("--standardise", is_flag=True, help="Bring numeric columns to mean 0 and standard deviation 1.")
@click.option(
    "--test-fraction", type=float, default=0.0, help="Part of the rows drawn for a test split.  [default: none]"
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of that draw.")
@_name_option
def csv(source: Path, out: Path, **options: Any) -> None:
    """Import a comma-separated table, gzipped or not.

    Columns of numbers are kept as float32, columns of texts become one-hot. Labels may be texts or whole numbers. Empty
    cells and ?, NA, N/A, NaN, NULL are missing values. Constants are computed on the training rows only.
    """
    from capacity.data import import_csv

    dataset = import_csv(source, out, **options)
    _report(dataset)
    columns = dataset.provenance["columns"]
    numeric = sum(column["kind"] == "numeric" for column in columns)
    missing = sum(column["missing"] for column in columns)
    click.echo(f"columns: {numeric} numeric, {len(columns) - numeric} categorical; missing values: {missing}")


@import_.command("npz")
@click.argument("source", type=_FILE, metavar="ARRAYS.npz")
@click.argument("out", type=_FILE, metavar="OUT.h5")
@click.option("--features", default="X", show_default=True, help="Array of the samples, (N, ...).")
@click.option("--labels", default="y", show_default=True, help="Array of the class indices, (N,).")
@click.option(
    "--test-features", default="X_test", show_default=True, help="The same for the test split, if it is there."
)
@click.option("--test-labels", default="y_test", show_default=True, help="The same for the test split, if it is there.")
@click.option("--scale", type=float, help="Factor applied when values are used.  [default: 1/255 for uint8, else 1]")
@_name_option
def npz(source: Path, out: Path, **options: Any) -> None:
    """Import arrays of a NumPy .npz archive."""
    from capacity.data import import_npz

    _report(import_npz(source, out, **options))


@data.command("visual-words")
@click.argument("out", type=_FILE, metavar="OUT.h5")
@click.option("--samples", type=int, required=True, help="Training samples.")
@click.option("--test-samples", type=int, default=0, show_default=True, help="Test samples.")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Seed; a smaller set is the beginning of a larger one."
)
def visual_words(out: Path, samples: int, test_samples: int, seed: int) -> None:
    """Generate bags of visual words: counts over 1000 words, 1000 classes.

    A synthetic stand-in for the ImageNet features of Dauphin and Bengio 2013, of any size, written block by block.
    """
    from rich.console import Console
    from rich.progress import Progress

    from capacity.data import write_visual_words

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("generating", total=samples + test_samples)
        dataset = write_visual_words(
            out, samples, test_samples=test_samples, seed=seed, progress=lambda rows: bar.advance(task, rows)
        )
    _report(dataset)


@data.command()
@click.argument("source", metavar="FILE")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")
def info(source: str, as_json: bool) -> None:
    """Describe a data set: a file, or a built-in name (digits)."""
    from capacity.data import open_dataset

    found = _facts(open_dataset(source))
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(_lines(found)))


def _report(dataset: Dataset) -> None:
    facts = _facts(dataset)
    click.echo(
        f"wrote {dataset.path}: {_size(facts)}, {dataset.inputs} features ({facts['dtype']}), {dataset.classes} classes"
    )


def _facts(dataset: Dataset) -> dict[str, Any]:
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
        "class_names": dataset.class_names,
        "class_counts": counts,
        "feature_names": dataset.feature_names,
        "digest": dataset.digest,
        "provenance": dataset.provenance,
    }


def _size(facts: dict[str, Any]) -> str:
    return f"{facts['samples']} training and {facts['test_samples'] or 'no'} test samples"


def _lines(facts: dict[str, Any]) -> list[str]:
    """Lay out the facts for people: a label and a value a line."""
    rows = [
        ("name", facts["name"]),
        ("file", facts["path"]),
        ("samples", _size(facts)),
        ("features", f"{facts['inputs']} of {facts['dtype']}, times {facts['scale']:.6g} when used"),
        ("classes", f"{facts['classes']}"),
        *(("", line) for line in _balance(facts)),
        ("digest", facts["digest"]),
        ("provenance", ""),
        *((f"  {key}", _brief(value)) for key, value in facts["provenance"].items()),
    ]
    width = max(len(label) for label, _ in rows)
    return [f"{label:{width}}  {text}".rstrip() for label, text in rows]


def _balance(facts: dict[str, Any]) -> list[str]:
    """Describe the training samples a class: each class when they are few, else the extremes and the median."""
    counts = facts["class_counts"]["train"]
    if len(counts) <= _LISTED_CLASSES:
        width = max(len(name) for name in facts["class_names"])
        rows = zip(facts["class_names"], counts, strict=True)
        return [f"{name:{width}} {count:8d}  {count / sum(counts):6.1%}" for name, count in rows]
    ordered = sorted(counts)
    return [f"training samples a class: {ordered[0]} to {ordered[-1]}, median {ordered[len(ordered) // 2]}"]


def _brief(value: Any) -> str:
    """Write a value of the provenance on one line; long lists are counted."""
    text = value if isinstance(value, str) else json.dumps(value)
    return f"{len(value)} entries (shown by --json)" if isinstance(value, list) and len(text) > 400 else text
