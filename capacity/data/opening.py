"""Opening data sets: built-in ones by name, all others by file."""

from __future__ import annotations

import hashlib
import json
import operator
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data.checks import as_labels, check_finite, check_header, check_several_classes, check_shapes, class_count
from capacity.data.dataset import Dataset, Split
from capacity.data.layout import (
    FLOAT32,
    FORMAT,
    SPLITS,
    VERSION,
    SplitHash,
    content_digest,
    row_blocks,
    row_scale,
    storage_dtype,
    to_storage,
)
from capacity.data.reading.hdf5 import array, attribute, features_in, hdf5_file, json_object, text, texts
from capacity.data.reading.rows import RowReader
from capacity.data.windows import Windows
from capacity.engine.machine import usable_cores
from capacity.errors import InputError, did_you_mean
from capacity.sizes import bytes_of

BUILT_IN = {"digits": Path(__file__).with_name("digits.h5")}
"""Data sets inside the package: name -> file."""


def open_dataset(source: str | Path | Dataset, *, memory: int | str | None = None) -> Dataset:
    """Open a data set.

    Parameters
    ----------
    source : str, Path or Dataset
        A built-in name (`digits`), an HDF5 file in the layout of `capacity/data/README.md`, or an open data set,
        which is returned as it is.
    memory : int or str, optional
        Most memory for features, in bytes or as text ("512MB"). Features that take more are not loaded: a training
        reads them epoch by epoch, through windows that fit, in an order that depends on this number. Default: no
        limit.

    Returns
    -------
    Dataset
        Features are memory maps where the file stores them contiguously in their type, as all files that this package
        writes do; otherwise arrays, or, beyond `memory`, a :class:`capacity.data.RowReader`.

    Raises
    ------
    InputError
        The file is missing, truncated or not HDF5, or its content breaks a rule of the layout: shapes, labels outside
        0..K-1, NaN or infinity (row and column named), no rows, one class. Values are looked through block by
        block, and only in files that this package did not write itself.
    """
    if isinstance(source, Dataset):
        return source
    limit = None if memory is None else bytes_of(memory)
    path = locate(source)
    with hdf5_file(path) as file:
        dataset = _read(file, path)
        if limit is not None and sum(split.features.nbytes for split in _splits(dataset).values()) > limit:
            return _windowed(_validated(file, dataset), limit)
        return _validated(file, _with(dataset, lambda split, _: replace(split, features=_in_memory(split.reader))))


def open_unloaded(source: str | Path) -> Dataset:
    """Open a data set as `open_dataset` does, but leave its features where they are: for a look at all else."""
    path = locate(source)
    with hdf5_file(path) as file:
        return _validated(file, _read(file, path))


def locate(source: str | Path) -> Path:
    """Return the file of a built-in name or a path."""
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
    """Return what a file says of itself; its features are unread, and no digest is set."""
    check_format(file, path)
    normalisation = attribute(file, "normalisation", text, "none", path)
    splits = {name: _split(file, name, path) for name in SPLITS if name == "train" or "test" in file}
    train, test = splits["train"], splits.get("test")
    inputs, dtype = int(train.features.shape[1]), train.features.dtype
    if test is not None and (test.features.shape[1] != inputs or test.features.dtype != dtype):
        raise InputError(
            f"{path}: test features are {test.features.shape[1]} columns of {test.features.dtype}, training features "
            f"{inputs} of {dtype}: expected the same"
        )

    largest = max(int(split.labels.max()) for split in splits.values())
    classes = attribute(file, "classes", class_count, largest + 1, path)
    class_names = attribute(file, "class_names", texts, None, path)
    feature_names = attribute(file, "feature_names", texts, (), path)
    scale = attribute(file, "scale", float, 1.0, path)
    check_header(
        inputs=inputs,
        classes=classes,
        scale=scale,
        normalisation=normalisation,
        class_names=class_names,
        feature_names=feature_names,
        what=f"{path}",
    )
    for name, split in splits.items():
        as_labels(split.labels, f"{path}: {name}", classes=classes)
    check_several_classes(np.bincount(train.labels, minlength=classes), f"{path}: training")

    return Dataset(
        name=attribute(file, "name", text, path.stem, path),
        classes=classes,
        class_names=class_names or tuple(map(str, range(classes))),
        feature_names=feature_names,
        scale=scale,
        normalisation=normalisation,
        train=splits["train"],
        test=splits.get("test"),
        digest="",
        provenance=attribute(file, "provenance", json_object, {}, path),
        path=path,
    )


