"""An HDF5 file as bytes: a descriptor of our own, so that neither h5py's file nor HDF5's global lock is needed to read.

Reading past the end of a map ends the process. So rows in order are read with `pread`, and a map is looked at only
after the file's size was asked for.
"""

from __future__ import annotations

import mmap
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data import _rows
from capacity.data.sources import reading
from capacity.errors import InputError


@contextmanager
def damage(what: str) -> Iterator[None]:
    """Turn what native code finds wrong into one sentence about `what`."""
    try:
        yield
    except _rows.DamageError as error:
        raise InputError(f"{what} is truncated or damaged: {error}") from error


@contextmanager
def hdf5_errors(what: str) -> Iterator[None]:
    """Turn what h5py raises for a damaged file into one sentence about `what`."""
    try:
        yield
    except InputError:
        raise
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError) as error:
        reason = " ".join(str(error).split())  # HDF5 breaks its lines
        raise InputError(f"{what} is truncated or damaged: {reason}") from error


class RowFile:
    """A file that is open for reading, until `close` or its last use.

    Parameters
    ----------
    path : Path
    opened : h5py.File
        The same file; InputError where `path` is another one by now.

    Attributes
    ----------
    fd : int
        The descriptor, -1 when it is closed.
    size : int
        Bytes, when it was opened.
    others : list of h5py.File
        The same file, opened by what reads through HDF5; closed with it.
    """

    def __init__(self, path: Path, opened: Any) -> None:
        self.path = path
        self.others: list[Any] = []
        with reading(path):
            self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._closing = weakref.finalize(self, os.close, self.fd)
        self.size = os.fstat(self.fd).st_size
        if opened.driver == "sec2" and not os.path.samestat(os.fstat(opened.id.get_vfd_handle()), os.fstat(self.fd)):
            self.close()
            raise InputError(f"{path} was replaced by another file while it was opened: open it again")

    def read(self, offset: int, out: NDArray[Any]) -> None:
        """Fill `out` (C-contiguous) from `offset` on; DamageError where the file ends before."""
        _rows.read_at(self.fd, offset, out)

    def map(self, length: int) -> NDArray[np.uint8]:
        """Return the first `length` bytes as a map, which lives as long as the array.

        DamageError where the file has fewer.
        """
        if length == 0:
            return np.empty(0, np.uint8)
        try:
            return np.frombuffer(mmap.mmap(self.fd, length, access=mmap.ACCESS_READ), np.uint8)
        except (ValueError, OSError) as error:
            raise _rows.DamageError(f"it cannot be mapped ({error})") from error

    def close(self) -> None:
        """Close the descriptor, and the others."""
        self._closing()
        for other in self.others:
            other.close()
        self.fd = -1
