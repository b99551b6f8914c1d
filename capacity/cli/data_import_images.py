"""`capacity data import ilsvrc2010` and `capacity data import images`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from capacity.cli.data_facts import report
from capacity.cli.data_import import SOURCE, name_option
from capacity.cli.data_progress import progress
from capacity.cli.stderr import python_alone_on_stderr

if TYPE_CHECKING:
    from capacity.data import Dataset, ImageFolder


@click.command("ilsvrc2010")
@click.argument("features", type=SOURCE, metavar="FEATURES_DIR")
@click.argument("out", type=SOURCE, metavar="OUT.h5")
@click.option("--devkit", type=SOURCE, required=True, help="Folder of the development kit (devkit-1.0).")
@click.option(
    "--normalisation",
    type=click.Choice(["none", "l1", "l2"]),
    default="none",
    show_default=True,
    help="Divide a histogram by its sum, or by its Euclidean norm as the kit's demo does, when it is used.",
)
@name_option
def ilsvrc2010(features: Path, out: Path, devkit: Path, normalisation: str, name: str | None) -> None:
    """Import the visual words of ILSVRC2010 (WNID.sbow.mat, val.NNNN.sbow.mat) as histograms of 1000 words.

    The validation images become the test split. An import that was stopped goes on where it was.
    """
    from capacity.data import ilsvrc2010_bytes_left, import_ilsvrc2010

    with progress("reading", ilsvrc2010_bytes_left(features, out)) as advance:
        dataset = import_ilsvrc2010(
            features, out, devkit=devkit, normalisation=normalisation, name=name, progress=advance
        )
    report(dataset)
    expected = dataset.provenance["training_images_in_devkit"]
    if len(dataset.train.labels) != expected:
        click.echo(f"note: the development kit counts {expected} training images")


@click.command("images")
@click.argument("folder", type=SOURCE, metavar="FOLDER")
@click.argument("out", type=SOURCE, metavar="OUT.h5")
@click.option(
    "--features",
    type=click.Choice(["sift-bow", "pixels"]),
    default="sift-bow",
    show_default=True,
    help="Histograms of visual words (SIFT descriptors), or pixels.",
)
@click.option("--words", type=int, help="sift-bow: words to learn from the training images.  [default: 1000]")
@click.option("--vocabulary", type=SOURCE, help="sift-bow: words learnt before, an .npz file.")
@click.option("--size", type=int, help="pixels: side of the square that an image becomes.  [default: 32]")
@click.option("--colour", is_flag=True, help="pixels: red, green and blue instead of grey.")
@click.option("--test-fraction", type=float, default=0.0, help="Part of the images for a test split.  [default: none]")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of that draw and of the words learnt.")
@name_option
def images(
    folder: Path,
    out: Path,
    features: str,
    words: int | None,
    vocabulary: Path | None,
    size: int | None,
    colour: bool,
    test_fraction: float,
    seed: int,
    name: str | None,
) -> None:
    """Import photographs: a FOLDER with a folder for each class, or with train and test that hold such folders.

    With sift-bow, the recipe of ImageNet's features: grey, at most 300 pixels wide or high, SIFT on 20 x 20 patches
    every 10 pixels at 3 scales. The words learnt are kept beside OUT.h5, as OUT.vocabulary.npz; --vocabulary uses
    them again. With pixels, the square in an image's middle.
    """
    from capacity.data import find_images, import_image_pixels

    if features == "pixels" and (words is not None or vocabulary is not None):
        raise click.UsageError("--words and --vocabulary belong to --features sift-bow")
    if features == "sift-bow" and (size is not None or colour):
        raise click.UsageError("--size and --colour belong to --features pixels")
    if words is not None and vocabulary is not None:
        raise click.UsageError("--words learns a vocabulary and --vocabulary names one: expected one of them")
    with python_alone_on_stderr():
        found = find_images(folder, test_fraction=test_fraction, seed=seed)
        if features == "pixels":
            with progress("reading", len(found)) as advance:
                dataset = import_image_pixels(
                    found, out, size=32 if size is None else size, colour=colour, name=name, progress=advance
                )
        else:
            dataset = _import_words(found, out, 1000 if words is None else words, vocabulary, seed, name)
    report(dataset)
    for key, what in (
        ("skipped_files", "no images by their names"),
        ("rows_of_zeros", "histograms or images of zeros"),
    ):
        if dataset.provenance[key]:
            click.echo(f"{key.replace('_', ' ')}: {dataset.provenance[key]} ({what})")


def _import_words(
    found: ImageFolder, out: Path, words: int, vocabulary: Path | None, seed: int, name: str | None
) -> Dataset:
    from capacity.data import import_image_words, learn_vocabulary, load_vocabulary
    from capacity.data.importers.vocabulary import images_to_learn_from

    if vocabulary is None:
        with progress("learning words", images_to_learn_from(found, words)) as advance:
            learnt = learn_vocabulary(found, words, seed=seed, progress=advance)
        path = out.with_suffix(".vocabulary.npz")
        learnt.save(path)
        click.echo(f"wrote {path}: {words} words from {learnt.recipe['descriptors']} descriptors")
    else:
        learnt = load_vocabulary(vocabulary)
    with progress("counting words", len(found)) as advance:
        return import_image_words(found, out, learnt, name=name, progress=advance)
