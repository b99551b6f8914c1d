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


def python2_pickle(values: dict[str, Any]) -> bytes:
    """Pickle a dict as Python 2's cPickle does with protocol 2: str, int, list, and arrays of bytes."""
    return b"\x80\x02}(" + b"".join(_python2(item) for pair in values.items() for item in pair) + b"u."


def _python2(value: Any) -> bytes:
    if isinstance(value, np.ndarray):
        shape = b"".join(_python2(side) for side in value.shape)
        dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        state = b"(K\x01(" + shape + b"t" + dtype + b"\x89" + _python2(value.tobytes()) + b"tb"
        return b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R" + state
    if isinstance(value, list):
        return b"](" + b"".join(map(_python2, value)) + b"e"
    if isinstance(value, int):
        return b"K" + bytes([value]) if value < 256 else b"J" + struct.pack("<i", value)
    text = value.encode() if isinstance(value, str) else value
    return b"U" + bytes([len(text)]) + text if len(text) < 256 else b"T" + struct.pack("<i", len(text)) + text
