"""The file layout in code: names, element types and the digest of the content. README.md describes it for people."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.errors import InputError

FORMAT = "capacity-dataset"
VERSION = 2
"""2 added int32, float16, groups of compressed sparse rows and normalisation; files of version 1 are read as ever."""
SPLITS = ("train", "test")

UINT8, INT16, INT32, FLOAT16, FLOAT32 = (np.dtype(code) for code in ("u1", "<i2", "<i4", "<f2", "<f4"))
"""Element types on disk: always little-endian, so that a digest is the same everywhere."""

NORMALISATIONS = ("none", "l1", "l2")
"""What the rows of a data set are divided by when they are used: nothing, the sum of their absolute values, or their
Euclidean norm.
"""

_EXACT = {
    **{"bool": UINT8, "uint8": UINT8, "int8": INT16, "int16": INT16, "uint16": INT32, "int32": INT32},
    "float16": FLOAT16,
}
_BLOCK_BYTES = 4 << 20
_SMALLEST = float(np.finfo(np.float32).tiny)


def storage_dtype(dtype: np.dtype[Any], what: str) -> np.dtype[Any]:
    """Return the element type that features of `dtype` are stored in: a smaller one where it is exact, else float32."""
    native = dtype.newbyteorder("=")
    if native.name in _EXACT:
        return _EXACT[native.name]
    if native.kind in "iuf":
        return FLOAT32
    raise InputError(f"{what} have the type {dtype}: expected whole or floating-point numbers")


def to_storage(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return `values` C-contiguous in `dtype`; what float32 cannot hold becomes infinite, for the checks to find."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, dtype=dtype)


def row_blocks(rows: int, row_bytes: int, *, multiple: int = 1) -> Iterator[slice]:
    """Cut `rows` rows into slices of about 4 MiB each, all but the last of a multiple of so many rows."""
    step = max(1, _BLOCK_BYTES // max(1, row_bytes) // multiple) * multiple
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def row_scale(features: NDArray[Any], normalisation: str) -> NDArray[np.float32]:
    """Return what each row of a block (n, D) is multiplied by to have norm 1, (n,).

    It is 1 where a row is all zeros, or so small that float32 cannot hold its factor.
    """
    values = np.abs(features, dtype=np.float64)
    norms = values.sum(axis=1) if normalisation == "l1" else np.sqrt(np.square(values).sum(axis=1))
    ones = np.ones(len(norms))
    factors: NDArray[np.float32] = np.divide(1.0, norms, out=ones, where=norms >= _SMALLEST).astype(FLOAT32)
    return factors


class SplitHash:
    """Running hash of one split's arrays, fed in row order; where the cuts between blocks fall does not matter."""

    def __init__(self) -> None:
        self._features, self._labels = hashlib.sha256(), hashlib.sha256()
        self._rows = 0

    def update(self, features: NDArray[Any], labels: NDArray[np.int32]) -> None:
        """Take the next rows: features (n, D) and labels (n,), both in the types they are stored in."""
        self._features.update(features.data)
        self._labels.update(labels.data)
        self._rows += len(labels)

    def summary(self) -> dict[str, Any]:
        return {"samples": self._rows, "features": self._features.hexdigest(), "labels": self._labels.hexdigest()}


def content_digest(
    splits: Mapping[str, SplitHash],
    *,
    dtype: np.dtype[Any],
    inputs: int,
    classes: int,
    scale: float,
    normalisation: str = "none",
) -> str:
    """Return the SHA-256 (hex) of what a training depends on; names and provenance are not part of it."""
    content: dict[str, Any] = {"dtype": dtype.name, "inputs": inputs, "classes": classes, "scale": scale}
    content |= {} if normalisation == "none" else {"normalisation": normalisation}
    content |= {name: rows.summary() for name, rows in splits.items()}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
