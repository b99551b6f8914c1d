"""Data sets from folders of photographs: bags of visual words, as Dauphin and Bengio 2013 trained on, or pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data.dataset import Dataset
from capacity.data.importers.counts import smallest_integer
from capacity.data.importers.images import ImageFolder
from capacity.data.importers.parallel import in_order, one_thread_each
from capacity.data.importers.photo import quiet_pillow, read_square
from capacity.data.importers.sift import LEVELS, LONGEST, PATCH, STEP, opencv, read_descriptors
from capacity.data.importers.spool import RowSpool
from capacity.data.importers.vocabulary import Vocabulary
from capacity.data.opening import open_dataset
from capacity.data.sources import describe
from capacity.data.writing import DatasetWriter, check_target
from capacity.errors import InputError

_LARGEST_SIZE = 1024


def import_image_words(
    images: ImageFolder,
    out: str | Path,
    vocabulary: Vocabulary,
    *,
    threads: int | None = None,
    name: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> Dataset:
    """Write each photograph as a histogram of visual words: the recipe of ILSVRC2010's features.

    Grey, longest side at most 300 pixels, SIFT descriptors of 20 x 20 patches every 10 pixels at 3 scales (`capacity
    .data.sift` says how), each counted for its nearest word. A photograph narrower than a patch has no descriptors and
    counts nothing; provenance says how many these are.

    Parameters
    ----------
    images : ImageFolder
        From `find_images`.
    out : str or Path
        The HDF5 file to make: counts (N, K words) in the smallest of uint8 and int16 that holds the largest.
    vocabulary : Vocabulary
        From `learn_vocabulary` or `load_vocabulary`.
    threads : int, optional
        How many photographs are read at a time; the result does not depend on it. Default: as many as there are cores.
    name : str, optional
        Default: the stem of `out`.
    progress : callable, optional
        Called with 1 for each photograph.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        A photograph cannot be read (it is named), OpenCV is not installed, or the data set cannot be written.
    """
    rows = _Rows(
        extract=lambda path: vocabulary.count(read_descriptors(path)),
        inputs=len(vocabulary.words),
        dtype=np.dtype(np.int16),
        scale=1.0,
        options={"features": "sift-bow", "longest": LONGEST, "patch": PATCH, "step": STEP, "levels": LEVELS},
        record={"vocabulary": vocabulary.record(), "opencv": str(opencv().__version__)},
    )
    with one_thread_each():
        return _import(images, Path(out), rows, threads, name, progress)


def import_image_pixels(
    images: ImageFolder,
    out: str | Path,
    *,
    size: int = 32,
    colour: bool = False,
    threads: int | None = None,
    name: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> Dataset:
    """Write each photograph as the pixels of the square in its middle, averaged down to size x size.

    Parameters
    ----------
    images : ImageFolder
        From `find_images`.
    out : str or Path
        The HDF5 file to make: uint8, row after row, scaled by 1/255 when used.
    size : int
        Pixels of a side, 1..1024. A smaller photograph's pixels are repeated.
    colour : bool
        Red, green and blue of each pixel side by side, instead of its grey value.
    threads, name, progress
        As in `import_image_words`.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        An option does not fit, a photograph cannot be read (it is named), or the data set cannot be written.
    """
    if not 1 <= size <= _LARGEST_SIZE:
        raise InputError(f"size is {size}: expected a whole number in 1..{_LARGEST_SIZE}")
    rows = _Rows(
        extract=lambda path: read_square(path, size=size, colour=colour).ravel(),
        inputs=size * size * (3 if colour else 1),
        dtype=np.dtype(np.uint8),
        scale=1 / 255,
        options={"features": "pixels", "size": size, "colour": colour},
        record={},
    )
    return _import(images, Path(out), rows, threads, name, progress)


@dataclass(frozen=True)
class _Rows:
    """What an image becomes: `extract` makes its row (D,), which `dtype` holds; the rest is said of it in the file."""

    extract: Callable[[Path], NDArray[Any]]
    inputs: int
    dtype: np.dtype[Any]
    scale: float
    options: dict[str, Any]
    record: dict[str, Any]


def _import(
    images: ImageFolder,
    out: Path,
    rows: _Rows,
    threads: int | None,
    name: str | None,
    progress: Callable[[int], None] | None,
) -> Dataset:
    """Keep the rows aside as they come, then write them with what is known only now: their hashes and largest value."""
    check_target(out)
    origin = _Origin(images)

    def work(image: str) -> tuple[NDArray[Any], dict[str, Any]]:
        path = images.folder / image
        return rows.extract(path), describe(path)

    with RowSpool(out, inputs=rows.inputs, dtype=rows.dtype) as spool:
        names = images.train + images.test
        with quiet_pillow(), closing(in_order(work, names, threads)) as results:
            for image, (row, described) in zip(names, results, strict=True):
                spool.append(row)
                origin.add(image, described, empty=not row.any())
                if progress:
                    progress(1)
        stored = smallest_integer(spool.largest)
        with DatasetWriter(
            out,
            inputs=rows.inputs,
            dtype=stored,
            classes=len(images.class_names),
            samples=len(images.train),
            test_samples=len(images.test),
            name=name,
            class_names=images.class_names,
            scale=rows.scale,
            provenance={**origin.record(), "options": rows.options | images.options, **rows.record},
        ) as writer:
            splits = (("train", 0, images.train_labels), ("test", len(images.train), images.test_labels))
            for split, start, labels in splits:
                for block, values in spool.blocks(start, len(labels), stored):
                    writer.append(values, labels[block], split=split)
    return open_dataset(out)


class _Origin:
    """What the provenance says of the photographs, gathered one by one.

    `sha256` is the SHA-256 of a text with a line "SHA256  NAME" for each image, in the order of the rows, training
    images first: what `sha256sum` prints of them.
    """

    def __init__(self, images: ImageFolder) -> None:
        self._images, self._digest = images, hashlib.sha256()
        self._bytes = self._empty = 0

    def add(self, name: str, described: Mapping[str, Any], *, empty: bool) -> None:
        self._digest.update(f"{described['sha256']}  {name}\n".encode("utf-8", "surrogateescape"))
        self._bytes += described["bytes"]
        self._empty += empty

    def record(self) -> dict[str, Any]:
        folder = self._images.folder.resolve().name
        digest = self._digest.hexdigest()
        source = {"folder": folder, "images": len(self._images), "bytes": self._bytes, "sha256": digest}
        return {
            "importer": "images",
            "sources": [source],
            "skipped_files": self._images.skipped,
            "rows_of_zeros": self._empty,
        }
