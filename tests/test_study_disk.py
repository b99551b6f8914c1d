"""Disks that refuse, locks, and files that are whole or untouched."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import capacity
from capacity import files
from capacity.errors import StudyError
from capacity.experiments import lock
from tests.study_cases import SETTINGS, assert_same_numbers, assert_whole, tiny_data

HOLD_A_STUDY = """
import sys, time, capacity

def hold(snapshot):
    print("running", flush=True)
    time.sleep(60)

capacity.sweep(sys.argv[1], out=sys.argv[2], widths=(2, 3), lrs=(0.5, 0.05), epochs=3, batch=16, seeds=2, progress=hold)
"""


@contextmanager
def limited_file_size(size: int) -> Iterator[None]:
    """Let the operating system refuse to make files larger than `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def refusing(function: Any, code: int, calls_before: int = 0) -> Any:
    """Return `function` failing with `code` after some calls."""
    calls = 0

    def wrapper(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > calls_before:
            raise OSError(code, os.strerror(code))
        return function(*arguments, **named)

    return wrapper


def test_a_full_disk_at_the_start_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tiny_data(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(files, "_write", refusing(files._write, errno.ENOSPC))
        with pytest.raises(StudyError, match=r"^cannot write the study '.*/study': the disk is full; .*resume .*\.$"):
            capacity.sweep(data, out=tmp_path / "study", **SETTINGS)
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize("files_before", [1, 3, 5, 7])
def test_a_full_disk_keeps_what_was_finished_and_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files_before: int
) -> None:
    data = tiny_data(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(files, "_write", refusing(files._write, errno.ENOSPC, calls_before=files_before))
        with pytest.raises(StudyError, match="the disk is full"):
            capacity.sweep(data, out=tmp_path / "study", **SETTINGS)
    kept = [path.name for path in (tmp_path / "study" / "trials").glob("*")]
    study = capacity.open_study(tmp_path / "study")
    finished = 4 if files_before >= 5 else 0  # study.toml is the first file, then four of each group
    assert len(kept) == finished + 1
    assert study.status().done == finished
    capacity.resume(study.path, threads=1)
    assert_whole(study)
    assert_same_numbers(study, capacity.sweep(data, out=tmp_path / "unbroken", **SETTINGS))


def test_a_file_cut_off_by_the_system_is_not_left_behind(tmp_path: Path) -> None:
    data = tiny_data(tmp_path)
    study = capacity.sweep(data, out=tmp_path / "study", **SETTINGS)
    key = study.rows()[0]["key"]
    (study.path / "trials" / f"{key}.h5").unlink()
    with limited_file_size(4000), pytest.raises(StudyError, match=r"file would be larger than the limit|disk"):
        capacity.resume(study.path)
    assert len(list((study.path / "trials").glob("*.h5"))) == 7
    assert not list((study.path / "trials").glob(".*.tmp"))
    capacity.resume(study.path)
    assert_whole(study)


def test_a_full_database_is_one_sentence(tmp_path: Path) -> None:
    data = tiny_data(tmp_path)
    with limited_file_size(2000), pytest.raises(StudyError, match=r"^cannot write the study .*database"):
        capacity.sweep(data, out=tmp_path / "study", **SETTINGS)
    study = capacity.sweep(data, out=tmp_path / "study", **SETTINGS)
    assert_whole(study)


def test_export_to_a_full_disk_leaves_the_earlier_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from capacity.experiments import export

    study = capacity.sweep(tiny_data(tmp_path), out=tmp_path / "study", **SETTINGS)
    target = tmp_path / "table.csv"
    target.write_text("earlier")
    with limited_file_size(500), pytest.raises(StudyError, match=r"cannot write '.*table\.csv'"):
        export(study, target)
    assert target.read_text() == "earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["study", "table.csv", "tiny.h5"]


def test_a_read_only_place_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tiny_data(tmp_path)
    monkeypatch.setattr(Path, "mkdir", refusing(Path.mkdir, errno.EROFS))
    with pytest.raises(StudyError, match=r"cannot write the study .*: the file system is read-only; "):
        capacity.sweep(data, out=tmp_path / "study", **SETTINGS)


def test_a_study_that_became_read_only_can_be_read_and_when_finished_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tiny_data(tmp_path)
    study = capacity.sweep(data, out=tmp_path / "study", **SETTINGS)
    rows, opened = study.rows(), os.open

    def read_only(path: Any, flags: int, *rest: Any, **named: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        return opened(path, flags, *rest, **named)

    monkeypatch.setattr(os, "open", read_only)
    assert capacity.sweep(data, out=study.path, **SETTINGS).rows() == rows
    assert study.status().done == 8
    (study.path / "trials" / f"{rows[0]['key']}.h5").unlink()
    with pytest.raises(StudyError, match="the file system is read-only"):
        capacity.resume(study.path)


def test_a_name_that_the_system_refuses_is_one_sentence(tmp_path: Path) -> None:
    name = tmp_path / ("x" * 300)
    with pytest.raises(StudyError, match=r"cannot write the study .*: the name is too long"):
        capacity.sweep(tiny_data(tmp_path), out=name, **SETTINGS)
    with pytest.raises(StudyError, match=r"cannot read the study .*: the name is too long"):
        capacity.open_study(name)


def test_other_errors_are_not_hidden() -> None:
    with pytest.raises(OSError, match="odd"), files.disk_refusals("write", "wait"):
        raise OSError(errno.ENOTTY, "odd")


def test_files_replaced_together_are_all_old_until_all_are_written(tmp_path: Path) -> None:
    files.replace_files(tmp_path, [("a", b"1"), ("b", b"2")])

    def contents() -> Iterator[tuple[str, bytes]]:
        yield "a", b"3"
        raise RuntimeError("in between")

    with pytest.raises(RuntimeError, match="in between"):
        files.replace_files(tmp_path, contents())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"1", "b": b"2"}


def test_a_second_process_is_refused_naming_the_first_and_a_kill_frees_the_study(tmp_path: Path) -> None:
    data = tiny_data(tmp_path)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD_A_STUDY, str(data), str(tmp_path / "study")], stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"running\n"
        with pytest.raises(StudyError, match=rf"is being run by process {holder.pid} on \S+ since \d{{4}}-.*; wait"):
            capacity.sweep(data, out=tmp_path / "study", **SETTINGS)
        study = capacity.open_study(tmp_path / "study")
        owner = study.status().owner
        assert owner is not None
        assert owner.pid == holder.pid
        assert study.status().done == 0
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    assert study.status().owner is None
    assert_whole(capacity.sweep(data, out=tmp_path / "study", **SETTINGS))


def test_a_look_at_the_state_does_not_stand_in_the_way_of_a_run(tmp_path: Path) -> None:
    (tmp_path / "trials").mkdir()
    with lock.study_lock(tmp_path) as owner:
        assert lock.owner_of(tmp_path) == owner
        with pytest.raises(StudyError, match=f"process {os.getpid()}"), lock.study_lock(tmp_path):
            pass
    assert lock.owner_of(tmp_path) is None


def test_a_worker_of_a_dead_process_cannot_write_once_the_study_is_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trials").mkdir()
    monkeypatch.setattr(lock, "TAKEOVER_SECONDS", 0.2)
    with lock.study_lock(tmp_path) as first, lock.writer(tmp_path, first.token):
        with lock.writer(tmp_path, first.token):  # workers do not exclude one another
            pass
        with pytest.raises(StudyError, match="workers of an earlier run are still writing"):
            lock.await_writers(tmp_path)
    with lock.study_lock(tmp_path) as second:
        lock.await_writers(tmp_path)
        with (
            pytest.raises(lock.FencedError, match=f"is run by process {second.pid} on"),
            lock.writer(tmp_path, first.token),
        ):
            pass
