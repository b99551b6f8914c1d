"""Reading rows of HDF5 files: capacity.data.reading.rows against h5py, and against memory, plain reads and zlib alone.

Every way to read has a process of its own, and all take turns; the figures are medians over the rounds.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.machine import ROOT, commit, describe_machine
from bench.publish import write
from bench.rounds import ONE_THREAD, summary

ROWS, PACKED_ROWS, COLUMNS, CHUNK_ROWS = 200_000, 16_384, 1000, 256
ROUNDS = 7
OURS = "capacity"


@dataclass(frozen=True)
class Task:
    """What is read of a file, by whom, and how often in a round (h5py: a tenth of it)."""

    name: str
    task: str
    file: str
    peers: Sequence[str]
    wanted: tuple[str, float]
    """A peer, and how many times its speed ours should be."""
    threads: int = 1
    times: int = 1
    cold: bool = False


LAYOUTS: dict[str, tuple[str, dict[str, Any]]] = {
    "contiguous": ("u1", {}),
    "chunks": ("u1", {"chunks": (CHUNK_ROWS, COLUMNS)}),
    "gzip": ("u1", {"chunks": (CHUNK_ROWS, COLUMNS), "compression": "gzip"}),
    "gzip+shuffle": ("<i2", {"chunks": (CHUNK_ROWS, COLUMNS), "compression": "gzip", "shuffle": True}),
    "lzf": ("u1", {"chunks": (CHUNK_ROWS, COLUMNS), "compression": "lzf"}),
    "lzf+shuffle": ("<i2", {"chunks": (CHUNK_ROWS, COLUMNS), "compression": "lzf", "shuffle": True}),
}
"""File -> type and storage."""

RANDOM, ALL = (OURS, "h5py", "memory"), (OURS, "h5py", "plain reads")
TASKS = (
    Task("128 random rows", "random", "contiguous", RANDOM, ("h5py", 15), times=200),
    Task("128 random rows", "random", "chunks", RANDOM, ("h5py", 80), times=200),
    *(
        Task(f"all rows, {heat}", "sequential", file, ALL, ("plain reads", 0.9), times=times, cold=heat == "cold")
        for heat, times in (("warm", 5), ("cold", 1))
        for file in ("contiguous", "chunks")
    ),
    *(
        Task("all rows", "sequential", file, (OURS, "h5py", "zlib alone"), ("zlib alone", 0.9), threads)
        for file in ("gzip", "gzip+shuffle")
        for threads in (1, 2)
    ),
    *(
        Task("all rows", "sequential", file, (OURS, "h5py"), ("h5py", 1), threads)
        for file in ("lzf", "lzf+shuffle")
        for threads in (1, 2)
    ),
)


class Peer:
    """A process that reads in one way, and waits, idle, while the others have their turn."""

    def __init__(self, task: Task, name: str, folder: Path) -> None:
        self._times = max(1, task.times // 10) if name == "h5py" else task.times
        order: dict[str, object] = {"task": task.task, "peer": name, "path": str(folder / f"{task.file}.h5")}
        order |= {"threads": task.threads, "cold": task.cold}
        command = [sys.executable, "-m", "bench.reader_peers", json.dumps(order)]
        env = os.environ | ONE_THREAD
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env, cwd=ROOT
        )
        self._answer()

    def turn(self) -> dict[str, Any]:
        """Do the task, and return the microseconds of one, the MB/s, and the share that was in memory before."""
        assert self._process.stdin
        self._process.stdin.write(f"{self._times}\n")
        self._process.stdin.flush()
        done = self._answer()
        return {
            "us": done["seconds"] / self._times * 1e6,
            "mb_per_second": done["bytes"] / done["seconds"] / 1e6,
            "cached": done["cached"],
        }

    def finish(self) -> None:
        """End the process."""
        with self._process:
            assert self._process.stdin
            self._process.stdin.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a way to read rows ended early; its reason is above")
        return json.loads(line)  # type: ignore[no-any-return]


def main(arguments: list[str]) -> int:
    """Make the files, measure everything, print a table, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m bench reader", description="Rows of HDF5 files.")
    parser.add_argument("--rows", type=int, default=ROWS, help="of the uncompressed files, of 1000 columns")
    parser.add_argument("--packed-rows", type=int, default=PACKED_ROWS, help="of the compressed files")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--folder", type=Path, help="where files are made for a while; the system's by default")
    parser.add_argument("--out", type=Path, help="file for the results; bench/results/reader-rows-DATE.json by default")
    options = parser.parse_args(arguments)
    if not hasattr(os, "posix_fadvise"):
        print("python -m bench reader needs Linux: elsewhere no file can be made to leave memory.", file=sys.stderr)
        return 2
    results: dict[str, Any] = {
        "benchmark": "reader", "name": "rows", "date": datetime.date.today().isoformat(), "commit": commit(),
        "machine": describe_machine(), "columns": COLUMNS, "rounds": options.rounds, "rows": [],
    }  # fmt: skip
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        results["files"] = make_files(Path(folder), options.rows, options.packed_rows)
        for task in TASKS:
            results["rows"].append(measure(task, Path(folder), options.rounds))
            print("\n".join(lines(results["rows"][-1])), flush=True)
    write(results, options.out)
    return 0