def _validated(file: Any, dataset: Dataset) -> Dataset:
    """Return the data set with its digest, after a look at the features' values unless the file vouches for them."""
    path = dataset.path
    assert path is not None
    digest = attribute(file, "digest", text, "", path)
    if not digest or attribute(file, "validated", text, "", path) != digest:
        dataset = _with(dataset, lambda split, name: _checked(split, dataset, name))
    elif dataset.normalisation != "none":
        dataset = _with(dataset, lambda split, name: replace(split, row_scale=stored_factors(file, name, path)))
    if not digest:
        digest = content_digest(
            {name: _hashed(split) for name, split in _splits(dataset).items()},
            dtype=dataset.train.features.dtype,
            inputs=dataset.inputs,
            classes=dataset.classes,
            scale=dataset.scale,
            normalisation=dataset.normalisation,
        )
    return replace(dataset, digest=digest)


def _splits(dataset: Dataset) -> dict[str, Split]:
    return {name: split for name, split in (("train", dataset.train), ("test", dataset.test)) if split is not None}


def _with(dataset: Dataset, change: Callable[[Split, str], Split]) -> Dataset:
    """Return the data set with each of its splits changed."""
    return replace(dataset, **{name: change(split, name) for name, split in _splits(dataset).items()})  # type: ignore[arg-type]


def _windowed(dataset: Dataset, memory: int) -> Dataset:
    """Return the data set as it is read in windows: numbers depend on their size, and on what is read at once."""
    order = {"content": dataset.digest, "memory": memory, "piece_rows": dataset.train.reader.piece_rows}
    digest = hashlib.sha256(json.dumps(order, sort_keys=True).encode()).hexdigest()
    return replace(dataset, digest=digest, windows=Windows(memory))


def check_format(file: Any, path: Path) -> None:
    """Refuse a file that says it is of another format, or of a later version."""
    found = attribute(file, "format", text, FORMAT, path)
    version = attribute(file, "format_version", operator.index, VERSION, path)
    if found != FORMAT:
        raise InputError(f"{path} is an HDF5 file of the format '{found[:60]}': expected '{FORMAT}'")
    if version > VERSION:
        raise InputError(f"{path} has layout version {version}, expected at most {VERSION}: update capacity")


def _split(file: Any, name: str, path: Path) -> Split:
    what = f"{path}: {name}"
    features, values = features_in(file, name, path)
    labels = array(file, f"{name}/labels", path)
    dtype = storage_dtype(values.dtype, f"{what} features")
    if features is values:
        check_shapes(features.shape, labels.shape, what)
    rows = RowReader(features, path, dtype)
    check_shapes(rows.shape, labels.shape, what)
    checked = as_labels(labels[()], what)
    checked.setflags(write=False)
    return Split(rows, checked)


def _in_memory(reader: RowReader) -> NDArray[Any]:
    mapped = reader.mapped()
    return reader.load(usable_cores()) if mapped is None else mapped


def stored_factors(file: Any, name: str, path: Path) -> NDArray[np.float32]:
    """Return the factors (N,) of a split's rows that the file holds; native code takes as many as there are labels."""
    stored, rows = array(file, f"{name}/row_scale", path), array(file, f"{name}/labels", path).shape
    if stored.shape != rows:
        raise InputError(f"{path}: {name} row_scale has the shape {stored.shape}: expected {rows}, a factor a row")
    factors: NDArray[np.float32] = to_storage(stored[()], FLOAT32)
    if not np.isfinite(factors).all():
        row = int(np.argmin(np.isfinite(factors)))
        raise InputError(f"{path}: {name} row_scale holds {factors[row]} for row {row}: it is damaged, make it again")
    factors.setflags(write=False)
    return factors


def _checked(split: Split, dataset: Dataset, name: str) -> Split:
    """Look through the values, and return the split with the factors that the normalisation gives its rows."""
    factors = []
    for rows in _blocks(split):
        block = split.features[rows]
        check_finite(block, f"{dataset.path}: {name}", first_row=rows.start, names=dataset.feature_names)
        if dataset.normalisation != "none":
            factors.append(row_scale(block, dataset.normalisation))
    return replace(split, row_scale=np.concatenate(factors)) if factors else split


def _hashed(split: Split) -> SplitHash:
    running = SplitHash()
    for rows in _blocks(split):
        running.update(np.ascontiguousarray(split.features[rows]), split.labels[rows])
    return running


def _blocks(split: Split) -> Iterator[slice]:
    pieces = split.features.piece_rows if isinstance(split.features, RowReader) else 1
    return row_blocks(len(split.labels), split.features.nbytes // len(split.labels), multiple=pieces)
