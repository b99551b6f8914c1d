"""Windows: every row once an epoch, in an order that is drawn anew each time, within the memory that was given."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from capacity.data import open_dataset, save_dataset
from capacity.data.reading.rows import RowReader
from capacity.data.windows import EVALUATION_BYTES, Stream, Windows
from capacity.errors import InputError

ROWS, INPUTS = 1003, 7
X = np.arange(ROWS * INPUTS, dtype=np.int32).reshape(ROWS, INPUTS)


@pytest.fixture
def reader(tmp_path: Path) -> RowReader:
    """Return rows that are read 16 at a time: 63 pieces, the last of 11 rows."""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=X, chunks=(16, INPUTS))
    with h5py.File(tmp_path / "x.h5") as file:
        return RowReader(file["x"], tmp_path / "x.h5", X.dtype)


def epoch_of(stream: Stream, epoch: int, count: int = ROWS) -> np.ndarray:
    """Return the rows of an epoch in their order, and see that the windows hold what they say."""
    rows = []
    for begin in range(0, count, stream.rows):
        part = stream.part(epoch, begin)
        assert part.first == begin
        np.testing.assert_array_equal(part.features, X[part.rows])
        rows.append(part.rows.copy())
    return np.concatenate(rows)


@pytest.mark.parametrize("size", [1, 50, 96, 500, 1003, 5000])
def test_an_epoch_has_every_row_once_in_an_order_of_its_own(reader: RowReader, size: int) -> None:
    stream = Stream(reader, size, seed=3)
    orders = [epoch_of(stream, epoch) for epoch in (0, 1, 2)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(ROWS))
    assert not np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[1], orders[2])
    np.testing.assert_array_equal(epoch_of(stream, 0), orders[0])  # a function of the epoch, not of what came before


def test_pieces_are_whole_and_their_order_does_not_depend_on_the_windows(reader: RowReader) -> None:
    order = epoch_of(Stream(reader, 96, seed=3), 1)
    np.testing.assert_array_equal(order, epoch_of(Stream(reader, 500, seed=3), 1))
    breaks = np.flatnonzero(np.diff(order) != 1)
    lengths = np.diff(np.r_[0, breaks + 1, ROWS])
    assert (lengths % 16 == 0).sum() >= len(lengths) - 1  # all but the short last piece; neighbours may come in order
    assert not np.array_equal(order, epoch_of(Stream(reader, 96, seed=4), 1))


def test_every_piece_comes_at_every_place_about_as_often(reader: RowReader) -> None:
    stream = Stream(reader, 500, seed=0)
    places = np.array([[np.argmax(epoch_of(stream, epoch) == row) for row in (0, 512)] for epoch in range(300)])
    for found in places.T:  # 300 draws of about 63 places, in thirds
        thirds = np.bincount(found // (ROWS // 3 + 1), minlength=3)
        assert thirds.min() > 70  # 100 on average, with a standard deviation of 8
    assert abs(np.corrcoef(places.T)[0, 1]) < 0.2


def test_without_a_seed_the_order_is_that_of_the_file(reader: RowReader) -> None:
    stream = Stream(reader, 512, seed=None)
    np.testing.assert_array_equal(epoch_of(stream, 0), np.arange(ROWS))
    np.testing.assert_array_equal(epoch_of(stream, 0), np.arange(ROWS))


class Counting:
    """A reader that counts the rows read, and can be told to wait or to fail."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.shape, self.dtype, self.nbytes, self.piece_rows = X.shape, X.dtype, X.nbytes, 16
        self.rows_read, self.fails_at = 0, fails_at
        self.go = threading.Event()
        self.go.set()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(X)

    def read(self, start: int, stop: int, out: np.ndarray) -> None:
        self.go.wait(10)
        with self._lock:
            self.rows_read += stop - start
        if self.fails_at is not None and start <= self.fails_at < stop:
            raise InputError("the file is damaged")
        out[:] = X[start:stop]


def counted(reader: Any) -> RowReader:
    return reader


def test_those_who_go_together_read_the_file_once() -> None:
    reader = Counting()
    windows = Windows(4 * EVALUATION_BYTES + 2**20)
    assert windows.training(counted(reader), 50) is windows.training(counted(reader), 50)
    stream = Stream(counted(reader), 100, seed=0)
    for begin in range(0, 2 * ROWS, 100):
        epoch, position = divmod(begin, 1100)
        for _ in range(15):
            stream.part(epoch, min(position, ROWS - 1))
    assert reader.rows_read <= 2 * ROWS + 2 * 100  # two epochs, and what was read ahead


def test_the_next_window_is_read_while_one_is_used() -> None:
    reader = Counting()
    stream = Stream(counted(reader), 100, seed=0)
    stream.part(0, 0)
    for _ in range(1000):
        if reader.rows_read == 200:
            break
        threading.Event().wait(0.005)
    assert reader.rows_read == 200
    reader.go.clear()
    stream.part(0, 100)  # is there although nothing can be read now
    reader.go.set()


def test_damage_is_told_each_time_and_only_where_it_is() -> None:
    reader = Counting(fails_at=700)
    stream = Stream(counted(reader), 100, seed=None)
    for begin in range(0, 700, 100):
        assert len(stream.part(0, begin).rows) == 100
    for _ in range(2):
        with pytest.raises(InputError, match="damaged"):
            stream.part(0, 700)
    assert stream.part(0, 800).rows[0] == 800


def test_windows_keep_within_memory_and_hold_whole_batches(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", (2_000_000, 100), "u1", chunks=(1000, 100))
    with h5py.File(tmp_path / "x.h5") as file:
        reader = RowReader(file["x"], tmp_path / "x.h5", np.dtype("u1"))
    for memory in (25_000_000, 60_000_000, 10**8):
        windows = Windows(memory)
        rows = windows.rows(reader, 128)
        assert rows % 128 == 0
        assert 0.46 * memory - 11e6 < rows * 100 < 0.5 * memory
    assert Windows(10**9).rows(reader, 128) == 2_000_000  # 15,625 batches: both windows hold everything
    with pytest.raises(
        InputError, match=r"memory of 1 MB is too little for windows of 128 rows: expected at least \d+ MB"
    ):
        Windows(10**6).rows(reader, 128)


def test_a_data_set_beyond_its_memory_is_opened_in_windows(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 255, (3000, 40), dtype=np.uint8), np.arange(3000) % 3
    path = save_dataset(tmp_path / "d.h5", x, y, test=(x[:100], y[:100])).path
    assert path is not None
    whole, same = open_dataset(path), open_dataset(path, memory="124000")
    small = open_dataset(path, memory=123_999)
    assert whole.windows is None is same.windows
    assert whole.digest == same.digest
    assert small.windows is not None
    assert small.windows.memory == 123_999
    np.testing.assert_array_equal(np.asarray(small.train.features), x)
    assert len({whole.digest, small.digest, open_dataset(path, memory=100_000).digest}) == 3
    assert open_dataset(path, memory=123_999).digest == small.digest
    with pytest.raises(
        InputError, match=r"this needs all features in memory, 0\.00012 GB, which is more than was allowed"
    ):
        _ = small.train.array


@pytest.mark.parametrize("size", ["", "12 parsecs", "-1", 0, "0.1", True, "1e9"])
def test_an_amount_that_is_none(size: Any) -> None:
    with pytest.raises(InputError, match="expected an amount like 512MB"):
        open_dataset("digits", memory=size)
