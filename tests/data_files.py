"""Small files in the real formats, for the tests of `capacity.data`."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import h5py
import numpy as np

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Real data in their original formats, where this machine has them."""

IDX_CODES = {"u1": 0x08, "i1": 0x09, ">i2": 0x0B, ">i4": 0x0C, ">f4": 0x0D, ">f8": 0x0E}


def write_idx(path: Path, values: Any, dtype: str = "u1") -> Path:
    """Write an IDX file by its description; gzipped when the name says so."""
    array = np.asarray(values).astype(dtype)
    content = struct.pack(">HBB", 0, IDX_CODES[dtype], array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    content += array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def write_hdf5(path: Path, arrays: dict[str, Any], **attributes: Any) -> Path:
    """Write a data set file as a stranger would, with h5py alone."""
    with h5py.File(path, "w") as file:
        for key, value in arrays.items():
            file[key] = value
        file.attrs.update(attributes)
    return path


def leftovers(folder: Path) -> list[str]:
    """Return what lies in a folder, hidden files included."""
    return sorted(entry.name for entry in folder.iterdir())
