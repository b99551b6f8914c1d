"""A study that moves between devices: its trials go on from their checkpoints, and say which device did which part."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

import capacity
from capacity.errors import DeviceError, InputError
from capacity.experiments import Interrupted, Snapshot, Study
from tests import fake_cuda
from tests.study_cases import SETTINGS, assert_whole, tiny_data, trial_file


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tiny_data(tmp_path)


@pytest.fixture(autouse=True)
def one_step_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capacity.experiments.team.SHORT_RUN_SECONDS", 1e-9)
    monkeypatch.setattr("capacity.experiments.progress.QUIET_SECONDS", 0.0)


@contextmanager
def gpu(folder: Path) -> Iterator[None]:
    """Let a GPU be there for a while."""
    with TemporaryDirectory(dir=folder) as packages, fake_cuda.gpu(Path(packages)):
        yield


class Stop:
    """Progress that interrupts the study when this process has made `steps` steps or so in trials of width 2.

    Trials of width 3 are trained first, so they are done then.
    """

    def __init__(self, steps: int) -> None:
        self.left = steps

    def __call__(self, snapshot: Snapshot) -> None:
        self.left -= any("width 2" in label for label in snapshot.running)
        if self.left < 0:
            raise KeyboardInterrupt


def begin(data: Path, out: Path, steps: int, **settings: Any) -> Study:
    with pytest.raises(Interrupted):
        capacity.sweep(data, out=out, progress=Stop(steps), **(SETTINGS | settings))
    return capacity.open_study(out)


def steps_of_running(study: Study) -> int:
    """Return where the trials of width 2 are, which are neither at their beginning nor at their end."""
    steps = {row["step"] for row in study.rows() if row["width"] == 2}
    assert len(steps) == 1
    assert 0 < min(steps) < 12
    assert {row["state"] for row in study.rows() if row["width"] == 3} == {"done"}
    return min(steps)


def parts(study: Study, key: str) -> list[tuple[str, str, int]]:
    """Return device, precision and first step of each part of a trial, from its provenance."""
    with trial_file(study, key) as file:
        last = json.loads(file.attrs["provenance"])
        assert file.attrs["device"] == last["device"]
    return [(part["device"], part["precision"], part["first_step"]) for part in [*last.pop("earlier", []), last]]


def files_of(study: Study, state: str) -> list[Path]:
    return [study.path / "trials" / f"{row['key']}.h5" for row in study.rows() if row["state"] == state]


def dtypes(study: Study, key: str) -> set[np.dtype[Any]]:
    """Return the types of a trial's parameters and optimizer state."""
    with trial_file(study, key) as file:
        return {file["checkpoint"][name].dtype for name in ("parameters", "optimizer")}


def assert_close(study: Study, other: Study, tolerance: float) -> None:
    """See that curves and parameters of two studies agree but for rounding."""
    for row, twin in zip(study.rows(), other.rows(), strict=True):
        assert (row["key"], row["step"], row["epochs_done"]) == (twin["key"], twin["step"], twin["epochs_done"])
        curves, twins = study.curves(row["key"]), other.curves(row["key"])
        for name in ("train_loss", "train_top1", "train_top5", "test_loss", "test_top1", "test_top5"):
            np.testing.assert_allclose(curves[name], twins[name], rtol=tolerance)
        with trial_file(study, row["key"]) as one, trial_file(other, row["key"]) as two:
            for name in ("parameters", "optimizer"):
                ours, theirs = (file["checkpoint"][name][...] for file in (one, two))
                np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("again", ["resume", "sweep"])
