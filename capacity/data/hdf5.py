"""HDF5 files as they come from anywhere: arrays and attributes, and one sentence for what is wrong with them.

Only what lies in the file itself is read. A link to another file, or an array whose values lie in others, could make a
data set of any file that the user may read; it is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from capacity.errors import InputError


@contextmanager
def hdf5_file(path: Path) -> Iterator[Any]:
    """Open an HDF5 file for reading."""
    import h5py

    try:
        with path.open("rb"):  # is_hdf5 answers False, without a reason, where reading is not allowed
            pass
        if not h5py.is_hdf5(path):
            raise InputError(f"{path} is not an HDF5 file: make one with 'capacity data import idx|csv|npz'")
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())  # HDF5 breaks its lines
        raise InputError(f"{path} cannot be read, it may be truncated or damaged: {reason}") from error


def find(file: Any, key: str, path: Path) -> Any:
    """Return the array or group at `key`, or None; refuse what leads out of the file."""
    import h5py

    found = file
    for part in key.split("/"):
        if not isinstance(found, h5py.Group):
            return None
        link = found.get(part, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise InputError(f"{path}: '{key}' is a link to the file '{link.filename}': expected the array itself")
        if isinstance(link, h5py.SoftLink):
            raise InputError(f"{path}: '{key}' is a soft link to '{link.path}': expected the array itself")
        found = found.get(part)
    if isinstance(found, h5py.Dataset) and (found.is_virtual or found.external):
        raise InputError(f"{path}: the values of '{key}' lie in other files: expected them in this one")
    return found


def array(file: Any, key: str, path: Path) -> Any:
    """Return the array at `key`, unread."""
    import h5py

    found = find(file, key, path)
    if not isinstance(found, h5py.Dataset):
        raise InputError(f"{path} has no array '{key}': expected train/features (N, D) and train/labels (N,)")
    return found


def attribute(file: Any, key: str, read: Callable[[Any], Any], default: Any, path: Path) -> Any:
    """Return what `read` makes of an attribute, or the default where it is absent."""
    if key not in file.attrs:
        return default
    value = file.attrs[key]
    try:
        return read(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: attribute '{key}' cannot be read ({error}): see the layout's description") from error


def text(value: Any) -> str:
    """Return an attribute as text."""
    return value.decode() if isinstance(value, bytes) else str(value)


def texts(value: Any) -> tuple[str, ...]:
    """Return an attribute as a list of texts."""
    return tuple(text(item) for item in value)


def json_object(value: Any) -> dict[str, Any]:
    """Return an attribute that holds a JSON object; ValueError where it does not."""
    found = json.loads(text(value))
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found
