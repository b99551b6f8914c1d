"""Struct arrays of MATLAB v5 files, read by SciPy after a look at their structure.

SciPy believes the sizes that it finds and follows nested values as deep as they go. So each size is first held to the
bytes that are there, and what such a file has no use for (objects, function handles) is refused.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data.sources import reading
from capacity.errors import InputError

_LONGEST_FILE = 512 << 20  # bytes, also of what a compressed variable unpacks to: the largest real file has some 50 MB
_MOST_VALUES, _DEEPEST = 1_000_000, 8
_HEADER = 128
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_INT32, _UINT32, _MATRIX, _COMPRESSED = 5, 6, 14, 15  # types of elements
_ITEM_BYTES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}
_TEXTS = {1, 2, 3, 4, 16, 17, 18}
_CELL, _STRUCT, _CHAR = 1, 2, 4  # classes of arrays; the numbers are 6..15
_REFUSED = {3: "an object", 5: "a sparse matrix", 16: "a function handle", 17: "an object"}


def read_structs(path: Path, variable: str, fields: Sequence[str]) -> NDArray[np.void]:
    """Read a struct array from a MATLAB v5 file.

    Parameters
    ----------
    path : Path
        The file, compressed or not, of either byte order.
    variable : str
        Name of the struct array.
    fields : sequence of str
        Fields that it must have.

    Returns
    -------
    ndarray (n,)
        Records whose fields are arrays, as `scipy.io.loadmat` gives them, in MATLAB's order.

    Raises
    ------
    InputError
        The file is missing, truncated, damaged, of another version, absurdly large when unpacked, lacks the variable or
        a field, or holds values of unexpected classes in it.
    """
    from scipy.io import loadmat

    content, order = _content(path)
    names = []
    for element in _top_level(content, order, path):
        walk = _Walk(element, order, path)
        name = walk.name()
        names.append(name)
        if name != variable:
            continue
        walk.check()
        try:
            found = loadmat(io.BytesIO(content[:_HEADER] + element))[variable]
        except Exception as error:  # SciPy promises no kind of error for what is still wrong
            raise InputError(f"{path}: '{variable}' cannot be read ({error}): fetch the file again") from error
        missing = [field for field in fields if field not in (found.dtype.names or ())]
        if missing:
            raise InputError(f"{path}: '{variable}' has no field '{missing[0]}': expected a struct array with it")
        return np.asarray(found).ravel(order="F")
    there = ", ".join(f"'{name}'" for name in names[:5]) or "none"
    raise InputError(f"{path} has no variable '{variable}': it holds {there}")


def text_in(value: Any, field: str, path: Path, *, longest: int = 1000) -> str:
    """Return the text in a field of a record; `field` and `path` are for the message where there is none."""
    array = np.asarray(value)
    if array.dtype.kind != "U" or array.size != 1:
        raise InputError(f"{path}: a field '{field}' is not a text")
    text = str(array.item())
    if len(text) > longest:
        raise InputError(f"{path}: a field '{field}' is a text of {len(text)} characters: expected at most {longest}")
    return text


def number_in(value: Any, field: str, path: Path) -> int:
    """Return the whole number in a field of a record."""
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or array.size != 1 or not float(array.item()).is_integer():
        raise InputError(f"{path}: a field '{field}' is not a whole number")
    return int(array.item())


def _content(path: Path) -> tuple[bytes, str]:
    """Return a file's bytes and its byte order, as `struct` writes it."""
    with reading(path):
        size = path.stat().st_size
        if size > _LONGEST_FILE:
            raise InputError(f"{path} has {size:,} bytes: expected at most {_LONGEST_FILE:,}")
        content = path.read_bytes()
    if _HDF5_MAGIC in (content[:8], content[512:520]):
        raise InputError(f"{path} is a MATLAB v7.3 file (HDF5): save it in MATLAB with '-v7'")
    order = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}.get(content[_HEADER - 4 : _HEADER])
    if order is None:
        raise InputError(f"{path} is not a MATLAB v5 file: expected its 128-byte header")
    return content, order


def _top_level(content: bytes, order: str, path: Path) -> Iterator[bytes]:
    """Yield each variable as an element of its own, unpacked."""
    at, room = _HEADER, _LONGEST_FILE
    while at < len(content):
        if at + 8 > len(content):
            raise _damaged(path)
        kind, size = struct.unpack_from(f"{order}II", content, at)
        at += 8
        if at + size > len(content):
            raise _damaged(path)
        if kind == _COMPRESSED:
            element = _unpacked(content[at : at + size], room, path)
            room -= len(element)
            yield element
        elif kind == _MATRIX:
            yield content[at - 8 : at + size]
        at += size


def _unpacked(packed: bytes, room: int, path: Path) -> bytes:
    unpacker = zlib.decompressobj()
    with reading(path):
        element = unpacker.decompress(packed, room + 1)
    if len(element) > room:
        raise InputError(f"{path} unpacks to more than {_LONGEST_FILE:,} bytes: expected no more")
    if not unpacker.eof:
        raise _damaged(path)
    return element


