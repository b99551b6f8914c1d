"""Rows that are not loaded as a whole: read epoch by epoch, window by window, the next while one is used.

An epoch's order is drawn in two steps. The rows are cut into pieces that are read at once (a chunk of the file, or
about 1 MiB). The pieces of an epoch come in the order of a keyed bijection, one after the other, and are cut into
windows of as many rows as memory allows; inside a window, rows are shuffled by whoever uses them. So rows of one piece
are in one window in every epoch (but where a border cuts the piece), among pieces that are others each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data.reading.rows import RowReader
from capacity.engine.machine import usable_cores
from capacity.engine.program import MICRO_BATCH
from capacity.engine.random import PURPOSE_PIECES, permutation
from capacity.errors import InputError

EVALUATION_BYTES = 4 << 20
"""About how much a window of an evaluation holds: a cache full, since its order is that of the file."""
_ROW_EXTRA = 8  # bytes a row of a window takes beside its features: its number
_READERS = 4  # threads at most, whatever the machine: windows, and so the order of rows, must not depend on its cores


@dataclass(frozen=True)
class Part:
    """The window of an epoch that is in memory.

    Attributes
    ----------
    first : int
        Position of its first row in the epoch.
    number : int
        Which it is, counted through all epochs.
    rows : ndarray (m,) of int64
        The rows of the split it holds, in the order in which they were read.
    features : ndarray (m, D)
        Their stored values, until the next window is asked for.
    """

    first: int
    number: int
    rows: NDArray[np.int64]
    features: NDArray[Any]


class Windows:
    """How the splits of a data set are read within a budget of memory.

    Parameters
    ----------
    memory : int
        Bytes, for all windows together: two of a training, and two of an evaluation.
    seed : int
        Key of the order of pieces, and of that of rows inside windows; the same for all trainings.
    """

    def __init__(self, memory: int, seed: int = 0) -> None:
        self.memory, self.seed = memory, seed
        self._training: dict[tuple[int, int], Stream] = {}
        self._evaluation: dict[tuple[int, int], Stream] = {}

    def training(self, reader: RowReader, batch: int) -> Stream:
        """Return the shuffled rows of a split, in windows of whole batches; the same stream for all who ask for it."""
        rows = self.rows(reader, batch)
        key = id(reader), rows
        if key not in self._training:
            self._training.clear()  # memory is for one
            self._training[key] = Stream(reader, rows, self.seed)
        return self._training[key]

    def evaluation(self, reader: RowReader, batch: int) -> Stream:
        """Return the rows of a split in stored order, in small windows of whole batches."""
        rows = _evaluation_rows(reader, batch)
        key = id(reader), rows
        if key not in self._evaluation:
            self._evaluation[key] = Stream(reader, rows, None)
        return self._evaluation[key]

    def rows(self, reader: RowReader, batch: int) -> int:
        """Return the rows of a training's window: as many whole batches as fit.

        Raises
        ------
        InputError
            Not one fits.
        """
        row = _row_bytes(reader)
        beside = (4 * _evaluation_rows(reader, MICRO_BATCH) + 2 * _READERS * reader.piece_rows) * row
        batches = (self.memory - beside) // (2 * batch * row)
        if batches < 1:
            least = (beside + 2 * batch * row) / 1e6
            raise InputError(
                f"memory of {self.memory / 1e6:.3g} MB is too little for windows of {batch} rows: expected at least "
                f"{least:.0f} MB; raise memory or lower batch"
            )
        return min(batches, -(-len(reader) // batch)) * batch


def unevenness(stream: Stream, labels: NDArray[np.int32]) -> float:
    """Return how far the windows of an epoch are from a fair sample of the classes, 0 (each is one) to 1.

    The mean total variation distance between the labels (N,) of a window and all labels, beyond that of as many labels
    drawn at random: for each class E|count - np| is about sqrt(2 n p (1 - p) / pi).
    """
    whole = np.bincount(labels) / len(labels)
    distances = []
    for begin in range(0, len(labels), stream.rows):
        ranges = stream.ranges(0, begin, min(begin + stream.rows, len(labels)))
        counts = sum(np.bincount(labels[start:stop], minlength=len(whole)) for start, stop in ranges)
        size = np.sum(counts)
        by_chance = np.sqrt(2 * whole * (1 - whole) / (np.pi * size)).sum() / 2
        distances.append(max(0.0, np.abs(counts / size - whole).sum() / 2 - by_chance))
    return float(np.mean(distances))


class Stream:
    """The rows of a split, window by window, epoch after epoch; the window after the present one is read meanwhile.

    Parameters
    ----------
    reader : RowReader
    rows : int
        Of a window; the last of an epoch has what is left.
    seed : int or None
        Key of the order of pieces; None is stored order.
    """

    def __init__(self, reader: RowReader, rows: int, seed: int | None) -> None:
        self.reader, self.rows = reader, rows
        self._seed = seed
        self._per_epoch = -(-len(reader) // rows)
        self._pool = ThreadPoolExecutor(min(_READERS, usable_cores()), thread_name_prefix="capacity-reader")
        size = (min(rows, len(reader)), reader.shape[1])
        self._slots = [np.empty(size, reader.dtype) for _ in range(2)]  # taken from the system as they are filled
        self._loading: list[_Loading | None] = [None, None]

    def part(self, epoch: int, position: int) -> Part:
        """Return the window that holds a position of an epoch, read by then; the one before is no longer valid.

        Raises
        ------
        InputError
            The file was damaged or cut meanwhile.
        """
        number = epoch * self._per_epoch + position // self.rows
        found = next((slot for slot in (0, 1) if self._is(slot, number)), None)
        if found is None:
            found = 0
            self._load(found, number)
        loading = self._loading[found]
        assert loading is not None
        try:
            loading.wait()
        except BaseException:
            self._loading[found] = None
            raise
        following = number + 1 if self._seed is not None else (number + 1) % self._per_epoch
        if following != number and not self._is(1 - found, following):
            self._load(1 - found, following)
        return loading.part

    def _is(self, slot: int, number: int) -> bool:
        loading = self._loading[slot]
        return loading is not None and loading.part.number == number

    def _load(self, slot: int, number: int) -> None:
        """Begin to read a window into a slot, once what is being read there has ended."""
        before = self._loading[slot]
        if before is not None:
            before.cancel()
        epoch, within = divmod(number, self._per_epoch)
        begin = within * self.rows
        end = min(begin + self.rows, len(self.reader))
        ranges = list(self.ranges(epoch, begin, end))
        rows = np.concatenate([np.arange(start, stop) for start, stop in ranges])
        features, at, futures = self._slots[slot][: end - begin], 0, []
        for start, stop in ranges:
            out = features[at : at + stop - start]
            futures.append(self._pool.submit(self.reader.read, start, stop, out))
            at += stop - start
        self._loading[slot] = _Loading(Part(begin, number, rows, features), futures)

    def ranges(self, epoch: int, begin: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the ranges of rows, in order, that are at positions begin .. end - 1 of an epoch's pieces."""
        count, piece = len(self.reader), self.reader.piece_rows
        pieces = np.arange(-(-count // piece))
        if self._seed is not None:
            pieces = permutation(self._seed, PURPOSE_PIECES, epoch, len(pieces), pieces)
        starts = pieces * piece
        ends_at = np.cumsum(np.minimum(starts + piece, count) - starts)
        first = int(np.searchsorted(ends_at, begin, side="right"))
        for start, stop, at in zip(
            starts[first:].tolist(), np.minimum(starts + piece, count)[first:].tolist(), ends_at[first:].tolist(),
            strict=True,
        ):  # fmt: skip
            at_begin = at - (stop - start)
            if at_begin >= end:
                return
            yield start + max(0, begin - at_begin), stop - max(0, at - end)


class _Loading:
    """A window that is being read, piece by piece."""

    def __init__(self, part: Part, futures: list[Future[None]]) -> None:
        self.part, self._futures = part, futures

    def wait(self) -> None:
        """Wait until all is there; raise what went wrong."""
        for future in self._futures:
            future.result()
        self._futures = []

    def cancel(self) -> None:
        """Begin no further piece, and wait for those that were begun: their memory will be used again."""
        for future in self._futures:
            if not future.cancel():
                future.exception()


def _row_bytes(reader: RowReader) -> int:
    return reader.nbytes // len(reader) + _ROW_EXTRA


def _evaluation_rows(reader: RowReader, batch: int) -> int:
    return max(1, EVALUATION_BYTES // (_row_bytes(reader) * batch)) * batch
