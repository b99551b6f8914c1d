"""Data sets from arrays in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from capacity.data.checks import as_labels, check_shapes
from capacity.data.dataset import Dataset
from capacity.data.layout import row_blocks, storage_dtype
from capacity.data.opening import open_dataset
from capacity.data.writing import DatasetWriter


def save_dataset(
    path: str | Path,
    features: ArrayLike,
    labels: ArrayLike,
    *,
    test: tuple[ArrayLike, ArrayLike] | None = None,
    classes: int | None = None,
    name: str | None = None,
    class_names: Sequence[str] = (),
    feature_names: Sequence[str] = (),
    scale: float = 1.0,
    normalisation: str = "none",
    provenance: Mapping[str, Any] | None = None,
) -> Dataset:
    """Write arrays as a data set file and open it.

    Parameters
    ----------
    path : str or Path
        The file to make, in the layout of `capacity/data/README.md`.
    features : array_like (N, D)
        uint8, int16, int32, float16 and float32 are kept, narrower types widened exactly, all others converted to
        float32.
    labels : array_like (N,)
        Class indices 0..K-1.
    test : tuple (features, labels), optional
        The test split.
    classes : int, optional
        K; by default the number of class names, or else the largest label + 1.
    name, class_names, feature_names, scale, normalisation, provenance
        As in `Dataset`.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        The arrays break a rule of the layout, or the file cannot be written; nothing is left behind.

    Examples
    --------
    >>> data = save_dataset("moons.h5", X, y, test=(X_test, y_test), name="two moons")  # doctest: +SKIP
    """
    splits = {"train": (features, labels)} if test is None else {"train": (features, labels), "test": test}
    arrays = {split: (np.asarray(x), np.asarray(y)) for split, (x, y) in splits.items()}
    largest = 0
    for split, (x, y) in arrays.items():
        check_shapes(x.shape, y.shape, f"{path}: {split}")
        largest = max(largest, int(as_labels(y, f"{path}: {split}").max()))
    dtypes = [storage_dtype(x.dtype, f"{path}: {split} features") for split, (x, _) in arrays.items()]
    samples, inputs = arrays["train"][0].shape
    with DatasetWriter(
        path,
        inputs=inputs,
        dtype=np.result_type(*dtypes),
        classes=classes or len(class_names) or largest + 1,
        samples=samples,
        test_samples=len(arrays["test"][0]) if test else 0,
        name=name,
        class_names=class_names,
        feature_names=feature_names,
        scale=scale,
        normalisation=normalisation,
        provenance=provenance,
    ) as writer:
        for split, (x, y) in arrays.items():
            for rows in row_blocks(len(x), x[:1].nbytes):
                writer.append(x[rows], y[rows], split=split)
    return open_dataset(path)
