"""NumPy's .npz archives."""

from __future__ import annotations

import math
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from capacity.data.arrays import save_dataset
from capacity.data.dataset import Dataset
from capacity.data.sources import DEFLATE_RATIO, FREE_BYTES, describe, reading, reason
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
    with reading(source):
        if not zipfile.is_zipfile(source):
            raise InputError(f"{source} is not an .npz archive, or it is truncated: make it with numpy.savez")
        try:
            with zipfile.ZipFile(source) as archive, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of odd Python in a header
                members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
                return {
                    name: _member(archive, info) if name in names else np.empty(0) for name, info in members.items()
                }
        except (zipfile.BadZipFile, ValueError, RuntimeError) as error:
            raise InputError(f"{source} is damaged or holds more than plain arrays: {reason(error)}") from error


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    """Read an array after holding the size in its header to the size of what is stored; ValueError where it cannot."""
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise ValueError(f"'{info.filename}' is compressed by another method than deflate")
    with archive.open(info) as stream:
        shape, dtype = _npy_header(stream, info.filename)
        if dtype.hasobject:
            raise ValueError(f"'{info.filename}' holds pickled objects, which are never loaded")
        size = math.prod(shape) * dtype.itemsize
        if any(type(length) is not int or length < 0 for length in shape) or size > info.file_size:
            raise ValueError(f"'{info.filename}' has the shape {shape} and only {info.file_size} bytes")
        if size > info.compress_size * DEFLATE_RATIO + FREE_BYTES:
            raise ValueError(f"'{info.filename}' has the shape {shape} and only {info.compress_size} bytes stored")
    with archive.open(info) as stream:
        found: NDArray[Any] = npy.read_array(stream, allow_pickle=False)
        if stream.read(1):  # at the end the checksum is looked at
            raise ValueError(f"'{info.filename}' goes on after the {shape} values its header announces")
    return found


def _npy_header(stream: Any, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and dtype of an .npy file."""
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    try:
        version = npy.read_magic(stream)
        shape, _, dtype = readers[version](stream)
    except (zipfile.BadZipFile, zlib.error, EOFError):
        raise
    except Exception as error:  # the header is an expression of Python: its readers raise whatever comes to them
        raise ValueError(f"'{name}' is no .npy file of plain numbers ({type(error).__name__})") from error
    return shape, dtype


def _pair(arrays: dict[str, NDArray[Any]], x: str, y: str, source: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    for name in (x, y):
        if name not in arrays:
            raise InputError(f"{source} has no array '{name}'{did_you_mean(name, arrays)}")
    features, labels = arrays[x], arrays[y]
    if features.ndim > 2:
        features = features.reshape(len(features), math.prod(features.shape[1:]))
    return features, labels
