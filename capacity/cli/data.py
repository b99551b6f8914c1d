"""`capacity data`: import, inspect, check and generate data sets."""

from __future__ import annotations

import json
from pathlib import Path

import click

from capacity.cli.data_check import check
from capacity.cli.data_facts import facts_of, lines_of, report
from capacity.cli.data_get import get
from capacity.cli.data_import import import_
from capacity.cli.data_import_images import ilsvrc2010, images
from capacity.cli.data_import_sets import SET_COMMANDS
from capacity.cli.data_progress import progress


@click.group()
def data() -> None:
    """Import, inspect, check and generate data sets."""


data.add_command(import_)
data.add_command(get)
data.add_command(check)
import_.add_command(ilsvrc2010)
import_.add_command(images)
for command in SET_COMMANDS:
    import_.add_command(command)


@data.command("visual-words")
@click.argument("out", type=click.Path(path_type=Path), metavar="OUT.h5")
@click.option("--samples", type=int, required=True, help="Training samples.")
@click.option("--test-samples", type=int, default=0, show_default=True, help="Test samples.")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Seed; a smaller set is the beginning of a larger one."
)
def visual_words(out: Path, samples: int, test_samples: int, seed: int) -> None:
    """Generate bags of visual words: counts over 1000 words, 1000 classes.

    A synthetic stand-in for the ImageNet features of Dauphin and Bengio 2013, of any size, written block by block.
    """
    from capacity.data import write_visual_words

    with progress("generating", samples + test_samples) as advance:
        dataset = write_visual_words(out, samples, test_samples=test_samples, seed=seed, progress=advance)
    report(dataset)


@data.command()
@click.argument("source", metavar="FILE")
@click.argument("out", type=click.Path(path_type=Path), metavar="OUT.h5")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the order.")
def shuffle(source: str, out: Path, seed: int) -> None:
    """Write a data set with its training rows in a random order.

    For files that are larger than memory and sorted by class: they are read in windows of neighbouring rows.
    """
    from capacity.data import shuffle_dataset
    from capacity.data.checking.check import rows_in

    with progress("shuffling", rows_in(source)) as advance:
        dataset = shuffle_dataset(source, out, seed=seed, progress=advance)
    report(dataset)


@data.command()
@click.argument("source", metavar="FILE")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")
def info(source: str, as_json: bool) -> None:
    """Describe a data set: a file, or a built-in name (digits)."""
    from capacity.data.opening import open_unloaded

    found = facts_of(open_unloaded(source))
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(lines_of(found)))
