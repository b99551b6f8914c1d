"""Training on a data set beyond memory: one read of the file an epoch, the same numbers however a run is cut."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import pytest

import capacity
from capacity.data import Dataset, Split, open_dataset
from capacity.data.reading import rows
from capacity.engine.random import PURPOSE_WINDOW, permutation
from capacity.errors import InputError
from capacity.experiments import Snapshot
from tests import fake_cuda
from tests.study_cases import SETTINGS, assert_same_numbers, assert_whole

ROWS, TESTS, INPUTS, CLASSES = 6003, 300, 72, 7
MEMORY = 230_000
"""Bytes, of the 450,000 that the features take: windows of 352 or 368 rows."""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file whose rows are read 16 at a time, and make an evaluation's windows small enough for it."""
    monkeypatch.setattr("capacity.data.windows.EVALUATION_BYTES", 4096)
    rng = np.random.default_rng(0)
    centres = rng.integers(0, 256, (CLASSES, INPUTS))
    with h5py.File(tmp_path / "large.h5", "w") as file:
        for split, count in (("train", ROWS), ("test", TESTS)):
            labels = rng.integers(0, CLASSES, count)
            values = np.clip(centres[labels] + rng.normal(0, 90, (count, INPUTS)), 0, 255)
            file.create_dataset(f"{split}/features", data=values.astype(np.uint8), chunks=(16, INPUTS))
            file[f"{split}/labels"] = labels.astype(np.int32)
        file.attrs["normalisation"] = "l2"
    return tmp_path / "large.h5"


def trainer_of(data: Dataset, width: int = 5, **settings: Any) -> capacity.Trainer:
    defaults: dict[str, Any] = {"batch": 32, "lrs": [2.0, 0.5], "seeds": [0, 1], "threads": 2}
    return capacity.Trainer(capacity.MLP(hidden=(width,)), data, **{**defaults, **settings})


def order_of(data: Dataset, epoch: int, batch: int) -> np.ndarray:
    """Return the rows of an epoch as a training takes them."""
    assert data.windows is not None
    stream, found = data.windows.training(data.train.reader, batch), []
    while (done := sum(map(len, found))) < ROWS:
        part = stream.part(epoch, done)
        m = len(part.rows)
        found.append(part.rows[permutation(data.windows.seed, PURPOSE_WINDOW, part.number, m, np.arange(m))])
    assert len(found) > 10
    return np.concatenate(found)


