"""The IDX format of MNIST and its successors (LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist).

A file is: two zero bytes, a type code, the number of axes, each axis' length as a big-endian 32-bit number, the
elements row-major and big-endian.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from capacity.data.checks import as_labels
from capacity.data.dataset import Dataset
from capacity.data.layout import row_blocks
from capacity.data.opening import open_dataset
from capacity.data.sources import describe, most_bytes, open_source, reading
from capacity.data.writing import DatasetWriter
from capacity.errors import InputError

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_TRUNCATED = "{} is truncated: it ends before the values its header announces; fetch it again"
_STEMS = ("train-images", "train-labels", "t10k-images", "t10k-labels")


def import_idx(
    images: str | Path,
    labels: str | Path,
    out: str | Path,
    *,
    test_images: str | Path | None = None,
    test_labels: str | Path | None = None,
    name: str | None = None,
    class_names: Sequence[str] = (),
) -> Dataset:
    """Import IDX files, gzipped or not, as a data set file.

    Parameters
    ----------
    images : str or Path
        An array of two or more axes; the first are the samples, the others are flattened to D features. Unsigned
        bytes are kept and get the scale 1/255, signed bytes and 16-bit numbers are kept as int16, 32-bit numbers as
        int32, all others are converted to float32.
    labels : str or Path
        An array of one axis: class indices 0..K-1; K is the largest label of both splits + 1.
    out : str or Path
        The HDF5 file to make.
    test_images, test_labels : str or Path, optional
        The test split; both or neither.
    name : str, optional
        Default: the stem of `out`.
    class_names : sequence of str, optional
        K names. Default: "0".."K-1".

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        A file is missing, truncated, longer than it says or not IDX, or its content breaks a rule of the layout.
    """
    if (test_images is None) != (test_labels is None):
        raise InputError("a test split needs both test images and test labels: expected both or neither")
    pairs = {"train": (Path(images), Path(labels))}
    if test_images is not None and test_labels is not None:
        pairs["test"] = (Path(test_images), Path(test_labels))

    files = {split: (_header(x), _header(y)) for split, (x, y) in pairs.items()}
    classes = {split: _labels(*files[split]) for split in files}
    first = files["train"][0]
    for x, _ in files.values():
        if x.shape[1:] != first.shape[1:] or x.dtype != first.dtype:
            raise InputError(
                f"{x.path} holds samples of shape {x.shape[1:]} and type {x.dtype}, {first.path} of {first.shape[1:]} "
                f"and {first.dtype}: expected the same"
            )
    with DatasetWriter(
        out,
        inputs=math.prod(first.shape[1:]),
        dtype=first.dtype,
        classes=1 + max(int(values.max()) for values in classes.values()),
        samples=len(classes["train"]),
        test_samples=len(classes.get("test", ())),
        name=name,
        class_names=class_names,
        scale=1 / 255 if first.dtype == np.uint8 else 1.0,
        provenance={"importer": "idx", "sources": [describe(path) for pair in pairs.values() for path in pair]},
    ) as writer:
        for split, (x, _) in files.items():
            for rows, values in x.blocks():
                writer.append(values, classes[split][rows], split=split)
    return open_dataset(out)


def import_idx_folder(folder: str | Path, out: str | Path, *, name: str | None = None) -> Dataset:
    """Import a folder that holds the four files under their classic names (`train-images-idx3-ubyte.gz`, ...).

    Parameters and errors as in `import_idx`; the two test files may be absent.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: expected one with train-images-idx3-ubyte[.gz] and its companions")
    found = [_classic(folder, stem) for stem in _STEMS]
    images, labels, test_images, test_labels = found
    if images is None or labels is None:
        raise InputError(
            f"{folder} lacks train-images-idx3-ubyte[.gz] or train-labels-idx1-ubyte[.gz]: name the files one by one"
        )
    return import_idx(images, labels, out, test_images=test_images, test_labels=test_labels, name=name)


def _classic(folder: Path, stem: str) -> Path | None:
    matches = sorted(folder.glob(f"{stem}[-.]idx[0-9]-ubyte*"))
    return matches[0] if matches else None


@dataclass(frozen=True)
class _IdxFile:
    """An IDX file whose header has been read."""

    path: Path
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def blocks(self) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Yield (rows, values (n, D)) in order; notice a file that is shorter or longer than its header says."""
        width = math.prod(self.shape[1:])
        row_bytes = width * self.dtype.itemsize
        with reading(self.path), open_source(self.path) as file:
            file.read(4 + 4 * len(self.shape))
            for rows in row_blocks(self.shape[0], row_bytes):
                count = rows.stop - rows.start
                data = _read(file, count * row_bytes, self.path)
                yield rows, np.frombuffer(data, dtype=self.dtype).reshape(count, width)
            if file.read(1):
                raise InputError(f"{self.path} goes on after the {self.shape} values its header announces: is it IDX?")


def _header(path: Path) -> _IdxFile:
    with reading(path), open_source(path) as file:
        zeros, code, axes = struct.unpack(">HBB", _read(file, 4, path))
        if zeros != 0 or code not in _TYPES or axes == 0:
            raise InputError(f"{path} is not an IDX file: its first bytes are not an IDX magic number")
        shape = struct.unpack(f">{axes}I", _read(file, 4 * axes, path))
        if math.prod(shape) * np.dtype(_TYPES[code]).itemsize > most_bytes(path):
            raise InputError(_TRUNCATED.format(path))
    return _IdxFile(path, np.dtype(_TYPES[code]), shape)


def _read(file: BinaryIO, count: int, path: Path) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise InputError(_TRUNCATED.format(path))
    return data


def _labels(images: _IdxFile, labels: _IdxFile) -> NDArray[np.int32]:
    """Read all labels (N,): four bytes a sample fit in memory where the images may not."""
    if len(images.shape) < 2 or len(labels.shape) != 1:
        raise InputError(
            f"{images.path} has the shape {images.shape} and {labels.path} {labels.shape}: expected images of two or "
            "more axes, then labels of one"
        )
    if images.shape[0] != labels.shape[0]:
        raise InputError(
            f"{labels.path} has {labels.shape[0]} rows, {images.path} {images.shape[0]}: expected a label an image"
        )
    if images.shape[0] == 0:
        raise InputError(f"{images.path} has no rows: expected at least one sample")
    blocks = [as_labels(values[:, 0], f"{labels.path}:", first_row=rows.start) for rows, values in labels.blocks()]
    return np.concatenate(blocks)
