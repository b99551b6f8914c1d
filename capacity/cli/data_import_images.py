"""`capacity data import ilsvrc2010` and `capacity data import images`."""

from __future__ import annotations

from pathlib import Path

import click

from capacity.cli.data_facts import report
from capacity.cli.data_import import SOURCE, name_option
from capacity.cli.data_progress import progress


@click.command("ilsvrc2010")
@click.argument("features", type=SOURCE, metavar="FEATURES_DIR")
@click.argument("out", type=SOURCE, metavar="OUT.h5")
@click.option("--devkit", type=SOURCE, required=True, help="Folder of the development kit (devkit-1.0).")
@click.option(
    "--normalise",
    type=click.Choice(["none", "l1", "l2"]),
    default="none",
    show_default=True,
    help="Divide a histogram by its sum, or by its Euclidean norm as the kit's demo does, when it is used.",
)
@name_option
def ilsvrc2010(features: Path, out: Path, devkit: Path, normalise: str, name: str | None) -> None:
    """Import the visual words of ILSVRC2010 (WNID.sbow.mat, val.NNNN.sbow.mat) as histograms of 1000 words.

    The validation images become the test split. An import that was stopped goes on where it was.
    """
    from capacity.data import ilsvrc2010_bytes_left, import_ilsvrc2010

    with progress("reading", ilsvrc2010_bytes_left(features, out)) as advance:
        dataset = import_ilsvrc2010(features, out, devkit=devkit, normalise=normalise, name=name, progress=advance)
    report(dataset)
    expected = dataset.provenance["training_images_in_devkit"]
    if len(dataset.train.labels) != expected:
        click.echo(f"note: the development kit counts {expected} training images")
