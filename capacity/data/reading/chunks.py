"""Chunks of an HDF5 array: where they lie in the file, and what was done to them before they were stored.

HDF5 applies the filters of an array in order and undoes them in reverse; a bit of a chunk's mask says that a filter was
left out for it, as h5py's lzf is where a chunk would not shrink. The formats are those of HDF5's filters 1 (deflate)
and 2 (shuffle), and of h5py's 32000 (lzf).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data import _rows
from capacity.errors import InputError

DEFLATE, SHUFFLE, LZF = 1, 2, 32000
_COMPRESSORS = (DEFLATE, LZF)
_MOST_EXPANDED = 1040
"""No more than so many bytes come of a stored one: deflate makes 1032 of it at most, lzf 88."""
_SHORT = 1 << 18
"""Bytes of deflated data of which at most 1032 times as many come: 258 MiB."""
_EMPTY_CELLS, _CELLS_A_CHUNK = 1 << 20, 64
"""An array may have so many chunks, and so many more for each that is stored: all are in a table in memory."""


@dataclass(frozen=True)
class Filter:
    """A filter of an array: HDF5's number for it, its name, and the values it was set up with."""

    number: int
    name: str
    values: tuple[int, ...]


def filters_of(stored: Any) -> list[Filter]:
    """Return the filters of an h5py.Dataset, in the order in which they were applied."""
    plist = stored.id.get_create_plist()
    found = []
    for index in range(plist.get_nfilters()):
        number, _, values, name = plist.get_filter(index)
        found.append(Filter(number, name.decode(errors="replace").split(";")[0] or f"number {number}", tuple(values)))
    return found


def decodable(filters: Sequence[Filter]) -> bool:
    """Tell whether `Pipeline` can undo them: only those above, and one compression at most, so that sizes are known."""
    numbers = [each.number for each in filters]
    return set(numbers) <= {SHUFFLE, *_COMPRESSORS} and sum(number in _COMPRESSORS for number in numbers) <= 1


class Pipeline:
    """Undoes the filters of an array's chunks.

    Parameters
    ----------
    filters : sequence of Filter
        For which `decodable` is true.
    chunk_bytes : int
        Of a decoded chunk.
    """

    def __init__(self, filters: Sequence[Filter], chunk_bytes: int) -> None:
        self._filters = tuple(filters)
        self.chunk_bytes = chunk_bytes
        for each in filters:
            if each.number == SHUFFLE and (not each.values or each.values[0] < 1):
                raise _rows.DamageError("its shuffle filter does not say how large an element is")

    def decode(self, block: NDArray[np.uint8], mask: int, out: NDArray[np.uint8]) -> None:
        """Decode a stored chunk into `out` (chunk_bytes,).

        Raises
        ------
        _rows.DamageError
            The block is not whole, or decodes to more or less.
        """
        for stage in [each for index, each in enumerate(self._filters) if not mask >> index & 1][::-1]:
            if stage.number == DEFLATE:
                block = _inflate(block, self.chunk_bytes)
                continue
            length = self.chunk_bytes if stage.number == LZF else len(block)
            is_free = length == self.chunk_bytes and block is not out
            target = out if is_free else np.empty(length, np.uint8)
            if stage.number == LZF:
                _rows.decode_lzf(block, target)
            else:
                _rows.unshuffle(block, stage.values[0], target)
            block = target
        if len(block) != self.chunk_bytes:
            raise _rows.DamageError(f"a chunk has {len(block)} bytes, expected {self.chunk_bytes}")
        if block is not out:
            out[:] = block


def _inflate(block: NDArray[np.uint8], expected: int) -> NDArray[np.uint8]:
    """Return what a deflated chunk holds, (expected,), by zlib, which needs no GIL.

    What is short is inflated in one go, since no bomb is in it; else no more is made than is expected, which is slower.
    """
    try:
        if len(block) <= _SHORT:
            data, whole = zlib.decompress(block.data, bufsize=max(1, expected)), True
        else:
            inflating = zlib.decompressobj()
            data = inflating.decompress(block.data, expected + 1)  # one more, so that what is too long is seen
            whole = inflating.eof
    except zlib.error as error:
        raise _rows.DamageError(f"its gzip data cannot be decoded ({error})") from error
    if len(data) != expected or not whole:
        reason = "too long" if len(data) > expected else "too short" if whole else "cut off"
        raise _rows.DamageError(f"its gzip data are {reason}: expected {expected} bytes in a chunk")
    return np.frombuffer(data, np.uint8)


