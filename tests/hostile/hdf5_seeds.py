"""Valid HDF5 files in each generation of the format, where their structures lie, and their checksums."""

from __future__ import annotations

import functools
import io
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from capacity.data import save_dataset
from tests.hostile.case import Files
from tests.hostile.lookup3 import lookup3

X = np.arange(24, dtype=np.uint8).reshape(8, 3)
Y = (np.arange(8) % 3).astype(np.int32)
FILE = "d.h5"

_SUPERBLOCK = b"\x89HDF\r\n\x1a\n"
_SIGNATURES = (b"OHDR", b"OCHK", b"BTHD", b"BTLF", b"BTIN", b"FRHP", b"FAHD", b"FADB", b"EAHD", b"EAIB", b"EADB")
_LONGEST = 1024


@functools.cache
def ours() -> Files:
    """A file as this package writes it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, FILE)
        save_dataset(
            path, X, Y, test=(X[:2], Y[:2]), name="d", class_names=("a", "b", "c"), feature_names=("x", "y", "z")
        )
        return {FILE: path.read_bytes()}


@functools.cache
def oldest() -> Files:
    """A file as h5py writes it when nothing is said: version 0 of the superblock, no checksums, B-trees version 1."""
    return made(lambda file: _fill(file, chunks=(4, 3), maxshape=(None, 3), compression="gzip", shuffle=True))


@functools.cache
def newest() -> Files:
    """A file with the newest structures: a fixed array of filtered chunks, checksums everywhere."""
    return made(lambda file: _fill(file, chunks=(4, 3), compression="gzip", fletcher32=True), libver="latest")


def _fill(file: Any, **storage: Any) -> None:
    file.create_dataset("train/features", data=X, **storage)
    file["train/labels"] = Y
    file.attrs.update({"name": "d", "class_names": ["a", "b", "c"], "classes": 3, "scale": 0.5, "provenance": "{}"})


def made(fill: Callable[[Any], None], **options: Any) -> Files:
    """Return the file that `fill` makes of an empty one."""
    memory = io.BytesIO()
    with h5py.File(memory, "w", **options) as file:
        fill(file)
    return {FILE: memory.getvalue()}


def metadata(content: bytes) -> list[int]:
    """Return the offsets of what is not values: the bytes that are not 0, and the 8 after each."""
    values = _values(content)
    used = np.frombuffer(content, np.uint8) != 0
    near = np.convolve(used, np.ones(9), "full")[: len(used)] > 0
    near[values] = False
    return np.flatnonzero(near).tolist()  # type: ignore[no-any-return]


def words(content: bytes) -> list[int]:
    """Return every 8th offset where there is metadata."""
    return sorted({at // 8 * 8 for at in metadata(content)})


def _values(content: bytes) -> np.ndarray[Any, Any]:
    """Return where the values of the arrays lie, a truth a byte."""
    found = np.zeros(len(content), bool)

    def mark(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset):
            return
        pieces = [(item.id.get_offset(), item.id.get_storage_size())]
        if item.chunks:
            chunks = [item.id.get_chunk_info(index) for index in range(item.id.get_num_chunks())]
            pieces = [(chunk.byte_offset, chunk.size) for chunk in chunks]
        for start, size in pieces:
            found[start : start + size] = True

    with h5py.File(io.BytesIO(content), "r") as file:
        file.visititems(mark)
    return found


def seal(content: bytes, whole: bytes) -> bytes:
    """Put right the length of the file in the superblock and the checksums of the structures that `whole` has."""
    sealed = bytearray(content)
    old = whole[8] < 2
    if len(sealed) >= 48:
        struct.pack_into("<Q", sealed, 40 if old else 28, len(sealed))
    for start, end in _sealed(whole):
        if end + 4 <= len(sealed):
            struct.pack_into("<I", sealed, end, lookup3(bytes(sealed[start:end])))
    return bytes(sealed)


@functools.cache
def _sealed(whole: bytes) -> tuple[tuple[int, int], ...]:
    """Return (begin, end) of each structure that is followed by its checksum: the lengths are found by trying."""
    starts = [] if whole[8] < 2 else [0]
    for signature in _SIGNATURES:
        at = whole.find(signature)
        while at >= 0:
            starts.append(at)
            at = whole.find(signature, at + 1)
    found = []
    for start in starts:
        for end in range(start + 8, min(start + _LONGEST, len(whole) - 4)):
            if struct.unpack_from("<I", whole, end)[0] == lookup3(whole[start:end]):
                found.append((start, end))
                break
    return tuple(found)
