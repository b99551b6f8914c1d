"""`capacity data import` for well-known data sets in their authors' files, for Parquet tables and for text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from capacity.cli.data_facts import report
from capacity.cli.data_import import SOURCE, missing_option, name_option, report_table, rows_options
from capacity.cli.data_progress import progress


@click.command("cifar10")
@click.argument("source", type=SOURCE, metavar="FOLDER|ARCHIVE.tar.gz")
@click.argument("out", type=SOURCE, metavar="OUT.h5")
@name_option
def cifar10(source: Path, out: Path, name: str | None) -> None:
    """Import CIFAR-10, the binary or the python version.

    Name the archive (cifar-10-binary.tar.gz, cifar-10-python.tar.gz) or the folder that it unpacks to. Pickles are read
    without being executed. Pixels are kept as bytes and scaled by 1/255 when they are used.
    """
    from capacity.data import import_cifar10

    with progress("importing") as advance:
        dataset = import_cifar10(source, out, name=name, progress=advance)
    report(dataset)


@click.command("cifar100")
@click.argument("source", type=SOURCE, metavar="FOLDER|ARCHIVE.tar.gz")
@click.argument("out", type=SOURCE, metavar="OUT.h5")
@click.option(
    "--labels",
    type=click.Choice(["fine", "coarse"]),
    default="fine",
    show_default=True,
    help="The 100 classes, or the 20 groups that they make.",
)
@name_option
def cifar100(source: Path, out: Path, labels: str, name: str | None) -> None:
    """Import CIFAR-100, the binary or the python version.

    Name the archive (cifar-100-binary.tar.gz, cifar-100-python.tar.gz) or the folder that it unpacks to. Pickles are
    read without being executed. Pixels are kept as bytes and scaled by 1/255 when they are used.
    """
    from capacity.data import import_cifar100

    with progress("importing") as advance:
        dataset = import_cifar100(source, out, labels=labels, name=name, progress=advance)
    report(dataset)


@click.command("covtype")
@click.argument("source", type=SOURCE, metavar="covtype.data[.gz]")
@click.argument("out", type=SOURCE, metavar="OUT.h5")
@rows_options(None, otherwise="UCI's: all but the first 15,120 rows")
@name_option
def covtype(source: Path, out: Path, **options: Any) -> None:
    """Import CoverType in UCI's layout.

    UCI's split trains on the first 15,120 rows, as many of each class. For more, draw the test split from all rows:
    --test-fraction 0.1, or 0 for none.
    """
    from capacity.data import import_covtype

    with progress("importing") as advance:
        dataset = import_covtype(source, out, **options, progress=advance)
    report(dataset)


@click.command("adult")
@click.argument("source", type=SOURCE, metavar="FOLDER|TABLE.csv[.gz]")
@click.argument("out", type=SOURCE, metavar="OUT.h5")
@missing_option
@rows_options(None, otherwise="adult.test, where it is there")
@name_option
def adult(source: Path, out: Path, **options: Any) -> None:
    """Import Adult (Census Income).

    Name UCI's folder with adult.data and adult.test, or the merged table with a header.
    """
    from capacity.data import import_adult

    with progress("importing") as advance:
        dataset = import_adult(source, out, **options, progress=advance)
    report_table(dataset)


@click.command("parquet")
@click.argument("source", type=SOURCE, metavar="TABLE.parquet")
@click.argument("out", type=SOURCE, metavar="OUT.h5")
@click.option("--label", required=True, help="Label column: name, or position from 0 or from -1.")
@missing_option
@rows_options()
@name_option
def parquet(source: Path, out: Path, **options: Any) -> None:
    """Import a Parquet table, by the rules of CSV.

    Columns of numbers and truth values are kept as float32, columns of texts become one-hot, lists of numbers of a
    fixed size are as many columns. Nulls, NaN, and the texts that mean so in CSV, are missing values.
    """
    from capacity.data import import_parquet

    with progress("importing") as advance:
        dataset = import_parquet(source, out, **options, progress=advance)
    report_table(dataset)


@click.command("text")
@click.argument("paths", nargs=-1, required=True, type=SOURCE, metavar="FILE... OUT.h5")
@click.option("--unit", type=click.Choice(["char", "word"]), required=True, help="What an id stands for.")
@click.option("--context", type=int, default=64, show_default=True, help="Characters or words of a sample.")
@click.option(
    "--test-fraction", type=float, default=0.1, show_default=True, help="Last part of the text, for the test split."
)
@click.option(
    "--vocabulary-size",
    type=int,
    default=10_000,
    show_default=True,
    help="How many of the most frequent words are kept; all others become <unk>.",
)
@name_option
def text(paths: tuple[Path, ...], **options: Any) -> None:
    """Import plain text (UTF-8, gzipped or not) as ids of characters or words, for language models.

    A sample is --context consecutive ids, its label the id that follows. Several files are joined in order.
    """
    from capacity.data import import_text

    *sources, out = paths
    if not sources:
        raise click.UsageError("expected FILE... OUT.h5: at least one text and the file to make")
    with progress("importing") as advance:
        dataset = import_text(sources, out, **options, progress=advance)
    report(dataset)


SET_COMMANDS = (cifar10, cifar100, covtype, adult, parquet, text)
"""For the group `capacity data import`."""