@pytest.mark.parametrize(("first", "second"), [("reference", "cpu"), ("cpu", "reference")])
def test_trials_go_on_from_their_checkpoints_on_another_device(
    tmp_path: Path, data: Path, first: str, second: str, again: str
) -> None:
    settings = {"precision": "float64", "optimizer": "momentum"}
    study = begin(data, tmp_path / "study", 6, device=first, **settings)
    step = steps_of_running(study)
    before = {row["key"]: (row, study.curves(row["key"])) for row in study.rows()}
    finished = {p: p.read_bytes() for p in files_of(study, "done")}
    assert len(finished) == 4

    if again == "resume":
        moved = capacity.resume(study.path, device=second, threads=1)
    else:
        moved = capacity.sweep(data, out=study.path, device=second, **(SETTINGS | settings))

    assert_whole(moved)
    assert_close(moved, capacity.sweep(data, out=tmp_path / "unbroken", device=second, **(SETTINGS | settings)), 1e-10)
    assert {path: path.read_bytes() for path in finished} == finished
    assert [row["key"] for row in moved.rows()] == list(before)
    for row in moved.rows():
        earlier, curves = before[row["key"]]
        if row["width"] == 3:
            assert row == earlier
            assert parts(moved, row["key"]) == [(first, "float64", 0)]
        else:
            assert row["device"] == second
            assert row["started"] == earlier["started"]
            assert parts(moved, row["key"]) == [(first, "float64", 0), (second, "float64", step)]
            for name, values in curves.items():
                np.testing.assert_array_equal(moved.curves(row["key"])[name][: len(values)], values)


def test_a_float32_study_goes_through_the_reference_and_back(tmp_path: Path, data: Path) -> None:
    study = begin(data, tmp_path / "study", 4, device="cpu", optimizer="momentum")
    there = steps_of_running(study)
    with pytest.raises(Interrupted):
        capacity.resume(study.path, device="reference", progress=Stop(5))
    back = steps_of_running(study)
    assert back > there
    for path in files_of(study, "running"):
        assert dtypes(study, path.stem) == {np.dtype("float64")}
    capacity.resume(study.path, device="cpu", threads=1)

    assert_whole(study)
    assert_close(
        study, capacity.sweep(data, out=tmp_path / "unbroken", device="cpu", optimizer="momentum", **SETTINGS), 1e-4
    )
    for row in study.rows():
        assert dtypes(study, row["key"]) == {np.dtype("float32")}
        assert (row["precision"], row["device"]) == ("float32", "cpu")
        if row["width"] == 2:
            assert parts(study, row["key"]) == [
                ("cpu", "float32", 0),
                ("reference", "float64", there),
                ("cpu", "float32", back),
            ]


def test_stopping_and_going_on_within_a_process_and_a_device_is_one_part(tmp_path: Path, data: Path) -> None:
    study = begin(data, tmp_path / "study", 6, device="cpu")
    capacity.resume(study.path, threads=1)
    for row in study.rows():
        assert parts(study, row["key"]) == [("cpu", "float32", 0)]


def test_auto_goes_on_with_the_device_the_study_was_begun_on(tmp_path: Path, data: Path) -> None:
    study = begin(data, tmp_path / "study", 4, device="reference")
    with pytest.raises(Interrupted):
        capacity.resume(study.path, device="cpu", threads=1, progress=Stop(5))
    assert {row["device"] for row in study.rows() if row["state"] == "running"} == {"cpu"}
    capacity.resume(study.path)
    assert {row["device"] for row in study.rows()} == {"reference"}


def test_precisions_of_tensor_cores_are_refused_before_anything_is_written(tmp_path: Path, data: Path) -> None:
    for device in ("cpu", "reference"):
        with pytest.raises(InputError, match=f"offered by device 'cuda' only, got device '{device}'"):
            capacity.sweep(data, out=tmp_path / "study", device=device, precision="tf32", **SETTINGS)
    assert not (tmp_path / "study").exists()


