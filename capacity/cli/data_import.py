"""`capacity data import`: files of common formats become a data set file."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from capacity.cli.data_facts import report
from capacity.cli.data_progress import progress

if TYPE_CHECKING:
    from capacity.data import Dataset

SOURCE = click.Path(path_type=Path)
"""A file or folder; whether it is there, its importer says."""


@click.group("import")
def import_() -> None:
    """Turn files of common formats into a data set file (HDF5)."""


def name_option(command: Callable[..., None]) -> Callable[..., None]:
    return click.option("--name", help="Name of the data set in titles and tables.  [default: the stem of OUT.h5]")(
        command
    )


def missing_option(command: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--missing",
        type=click.Choice(["mean", "drop", "error"]),
        default="mean",
        show_default=True,
        help="Missing values: a number becomes its column's mean and a category zero in all outputs; or leave out such "
        "rows; or refuse them.",
    )(command)


def rows_options(
    test_fraction: float | None = 0.0, *, otherwise: str = "none"
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the options of how a table's rows become samples; `otherwise` says what the default test split is."""
    options = (
        click.option("--standardise", is_flag=True, help="Bring numeric columns to mean 0 and standard deviation 1."),
        click.option(
            "--test-fraction",
            type=float,
            default=test_fraction,
            help=f"Part of the rows drawn for a test split.  [default: {otherwise}]",
        ),
        click.option("--seed", type=int, default=0, show_default=True, help="Seed of that draw."),
    )
    return lambda command: functools.reduce(lambda made, option: option(made), reversed(options), command)


def report_table(dataset: Dataset) -> None:
    report(dataset)
    columns = dataset.provenance["columns"]
    numeric = sum(column["kind"] == "numeric" for column in columns)
    missing = sum(column["missing"] for column in columns)
    click.echo(f"columns: {numeric} numeric, {len(columns) - numeric} categorical; missing values: {missing}")


@import_.command("idx")
@click.argument("paths", nargs=-1, required=True, type=SOURCE, metavar="IMAGES LABELS OUT.h5 | FOLDER OUT.h5")
@click.option("--test-images", type=SOURCE, help="IDX file of the test split's samples.")
@click.option("--test-labels", type=SOURCE, help="IDX file of the test split's labels.")
@name_option
def idx(paths: tuple[Path, ...], test_images: Path | None, test_labels: Path | None, name: str | None) -> None:
    """Import IDX files, the format of MNIST, gzipped or not.

    Name the files, or a FOLDER that holds them under their classic names (train-images-idx3-ubyte[.gz], ...).
    8-bit images are kept and scaled by 1/255 when they are used.
    """
    from capacity.data import import_idx, import_idx_folder

    if len(paths) == 3:
        report(import_idx(*paths, test_images=test_images, test_labels=test_labels, name=name))
    elif len(paths) == 2 and test_images is None and test_labels is None:
        report(import_idx_folder(*paths, name=name))
    else:
        raise click.UsageError("expected IMAGES LABELS OUT.h5, with test files as options, or FOLDER OUT.h5")


@import_.command("csv")
@click.argument("source", type=SOURCE, metavar="TABLE.csv[.gz]")
@click.argument("out", type=SOURCE, metavar="OUT.h5")
@click.option(
    "--label", default="-1", show_default="the last", help="Label column: name, or position from 0 or from -1."
)
@click.option("--header/--no-header", default=True, show_default=True, help="Whether the first line names the columns.")
@missing_option
@rows_options()
@name_option
def csv(source: Path, out: Path, **options: Any) -> None:
    """Import a comma-separated table, gzipped or not.

    Columns of numbers are kept as float32, columns of texts become one-hot. Labels may be texts or whole numbers. Empty
    cells and ?, NA, N/A, NaN, NULL are missing values. Constants are computed on the training rows only.
    """
    from capacity.data import import_csv

    with progress("importing") as advance:
        dataset = import_csv(source, out, **options, progress=advance)
    report_table(dataset)


@import_.command("npz")
@click.argument("source", type=SOURCE, metavar="ARRAYS.npz")
@click.argument("out", type=SOURCE, metavar="OUT.h5")
@click.option("--features", default="X", show_default=True, help="Array of the samples, (N, ...).")
@click.option("--labels", default="y", show_default=True, help="Array of the class indices, (N,).")
@click.option(
    "--test-features", default="X_test", show_default=True, help="The same for the test split, if it is there."
)
@click.option("--test-labels", default="y_test", show_default=True, help="The same for the test split, if it is there.")
@click.option("--scale", type=float, help="Factor applied when values are used.  [default: 1/255 for uint8, else 1]")
@name_option
def npz(source: Path, out: Path, **options: Any) -> None:
    """Import arrays of a NumPy .npz archive."""
    from capacity.data import import_npz

    report(import_npz(source, out, **options))
