"""The fuzzer's corpus through the Python module: the same bytes, read the same way, against NumPy's answers.

`tests/fuzz/rows.cpp` says how an input is read: its first byte chooses what is tried, numbers are little-endian, and
zero once the input is used up.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from capacity.data import _rows

CORPUS = Path(__file__).parent / "fuzz" / "corpus"


class Input:
    """An input of the fuzzer."""

    def __init__(self, data: bytes) -> None:
        self.left = data

    def number(self, size: int, *, signed: bool = False) -> int:
        taken, self.left = self.left[:size], self.left[size:]
        return int.from_bytes(taken.ljust(size, b"\0"), "little", signed=signed)

    def rest(self) -> np.ndarray:
        return np.frombuffer(self.left, np.uint8)


def try_lzf(given: Input) -> None:
    room = given.number(2)
    out = np.empty(room, np.uint8)
    expected = lzf(given.left, room)
    if expected is None:
        with pytest.raises(_rows.DamageError):
            _rows.decode_lzf(given.rest(), out)
    else:
        _rows.decode_lzf(given.rest(), out)
        assert out.tobytes() == expected


def lzf(block: bytes, room: int) -> bytes | None:
    """Decode slowly; None where that is not `room` bytes."""
    out, at = bytearray(), 0
    try:
        while at < len(block) and len(out) <= room:
            control, at = block[at], at + 1
            if control < 32:
                if at + control + 1 > len(block):
                    return None
                out += block[at : at + control + 1]
                at += control + 1
                continue
            n = control >> 5
            if n == 7:
                n, at = n + block[at], at + 1
            distance, at = (control & 31) * 256 + block[at] + 1, at + 1
            if distance > len(out):
                return None
            for _ in range(n + 2):
                out.append(out[-distance])
    except IndexError:
        return None
    return bytes(out) if len(out) == room else None


def try_unshuffle(given: Input) -> None:
    width, block = given.number(2), given.rest()
    out = np.empty(len(block), np.uint8)
    if width == 0:
        with pytest.raises(ValueError, match="width"):
            _rows.unshuffle(block, width, out)
        return
    _rows.unshuffle(block, width, out)
    count = len(block) // width
    expected = np.concatenate([block[: count * width].reshape(width, count).T.ravel(), block[count * width :]])
    np.testing.assert_array_equal(out, expected)


def try_sparse(given: Input, dtype: type) -> None:
    rows, D = given.number(1) % 16, given.number(1) % 16 + 1
    begin, n = given.number(1), given.number(1) % 64
    starts = np.array([given.number(2, signed=True) for _ in range(rows + 1)], np.int64)
    columns = np.array([given.number(1, signed=True) for _ in range(n)], np.int64)
    values = np.array([given.number(8, signed=True) for _ in range(n)], np.int64).astype(dtype)
    out = np.zeros((rows, D), dtype)
    found, row = _rows.add_sparse(starts, begin, columns, values, out)
    expected = [[0] * D for _ in range(rows)]
    for r in range(rows):
        for k in range(max(starts[r], begin), min(starts[r + 1], begin + n)):
            column = int(columns[k - begin])
            if not 0 <= column < D:
                assert (found, row) == ("outside", r)
                return
            total = dtype(expected[r][column]) + values[k - begin] if dtype is not np.int64 else (
                expected[r][column] + int(values[k - begin])
            )  # fmt: skip
            if dtype is np.int64 and not -(2**63) <= total < 2**63:
                assert (found, row) == ("overflow", r)
                return
            expected[r][column] = total
    assert (found, row) == ("", -1)
    np.testing.assert_array_equal(out, np.array(expected, dtype).reshape(rows, D))


def try_layout(given: Input, folder: Path) -> None:
    size = 8 if given.number(1) % 2 else 1
    numbers = [given.number(size, signed=size == 8) for _ in range(4)]
    fill = np.zeros(given.number(1) % 9, np.uint8)
    for index in range(len(fill)):
        fill[index] = given.number(1)
    cells = given.number(1) % 64
    offsets = np.array([given.number(8 if size == 8 else 2, signed=True) for _ in range(cells)], np.int64)
    try:
        layout = _rows.Layout(*numbers, offsets, fill)
    except ValueError:
        return
    rows, row_bytes, chunk_rows, width = numbers
    if max(layout.end, row_bytes, rows * row_bytes) > 1 << 16:
        return
    file = (np.arange(layout.end) * 131 + (np.arange(layout.end) >> 8)).astype(np.uint8)
    expected = slowly(file, rows, row_bytes, chunk_rows, width, offsets, fill)
    (folder / "file").write_bytes(file.tobytes())
    opened = os.open(folder / "file", os.O_RDONLY)
    try:
        found = np.empty((rows, row_bytes), np.uint8)
        layout.read(opened, 0, rows, found)
        np.testing.assert_array_equal(found, expected)
        order = np.random.default_rng(0).integers(0, max(1, rows), rows)
        layout.gather(opened, file, order, found)
        np.testing.assert_array_equal(found, expected[order])
        for wrong in (-1, rows):
            with pytest.raises(ValueError, match="no rows"):
                layout.gather(opened, file, np.array([wrong]), np.empty(row_bytes, np.uint8))
        with pytest.raises(ValueError, match="no rows"):
            layout.read(opened, 0, rows + 1, np.empty((rows + 1, row_bytes), np.uint8))
    finally:
        os.close(opened)


def slowly(
    file: np.ndarray, rows: int, row_bytes: int, chunk_rows: int, width: int, offsets: np.ndarray, fill: np.ndarray
) -> np.ndarray:
    """Return the rows (rows, row_bytes) of a layout, put together chunk by chunk."""
    down, across = -(-rows // chunk_rows), -(-row_bytes // width)
    chunks = [
        np.tile(fill, chunk_rows * width // len(fill)) if offset < 0 else file[offset : offset + chunk_rows * width]
        for offset in offsets
    ]
    grid = [
        np.concatenate([chunks[r * across + c].reshape(chunk_rows, width) for c in range(across)], axis=1)
        for r in range(down)
    ]
    return np.concatenate(grid)[:rows, :row_bytes] if grid else np.empty((0, row_bytes), np.uint8)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_the_corpus(tmp_path: Path) -> None:
    inputs = sorted(CORPUS.iterdir())
    assert len(inputs) > 50
    assert sum(path.stat().st_size for path in inputs) < 50_000
    tried = dict.fromkeys(range(6), 0)
    for path in inputs:
        given = Input(path.read_bytes())
        kind = given.number(1) % 6
        tried[kind] += 1
        if kind == 0:
            try_lzf(given)
        elif kind == 1:
            try_unshuffle(given)
        elif kind == 5:
            try_layout(given, tmp_path)
        else:
            try_sparse(given, (np.int64, np.float32, np.float64)[kind - 2])
    assert min(tried.values()) > 0


def test_buffers_that_do_not_fit() -> None:
    layout = _rows.Layout(4, 6, 4, 6, np.array([0], np.int64), np.zeros(1, np.uint8))
    file = np.zeros(24, np.uint8)
    with pytest.raises(ValueError, match="wrong size"):
        layout.read(0, 0, 2, np.empty(11, np.uint8))
    with pytest.raises(ValueError, match="C-contiguous"):
        layout.read(0, 0, 2, np.empty((6, 2), np.uint8).T)
    with pytest.raises(ValueError, match="map is too short"):
        layout.gather(0, file[:23], np.array([1]), np.empty(6, np.uint8))
    with pytest.raises(ValueError, match=r"read-only|not writeable"):
        layout.read(0, 0, 1, np.frombuffer(bytes(6), np.uint8))
    with pytest.raises(TypeError):
        layout.gather(0, file, np.array([1], np.int32), np.empty(6, np.uint8))
    with pytest.raises(ValueError, match="belong together"):
        _rows.add_sparse(np.array([0, 1]), 0, np.array([0]), np.zeros(2, np.int64), np.zeros((1, 1), np.int64))
    with pytest.raises(_rows.DamageError, match="reading fails"):
        _rows.read_at(-1, 0, np.empty(3, np.uint8))
