"""NumPy's .npz archives."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data.arrays import save_dataset
from capacity.data.dataset import Dataset
from capacity.data.sources import describe, reading
from capacity.errors import InputError, did_you_mean


def import_npz(
    source: str | Path,
    out: str | Path,
    *,
    features: str = "X",
    labels: str = "y",
    test_features: str = "X_test",
    test_labels: str = "y_test",
    scale: float | None = None,
    name: str | None = None,
) -> Dataset:
    """Import arrays of an .npz archive as a data set file.

    Parameters
    ----------
    source : str or Path
        The archive.
    out : str or Path
        The HDF5 file to make.
    features, labels : str
        Names of the arrays (N, ...) and (N,). Axes after the first are flattened to D features; uint8 and int16 are
        kept, others converted to float32. Labels are class indices 0..K-1.
    test_features, test_labels : str
        Names of the test split's arrays. It is imported when the archive holds them.
    scale : float, optional
        What a network multiplies the values by. Default: 1/255 for uint8 (8-bit images), 1 for all other types.
    name : str, optional
        Default: the stem of `out`.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        The file is missing, damaged or no .npz archive, lacks an array, or an array breaks a rule of the layout.
    """
    source = Path(source)
    origin = {"importer": "npz", "sources": [describe(source)]}
    arrays = _arrays(source, (features, labels, test_features, test_labels))
    train = _pair(arrays, features, labels, source)
    wants_test = test_features in arrays or test_labels in arrays
    test = _pair(arrays, test_features, test_labels, source) if wants_test else None
    if scale is None:
        scale = 1 / 255 if train[0].dtype == np.uint8 else 1.0
    return save_dataset(out, *train, test=test, scale=scale, name=name, provenance=origin)


def _arrays(source: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Read the arrays that are asked for and there; the others are named without content, for messages."""
    if not zipfile.is_zipfile(source):
        raise InputError(f"{source} is not an .npz archive, or it is truncated: make it with numpy.savez")
    try:
        with reading(source), np.load(source, allow_pickle=False) as archive:
            return {name: archive[name] if name in names else np.empty(0) for name in archive.files}
    except (zipfile.BadZipFile, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{source} is damaged or holds more than plain arrays: {error}") from error


def _pair(arrays: dict[str, NDArray[Any]], x: str, y: str, source: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    for name in (x, y):
        if name not in arrays:
            raise InputError(f"{source} has no array '{name}'{did_you_mean(name, arrays)}")
    features, labels = arrays[x], arrays[y]
    if features.ndim > 2:
        features = features.reshape(len(features), math.prod(features.shape[1:]))
    return features, labels
