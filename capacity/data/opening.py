"""Opening data sets: built-in ones by name, all others by file."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data.checks import as_labels, check_finite, check_header, check_several_classes, check_shapes, class_count
from capacity.data.dataset import Dataset, Split
from capacity.data.hdf5 import array, attribute, hdf5_file, json_object, text, texts
from capacity.data.layout import FORMAT, VERSION, SplitHash, content_digest, row_blocks, storage_dtype, to_storage
from capacity.errors import InputError, did_you_mean

BUILT_IN = {"digits": Path(__file__).with_name("digits.h5")}
"""Data sets inside the package: name -> file."""


def open_dataset(source: str | Path | Dataset) -> Dataset:
    """Open a data set without reading its features.

    Parameters
    ----------
    source : str, Path or Dataset
        A built-in name (`digits`), an HDF5 file in the layout of `capacity/data/README.md`, or an open data set,
        which is returned as it is.

    Returns
    -------
    Dataset
        Features are memory maps where the file stores them contiguously (all files this package writes).

    Raises
    ------
    InputError
        The file is missing, truncated or not HDF5, or its content breaks a rule of the layout: shapes, labels outside
        0..K-1, NaN or infinity (row and column named), no rows, one class. Values are looked through block by
        block, and only in files that this package did not write itself.
    """
    if isinstance(source, Dataset):
        return source
    path = _locate(source)
    with hdf5_file(path) as file:
        return _read(file, path)


def _locate(source: str | Path) -> Path:
    if str(source) in BUILT_IN:
        return BUILT_IN[str(source)]
    path = Path(source)
    if path.is_file():
        return path
    if path.is_dir():
        raise InputError(f"{path} is a folder: expected an HDF5 file (make one with 'capacity data import')")
    hint = did_you_mean(path.name, BUILT_IN) if path.name == str(source) and not path.suffix else ""
    raise InputError(f"data set {path} not found: expected a file or a built-in name{hint}")


def _read(file: Any, path: Path) -> Dataset:
    _check_format(file, path)
    train = _split(file, "train", path)
    test = _split(file, "test", path) if "test" in file else None
    splits = {"train": train} if test is None else {"train": train, "test": test}
    inputs, dtype = int(train.features.shape[1]), train.features.dtype
    if test is not None and (test.features.shape[1] != inputs or test.features.dtype != dtype):
        raise InputError(
            f"{path}: test features are {test.features.shape[1]} columns of {test.features.dtype}, training features "
            f"{inputs} of {dtype}: expected the same"
        )

    largest = max(int(split.labels.max()) for split in splits.values())
    classes = attribute(file, "classes", class_count, largest + 1, path)
    class_names = attribute(file, "class_names", texts, tuple(map(str, range(classes))), path)
    feature_names = attribute(file, "feature_names", texts, (), path)
    scale = attribute(file, "scale", float, 1.0, path)
    check_header(
        inputs=inputs,
        classes=classes,
        scale=scale,
        class_names=class_names,
        feature_names=feature_names,
        what=f"{path}",
    )
    for name, split in splits.items():
        as_labels(split.labels, f"{path}: {name}", classes=classes)
    check_several_classes(np.bincount(train.labels, minlength=classes), f"{path}: training")

    digest = attribute(file, "digest", text, "", path)
    if not digest or attribute(file, "validated", text, "", path) != digest:
        for name, split in splits.items():
            _check_values(split, f"{path}: {name}", feature_names)
    if not digest:
        hashes = {name: _hashed(split) for name, split in splits.items()}
        digest = content_digest(hashes, dtype=dtype, inputs=inputs, classes=classes, scale=scale)
    return Dataset(
        name=attribute(file, "name", text, path.stem, path),
        classes=classes,
        class_names=class_names,
        feature_names=feature_names,
        scale=scale,
        train=train,
        test=test,
        digest=digest,
        provenance=attribute(file, "provenance", json_object, {}, path),
        path=path,
    )


def _check_format(file: Any, path: Path) -> None:
    found = attribute(file, "format", text, FORMAT, path)
    version = attribute(file, "format_version", operator.index, VERSION, path)
    if found != FORMAT:
        raise InputError(f"{path} is an HDF5 file of the format '{found[:60]}': expected '{FORMAT}'")
    if version > VERSION:
        raise InputError(f"{path} has layout version {version}, expected at most {VERSION}: update capacity")


def _split(file: Any, name: str, path: Path) -> Split:
    features, labels = array(file, f"{name}/features", path), array(file, f"{name}/labels", path)
    what = f"{path}: {name}"
    check_shapes(features.shape, labels.shape, what)
    checked = as_labels(labels[()], what)
    checked.setflags(write=False)
    return Split(_features(features, path, what), checked)


def _features(stored: Any, path: Path, what: str) -> NDArray[Any]:
    dtype = storage_dtype(stored.dtype, f"{what} features")
    offset = stored.id.get_offset()  # None unless the array is one piece of this file
    mappable = stored.dtype == dtype and stored.chunks is None and not stored.external
    if mappable and offset is not None and offset % dtype.itemsize == 0:
        return np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=stored.shape)
    values = to_storage(stored[()], dtype)
    values.setflags(write=False)
    return values


def _check_values(split: Split, what: str, feature_names: tuple[str, ...]) -> None:
    for rows in _blocks(split):
        check_finite(split.features[rows], what, first_row=rows.start, names=feature_names)


def _hashed(split: Split) -> SplitHash:
    running = SplitHash()
    for rows in _blocks(split):
        running.update(split.features[rows], split.labels[rows])
    return running


def _blocks(split: Split) -> Iterator[slice]:
    return row_blocks(len(split.labels), split.features[:1].nbytes)
