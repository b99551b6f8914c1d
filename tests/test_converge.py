"""Studies of convergence: the numbers, when trials end and as what, subsets, settings, and what is refused."""

from __future__ import annotations

import inspect
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import capacity
from capacity.analysis import halting_time
from capacity.errors import InputError, StudyError
from capacity.experiments import (
    ConvergeConfig,
    Interrupted,
    Snapshot,
    Study,
    driver,
    export,
    launchers,
    load_config,
    progress,
    run_study,
    slices,
)
from capacity.experiments.converge_trial import ConvergeTrial, trials_of
from capacity.experiments.outcomes import Outcome
from capacity.experiments.progress import Meter
from tests.study_cases import assert_same_numbers, assert_whole, tiny_data, trial_file

SETTINGS: dict[str, Any] = {
    "widths": (2, 3), "fractions": (0.5, 1.0), "lrs": 2.0, "batch": 8, "seeds": 2, "every": 3, "patience": 3,
    "epochs": 40, "threads": 1,
}  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tiny_data(tmp_path)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A finished study, not to be changed."""
    folder = tmp_path_factory.mktemp("converge")
    return capacity.converge(tiny_data(folder), out=folder / "study", **SETTINGS)


def trials(study: Study) -> list[ConvergeTrial]:
    config = study.config
    assert isinstance(config, ConvergeConfig)
    return trials_of(config, capacity.open_dataset(config.data))


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"optimizers": ("adam", "momentum"), "lrs": None, "momentum": 0.5, "depths": (1, 2), "weight_decay": 0.01},
        {"optimizers": "adamw", "lrs": 0.01, "activation": "tanh", "precision": "float64"},
    ],
)
def test_every_trial_has_the_numbers_of_the_trainer_used_by_hand(
    tmp_path: Path, data: Path, more: dict[str, Any]
) -> None:
    study = capacity.converge(data, out=tmp_path / "study", **(SETTINGS | {"epochs": 10} | more))
    assert [trial.key for trial in trials(study)] == [row["key"] for row in study.rows()]
    for trial, row in zip(trials(study), study.rows(), strict=True):
        trainer = capacity.Trainer(
            trial.model(), capacity.open_dataset(data), batch=8, lrs=[trial.lr], seeds=[trial.seed],
            samples=[trial.samples], optimizer=trial.rule(), precision=trial.precision,
            trajectory=True,
        )  # fmt: skip
        curves = study.curves(trial.key)
        np.testing.assert_array_equal(curves["step"], 3.0 * np.arange(len(curves["step"])))
        for place in range(len(curves["step"])):
            if place:
                trainer.advance(3)
            tested = trainer.evaluate("test")
            assert curves["validation_loss"][place] == tested.loss[0]
            assert curves["validation_top1"][place] == tested.top1[0]
            trained = curves["train_loss"][place]
            assert math.isnan(trained) or trained == trainer.evaluate("train").loss[0]
        assert row["step"] == trainer.step
        with trial_file(study, trial.key) as file:
            np.testing.assert_array_equal(file["checkpoint/parameters"][...], trainer.states()[0].parameters)


def test_the_training_loss_is_measured_once_an_epoch(study: Study) -> None:
    for row in study.rows():
        epoch = math.ceil(row["samples"] / 8)
        curves = study.curves(row["key"])
        for step, loss in zip(curves["step"], curves["train_loss"], strict=True):
            ends = [e for e in range(epoch, 1000, epoch) if step - 3 < e <= step]
            assert math.isnan(loss) == (step > 0 and not ends)


def test_a_trial_ends_when_both_minima_have_held_and_no_sooner(study: Study) -> None:
    assert study.status().outcomes["converged"] > 0
    for trial, row in zip(trials(study), study.rows(), strict=True):
        curves = study.curves(trial.key)
        steps, losses = curves["step"].astype(int).tolist(), curves["validation_loss"].tolist()
        plain, smoothed = (
            halting_time(steps, losses, patience=trial.patience, smooth=smooth) for smooth in (None, trial.smooth)
        )
        assert (row["outcome"], row["halting_step"], row["best_loss"], row["best_step"]) == (
            plain.outcome, plain.step, plain.minimum, plain.minimum_step,
        )  # fmt: skip
        assert (row["smoothed_outcome"], row["smoothed_step"]) == (smoothed.outcome, smoothed.step)
        limited = {halting_time(steps[:-1], losses[:-1], patience=trial.patience, smooth=s).outcome for s in (None, 5)}
        assert "step_limit" in limited
        assert row["validation_loss"] == losses[-1]
        if "step_limit" in (row["outcome"], row["smoothed_outcome"]):
            assert row["step"] == trial.steps


def test_patience_and_limit_follow_from_a_trials_own_examples(study: Study) -> None:
    assert {(t.samples, t.patience, t.steps) for t in trials(study)} == {
        (30, 3 * 4, 162),  # 40 epochs of 4 steps are 160, the next validation is at 162
        (60, 3 * 8, 321),
    }


def test_a_seed_has_the_same_examples_at_every_width_and_smaller_parts_lie_in_larger(study: Study) -> None:
    for trial in trials(study):
        alike = [t for t in trials(study) if t.width == 2 and (t.seed, t.samples) == (trial.seed, trial.samples)]
        trainer = capacity.Trainer(
            trial.model(), capacity.open_dataset(study.config.data), batch=8, lrs=[0.1], seeds=[trial.seed],
            samples=[trial.samples],
        )  # fmt: skip
        assert (trainer._replicas.subsets[0], trainer._replicas.samples[0]) == (alike[0].seed, alike[0].samples)


def test_outcomes_name_the_step_limit_divergence_and_stalling(tmp_path: Path, data: Path) -> None:
    settings = SETTINGS | {"widths": 3, "fractions": 0.5, "seeds": 1, "lrs": (1e30, 2.0, 1e-9)}
    study = capacity.converge(data, out=tmp_path / "study", **settings)
    diverged, converged, stalled = study.rows()
    assert [row["outcome"] for row in study.rows()] == ["diverged", "converged", "stalled"]
    assert diverged["step"] == 3
    assert (diverged["halting_step"], diverged["smoothed_step"], diverged["best_step"]) == (None, None, 0)
    assert math.isnan(diverged["validation_loss"])
    assert 0 < converged["halting_step"] <= converged["best_step"] < converged["step"]
    assert stalled["halting_step"] == 0
    short = capacity.converge(data, out=tmp_path / "short", **(settings | {"lrs": 2.0, "epochs": None, "steps": 7}))
    (row,) = short.rows()
    assert (row["outcome"], row["step"]) == ("step_limit", 9)
    assert Outcome(row["outcome"]).sentence == "All training that was allowed was done, and its aim was not reached."


def test_many_slices_and_workers_give_the_numbers_of_one(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = capacity.converge(study.config.data, out=tmp_path / "workers", workers=2, **SETTINGS)
    assert_same_numbers(together, study)
    runs = []
    monkeypatch.setattr(launchers, "run_slice", lambda *order: runs.append(order) or slices.run_slice(*order))
    monkeypatch.setattr(driver, "SLICE_SECONDS", 0.0)
    monkeypatch.setattr(driver, "CHECKPOINT_SHARE", math.inf)
    sliced = capacity.converge(study.config.data, out=tmp_path / "slices", replicas=3, **SETTINGS)
    assert len(runs) > 100
    assert_whole(sliced)
    assert_same_numbers(sliced, study)


def test_the_study_folder_says_what_was_asked_and_what_followed(study: Study, tmp_path: Path) -> None:
    text = (study.path / "study.toml").read_text()
    assert 'kind = "converge"' in text
    assert load_config(study.path / "study.toml").identity() == study.config.identity()
    again = capacity.converge(study.config.data, out=study.path, **SETTINGS)
    assert again.rows() == study.rows()
    assert capacity.resume(study.path).rows() == study.rows()
    export(study, tmp_path / "table.parquet")
    lines = str(export(study, "-")).splitlines()
    assert len(lines) == 1 + 8
    assert lines[0].split(",")[:3] == ["key", "data_digest", "width"]
    assert {"halting_step", "best_loss", "samples", "patience"} <= set(lines[0].split(","))


def test_what_is_not_given_follows_from_the_data_and_is_recorded(tmp_path: Path, data: Path) -> None:
    settings = {"widths": 2, "lrs": 1e-9, "optimizers": ("sgd", "adamw"), "seeds": 1, "batch": 4, "patience": 1}
    study = capacity.converge(data, out=tmp_path / "study", **settings)
    config = study.config
    assert isinstance(config, ConvergeConfig)
    # A quarter of the 4 steps of 15 examples is 1; the 20 test examples take about as long as 20 / (3 * 4) steps.
    assert (config.every, config.epochs, config.steps) == (2, 200, None)
    assert [row["samples"] for row in study.rows() if row["optimizer"] == "sgd"] == [15, 30, 60]
    assert {row["optimizer"]: row["weight_decay"] for row in study.rows()} == {"adamw": 0.01, "sgd": 0.0}
    usual = ConvergeConfig(data=data, optimizers=("sgd", "momentum", "adam", "adamw", "shampoo"), batch=4)
    dataset = capacity.open_dataset(data)
    rates = {trial.optimizer: trial.lr for trial in usual.fitted_to(dataset).trials(dataset)}
    assert usual.optimizers == ConvergeConfig(optimizers=["shampoo", "adamw", "sgd", "adam", "momentum"]).optimizers
    assert rates == {"sgd": 0.1, "momentum": 0.01, "adam": 0.001, "adamw": 0.001, "shampoo": 0.2}
    assert list(rates) == ["sgd", "momentum", "adam", "adamw", "shampoo"]


def test_the_signature_of_converge_has_the_fields_and_defaults_of_the_config() -> None:
    parameters = inspect.signature(capacity.converge).parameters
    assert list(parameters) == [*ConvergeConfig.model_fields, "progress", "executor"]
    for name, field in ConvergeConfig.model_fields.items():
        assert parameters[name].default == field.default, name
        assert field.description


@pytest.mark.parametrize("every", [1, 3, 5])
def test_the_path_of_a_trial_is_that_of_its_steps_taken_one_by_one(tmp_path: Path, data: Path, every: int) -> None:
    settings = SETTINGS | {"fractions": 0.5, "depths": 3, "optimizers": "momentum", "lrs": 0.1, "trajectory": every}
    study = capacity.converge(data, out=tmp_path / "study", **settings)
    for trial, row in zip(trials(study), study.rows(), strict=True):
        trainer = capacity.Trainer(
            trial.model(), capacity.open_dataset(data), batch=8, lrs=[trial.lr], seeds=[trial.seed],
            samples=[trial.samples], optimizer=trial.rule(), trajectory=True,
        )  # fmt: skip
        points = [trainer.states()[0].parameters.astype(np.float64)]
        for _ in range(row["step"]):
            trainer.advance(1)
            points.append(trainer.states()[0].parameters.astype(np.float64))
        groups, path = study.trajectory(trial.key)
        assert groups == ("embedding", "hidden", "softmax", "all")
        assert path["step"].tolist() == list(range(0, row["step"], every))
        lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
        walked = np.concatenate([[0], np.cumsum(lengths)])[: row["step"] : every]
        away = np.linalg.norm(np.array(points) - points[0], axis=1)[: row["step"] : every]
        np.testing.assert_allclose(path["distance"][:, 3], away, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(path["path_length"][:, 3], walked, rtol=1e-5)
        np.testing.assert_allclose(path["step_length"][:, 3], lengths[::every], rtol=1e-5)
        squares = path["distance"] ** 2
        np.testing.assert_allclose(squares[:, :3].sum(axis=1), squares[:, 3], rtol=1e-9)
        if every == 1:
            means = np.cumsum(path["step_size"], axis=0)[:-1] / np.arange(1, row["step"])[:, None]
            np.testing.assert_allclose(path["mean_step_size"][1:], means, rtol=1e-12)


def test_a_second_run_sees_the_path_from_its_end(tmp_path: Path, data: Path) -> None:
    settings = SETTINGS | {"fractions": 0.5, "widths": 3, "trajectory": 1}
    study = capacity.converge(data, out=tmp_path / "study", **settings)
    before = study.rows()
    converged = [row for row in before if row["outcome"] == "converged"]
    assert converged
    with pytest.raises(InputError, match=r"has recorded no trajectory of a trial '.*' from its end"):
        study.trajectory(converged[0]["key"], "end")
    capacity.converge(data, out=study.path, alignment=True, **settings)
    assert study.rows() == before
    files = {path: path.stat().st_mtime_ns for path in (study.path / "alignment").iterdir()}
    assert {path.stem for path in files} == {row["key"] for row in converged}
    for row in converged:
        groups, ahead = study.trajectory(row["key"], "end")
        _, behind = study.trajectory(row["key"])
        assert groups == ("embedding", "softmax", "all")
        for name in ("step", "path_length", "step_size", "step_length"):
            np.testing.assert_array_equal(ahead[name], behind[name])
        with trial_file(study, row["key"]) as file:
            end = file["checkpoint/parameters"][...].astype(np.float64)
        (trial,) = [trial for trial in trials(study) if trial.key == row["key"]]
        trainer = capacity.Trainer(
            trial.model(), capacity.open_dataset(data), batch=8, lrs=[trial.lr], seeds=[trial.seed],
            samples=[trial.samples], trajectory=True,
        )  # fmt: skip
        for step in range(row["step"]):
            away = trainer.states()[0].parameters.astype(np.float64) - end
            assert ahead["distance"][step, 2] == pytest.approx(np.linalg.norm(away), rel=1e-6)
            trainer.advance(1)
            # The gradient of plain SGD, from the step: -dw / lr.
            moved = trainer.states()[0].parameters.astype(np.float64) - end - away
            cosine = -(away @ moved) / np.linalg.norm(away) / np.linalg.norm(moved)
            assert np.cos(ahead["angle"][step, 2]) == pytest.approx(cosine, abs=1e-4)
    capacity.converge(data, out=study.path, alignment=True, **settings)
    assert {path: path.stat().st_mtime_ns for path in files} == files


def test_a_second_look_that_is_interrupted_is_finished_by_resume(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    seen: list[Snapshot] = []

    def interrupt(snapshot: Snapshot) -> None:
        if "from the end" in "".join(snapshot.running):
            seen.append(snapshot)
            if len(seen) == 2:
                raise KeyboardInterrupt

    path = tmp_path / "study"
    capacity.converge(data, out=path, **SETTINGS)
    assert "alignment" not in (path / "study.toml").read_text()
    with pytest.raises(Interrupted, match="resume with: capacity resume"):
        capacity.converge(data, out=path, alignment=True, progress=interrupt, **SETTINGS)
    converged = {row["key"] for row in capacity.open_study(path).rows() if row["outcome"] == "converged"}
    assert seen[0].trials_total == len(converged)
    assert seen[0].epochs_total > 0
    assert {file.stem for file in (path / "alignment").iterdir()} < converged
    capacity.resume(path)
    assert {file.stem for file in (path / "alignment").iterdir()} == converged


def test_without_a_trajectory_none_is_kept_and_it_belongs_to_the_key(study: Study, tmp_path: Path) -> None:
    without = capacity.converge(study.config.data, out=tmp_path / "study", **(SETTINGS | {"trajectory": 0}))
    key = without.rows()[0]["key"]
    assert key != study.rows()[0]["key"]
    assert "trajectory" not in trial_file(without, key)
    with pytest.raises(InputError, match=f"has recorded no trajectory of a trial '{key}' from its start"):
        without.trajectory(key)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"fractions": (0.5, 1.5)}, "fractions must be one or more numbers above 0 and at most 1, got 1.5."),
        ({"fractions": (0.1,)}, "fractions must leave at least a batch of 8 of the 60 .*, got 0.1, which leaves 6."),
        ({"fractions": (0.5, 0.501)}, "fractions must give different numbers of samples, got 30, 30."),
        ({"optimizers": ("sgd", "adm")}, "optimizers must be among sgd, momentum, adam, adamw, shampoo, got 'adm'."),
        ({"momentum": 0.5}, "momentum is used by optimizer 'momentum' only, got momentum=0.5 with optimizers sgd;"),
        ({"epochs": 3, "steps": 5}, "given by epochs or by steps, got epochs=3 and steps=5; leave one of them out."),
        ({"smooth": 4}, "smooth must be an odd whole number of at least 1, got 4."),
        ({"tolerance": -1}, "tolerance must be a finite number of at least 0, got -1."),
        ({"patience": 0}, "patience must be a finite number above 0, got 0."),
        ({"trajectory": 0, "alignment": True}, "alignment is of a recorded path, got trajectory=0 with it;"),
        ({"alignment": "yes"}, "alignment must be true or false, got 'yes'."),
        ({"trajectory": -1}, "trajectory must be a whole number of at least 0, got -1."),
        ({"every": 0}, "every must be a whole number of at least 1, got 0."),
        ({"batch": 61}, "batch must be at most 60, the number of training samples of 'tiny data', got 61."),
        ({"weigth_decay": 1}, "unknown setting 'weigth_decay' .did you mean 'weight_decay'"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, data: Path, settings: dict[str, Any], sentence: str
) -> None:
    config = SETTINGS | {"data": data, "out": tmp_path / "study"} | settings
    with pytest.raises(InputError, match=sentence):
        run_study(ConvergeConfig(**config))
    assert not (tmp_path / "study").exists()


def test_data_without_a_test_split_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"measured on a test split, and 'tiny data' has none; .*--test-fraction"):
        capacity.converge(tiny_data(tmp_path, with_test=False), out=tmp_path / "study", **SETTINGS)
    assert not (tmp_path / "study").exists()


def test_a_study_or_a_settings_file_of_another_kind_is_refused(study: Study, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="is of the kind 'converge', and this asks for 'sweep'; choose another folder"):
        capacity.sweep(study.config.data, widths=2, out=study.path, batch=8)
    with pytest.raises(InputError, match="is of the kind 'converge', expected 'sweep'; use 'capacity converge'"):
        load_config(study.path / "study.toml", "sweep")
    (tmp_path / "odd.toml").write_text('kind = "swep"\n')
    with pytest.raises(InputError, match=r"unknown kind of study 'swep' \(did you mean 'sweep'\?\)"):
        load_config(tmp_path / "odd.toml")
    with pytest.raises(StudyError, match=r"was made with patience = 3\.0, and this asks for patience = 4.0"):
        capacity.converge(study.config.data, out=study.path, **(SETTINGS | {"patience": 4}))


def test_time_left_goes_by_how_much_of_their_limit_trials_have_needed(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = capacity.open_dataset(data)
    config = ConvergeConfig(**(SETTINGS | {"data": data, "widths": 2, "fractions": 1.0})).fitted_to(dataset)
    first, second = config.trials(dataset)
    moment = [0.0]
    monkeypatch.setattr("capacity.experiments.progress.time.monotonic", lambda: moment[0])
    meter = Meter(Path("study"), "cpu", samples=60, report=None)
    meter.add({first: 1, second: 1}, {first: 321, second: 321})
    moment[0] = 10.0
    meter.reach([first, second], 80)  # about a quarter of the limit of 321 steps
    assert meter.snapshot().seconds_left == pytest.approx(10.0 * (321 - 80) / 80)
    meter.finish(first)
    assert meter.snapshot().seconds_left == pytest.approx(0.0)
