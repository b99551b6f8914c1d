"""The files that importers read: plain or gzipped, and what is remembered of them."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from capacity.errors import InputError

_GZIP_MAGIC = b"\x1f\x8b"
_LONGEST_REASON = 200

DEFLATE_RATIO, FREE_BYTES = 1032, 1 << 20
"""Content that is announced as larger than `DEFLATE_RATIO` times what is stored, the best that deflate can do, is not
there; up to `FREE_BYTES` nobody minds."""


@contextlib.contextmanager
def reading(path: Path, *, folder: bool = False) -> Iterator[None]:
    """Turn what goes wrong while `path`, a file or a folder to be listed, is read into one sentence."""
    try:
        if not folder and path.exists() and not path.is_file():  # a device may never end, a pipe never begin
            kind = "a folder" if path.is_dir() else "a device or a pipe"
            raise InputError(f"{path} cannot be read: it is {kind}, expected a file")
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path} not found: check the path") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is truncated or damaged ({error}): fetch it again") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def is_gzip(path: Path) -> bool:
    """Tell by the first bytes, whatever the name."""
    with path.open("rb") as file:
        return file.read(2) == _GZIP_MAGIC


def most_bytes(path: Path) -> int:
    """Return how many bytes `open_source` can give at most, by the file's size."""
    size = path.stat().st_size
    return size * DEFLATE_RATIO + FREE_BYTES if is_gzip(path) else size


def open_source(path: Path) -> BinaryIO:
    """Open for reading, decompressed."""
    return cast(BinaryIO, gzip.open(path, "rb")) if is_gzip(path) else path.open("rb")


def reason(error: Exception) -> str:
    """Return what a library says of a file, on one line: it may quote the file, at any length."""
    said = " ".join(str(error).split()).rstrip(" .:")
    return said if len(said) <= _LONGEST_REASON else f"{said[:_LONGEST_REASON]}..."


def describe(path: Path) -> dict[str, Any]:
    """Return name, size and SHA-256 of a source file, for the provenance (no folder: it means nothing elsewhere)."""
    digest, size = hashlib.sha256(), 0
    with reading(path), path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            size += len(block)
    return {"file": path.name, "bytes": size, "sha256": digest.hexdigest()}
