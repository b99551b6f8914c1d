"""Downloads that this machine stops: a full disk, a folder that refuses, interrupts, kills, and others at work."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from capacity.data.fetching import cache
from capacity.data.fetching.download import fetch
from capacity.errors import InputError
from tests.download_cases import CONTENT, get, part, refuse, wanted
from tests.test_study_disk import limited_file_size, refusing
from tests.web_server import Handler, Server, file, in_turn, serving, stall

FETCH_IN_A_PROCESS = """
import sys
from pathlib import Path
from capacity.data.fetching.cache import Fingerprint, RemoteFile
from capacity.data.fetching.download import fetch
url, size, sha256, folder = sys.argv[1:]
fetch(RemoteFile("file", Fingerprint(int(size), sha256), (url,)), Path(folder))
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as running:
        yield running


def test_a_full_disk_keeps_the_part_which_is_resumed(server: Server, tmp_path: Path) -> None:
    server.pages["/file"] = file(CONTENT)
    with limited_file_size(100_000):
        message = refuse(tmp_path, server.url())
    assert f"cannot write {tmp_path}/file.part: File too large; make room" in message
    assert "CAPACITY_CACHE" in message
    assert part(tmp_path) == CONTENT[:100_000]
    assert get(tmp_path, server.url()) == len(CONTENT)
    assert server.ranges() == [None, "bytes=100000-"]


@pytest.mark.parametrize(("module", "call"), [(Path, "mkdir"), (os, "open"), (os, "replace"), (os, "fsync")])
def test_a_folder_that_refuses_is_one_sentence(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: object, call: str
) -> None:
    server.pages["/file"] = file(CONTENT)
    with monkeypatch.context() as patch:
        patch.setattr(module, call, refusing(getattr(module, call), errno.EACCES))
        assert f"cannot write {tmp_path}" in refuse(tmp_path, server.url())
    assert get(tmp_path, server.url()) == len(CONTENT)


def test_a_cache_that_is_a_file_or_holds_a_folder_in_the_way(server: Server, tmp_path: Path) -> None:
    server.pages["/file"] = file(CONTENT)
    (tmp_path / "flat").write_text("x")
    with pytest.raises(InputError, match=r"cannot write .*flat: .*CAPACITY_CACHE"):
        fetch(wanted(server.url()), tmp_path / "flat")
    (tmp_path / "file.part").mkdir()
    assert "file.part: Is a directory" in refuse(tmp_path, server.url())


def test_an_interrupt_leaves_a_part_that_is_resumed(server: Server, tmp_path: Path) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    server.pages["/file"] = in_turn(stall(CONTENT, 1000), file(CONTENT))
    with pytest.raises(KeyboardInterrupt):
        fetch(wanted(server.url()), tmp_path, progress=interrupt)
    begun = len(part(tmp_path) or b"")
    assert begun > 0
    assert get(tmp_path, server.url()) == len(CONTENT)
    assert server.ranges() == [None, f"bytes={begun}-"]


def test_a_killed_process_leaves_a_part_that_is_resumed(server: Server, tmp_path: Path) -> None:
    server.pages["/file"] = in_turn(stall(CONTENT, 200_000), file(CONTENT))
    file_ = wanted(server.url())
    arguments = [server.url(), str(file_.original.size), file_.original.sha256, str(tmp_path)]
    process = subprocess.Popen([sys.executable, "-c", FETCH_IN_A_PROCESS, *arguments])
    deadline = time.monotonic() + 30
    while len(part(tmp_path) or b"") < 200_000 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert part(tmp_path) == CONTENT[:200_000]
    assert get(tmp_path, server.url()) == len(CONTENT)
    assert server.ranges() == [None, "bytes=200000-"]
    assert server.sent == len(CONTENT)


def test_two_at_once_share_one_download(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_LOOK_SECONDS", 0.01)
    told: list[int] = []

    def slow(handler: Handler) -> None:
        time.sleep(0.1)
        file(CONTENT)(handler)

    server.pages["/file"] = slow
    threads = [threading.Thread(target=lambda: told.append(get(tmp_path, server.url()))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == [len(CONTENT)] * 3
    assert len(server.requests) == 1


def test_waiting_for_a_download_that_stands_still_ends(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(cache, "_IDLE_SECONDS", 0.1)
    with cache.only_one(tmp_path / ".file.lock", tmp_path / "file.part"):
        assert "another process fetches file and has made no progress" in refuse(tmp_path, server.url())
    server.pages["/file"] = file(CONTENT)
    assert get(tmp_path, server.url()) == len(CONTENT)
