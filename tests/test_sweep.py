"""Running a sweep: the numbers, the outcomes, slices, workers, progress, interruption."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import capacity
from capacity.errors import InputError, StudyError
from capacity.experiments import Interrupted, Snapshot, SweepConfig, driver, launchers, slices
from capacity.experiments.groups import make_groups
from capacity.experiments.progress import EXAMPLE_COST, Meter
from capacity.experiments.sweep_trial import SweepTrial, trials_of
from capacity.training import advance_together
from tests.study_cases import SETTINGS, assert_same_numbers, assert_whole, tiny_data, trial_file


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tiny_data(tmp_path)


@pytest.fixture
def short_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """End every slice after one native run of one step, so that trials go through many checkpoints."""
    monkeypatch.setattr(driver, "SLICE_SECONDS", 0.0)
    monkeypatch.setattr(driver, "CHECKPOINT_SHARE", math.inf)


def by_hand(data: Path, trial: SweepTrial) -> tuple[list[float], list[float], np.ndarray]:
    """Train one trial alone: training loss and top-1 error per epoch, and the last parameters."""
    trainer = capacity.Trainer(
        trial.model(), capacity.open_dataset(data), batch=trial.batch, lrs=[trial.lr], seeds=[trial.seed],
        optimizer=trial.rule(), precision=trial.precision,
    )  # fmt: skip
    measured = [trainer.evaluate()]
    for _ in range(trial.epochs):
        trainer.advance(int(trainer.steps_per_epoch[0]))
        measured.append(trainer.evaluate())
    (state,) = trainer.states()
    return [m.loss[0] for m in measured], [m.top1[0] for m in measured], state.parameters


@pytest.mark.parametrize(
    "more",
    [{}, {"optimizer": "momentum", "momentum": 0.5, "weight_decay": 0.01, "depths": (1, 2), "activation": "tanh"}],
)
def test_every_trial_has_the_numbers_of_the_trainer_used_by_hand(
    tmp_path: Path, data: Path, more: dict[str, Any]
) -> None:
    settings = SETTINGS | more
    study = capacity.sweep(data, out=tmp_path / "study", **settings)
    trials = trials_of(SweepConfig(data=data, **settings), capacity.open_dataset(data).digest)
    assert [trial.key for trial in trials] == [row["key"] for row in study.rows()]
    for trial in trials:
        loss, top1, parameters = by_hand(data, trial)
        curves = study.curves(trial.key)
        assert curves["train_loss"].tolist() == loss
        assert curves["train_top1"].tolist() == top1
        with trial_file(study, trial.key) as file:
            np.testing.assert_array_equal(file["checkpoint/parameters"][...], parameters)


@pytest.mark.usefixtures("short_slices")
@pytest.mark.parametrize("more", [{}, {"optimizer": "momentum", "momentum": 0.9}, {"precision": "float64"}])
def test_many_slices_give_the_numbers_of_one(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]
) -> None:
    runs = []
    monkeypatch.setattr(launchers, "run_slice", lambda *order: runs.append(order) or slices.run_slice(*order))
    sliced = capacity.sweep(data, out=tmp_path / "sliced", **SETTINGS, **more)
    assert len(runs) > 2 * 2 * 4
    monkeypatch.setattr(driver, "SLICE_SECONDS", 10.0)
    runs.clear()
    whole = capacity.sweep(data, out=tmp_path / "whole", **SETTINGS, **more)
    assert len(runs) == 2
    assert_same_numbers(sliced, whole)


def test_outcomes_tell_fitted_from_the_step_limit_and_divergence(tmp_path: Path, data: Path) -> None:
    settings = {"widths": 16, "lrs": (1e30, 1.0, 1e-6), "epochs": 30, "batch": 10, "seeds": 1, "activation": "relu"}
    study = capacity.sweep(
        data, out=tmp_path / "study", init="glorot_uniform", output_init="glorot_uniform", **settings
    )
    diverged, fitted, limit = study.rows()
    assert [diverged["outcome"], fitted["outcome"], limit["outcome"]] == ["diverged", "fitted", "step_limit"]
    assert fitted["train_top1"] == 0.0
    assert fitted["epochs_done"] == limit["epochs_done"] == 30
    assert limit["train_top1"] > 0.0
    assert not math.isfinite(study.curves(diverged["key"])["train_loss"][-1])
    assert diverged["epochs_done"] < 30
    assert len(study.curves(diverged["key"])["train_loss"]) == diverged["epochs_done"] + 1
    assert diverged["step"] == 6 * diverged["epochs_done"]
    assert study.status().outcomes == {"diverged": 1, "fitted": 1, "step_limit": 1}


@pytest.mark.usefixtures("short_slices")
def test_a_trial_that_diverged_does_not_disturb_the_others(tmp_path: Path, data: Path) -> None:
    settings = SETTINGS | {"activation": "relu", "output_init": "glorot_uniform"}
    mixed = capacity.sweep(data, out=tmp_path / "mixed", **(settings | {"lrs": (1e30, 0.1)}))
    alone = capacity.sweep(data, out=tmp_path / "alone", **(settings | {"lrs": 0.1}))
    survivors = {row["key"]: row["train_loss"] for row in mixed.rows() if row["outcome"] != "diverged"}
    assert survivors == {row["key"]: row["train_loss"] for row in alone.rows()}


def test_a_trial_that_diverged_is_not_trained_on(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, list[bool]]] = []

    def watched(trainers: list[capacity.Trainer], steps: int) -> None:
        (trainer,) = trainers
        seen.append((trainer.step // int(trainer.steps_per_epoch[0]), trainer.active.tolist()))
        advance_together(trainers, steps)

    monkeypatch.setattr("capacity.training.advance_together", watched)
    settings = {"widths": 16, "lrs": (1e30, 0.1), "epochs": 5, "batch": 10, "seeds": 1, "activation": "relu"}
    study = capacity.sweep(data, out=tmp_path / "study", output_init="glorot_uniform", **settings)
    ended = study.rows()[0]["epochs_done"]
    assert ended < 5
    assert {tuple(active) for epoch, active in seen if epoch < ended} == {(True, True)}
    assert {tuple(active) for epoch, active in seen if epoch >= ended} == {(False, True)}


def test_a_finished_study_is_returned_at_once(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = capacity.sweep(data, out=tmp_path / "study", **SETTINGS)
    rows = study.rows()
    monkeypatch.setattr(launchers, "run_slice", None)
    assert capacity.sweep(data, out=tmp_path / "study", **SETTINGS).rows() == rows
    assert capacity.resume(tmp_path / "study").rows() == rows


def test_local_processes_give_the_same_numbers(tmp_path: Path, data: Path) -> None:
    alone = capacity.sweep(data, out=tmp_path / "alone", **SETTINGS)
    together = capacity.sweep(data, out=tmp_path / "together", workers=2, **SETTINGS)
    assert_whole(together)
    assert_same_numbers(alone, together)


def test_an_executor_of_the_user_runs_the_trials_and_stays_open(tmp_path: Path, data: Path) -> None:
    alone = capacity.sweep(data, out=tmp_path / "alone", **SETTINGS)
    with ThreadPoolExecutor(2) as executor:
        together = capacity.sweep(data, out=tmp_path / "together", executor=executor, workers=2, **SETTINGS)
        assert executor.submit(int, "7").result() == 7
    assert_same_numbers(alone, together)


def test_cores_are_shared_among_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launchers, "usable_cores", lambda: 8)
    for workers, threads, each in [(2, None, 4), (3, None, 2), (16, None, 1), (2, 4, 2)]:
        launcher = launchers.make_launcher(None, workers, threads)
        assert (launcher.threads, launcher.at_once) == (each, workers)
        launcher.close()
    assert launchers.make_launcher(None, 1, None).threads is None


class BreakingProcesses(launchers.LocalProcesses):
    """Local processes of which the first few slices kill their worker."""

    kills = 0

    def submit(self, order: slices.Slice, watch: slices.Watch) -> Future[slices.SliceResult]:
        if BreakingProcesses.kills > 0:
            BreakingProcesses.kills -= 1
            return self._executor.submit(os._exit, 1)
        return super().submit(order, watch)


def test_workers_that_die_are_replaced(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launchers, "LocalProcesses", BreakingProcesses)
    BreakingProcesses.kills = 2
    study = capacity.sweep(data, out=tmp_path / "study", workers=2, **SETTINGS)
    assert BreakingProcesses.kills == 0
    assert_whole(study)
    assert_same_numbers(study, capacity.sweep(data, out=tmp_path / "unbroken", **SETTINGS))


def test_workers_that_keep_dying_are_given_up(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launchers, "LocalProcesses", BreakingProcesses)
    BreakingProcesses.kills = 100
    with pytest.raises(StudyError, match=r"a worker process died while training width 3, depth 1 .*, 3 times; "):
        capacity.sweep(data, out=tmp_path / "study", workers=2, **(SETTINGS | {"widths": 3, "lrs": 0.1, "seeds": 1}))
    assert BreakingProcesses.kills == 97
    BreakingProcesses.kills = 0
    assert_whole(capacity.resume(tmp_path / "study", threads=1))


def test_a_broken_executor_of_the_user_is_reported(tmp_path: Path, data: Path) -> None:
    executor = ProcessPoolExecutor(1)
    with executor:
        with pytest.raises(BrokenProcessPool):
            executor.submit(os._exit, 1).result()
        with pytest.raises(StudyError, match="a worker process died"):
            capacity.sweep(data, out=tmp_path / "study", executor=executor, **SETTINGS)


def test_too_little_memory_is_one_sentence(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def starve(*arguments: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(launchers, "run_slice", starve)
    with pytest.raises(StudyError, match=r"not enough memory to train width 3, depth 1 \(4 trials\); leave out"):
        capacity.sweep(data, out=tmp_path / "study", **SETTINGS)


def test_one_group_that_fails_does_not_lose_what_another_has_done(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_on_width_2(order: slices.Slice, watch: Any = None) -> slices.SliceResult:
        if order.trials[0].width == 2:
            raise RuntimeError("a defect")
        time.sleep(0.3)
        return slices.run_slice(order, watch)

    monkeypatch.setattr(launchers, "run_slice", fail_on_width_2)
    with ThreadPoolExecutor(4) as executor, pytest.raises(RuntimeError, match="a defect"):
        capacity.sweep(data, out=tmp_path / "study", executor=executor, workers=4, **SETTINGS)
    done = {row["width"] for row in capacity.open_study(tmp_path / "study").rows() if row["state"] == "done"}
    assert done == {3}


def test_control_c_checkpoints_what_runs_and_says_how_to_resume(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("capacity.experiments.team.SHORT_RUN_SECONDS", 1e-9)  # one step at a time

    def press(snapshot: Snapshot) -> None:
        if snapshot.epochs_done >= 4:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr("capacity.experiments.progress.QUIET_SECONDS", 0.0)
    with pytest.raises(Interrupted, match=r"resume with: capacity resume .*study") as caught:
        capacity.sweep(data, out=tmp_path / "study", progress=press, **SETTINGS)
    assert isinstance(caught.value, KeyboardInterrupt)
    assert caught.value.study == tmp_path / "study"
    assert signal.getsignal(signal.SIGINT) is before
    study = capacity.open_study(tmp_path / "study")
    running = [row for row in study.rows() if row["state"] == "running"]
    # Stopped between the last step of the first epoch and its measurement.
    assert {(row["width"], row["epochs_done"], row["step"]) for row in running} == {(3, 0, 4)}
    assert study.status().owner is None
    resumed = capacity.resume(study.path, threads=1)
    assert_whole(resumed)
    assert_same_numbers(resumed, capacity.sweep(data, out=tmp_path / "unbroken", **SETTINGS))


def test_control_c_stops_local_processes_within_a_slice(tmp_path: Path, data: Path) -> None:
    presses = []

    def press(snapshot: Snapshot) -> None:
        if snapshot.running and not presses:
            presses.append(threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)))
            presses[0].start()

    settings = SETTINGS | {"epochs": 10**7}
    began = time.monotonic()
    with pytest.raises(Interrupted):
        capacity.sweep(data, out=tmp_path / "study", workers=2, progress=press, **settings)
    presses[0].join()
    assert time.monotonic() - began < driver.SLICE_SECONDS
    study = capacity.open_study(tmp_path / "study")
    for row in study.rows():
        path = study.path / "trials" / f"{row['key']}.h5"
        assert row["state"] == ("running" if path.exists() else "pending")


def test_a_keyboard_interrupt_from_the_progress_callback_counts_as_control_c(tmp_path: Path, data: Path) -> None:
    def interrupt(snapshot: Snapshot) -> None:
        raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        capacity.sweep(data, out=tmp_path / "study", progress=interrupt, **SETTINGS)
    assert_whole(capacity.resume(tmp_path / "study", threads=1))


def test_progress_runs_from_nothing_to_everything(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capacity.experiments.progress.QUIET_SECONDS", 0.0)
    seen: list[Snapshot] = []
    capacity.sweep(data, out=tmp_path / "study", progress=seen.append, **SETTINGS)
    first, last = seen[0], seen[-1]
    assert (first.study, first.device, first.trials_total, first.epochs_total) == (tmp_path / "study", "cpu", 8, 24)
    assert (first.trials_done, first.epochs_done, first.running, first.seconds_left) == (0, 0, (), None)
    assert (last.trials_done, last.epochs_done, last.running, last.seconds_left) == (8, 24, (), 0.0)
    assert last.examples_per_second > 0
    assert [s.epochs_done for s in seen] == sorted(s.epochs_done for s in seen)
    labels = [label for snapshot in seen for label in snapshot.running]
    assert list(dict.fromkeys(labels)) == ["width 3, depth 1 (4 trials)", "width 2, depth 1 (4 trials)"]


def test_time_left_is_estimated_from_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the trials are done, but nearly all of the work."""
    big, small = trials_of(SweepConfig(widths=(2, 1), lrs=0.1, seeds=1, epochs=10, batch=10), "digest")[::-1]
    moment = [100.0]
    monkeypatch.setattr("capacity.experiments.progress.time.monotonic", lambda: moment[0])
    meter = Meter(Path("study"), "cpu", samples=100, report=None)
    meter.add({big: 9 * EXAMPLE_COST, small: 0}, {big: 100, small: 100})
    assert meter.snapshot().seconds_left is None
    moment[0] += 50.0
    meter.reach([big], step=50)  # half of it: 5 epochs of 10 steps
    assert meter.snapshot().seconds_left == pytest.approx(50.0 * (50 + 10) / 50)
    assert meter.snapshot().examples_per_second == pytest.approx(500 / 50)
    moment[0] += 50.0
    meter.reach([big], step=100)
    meter.finish(big)
    assert meter.snapshot().seconds_left == pytest.approx(100.0 * 10 / 100)
    assert (meter.snapshot().trials_done, meter.snapshot().epochs_done) == (1, 10)