class _Walk:
    """Goes through a variable, value after value, without recursion; believes no size that exceeds what is there."""

    def __init__(self, data: bytes, order: str, path: Path) -> None:
        self._data, self._path = data, path
        self._pair, self._order = struct.Struct(f"{order}II"), order
        self._values = 0

    def name(self) -> str:
        kind, start, end, _ = self._element(0, len(self._data))
        if kind != _MATRIX:
            raise self._wrong(f"an element of type {kind} where a variable is expected")
        return self._head(start, end)[2]

    def check(self) -> None:
        _, start, end, _ = self._element(0, len(self._data))
        waiting = [(start, end, 0)]
        while waiting:
            start, end, depth = waiting.pop()
            if start < end:  # an element without content is an empty array
                waiting += [(inner_start, inner_end, depth + 1) for inner_start, inner_end in self._value(start, end)]
                if waiting and waiting[-1][2] > _DEEPEST:
                    raise self._wrong(f"values nested more than {_DEEPEST} deep")

    def _value(self, start: int, end: int) -> list[tuple[int, int]]:
        """Check one value and return where those inside it lie."""
        kind, dims, _, at, imaginary = self._head(start, end)
        count = math.prod(dims)
        if kind in (_CELL, _STRUCT):
            fields, at = self._field_count(at, end) if kind == _STRUCT else (1, at)
            if not fields and count > 1:
                raise self._wrong("many structs without fields")
            return self._inner(count * fields, at, end)
        for _ in range(2 if imaginary else 1):
            stored, first, last, at = self._element(at, end)
            if kind == _CHAR:
                right = stored in _TEXTS and count <= last - first
            else:
                right = stored in _ITEM_BYTES and last - first == count * _ITEM_BYTES[stored]
            if not right:
                raise self._wrong(f"an array of {' x '.join(map(str, dims))} whose values do not fill it")
        return []

    def _inner(self, count: int, at: int, end: int) -> list[tuple[int, int]]:
        self._values += count
        if count * 8 > end - at or self._values > _MOST_VALUES:
            raise self._wrong("more values announced than fit into it")
        inner = []
        for _ in range(count):
            kind, first, last, at = self._element(at, end)
            if kind != _MATRIX:
                raise self._wrong(f"an element of type {kind} where a value is expected")
            inner.append((first, last))
        return inner

    def _head(self, start: int, end: int) -> tuple[int, tuple[int, ...], str, int, bool]:
        """Return a value's class, dimensions, name, where its content begins and whether it is complex."""
        kind, first, last, at = self._element(start, end)
        if kind != _UINT32 or last - first != 8:
            raise self._wrong("a value without its flags")
        flags = self._pair.unpack_from(self._data, first)[0]
        array = flags & 0xFF
        if array in _REFUSED or not 1 <= array <= 15:
            found = _REFUSED.get(array, f"a value of class {array}")
            raise self._wrong(f"{found} where numbers, texts and structs are expected")
        kind, first, last, at = self._element(at, end)
        axes = (last - first) // 4
        if kind != _INT32 or not 2 <= axes <= 32 or (last - first) % 4:
            raise self._wrong("a value without its dimensions")
        dims = struct.unpack_from(f"{self._order}{axes}i", self._data, first)
        if min(dims) < 0:
            raise self._wrong("a negative dimension")
        kind, first, last, at = self._element(at, end)
        if kind not in (1, 2) or last - first > 63:
            raise self._wrong("a value without a proper name")
        return array, dims, self._data[first:last].decode("latin-1"), at, bool(flags & 0x800)

    def _field_count(self, at: int, end: int) -> tuple[int, int]:
        """Return how many fields a struct has, and where their values begin."""
        kind, first, last, at = self._element(at, end)
        length = struct.unpack_from(f"{self._order}i", self._data, first)[0] if last - first == 4 else 0
        names_kind, first, last, at = self._element(at, end)
        if kind != _INT32 or names_kind not in (1, 2) or not 1 <= length <= 64 or (last - first) % length:
            raise self._wrong("a struct without the names of its fields")
        return (last - first) // length, at

    def _element(self, at: int, end: int) -> tuple[int, int, int, int]:
        """Return type, start and end of the element at `at`, and where the next one begins."""
        if at + 8 > end:
            raise _damaged(self._path)
        kind, size = self._pair.unpack_from(self._data, at)
        if kind >> 16:  # up to four bytes, in the tag itself
            kind, size = kind & 0xFFFF, kind >> 16
            if size > 4:
                raise self._wrong("a short element that is too long")
            return kind, at + 4, at + 4 + size, at + 8
        start, last = at + 8, at + 8 + size
        if last > end:
            raise _damaged(self._path)
        return kind, start, last, min(end, last + -size % 8)

    def _wrong(self, what: str) -> InputError:
        return InputError(f"{self._path} holds {what}: is it the file that it should be?")


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is truncated or damaged: an element ends after its surroundings; fetch it again")
