"""The folder that downloaded files are kept in, and the question whether a file is the original."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import os
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from capacity.data.sources import describe, open_source, reading
from capacity.errors import InputError

CACHE_VARIABLE = "CAPACITY_CACHE"
OFFLINE_VARIABLE = "CAPACITY_OFFLINE"
_LOOK_SECONDS = 0.2
_IDLE_SECONDS = 300.0
"""How long a file that another process fetches may stay as it is before this one stops waiting."""


@dataclass(frozen=True)
class Fingerprint:
    """What a file must be: its size in bytes and its SHA-256 (hex)."""

    size: int
    sha256: str


@dataclass(frozen=True)
class RemoteFile:
    """A file of a known set.

    Attributes
    ----------
    name : str
        Its original name.
    original : Fingerprint
        Of the file as it is served.
    urls : tuple of str
        Addresses (http, https), the first to be tried first.
    content : Fingerprint or None
        Of what a gzipped file decompresses to: a copy compressed anew, or decompressed, is as good.
    """

    name: str
    original: Fingerprint
    urls: tuple[str, ...]
    content: Fingerprint | None = None


def cache_folder() -> Path:
    """Return the folder for downloads: `CAPACITY_CACHE`, or the platform's cache folder. It need not exist."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        try:
            return Path(chosen).expanduser().absolute()
        except RuntimeError as error:  # ~ of an unknown user
            raise InputError(f"{CACHE_VARIABLE} is {chosen}, which is not a folder: {error}") from error
    import platformdirs

    return platformdirs.user_cache_path("capacity", appauthor=False)


def is_offline() -> bool:
    """Tell whether `CAPACITY_OFFLINE` forbids connections: any text but 0, no, off and false does."""
    return os.environ.get(OFFLINE_VARIABLE, "").strip().lower() not in {"", "0", "no", "off", "false"}


def fault(path: Path, file: RemoteFile) -> str | None:
    """Say what is wrong with a copy of a file; None where it is the original or holds the same content.

    A file of the wrong size is not read, and nothing is decompressed beyond the expected size.
    """
    with reading(path):
        size = path.stat().st_size
        if size == file.original.size:
            found = str(describe(path)["sha256"])
            if found == file.original.sha256:
                return None
            difference = f"has the SHA-256 {found}: expected {file.original.sha256}"
        else:
            difference = f"has {size:,} bytes: expected {file.original.size:,}"
        return None if file.content is not None and _holds(path, file.content) else difference


def _holds(path: Path, content: Fingerprint) -> bool:
    """Tell whether a file, decompressed if it is gzipped, has this content."""
    digest, size = hashlib.sha256(), 0
    try:
        with open_source(path) as source:
            while block := source.read(1 << 20):
                size += len(block)
                if size > content.size:
                    return False
                digest.update(block)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return False
    return Fingerprint(size, digest.hexdigest()) == content


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a cache folder that refuses `path` into one sentence."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}; make room or give rights there, or set {CACHE_VARIABLE} "
            "to another folder; what has come is kept, and the next run goes on from there"
        ) from error


@contextmanager
def only_one(lock: Path, watched: Path) -> Iterator[None]:
    """Let one process (and thread) at a time in; a waiting one gives up when `watched` no longer changes.

    The lock is the operating system's (flock): it vanishes with its process, however that ends. Its file stays:
    to remove it would let two in.
    """
    with writing(lock):
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        seen, since = _state(watched), time.monotonic()
        while not _taken(descriptor, lock):
            time.sleep(_LOOK_SECONDS)
            if (now := _state(watched)) != seen:
                seen, since = now, time.monotonic()
            if time.monotonic() - since > _IDLE_SECONDS:
                raise InputError(
                    f"another process fetches {watched.name.removesuffix('.part')} and has made no progress for "
                    f"{_IDLE_SECONDS:.0f} s: end it, then try again"
                )
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int, lock: Path) -> bool:
    with writing(lock):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _state(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