def test_each_step_is_that_of_a_training_on_its_rows_alone(path: Path) -> None:
    data, whole = open_dataset(path, memory=MEMORY), open_dataset(path)
    streamed, order = trainer_of(data, precision="float64"), np.r_[order_of(data, 0, 32), order_of(data, 1, 32)]
    per_epoch = -(-ROWS // 32)
    for step in (0, 1, 10, 11, 12, per_epoch - 1, per_epoch, per_epoch + 30):
        streamed.advance(step - streamed.step)
        epoch, number = divmod(step, per_epoch)
        taken = order[epoch * ROWS :][number * 32 : min(number * 32 + 32, ROWS)]
        split = Split(whole.train.array[taken], whole.train.labels[taken], whole.train.row_scale[taken])
        single = Dataset("batch", CLASSES, whole.class_names, (), 1.0, split, None, "", {}, normalisation="l2")
        alone = trainer_of(single, batch=len(taken), precision="float64")
        alone.restore([capacity.training.State(0, s.parameters, s.optimizer) for s in streamed.states()])
        alone.advance(1)
        streamed.advance(1)
        for one, other in zip(streamed.states(), alone.states(), strict=True):
            np.testing.assert_allclose(one.parameters, other.parameters, rtol=1e-10, atol=1e-12)


def test_a_run_is_bitwise_the_same_however_it_is_cut(path: Path) -> None:
    unbroken = trainer_of(open_dataset(path, memory=MEMORY))
    unbroken.advance(450)
    cut = trainer_of(open_dataset(path, memory=MEMORY), threads=1)
    for steps in (1, 10, 3, 170, 200):
        cut.advance(steps)
    resumed = trainer_of(open_dataset(path, memory=MEMORY), threads=3)  # in the middle of a window
    resumed.restore(cut.states())
    resumed.advance(450 - resumed.step)
    for one, other in zip(unbroken.states(), resumed.states(), strict=True):
        np.testing.assert_array_equal(one.parameters, other.parameters)


def test_the_order_does_not_depend_on_the_cores(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = []
    for cores in (1, 2, 64):
        monkeypatch.setattr("capacity.data.windows.usable_cores", lambda cores=cores: cores)
        orders.append(order_of(open_dataset(path, memory=MEMORY), 3, 32))
    np.testing.assert_array_equal(orders[0], orders[1])
    np.testing.assert_array_equal(orders[0], orders[2])


def test_an_evaluation_is_that_of_all_rows(path: Path) -> None:
    streamed, whole = (trainer_of(open_dataset(path, memory=memory)) for memory in (MEMORY, None))
    whole.restore(streamed.states())
    for split in ("train", "test", "train"):
        one, other = streamed.evaluate(split), whole.evaluate(split)
        np.testing.assert_allclose(one.loss, other.loss, rtol=1e-6)
        np.testing.assert_array_equal(one.top1, other.top1)
        np.testing.assert_array_equal(one.top5, other.top5)


@pytest.mark.parametrize("optimizer", [None, capacity.Adam()], ids=["sgd", "adam"])
def test_trajectories_go_on_through_windows(path: Path, optimizer: Any) -> None:
    data = open_dataset(path, memory=MEMORY)
    whole, steps = trainer_of(data, optimizer=optimizer, trajectory=True), 0
    whole.advance(60)
    parts = trainer_of(data, optimizer=optimizer, trajectory=True)
    for count in (5, 30, 25):
        parts.advance(count)
        np.testing.assert_array_equal(parts.trajectory, whole.trajectory[:, steps : steps + count])
        steps += count


def test_what_needs_all_rows_says_so(path: Path) -> None:
    data = open_dataset(path, memory=MEMORY)
    with pytest.raises(InputError, match="samples must be all 6003 rows of 'large', which is read in windows, got 10"):
        trainer_of(data, samples=[10, 10])
    with pytest.raises(InputError, match="needs all features in memory"):
        trainer_of(data).fit(1, 1, [0, 0])


STUDY = {**SETTINGS, "epochs": 2, "batch": 32, "memory": MEMORY}


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the rows that are read from now on."""
    read, found = rows.RowReader.read, list[int]()

    def count(self: rows.RowReader, start: int, stop: int, out: np.ndarray) -> None:
        found.append(stop - start)
        read(self, start, stop, out)

    monkeypatch.setattr(rows.RowReader, "read", count)
    return found


def test_a_sweep_reads_the_file_once_for_all_its_trials(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = counted(monkeypatch)
    study = capacity.sweep(path, out=tmp_path / "study", **STUDY)
    assert_whole(study)
    assert len(study.rows()) == 8
    trainings, measurements = 2 * ROWS, 3 * (ROWS + TESTS)
    ahead = 3 * 400 + 4 * 512  # windows that were read ahead and not used
    assert trainings + measurements <= sum(read) <= trainings + measurements + ahead


def test_a_sweep_of_several_shapes_is_that_of_each_alone(path: Path, tmp_path: Path) -> None:
    both = capacity.sweep(path, out=tmp_path / "both", **STUDY)
    alone = [capacity.sweep(path, out=tmp_path / f"{w}", **{**STUDY, "widths": w}) for w in STUDY["widths"]]
    together = {row["key"]: (row["train_loss"], row["test_top1"]) for row in both.rows()}
    assert together == {row["key"]: (row["train_loss"], row["test_top1"]) for study in alone for row in study.rows()}
    assert min(row["train_top1"] for row in both.rows()) < 0.7  # of 0.86 by chance


def test_a_sweep_that_is_interrupted_in_an_epoch_ends_with_the_same_numbers(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken = capacity.sweep(path, out=tmp_path / "unbroken", **STUDY)
    monkeypatch.setattr("capacity.experiments.team.SHORT_RUN_SECONDS", 1e-9)
    per_epoch, steps = -(-ROWS // 32), list[int]()

    def stop(snapshot: Snapshot) -> None:
        assert snapshot.memory == MEMORY
        steps.append(snapshot.epochs_done)
        if len(steps) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr("capacity.experiments.progress.QUIET_SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        capacity.sweep(path, out=tmp_path / "cut", progress=stop, **STUDY)
    with h5py.File(next((tmp_path / "cut" / "trials").glob("*.h5"))) as file:
        assert file["checkpoint"].attrs["step"] % per_epoch > 0
    assert_same_numbers(capacity.resume(tmp_path / "cut"), unbroken)  # within the memory that study.toml names


def test_a_sweep_within_memory_is_not_changed(path: Path, tmp_path: Path) -> None:
    within = capacity.sweep(path, out=tmp_path / "within", **{**STUDY, "memory": "1GB"})
    without = capacity.sweep(path, out=tmp_path / "without", **{**STUDY, "memory": None})
    assert_same_numbers(within, without)
    assert "\nmemory" not in (tmp_path / "within" / "study.toml").read_text()


def test_memory_and_workers_that_cannot_be(path: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="workers must be 1 for 'large', got 2: it is larger than memory"):
        capacity.sweep(path, out=tmp_path / "s", **{**STUDY, "workers": 2})
    with pytest.raises(InputError, match="memory must be an amount like 512MB or 2GiB, got 'much'"):
        capacity.sweep(path, out=tmp_path / "s", **{**STUDY, "memory": "much"})
    with pytest.raises(InputError, match=r"memory of 0\.1 MB is too little for windows of 32 rows"):
        capacity.sweep(path, out=tmp_path / "s", **{**STUDY, "memory": 100_000})
    assert not (tmp_path / "s").exists()


def test_a_gpu_reads_the_same_windows(path: Path, tmp_path: Path) -> None:
    settings = {**STUDY, "widths": (2, 3), "lrs": 0.5, "epochs": 1, "precision": "float64"}
    on_cpu = capacity.sweep(path, out=tmp_path / "cpu", device="cpu", **settings)
    with TemporaryDirectory(dir=tmp_path) as packages, fake_cuda.gpu(Path(packages)):
        on_gpu = capacity.sweep(path, out=tmp_path / "gpu", device="cuda", **settings)
    for row, twin in zip(on_gpu.rows(), on_cpu.rows(), strict=True):
        assert (row["key"], row["device"]) == (twin["key"], "cuda")
        np.testing.assert_allclose(row["train_loss"], twin["train_loss"], rtol=1e-9)
        assert row["test_top1"] == twin["test_top1"]
