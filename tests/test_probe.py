"""A look in a child process: what it survives, and what it says of a file."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from capacity.data.reading import probe


def crash(path: Path) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def turn_for_ever(path: Path) -> None:
    while True:
        pass


def stand_still(path: Path) -> None:
    time.sleep(600)


def complain(path: Path) -> None:
    raise ValueError(path)


@pytest.mark.parametrize(("look", "survived"), [(crash, False), (turn_for_ever, False), (complain, True)])
def test_a_look_that_does_not_come_back(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    look: Callable[[Path], None],
    survived: bool,
) -> None:
    monkeypatch.setattr(probe, "_SECONDS", 0.1)
    (tmp_path / "x").write_bytes(b"x")
    assert probe.survives(tmp_path / "x", look) is survived
    assert capfd.readouterr() == ("", "")


def test_a_file_is_looked_at_again_only_when_it_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"x")
    assert probe.survives(path, complain)
    assert probe.survives(path, crash)  # not called
    path.write_bytes(b"longer")
    assert not probe.survives(path, crash)
    assert not probe.survives(path, crash)


def test_a_file_is_vouched_for_under_its_next_name_as_long_as_it_does_not_change(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    probe.vouch(tmp_path / "x")
    (tmp_path / "x").rename(tmp_path / "y")
    assert probe.survives(tmp_path / "y", crash)  # not called
    (tmp_path / "y").write_bytes(b"longer")
    assert not probe.survives(tmp_path / "y", crash)


def test_without_a_child_nothing_is_known_against_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(os, "fork", refuse)
    (tmp_path / "x").write_bytes(b"x")
    assert probe.survives(tmp_path / "x", crash)


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The children that are forked."""
    made: list[int] = []
    fork = os.fork

    def remember() -> int:
        made.append(fork())
        return made[-1]

    monkeypatch.setattr(os, "fork", remember)
    return made


def test_a_look_that_stands_still_is_ended_and_says_nothing_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, children: list[int]
) -> None:
    monkeypatch.setattr(probe, "_WAIT_SECONDS", 0.1)
    monkeypatch.setattr(probe, "_WAIT_TIMES", 0.0)
    (tmp_path / "x").write_bytes(b"x")
    before, began = sorted(os.listdir("/dev/fd")), time.monotonic()
    assert probe.survives(tmp_path / "x", stand_still)
    assert 0.1 <= time.monotonic() - began < 60
    assert sorted(os.listdir("/dev/fd")) == before
    assert probe.survives(tmp_path / "x", stand_still)  # not looked at again: that would be waited for again
    assert len(children) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(children[0], 0)


def test_a_wait_that_is_interrupted_leaves_no_child(tmp_path: Path, children: list[int]) -> None:
    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    (tmp_path / "x").write_bytes(b"x")
    try:
        with pytest.raises(KeyboardInterrupt):
            probe.survives(tmp_path / "x", stand_still)
    finally:
        signal.signal(signal.SIGALRM, before)
    with pytest.raises(ProcessLookupError):
        os.kill(children[0], 0)


def test_a_huge_file_is_waited_for_no_longer_than_can_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_BYTES_A_SECOND", 1e-9)
    (tmp_path / "x").write_bytes(b"x")
    assert probe.survives(tmp_path / "x", complain)
