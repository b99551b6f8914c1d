"""`python -m bench reader` runs, and all read the same rows. How fast anything is is not tested."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bench import __main__, reader, reader_peers

on_linux = pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="files cannot be made to leave memory here")


@on_linux
def test_every_way_reads_all_of_it(tmp_path: Path) -> None:
    sizes = reader.make_files(tmp_path, 700, 300)
    for task in reader.TASKS:
        path = tmp_path / f"{task.file}.h5"
        item = 2 if "shuffle" in task.file else 1
        for name in task.peers:
            done = reader_peers.TASKS[task.task][name](path, task.threads)(2)
            if task.task == "random":
                least = 1 if name == "h5py" else 2 * reader_peers.BATCH * reader.COLUMNS  # h5py reads a row only once
                assert least <= done <= 2 * reader_peers.BATCH * reader.COLUMNS
            elif name == "plain reads":
                assert done == 2 * sizes[task.file]["bytes"]
            elif name == "zlib alone":
                assert done == 2 * 512 * reader.COLUMNS * item  # the last chunk is padded
            else:
                assert done == 2 * sizes[task.file]["rows"] * reader.COLUMNS * item
    assert reader_peers.evict(tmp_path / "chunks.h5") in (None, pytest.approx(0.5, abs=0.5))


@on_linux
@pytest.mark.slow
def test_a_whole_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(reader, "TASKS", [reader.TASKS[0], reader.TASKS[4]])
    out = tmp_path / "results.json"
    command = ["reader", "--rows", "500", "--packed-rows", "300", "--rounds", "2", "--folder", str(tmp_path)]
    assert __main__.main([*command, "--out", str(out)]) == 0
    first, second = json.loads(out.read_text())["rows"]
    assert first["ratio"] == pytest.approx(
        first["peers"]["h5py"]["us"]["median"] / first["peers"]["capacity"]["us"]["median"], rel=0.01
    )
    assert second["peers"].keys() == {"capacity", "h5py", "plain reads"}
    assert "cached" in second
    printed = capsys.readouterr().out
    assert "128 random rows, contiguous, 1 thread(s): " in printed
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