def make_files(folder: Path, rows: int, packed_rows: int) -> dict[str, dict[str, int]]:
    """Write a file for each layout, of small counts, most of them 0 to 3, and return rows and bytes of each."""
    import h5py
    import numpy as np

    sizes = {}
    for name, (dtype, storage) in LAYOUTS.items():
        N, path = packed_rows if "compression" in storage else rows, folder / f"{name}.h5"
        rng = np.random.default_rng(0)
        with h5py.File(path, "w") as file:
            array = file.create_dataset("x", (N, COLUMNS), dtype, **storage)
            for start in range(0, N, 16 * CHUNK_ROWS):
                stop = min(N, start + 16 * CHUNK_ROWS)
                array[start:stop] = rng.standard_exponential((stop - start, COLUMNS), np.float32) * 1.5
        with path.open("rb+") as written:
            os.fsync(written.fileno())  # what is not on the disk cannot leave memory
        sizes[name] = {"rows": N, "bytes": path.stat().st_size}
    return sizes


def measure(task: Task, folder: Path, rounds: int) -> dict[str, Any]:
    """Let the peers of a task take turns; the first round warms up and is not counted."""
    peers = {name: Peer(task, name, folder) for name in task.peers}
    taken: dict[str, list[dict[str, Any]]] = {name: [] for name in peers}
    for number in range(rounds + 1):
        for name in task.peers if number % 2 else task.peers[::-1]:
            taken[name].append(peers[name].turn())
    for peer in peers.values():
        peer.finish()
    row: dict[str, Any] = {
        "name": task.name, "file": task.file, "threads": task.threads, "wanted": list(task.wanted), "peers": {}
    }  # fmt: skip
    for name, turns in taken.items():
        counted = turns[1:]
        row["peers"][name] = {
            "us": summary([turn["us"] for turn in counted]),
            "mb_per_second": round(statistics.median(turn["mb_per_second"] for turn in counted), 1),
        }
    if task.cold:
        shares = [turn["cached"] for turns in taken.values() for turn in turns[1:] if turn["cached"] is not None]
        row["cached"] = round(max(shares), 3) if shares else None
    row["ratio"] = round(_speed(row, OURS) / _speed(row, task.wanted[0]), 3)
    return row


def _speed(row: dict[str, Any], name: str) -> float:
    """Return what is compared: batches a second for random rows, of which h5py reads fewer bytes, else MB/s."""
    peer = row["peers"][name]
    return float(1 / peer["us"]["median"] if "random" in row["name"] else peer["mb_per_second"])


def lines(row: dict[str, Any]) -> list[str]:
    """Return what is printed for a task: a line for each way to read."""
    other, factor = row["wanted"]
    head = (
        f"{row['name']}, {row['file']}, {row['threads']} thread(s): {row['ratio']:.2f} times {other}, {factor} wanted: "
        f"{'met' if row['ratio'] >= factor else 'MISSED'}"
    )
    if "cached" in row:
        known = "unknown" if row["cached"] is None else f"{row['cached']:.0%}"
        head += f" (in memory before all the same, at the most: {known})"
    ways = (
        f"  {name:14}{peer['us']['median']:14.1f} us{peer['mb_per_second']:10.0f} MB/s"
        for name, peer in row["peers"].items()
    )
    return [head, *ways]
