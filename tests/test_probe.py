"""A look in a child process: what it survives, and what it says of a file."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from capacity.data import probe


def crash(path: Path) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def turn_for_ever(path: Path) -> None:
    while True:
        pass


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


def test_without_a_child_nothing_is_known_against_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(os, "fork", refuse)
    (tmp_path / "x").write_bytes(b"x")
    assert probe.survives(tmp_path / "x", crash)