def test_what_was_there_before_says_nothing_about_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    (trial,) = trials_of(SweepConfig(widths=2, lrs=0.1, seeds=1, epochs=10, batch=10), "digest")
    moment = [0.0]
    monkeypatch.setattr("capacity.experiments.progress.time.monotonic", lambda: moment[0])
    meter = Meter(Path("study"), "cpu", samples=100, report=None)
    meter.add({trial: 1}, {trial: 100})
    meter.start_from(trial, 80, done=False)
    moment[0] = 7.0
    assert meter.snapshot().seconds_left is None
    meter.reach([trial], step=90)
    assert meter.snapshot().seconds_left == pytest.approx(7.0)


def test_groups_are_of_one_shape_equally_far_the_most_work_first() -> None:
    trials = trials_of(SweepConfig(widths=(1, 3), lrs=(0.1, 0.2), seeds=3), "digest")
    sizes = {trial: 100 * trial.width for trial in trials}
    groups = make_groups(dict.fromkeys(trials, (0, 0)), sizes, workers=1, limit=lambda _: 100)
    assert [(g.trials[0].width, len(g.trials)) for g in groups] == [(3, 6), (1, 6)]
    for further in [(5, 0), (0, 1)]:
        reached = {trial: (further if trial.seed == 0 else (0, 0)) for trial in trials}
        groups = make_groups(reached, sizes, workers=1, limit=lambda _: 100)
        assert [(g.trials[0].width, len(g.trials)) for g in groups] == [(3, 4), (3, 2), (1, 4), (1, 2)]
        assert all(len({(t.shape, reached[t]) for t in group.trials}) == 1 for group in groups)


def test_groups_are_divided_over_workers_and_kept_within_the_limit() -> None:
    trials = trials_of(SweepConfig(widths=2, lrs=(0.1, 0.2), seeds=5), "digest")
    reached, sizes = dict.fromkeys(trials, (0, 0)), dict.fromkeys(trials, 100)

    def counts(limit: int, workers: int) -> list[int]:
        return [len(group.trials) for group in make_groups(reached, sizes, workers, lambda _: limit)]

    assert counts(100, 1) == [10]
    assert counts(100, 4) == [3, 3, 3, 1]
    assert counts(4, 1) == [4, 4, 2]
    assert counts(2, 4) == [2] * 5
    assert counts(1, 1) == [1] * 10


def test_bad_data_are_refused_before_a_folder_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing"):
        capacity.sweep(tmp_path / "nothing.h5", out=tmp_path / "study")
    assert not (tmp_path / "study").exists()
