"""HDF5 files as they come from anywhere: arrays and attributes, and one sentence for what is wrong with them.

Only what lies in the file itself is read. A link to another file, or an array whose values lie in others, could make a
data set of any file that the user may read; it is refused. Sizes are believed when the file is large enough for them.
Damaged files crash the HDF5 library, so that a child process looks at a file before this one does.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from capacity.data.reading.probe import survives
from capacity.data.sources import DEFLATE_RATIO, FREE_BYTES, reason
from capacity.errors import InputError

_DEPTH, _WIDTH = 3, 64
"""How far the look goes into groups, and how many names of each it takes."""

_READ_BYTES = 16 << 20
"""Arrays up to this size are read whole by the look."""


@contextmanager
def hdf5_file(path: Path) -> Iterator[Any]:
    """Open an HDF5 file for reading."""
    import h5py

    try:
        with path.open("rb"):  # is_hdf5 answers False, without a reason, where reading is not allowed
            pass
        if not h5py.is_hdf5(path):
            raise InputError(f"{path} is not an HDF5 file: make one with 'capacity data import idx|csv|npz'")
        if not survives(path, _look):
            raise InputError(f"{path} is damaged: the HDF5 library crashes or hangs on it; fetch it again")
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError, RuntimeError) as error:
        raise InputError(f"{path} cannot be read, it may be truncated or damaged: {reason(error)}") from error


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
    """Return the array of numbers at `key`, unread; its values are in the file, as many as its shape says."""
    import h5py

    found = find(file, key, path)
    if not isinstance(found, h5py.Dataset):
        raise InputError(f"{path} has no array '{key}': expected train/features (N, D) and train/labels (N,)")
    _check_stored(found, f"{path}: {key.replace('/', ' ')}", path)
    return found


def features_in(file: Any, split: str, path: Path) -> tuple[Any, Any]:
    """Return the features of a split, an array or a group of sparse rows, and the array that holds their values."""
    key = f"{split}/features"
    if find(file, f"{key}/data", path) is None:
        values = array(file, key, path)
        return values, values
    for part in ("indices", "indptr"):
        array(file, f"{key}/{part}", path)
    return find(file, key, path), array(file, f"{key}/data", path)


def _check_stored(found: Any, what: str, path: Path) -> None:
    """Refuse what is no array of numbers, and a size that the file cannot hold, before anything of it is allocated."""
    try:
        dtype = found.dtype
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} have a type without an equivalent ({reason(error)}): expected numbers") from error
    if dtype.kind not in "biuf":
        raise InputError(f"{what} have the type {dtype}: expected an array of whole or floating-point numbers")
    if found.shape is None:
        raise InputError(f"{what} have no shape: expected an array of whole or floating-point numbers")
    size, room = math.prod(found.shape) * dtype.itemsize, path.stat().st_size
    stored, offset = found.id.get_storage_size(), found.id.get_offset()
    largest = max(size, math.prod(found.chunks or ()) * dtype.itemsize)
    whole = size <= stored and (offset or 0) + size <= room
    packed = 0 < stored <= room and largest <= stored * DEFLATE_RATIO + FREE_BYTES
    if size and not (packed if found.chunks else whole):
        raise InputError(
            f"{what} have the shape {found.shape}, {size} bytes, of which the file holds {min(stored, room)}: it is "
            "truncated, damaged or not filled"
        )


def attribute(file: Any, key: str, read: Callable[[Any], Any], default: Any, path: Path) -> Any:
    """Return what `read` makes of an attribute, or the default where it is absent."""
    if key not in file.attrs:
        return default
    try:
        _check_attribute(file, key, path)
        return read(file.attrs[key])
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InputError(
            f"{path}: attribute '{key}' cannot be read ({reason(error)}): see the layout's description"
        ) from error


def _check_attribute(file: Any, key: str, path: Path) -> None:
    """Refuse an attribute that is neither numbers nor texts, or larger than the file."""
    from h5py import h5a, h5t

    found = h5a.open(file.id, key.encode())
    kind = found.get_type().get_class()
    if kind not in {h5t.INTEGER, h5t.FLOAT, h5t.STRING}:
        raise ValueError("expected numbers or texts")
    if math.prod(found.shape) * found.get_type().get_size() > path.stat().st_size:
        raise ValueError(f"its shape {found.shape} is larger than the file")


def _look(path: Path) -> None:
    """Meet every structure that will be met: the attributes, and type, place, index and values of the arrays."""
    import h5py

    with h5py.File(path, "r") as file:
        for key in file.attrs:
            with contextlib.suppress(Exception):
                attribute(file, key, str, None, path)
        _look_into(file, path, _DEPTH)


def _look_into(group: Any, path: Path, depth: int) -> None:
    import h5py

    for name, _ in zip(group, range(_WIDTH), strict=False):
        with contextlib.suppress(Exception):
            found = find(group, name, path)
            if isinstance(found, h5py.Group) and depth > 1:
                _look_into(found, path, depth - 1)
            elif isinstance(found, h5py.Dataset):
                _look_at_values(array(group, name, path))


def _look_at_values(found: Any) -> None:
    """Read an array that is small or is labels; of others what lies in one piece is mapped, and of chunks the odd ones
    show what the filters do.
    """
    if found.nbytes <= _READ_BYTES or found.ndim == 1:
        _ = found[()]
    elif found.chunks:
        chunks: list[tuple[int, tuple[int, ...]]] = []
        found.id.chunk_iter(lambda chunk: chunks.append((chunk.size, chunk.chunk_offset)))
        for _, start in (min(chunks), max(chunks), chunks[0], chunks[-1]):
            _ = found[start]


def text(value: Any) -> str:
    """Return an attribute as text; ValueError where it is not UTF-8."""
    found = value.decode() if isinstance(value, bytes) else str(value)
    found.encode()  # h5py hides what is not UTF-8 in surrogates
    return found


def texts(value: Any) -> tuple[str, ...]:
    """Return an attribute as a list of texts."""
    return tuple(text(item) for item in value)


def json_object(value: Any) -> dict[str, Any]:
    """Return an attribute that holds a JSON object; ValueError where it does not."""
    found = json.loads(text(value))
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found
