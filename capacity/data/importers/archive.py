"""Files of a folder or of a .tar[.gz] archive, by their bare names; nothing is unpacked to disk.

The archive's headers are read here and not by `tarfile`, which takes the sizes in extended headers for true and reads
as much into memory, and on negative ones goes round for ever (Python before 3.13.6).
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from capacity.data.sources import open_source, reading
from capacity.errors import InputError

MAX_FILE = 512 << 20
"""Bytes of one file; the largest of CIFAR's is 155 MB."""

MAX_ARCHIVE = 2 << 30
"""Bytes of all files of an archive, unpacked."""

_MAX_MEMBERS = 10_000
_BLOCK = 512  # bytes: what a tar file is made of
_REGULAR = (b"0", b"\0")
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Place:
    """Where a file lies: by itself, or from an offset on in an unpacked archive."""

    path: Path
    size: int
    offset: int = 0

    def read(self) -> bytes:
        """Return the file's content."""
        if self.size > MAX_FILE:
            raise InputError(f"{self.path} holds a file of {self.size} bytes: expected at most {MAX_FILE}")
        with reading(self.path), open_source(self.path) if self.offset else self.path.open("rb") as file:
            file.seek(self.offset)
            data = _read(file, self.size)
        if len(data) < self.size:
            raise InputError(f"{self.path} is truncated: it ends within a file; fetch it again")
        return data


def find_files(source: Path, names: Collection[str]) -> dict[str, Place]:
    """Return which of the files `names` a folder or a tar archive (gzipped or not) holds, and where.

    Folders within an archive do not count; links, devices, paths that leave it and all other names
    are passed over.

    Raises
    ------
    InputError
        `source` is neither, or is damaged, or holds two files of one of the names, or is larger than such data are.
    """
    if source.is_dir():
        paths = {name: source / name for name in names}
        return {name: Place(path, path.stat().st_size) for name, path in paths.items() if path.is_file()}
    found = dict[str, Place]()
    with reading(source), open_source(source) as file:
        for name, place in _members(file, source):
            if name in found:
                raise InputError(f"{source} holds more than one file {name}: expected one of each name")
            if name in names:
                found[name] = place
    return found


def _members(file: BinaryIO, source: Path) -> Iterator[tuple[str, Place]]:
    """Yield the regular files of an unpacked archive: bare name and place."""
    at = files = 0
    while header := _read(file, _BLOCK):
        if header == bytes(_BLOCK):
            return
        size = _size(header)
        if size is None:
            raise InputError(
                f"{source} is no folder and no .tar[.gz] archive, or it is damaged (at byte {at} unpacked): fetch it "
                "again, or unpack it and name the folder"
            )
        at += _BLOCK
        files += 1
        if at + size > MAX_ARCHIVE or files > _MAX_MEMBERS:
            raise InputError(
                f"{source} holds more than {MAX_ARCHIVE >> 30} GiB or {_MAX_MEMBERS} files: is it the archive you mean?"
            )
        *folders, name = header[:100].split(b"\0")[0].decode("latin-1").split("/")
        if header[156:157] in _REGULAR and folders[:1] != [""] and ".." not in folders:
            yield name, Place(source, size, at)
        at += -(-size // _BLOCK) * _BLOCK
        file.seek(at)


def _size(header: bytes) -> int | None:
    """Return the size in a tar header, None if it is none: its sum is in it (POSIX.1-1988, ustar; older ones too)."""
    fields = header[124:136], header[148:156]
    with contextlib.suppress(ValueError):
        size, total = (int(field.strip(b" \0") or b"0", 8) for field in fields)
        if len(header) == _BLOCK and size >= 0 and total == sum(header[:148]) + sum(header[156:]) + 8 * ord(" "):
            return size
    return None


def _read(file: BinaryIO, size: int) -> bytes:
    """Read up to `size` bytes, without making room for more than there are."""
    parts = list[bytes]()
    while size and (part := file.read(min(size, _CHUNK))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
