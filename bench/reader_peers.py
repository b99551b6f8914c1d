"""The child process of one way to read rows: `python -m bench.reader_peers ORDER`, driven by bench/reader.py.

ORDER is JSON: the task, the peer, the file, the number of threads. Each line on stdin is how often to do the task; the
answer is the seconds it took, and the bytes that came of it. A task begins where the last one ended, so that no round
finds its rows in the processor's cache.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from bench.peer import pin
from capacity.data.reading.rows import RowReader
from capacity.data.reading.rows_typed import blocks

BATCH = 128
PLAIN_BYTES = 1 << 20
"""Of one plain read."""

Act = Callable[[int], int]
"""Does the task so often, and returns the bytes."""


def main(order: str) -> None:
    """Serve one peer until stdin ends."""
    asked = json.loads(order)
    path, threads = Path(asked["path"]), asked["threads"]
    if threads == 1 and hasattr(os, "sched_setaffinity"):
        pin()
    act = TASKS[asked["task"]][asked["peer"]](path, threads)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        cached = evict(path) if asked["cold"] else 1.0
        start = time.perf_counter()
        done = act(int(line))
        seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "bytes": done, "cached": cached}), flush=True)


def evict(path: Path) -> float | None:
    """Ask the system to forget a file, and return the share of it that is in memory nevertheless; None if unknown."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        places = range(0, path.stat().st_size - 4096, 1 + path.stat().st_size // 256)
        try:
            return sum(_is_cached(file.fileno(), place) for place in places) / len(places)
        except (AttributeError, OSError):  # no such flag, or a file system that does not know it
            return None


def _is_cached(file: int, place: int) -> bool:
    try:
        os.preadv(file, [bytearray(1)], place, os.RWF_NOWAIT)
    except BlockingIOError:
        return False
    return True


def reader(path: Path) -> RowReader:
    """Open the array 'x' in the type in which it is stored."""
    with h5py.File(path) as file:
        return RowReader(file["x"], path, file["x"].dtype)


def batches(rows: int) -> Iterator[NDArray[np.int64]]:
    """Yield random rows (BATCH,), the same in every process."""
    rng = np.random.default_rng(0)
    while True:
        yield rng.integers(0, rows, BATCH)


def gathering(rows: Any, read: Callable[[NDArray[np.int64]], NDArray[Any]]) -> Act:
    """Return the task of reading random rows by `read`."""
    order = batches(len(rows))

    def act(times: int) -> int:
        return sum(read(chosen).nbytes for chosen in itertools.islice(order, times))

    return act


def random_ours(path: Path, threads: int) -> Act:
    """Index arrays to RowReader."""
    rows = reader(path)
    return gathering(rows, lambda chosen: rows[chosen])


def random_h5py(path: Path, threads: int) -> Act:
    """h5py's fancy indexing, which wants indices sorted and each once."""
    stored = h5py.File(path)["x"]
    return gathering(stored, lambda chosen: stored[np.unique(chosen)])


def random_memory(path: Path, threads: int) -> Act:
    """The floor: rows of an array in memory."""
    stored = h5py.File(path)["x"][()]
    return gathering(stored, lambda chosen: stored[chosen])


def whole(rows: int, step: int, read: Callable[[int, int], int], threads: int) -> Act:
    """Return the task of reading all rows, `step` at once, by so many threads."""
    parts = blocks(0, rows, step)

    def act(times: int) -> int:
        total = 0
        for _ in range(times):
            if threads == 1:
                total += sum(read(*part) for part in parts)
            else:
                with ThreadPoolExecutor(threads) as pool:
                    total += sum(pool.map(lambda part: read(*part), parts))
        return total

    return act


def sequential_ours(path: Path, threads: int) -> Act:
    """Whole pieces, about a MiB of them at once, into a buffer that is used again."""
    rows = reader(path)
    step = rows.piece_rows * max(1, PLAIN_BYTES // (rows.piece_rows * rows.shape[1] * rows.dtype.itemsize))
    buffers = _buffers((step, rows.shape[1]), rows.dtype, threads)

    def read(start: int, stop: int) -> int:
        out = buffers.pop()
        rows.read(start, stop, out[: stop - start])
        buffers.append(out)
        return int(out[: stop - start].nbytes)

    return whole(len(rows), step, read, threads)


def sequential_h5py(path: Path, threads: int) -> Act:
    """The same pieces by h5py's read_direct."""
    stored = h5py.File(path)["x"]
    step = stored.chunks[0] if stored.chunks else PLAIN_BYTES // (stored.shape[1] * stored.dtype.itemsize)
    buffers = _buffers((step, stored.shape[1]), stored.dtype, threads)

    def read(start: int, stop: int) -> int:
        out = buffers.pop()
        stored.read_direct(out, np.s_[start:stop], np.s_[: stop - start])
        buffers.append(out)
        return int(out[: stop - start].nbytes)

    return whole(len(stored), step, read, threads)


def sequential_plain(path: Path, threads: int) -> Act:
    """The floor: the file from its beginning to its end."""
    file, buffer, size = os.open(path, os.O_RDONLY), bytearray(PLAIN_BYTES), path.stat().st_size

    def act(times: int) -> int:
        return sum(os.preadv(file, [buffer], place) for _ in range(times) for place in range(0, size, PLAIN_BYTES))

    return act


def inflating(path: Path, threads: int) -> Act:
    """The floor of gzip: its chunks in memory, one after the other by zlib alone, their bytes thrown away."""
    chunks: list[bytes] = []
    with h5py.File(path) as file:
        stored = file["x"]
        stored.id.chunk_iter(lambda info: chunks.append(stored.id.read_direct_chunk(info.chunk_offset)[1]))
        size = int(np.prod(stored.chunks)) * stored.dtype.itemsize
    return whole(len(chunks), 1, lambda chunk, _: len(zlib.decompress(chunks[chunk], bufsize=size)), threads)


def _buffers(shape: tuple[int, int], dtype: np.dtype[Any], threads: int) -> list[NDArray[Any]]:
    return [np.zeros(shape, dtype) for _ in range(threads)]


TASKS: dict[str, dict[str, Callable[[Path, int], Act]]] = {
    "random": {"capacity": random_ours, "h5py": random_h5py, "memory": random_memory},
    "sequential": {
        "capacity": sequential_ours,
        "h5py": sequential_h5py,
        "plain reads": sequential_plain,
        "zlib alone": inflating,
    },
}
"""Task -> peer -> what makes it ready."""

if __name__ == "__main__":
    main(sys.argv[1])
