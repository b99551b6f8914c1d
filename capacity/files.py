"""Files that are whole or untouched, whatever happens, and one sentence when the disk refuses."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from capacity.errors import StudyError

SUFFIX = ".tmp"
"""Ends the names (which begin with a dot) of files being written aside."""

_REFUSALS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than the limit for files",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "the operation is not permitted",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EEXIST: "a file of that name is in the way",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ENOENT: "a file or folder of it is gone",
    errno.EIO: "the disk reports an input/output error",
    errno.ENOLCK: "the file system offers no locks",
    errno.EOPNOTSUPP: "the file system offers no locks",
}


def replace_files(folder: Path, contents: Iterable[tuple[str, bytes]]) -> None:
    """Write or replace files in `folder`, durably; each is whole, the old one or the new, at every moment.

    All are written aside and flushed to the disk before the first is put in place, so that a full disk leaves every
    earlier file as it was.
    """
    aside: dict[Path, Path] = {}
    try:
        for name, content in contents:
            target = folder / name
            aside[target] = folder / f".{name}.{os.getpid()}{SUFFIX}"
            _write(aside[target], content)
        for target, written in aside.items():
            os.replace(written, target)
    finally:
        for written in aside.values():
            with suppress(OSError):
                written.unlink(missing_ok=True)
    if aside:
        flush_folder(folder)


def _write(path: Path, content: bytes) -> None:
    with open(path, "wb", buffering=0) as file:
        rest = memoryview(content)
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed process left half-written aside."""
    for leftover in folder.glob(f".*{SUFFIX}"):
        leftover.unlink(missing_ok=True)


@contextmanager
def disk_refusals(what: str, advice: str) -> Iterator[None]:
    """Turn a full, read-only or failing disk into one StudyError sentence: "cannot `what`: reason; `advice`."."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        raise StudyError(f"cannot {what}: {_REFUSALS[error.errno]}; {advice}.") from error
    except sqlite3.OperationalError as error:
        raise StudyError(f"cannot {what}: the database says '{error}'; {advice}.") from error
