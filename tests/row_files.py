"""HDF5 files of every layout that `capacity.data.reading.rows` reads, for its tests."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.sparse

from capacity.data.reading.rows import RowReader

ROWS, COLUMNS = 23, 13
"""Of the small arrays: odd, and no multiples of any chunk."""

LAYOUTS: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "chunks": {"chunks": (5, 13)},
    "chunks of a row": {"chunks": (1, 13)},
    "one chunk": {"chunks": (23, 13)},
    "chunks that split columns": {"chunks": (4, 5)},
    "chunks wider and longer than the array": {"chunks": (64, 32), "maxshape": (None, None)},
    "growing": {"chunks": (7, 13), "maxshape": (None, 13)},
    "gzip": {"chunks": (5, 13), "compression": "gzip"},
    "gzip, shuffled": {"chunks": (5, 13), "compression": "gzip", "shuffle": True},
    "gzip, split columns": {"chunks": (5, 4), "compression": "gzip", "shuffle": True},
    "lzf": {"chunks": (8, 13), "compression": "lzf"},
    "lzf, shuffled, split columns": {"chunks": (8, 6), "compression": "lzf", "shuffle": True},
    "shuffled": {"chunks": (6, 13), "shuffle": True},
    "fletcher32": {"chunks": (6, 13), "fletcher32": True},
}
"""Name -> how h5py is told."""

STORED = ("u1", "i1", "<u2", ">u2", "<i2", ">i4", "<i4", "<i8", ">u8", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "?")
"""Types of the small arrays."""


def values(dtype: str, shape: tuple[int, int] = (ROWS, COLUMNS), seed: int = 0) -> np.ndarray:
    """Return numbers that every type holds, some of them repeated so that lzf finds something to do."""
    numbers = np.random.default_rng(seed).integers(0, 120, shape)
    numbers[::3] = 7
    return (numbers > 60 if dtype == "?" else numbers).astype(dtype)


def reader(path: Path, key: str = "x", dtype: str = "f4") -> RowReader:
    """Open an array; that one is slow is not said."""
    with h5py.File(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return RowReader(file[key], path, np.dtype(dtype))


def write(path: Path, stored: np.ndarray, **layout: Any) -> Path:
    """Write one array, 'x'."""
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=stored, **layout)
    return path


def write_csr(path: Path, matrix: Any, **layout: Any) -> Path:
    """Write a SciPy matrix as it is in memory (CSR, duplicates and all) to the group 'x'."""
    with h5py.File(path, "w") as file:
        group = file.create_group("x")
        group.attrs["shape"] = matrix.shape
        for name in ("data", "indices", "indptr"):
            group.create_dataset(name, data=getattr(matrix, name), **layout)
    return path


def sparse_counts(rows: int = 40, columns: int = 17, seed: int = 3) -> Any:
    """Return a CSR matrix of counts in which some entries are there twice and some rows are empty."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 9, rows)
    counts[::7] = 0
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    indices = rng.integers(0, columns, indptr[-1]).astype(np.int32)
    data = rng.integers(1, 20, indptr[-1]).astype(np.int32)
    return scipy.sparse.csr_matrix((data, indices, indptr), shape=(rows, columns))
