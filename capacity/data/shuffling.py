"""A data set file in a random order, for data that are read in windows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from capacity.data.dataset import Dataset
from capacity.data.layout import row_blocks
from capacity.data.opening import open_dataset, open_unloaded
from capacity.data.writing import DatasetWriter
from capacity.errors import InputError


def shuffle_dataset(
    source: str | Path, out: str | Path, *, seed: int = 0, progress: Callable[[int], None] | None = None
) -> Dataset:
    """Write a data set with its training rows in a random order; the test rows keep theirs.

    Data that are larger than memory are read in windows (`capacity.data.windows`), in which rows that lie beside each
    other in the file stay together. In a file that is sorted by class a window holds few classes.

    Parameters
    ----------
    source : str or Path
        A built-in name or a file.
    out : str or Path
        The HDF5 file to make, uncompressed; another one than the source.
    seed : int
        0..2^64-1. The order depends on it and on N only.
    progress : callable, optional
        Called with the number of rows written, block after block.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        The source cannot be used, the two are one file, or the file cannot be written; nothing is left behind.
    """
    if not 0 <= seed < 2**64:
        raise InputError(f"seed is {seed}: expected a whole number in 0..2^64-1")
    data, out = open_unloaded(source), Path(out)
    if out.exists() and data.path is not None and out.samefile(data.path):
        raise InputError(f"{out} is the file to be shuffled: expected another name")
    splits = {"train": data.train} | ({} if data.test is None else {"test": data.test})
    origin = {"name": data.name, "digest": data.digest, "provenance": data.provenance}
    with DatasetWriter(
        out,
        inputs=data.inputs,
        dtype=data.train.features.dtype,
        classes=data.classes,
        samples=len(data.train.labels),
        test_samples=0 if data.test is None else len(data.test.labels),
        shuffle=seed,
        name=data.name,
        class_names=data.class_names,
        feature_names=data.feature_names,
        scale=data.scale,
        normalisation=data.normalisation,
        provenance={"shuffled": {"seed": seed}, "source": origin},
    ) as writer:
        for name, split in splits.items():
            reader = split.reader
            for rows in row_blocks(len(reader), reader.nbytes // len(reader), multiple=reader.piece_rows):
                writer.append(reader[rows], split.labels[rows], split=name)
                if progress:
                    progress(rows.stop - rows.start)
    return open_dataset(out)
