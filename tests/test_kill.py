"""Killed at any moment and resumed, a study ends as an unbroken one: nothing lost, doubled or half-written."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import capacity
from capacity.experiments import Study, driver, launchers, slices, store
from capacity.experiments.store import Store
from capacity.experiments.trialfile import read_record
from tests.study_cases import SETTINGS, assert_same_numbers, assert_whole, tiny_data
from tests.study_to_kill import SETTINGS as SETTINGS_TO_KILL
from tests.study_to_kill import run

pytestmark = pytest.mark.usefixtures("many_slices")


class Death(BaseException):
    """A kill, as far as it can be had without one: from here on the process does nothing more to the disk."""


class Reaper:
    """Kills at the n-th thing done to the disk: before or after a flush, a rename, a removal, a commit."""

    def __init__(self, patch: pytest.MonkeyPatch, at: int) -> None:
        self.at, self.count = at, 0
        for owner, name in [
            (os, "fsync"), (os, "replace"), (os, "unlink"), (os, "mkdir"),
            (Store, "create"), (Store, "record"), (Store, "reset"),
        ]:  # fmt: skip
            patch.setattr(owner, name, self._mortal(getattr(owner, name)))

    def _mortal(self, function: Any) -> Any:
        def wrapper(*arguments: Any, **named: Any) -> Any:
            self._step()
            result = function(*arguments, **named)
            self._step()
            return result

        return wrapper

    def _step(self) -> None:
        self.count += 1
        if self.count >= self.at:
            raise Death


@pytest.fixture
def many_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "SLICE_SECONDS", 0.0)
    monkeypatch.setattr(driver, "CHECKPOINT_SHARE", float("inf"))
    monkeypatch.setattr(driver, "FLUSH_SECONDS", 0.0)


@pytest.mark.slow
def test_death_at_every_touch_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tiny_data(tmp_path)
    settings = SETTINGS | {"widths": 2, "lrs": 0.5, "epochs": 1, "batch": 30, "optimizer": "momentum"}
    unbroken = capacity.sweep(data, out=tmp_path / "unbroken", **settings)
    at = 1
    while True:
        out = tmp_path / f"study{at}"
        with monkeypatch.context() as patch:
            reaper = Reaper(patch, at)
            try:
                capacity.sweep(data, out=out, **settings)
            except Death:
                pass
            else:
                break
        resumed = capacity.sweep(data, out=out, **settings)
        assert_whole(resumed)
        assert_same_numbers(resumed, unbroken)
        at += 1
    assert at == reaper.count + 1 > 50


def test_death_between_the_files_and_the_database_loses_no_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tiny_data(tmp_path)
    monkeypatch.setattr(driver, "SLICE_SECONDS", 10.0)
    with monkeypatch.context() as patch:

        def die(self: Store, rows: Any, new: Any = ()) -> None:
            if any(row["state"] == "done" for row in rows):
                raise Death

        patch.setattr(Store, "record", die)
        with pytest.raises(Death):
            capacity.sweep(data, out=tmp_path / "study", **SETTINGS)
    before = {path.name: path.read_bytes() for path in (tmp_path / "study" / "trials").glob("*.h5")}
    assert len(before) == 4
    assert {row["state"] for row in store.read_rows(tmp_path / "study")} == {"pending"}

    trained: list[int] = []

    def count(order: slices.Slice, watch: Any) -> slices.SliceResult:
        trained.append(order.trials[0].width)
        return slices.run_slice(order, watch)

    monkeypatch.setattr(launchers, "run_slice", count)
    study = capacity.resume(tmp_path / "study", threads=1)
    assert trained == [2]  # the four finished trials of width 3 are taken from their files
    assert before.items() <= {path.name: path.read_bytes() for path in (study.path / "trials").glob("*.h5")}.items()
    assert_whole(study)


def test_trials_left_at_different_steps_go_on_from_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill in the middle of renaming a group's files leaves some trials a checkpoint ahead of the others."""
    data = tiny_data(tmp_path)
    with monkeypatch.context() as patch:
        replaced, replace = [], os.replace

        def die_at_the_third_of_four(source: Any, target: Any) -> None:
            replaced.append(target)
            if len(replaced) >= 1 + 4 + 4 + 3:  # study.toml, two checkpoints of four files, two files
                raise Death
            replace(source, target)

        patch.setattr(os, "replace", die_at_the_third_of_four)
        with pytest.raises(Death):
            capacity.sweep(data, out=tmp_path / "study", **SETTINGS)
    found = [read_record(path) for path in (tmp_path / "study" / "trials").glob("*.h5")]
    assert len(found) == 4
    assert len({(record.step, record.measured) for record in found}) == 2
    study = capacity.resume(tmp_path / "study", threads=1)
    assert_whole(study)
    assert_same_numbers(study, capacity.sweep(data, out=tmp_path / "unbroken", **SETTINGS))


def test_what_a_killed_process_left_half_written_is_removed(tmp_path: Path) -> None:
    study = capacity.sweep(tiny_data(tmp_path), out=tmp_path / "study", **SETTINGS)
    key = study.rows()[0]["key"]
    (study.path / "trials" / f"{key}.h5").rename(study.path / "trials" / f".{key}.h5.999999.tmp")
    (study.path / ".study.toml.999999.tmp").write_text("half")
    assert_whole(capacity.resume(study.path, threads=1))


def start(kind: str, study: Path, workers: int) -> subprocess.Popen[bytes]:
    """Start the study to be killed, and return when it runs or has ended."""
    command = [sys.executable, "-m", "tests.study_to_kill", kind, "digits", str(study), str(workers)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def kill_and_resume(kind: str, study: Path, workers: int, seed: int) -> int:
    """Kill and resume a study at random moments until it is done; return how often it was killed.

    It lives longer from time to time, so that it comes to an end on a slow machine too.
    """
    moments, kills = random.Random(seed), 0
    while True:
        process = start(kind, study, workers)
        try:
            output, _ = process.communicate(timeout=moments.uniform(0.0, 0.2 * 1.6**kills))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)  # the parent only: its workers must see to themselves
            process.communicate()
            kills += 1
        else:
            assert process.returncode == 0, output
            return kills


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Study]:
    """A study of each kind, run at a stretch."""
    return {kind: run(kind, "digits", tmp_path_factory.mktemp("unbroken") / kind) for kind in SETTINGS_TO_KILL}


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(SETTINGS_TO_KILL))
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_again_and_again_a_study_ends_as_an_unbroken_one(
    tmp_path: Path, unbroken: dict[str, Study], workers: int, kind: str
) -> None:
    kills = kill_and_resume(kind, tmp_path / "study", workers, seed=workers)
    assert kills >= 3
    study = capacity.open_study(tmp_path / "study")
    assert_whole(study)
    assert_same_numbers(study, unbroken[kind])


@pytest.mark.slow
def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    process = start("sweep", tmp_path / "study", workers=2)
    time.sleep(0.5)
    group = os.getpgid(process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate()  # returns when the last process that holds the pipe has ended
    for _ in range(200):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("a worker lives on")


@pytest.mark.slow
def test_a_killed_worker_is_replaced(tmp_path: Path, unbroken: dict[str, Study]) -> None:
    process = start("sweep", tmp_path / "study", workers=2)
    assert process.stdout is not None
    while len(workers := process.stdout.readline().split()) < 2:
        assert process.poll() is None
    os.kill(int(workers[0]), signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == 0
    study = capacity.open_study(tmp_path / "study")
    assert_whole(study)
    assert_same_numbers(study, unbroken["sweep"])