class TestOnAGpu:
    pytestmark = fake_cuda.possible

    def test_a_study_of_convergence_with_its_paths_and_second_runs_is_the_same_there(
        self, tmp_path: Path, data: Path
    ) -> None:
        settings: dict[str, Any] = {
            "widths": 2, "fractions": (0.5, 1.0), "lrs": 2.0, "batch": 8, "seeds": 1, "every": 3, "patience": 3,
            "epochs": 8, "precision": "float64", "alignment": True, "trajectory": 2,
        }  # fmt: skip
        with gpu(tmp_path):
            study = capacity.converge(data, out=tmp_path / "study", device="cuda", **settings)
        twin = capacity.converge(data, out=tmp_path / "twin", device="cpu", **settings)
        converged = [row["key"] for row in twin.rows() if row["outcome"] == "converged"]
        assert converged
        for row, same in zip(study.rows(), twin.rows(), strict=True):
            assert (row["key"], row["outcome"], row["halting_step"]) == (
                same["key"], same["outcome"], same["halting_step"],
            )  # fmt: skip
            for anchor in ("start", "end") if row["key"] in converged else ("start",):
                _, path = study.trajectory(row["key"], anchor)
                for name, values in twin.trajectory(row["key"], anchor)[1].items():
                    np.testing.assert_allclose(path[name], values, rtol=1e-6, atol=1e-6)

    def test_a_search_for_emc_is_the_same_there(self, tmp_path: Path, data: Path) -> None:
        settings: dict[str, Any] = {
            "widths": [2], "labels": ["random"], "classes": [2], "lrs": [0.5], "seeds": 2, "first": 4, "increment": 6,
            "steps": 60, "batch": 8, "precision": "float64",
        }  # fmt: skip
        with gpu(tmp_path):
            study = capacity.emc(data, out=tmp_path / "study", device="cuda", **settings)
        twin = capacity.emc(data, out=tmp_path / "twin", device="cpu", **settings)
        assert {row["outcome"] for row in twin.rows()} >= {"fitted", "step_limit"}
        names = ("key", "samples", "seed", "outcome", "step", "fewest_wrong", "hopeless_step")
        for row, same in zip(study.rows(), twin.rows(), strict=True):
            assert [row[name] for name in names] == [same[name] for name in names]
            assert row["train_loss"] == pytest.approx(same["train_loss"], rel=1e-6)
        assert [path.name for path in sorted((study.path / "certificates").iterdir())] == [
            path.name for path in sorted((twin.path / "certificates").iterdir())
        ]

    @pytest.mark.parametrize("precision", ["float32", "float64"])
    def test_a_study_goes_to_a_gpu_and_back(self, tmp_path: Path, data: Path, precision: str) -> None:
        settings = {"precision": precision, "optimizer": "momentum"}
        study = begin(data, tmp_path / "study", 4, device="cpu", **settings)
        there = steps_of_running(study)
        with gpu(tmp_path), pytest.raises(Interrupted):
            capacity.resume(study.path, device="cuda", progress=Stop(5))
        back = steps_of_running(study)
        assert {row["device"] for row in study.rows() if row["state"] == "running"} == {"cuda"}
        capacity.resume(study.path, threads=1)

        assert_whole(study)
        tolerance = 1e-10 if precision == "float64" else 1e-4
        assert_close(study, capacity.sweep(data, out=tmp_path / "unbroken", **(SETTINGS | settings)), tolerance)
        for row in study.rows():
            if row["width"] == 2:
                assert parts(study, row["key"]) == [
                    ("cpu", precision, 0),
                    ("cuda", precision, there),
                    ("cpu", precision, back),
                ]

    def test_a_study_begun_on_a_gpu_is_told_where_to_go_on_without_it(self, tmp_path: Path, data: Path) -> None:
        with gpu(tmp_path):
            study = begin(data, tmp_path / "study", 4, device="auto")
            assert study.facts["device"] == "cuda"
        with pytest.raises(DeviceError, match=r"device 'cuda' cannot be used: .*, or use device 'cpu'"):
            capacity.resume(study.path)
        capacity.resume(study.path, device="cpu", threads=1)
        assert_close(study, capacity.sweep(data, out=tmp_path / "unbroken", **SETTINGS), 1e-4)

    def test_a_precision_of_tensor_cores_is_named_and_stays_on_the_gpu(self, tmp_path: Path, data: Path) -> None:
        precision = "tf32"
        with gpu(tmp_path):
            study = begin(data, tmp_path / "study", 4, precision=precision)
        before = study.rows()
        refusal = f"precision '{precision}' is offered by device 'cuda' only, got device 'cpu'; use that device, or"
        with pytest.raises(InputError, match=refusal):
            capacity.resume(study.path, device="cpu")
        assert study.rows() == before
        with gpu(tmp_path):
            capacity.resume(study.path)
        exact = capacity.sweep(data, out=tmp_path / "exact", **SETTINGS)
        for row, other in zip(study.rows(), exact.rows(), strict=True):
            assert parts(study, row["key"]) == [("cuda", precision, 0)]
            assert dtypes(study, row["key"]) == {np.dtype("float32")}
            assert (row["precision"], row["state"]) == (precision, "done")
            assert row["key"] != other["key"]
            assert row["train_loss"] != other["train_loss"]
            assert row["train_loss"] == pytest.approx(other["train_loss"], rel=0.02)
        finished = study.rows()
        assert capacity.resume(study.path).rows() == finished  # nothing is left to train, so no GPU is asked for