@dataclass(frozen=True)
class ChunkTable:
    """The stored chunks of an array (N, D), C in all, and the cells of its grid.

    Attributes
    ----------
    cells : ndarray of int64 (down, across)
        The chunk of each cell; -1 where none was ever written.
    offsets, sizes, masks : ndarray of int64 (C,)
        Byte in the file, bytes there, and which filters were left out.
    """

    cells: NDArray[np.int64]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    masks: NDArray[np.int64]


def chunk_table(
    stored: Any, shape: tuple[int, int], chunk: tuple[int, int], *, chunk_bytes: int, filtered: bool, file_size: int
) -> ChunkTable:
    """Return where the chunks of an h5py.Dataset lie, after checking that they can.

    Parameters
    ----------
    shape, chunk : (int, int)
        Of the array and of a chunk; an array of one axis has one column.
    chunk_bytes : int
        Of a decoded chunk.
    filtered : bool
        Whether a stored chunk may be shorter than that (or a little longer).
    file_size : int
        Bytes.

    Raises
    ------
    _rows.DamageError
        A chunk lies outside the array or beyond the end of the file, comes twice, or cannot have its size.
    InputError
        Nearly all chunks of a very large array are missing.
    """
    down, across = (-(-axis // part) for axis, part in zip(shape, chunk, strict=True))
    infos = [info for info in _stored_chunks(stored, down * across) if info.byte_offset is not None]
    if down * across > _EMPTY_CELLS + _CELLS_A_CHUNK * len(infos):
        raise InputError(
            f"'{stored.name}' should have {down * across} chunks, of which the file has {len(infos)}: expected an "
            "array that was written"
        )
    try:
        offsets, sizes, masks = (
            np.array([getattr(info, name) for info in infos], np.int64)
            for name in ("byte_offset", "size", "filter_mask")
        )
        places = np.array([(*info.chunk_offset, 0)[:2] for info in infos], np.int64).reshape(-1, 2)
    except OverflowError as error:
        raise _rows.DamageError("the place of a chunk is no number of bytes") from error
    if (places < 0).any() or (places >= shape).any() or (places % chunk).any():
        raise _rows.DamageError("a chunk lies outside the array")
    if (offsets < 0).any() or (sizes < 0).any() or (offsets > file_size - sizes).any():
        raise _rows.DamageError("a chunk lies beyond the end of the file")
    wrong = chunk_bytes > _MOST_EXPANDED * (sizes + 1) if filtered else sizes != chunk_bytes
    if wrong.any():
        raise _rows.DamageError(f"a chunk is stored in {sizes[wrong][0]} bytes, which cannot hold its {chunk_bytes}")
    cells = np.full(down * across, -1, np.int64)
    index = places[:, 0] // chunk[0] * across + places[:, 1] // chunk[1]
    cells[index] = np.arange(len(infos))
    if (cells[index] != np.arange(len(infos))).any():
        raise _rows.DamageError("a chunk comes twice")
    return ChunkTable(cells.reshape(down, across), offsets, sizes, masks)


def _stored_chunks(stored: Any, most: int) -> list[Any]:
    """Return h5py's StoreInfo of each stored chunk, and of one more than `most` at the most."""
    if not hasattr(stored.id, "chunk_iter"):  # HDF5 before 1.12.3, where each call looks for its chunk from the start
        return [stored.id.get_chunk_info(index) for index in range(min(stored.id.get_num_chunks(), most + 1))]
    found: list[Any] = []

    def take(info: Any) -> bool | None:
        found.append(info)
        return True if len(found) > most else None  # True ends it

    stored.id.chunk_iter(take)
    return found
