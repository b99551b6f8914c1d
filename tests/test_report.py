"""The report of a study: files, tables, conclusion."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import capacity
from capacity.errors import StudyError
from capacity.experiments import SweepConfig
from capacity.reporting.sweep import SweepReport
from tests.make_rows import Errors, make_rows

INF, NAN = math.inf, math.nan
NAMES = ("capacity", "roi", "learning_curves")


@dataclass
class HandMade:
    """A study as far as a report looks at one."""

    path: Path
    errors: Errors
    config: SweepConfig = field(default_factory=lambda: SweepConfig(epochs=2))
    data_name: str = "digits"
    dataset_size: int = 1000

    def rows(self) -> list[dict[str, Any]]:
        return make_rows(self.errors)

    def curves(self, key: str) -> dict[str, np.ndarray]:
        (row,) = [row for row in self.rows() if row["key"] == key]
        assert row["state"] == "done", "the curve of an unfinished trial was asked for"
        return {"train_top1": np.array([0.9, 0.8, row["train_top1"]]), "train_top5": np.array([0.5, 0.4, 0.3])}


def read(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> capacity.experiments.Study:  # type: ignore[name-defined]
    out = tmp_path_factory.mktemp("studies") / "small"
    return capacity.sweep("digits", widths=(2, 4), lrs=(0.1, 0.01), epochs=3, seeds=2, batch=100, out=out)


@pytest.fixture(scope="module")
def made(study: Any) -> SweepReport:
    return capacity.report(study)


def test_figures_lie_in_the_study_with_svg_and_csv_beside_them(study: Any, made: SweepReport) -> None:
    assert made.figures == tuple(study.path / "figures" / f"{name}.png" for name in NAMES)
    found = sorted(path.name for path in (study.path / "figures").iterdir())
    assert found == sorted(f"{name}.{kind}" for name in NAMES for kind in ("png", "svg", "csv"))
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in made.figures)


def test_csv_holds_the_tables(made: SweepReport) -> None:
    folder = made.figures[0].parent
    for name, table in zip(NAMES, (made.capacity, made.roi, made.learning), strict=True):
        rows = read(folder / f"{name}.csv")
        assert len(rows) == len(table) > 0
        for written, row in zip(rows, table, strict=True):
            assert list(written) == list(row)
            assert written == {key: str(value) for key, value in row.items()}


def test_tables_agree_with_the_rows_and_curves_of_the_study(study: Any, made: SweepReport) -> None:
    (chosen,) = [row for row in made.capacity if row["chosen"] and row["width"] == 4]
    runs = [row for row in study.rows() if row["width"] == 4 and row["lr"] == chosen["lr"]]
    assert chosen["train_error"] == np.mean([row["train_top1"] for row in runs])
    assert chosen["test_error"] == np.mean([row["test_top1"] for row in runs])
    learned = [row for row in made.learning if row["width"] == 4]
    assert [row["epoch"] for row in learned] == [0, 1, 2, 3]
    curves = [study.curves(row["key"])["train_top1"] for row in runs]
    np.testing.assert_array_equal([row["train_error"] for row in learned], np.mean(curves, axis=0))
    assert learned[-1]["train_error"] == chosen["train_error"]


def test_a_folder_will_do_for_a_study_and_files_come_out_the_same(
    study: Any, made: SweepReport, tmp_path: Path
) -> None:
    again = capacity.report(str(study.path), tmp_path / "elsewhere")
    assert (again.conclusion, again.capacity, again.roi) == (made.conclusion, made.capacity, made.roi)
    for first, second in zip(made.figures, again.figures, strict=True):
        assert second.parent == tmp_path / "elsewhere"
        assert first.with_suffix(".svg").read_bytes() == second.with_suffix(".svg").read_bytes()


def test_unfinished_study_is_reported_as_far_as_it_is(tmp_path: Path) -> None:
    study = HandMade(tmp_path, {(1, 4, 0.1): [0.5, 0.4], (1, 8, 0.1): [0.2, None], (1, 16, 0.1): [None, None]})
    made = capacity.report(study)  # type: ignore[arg-type]
    assert made.conclusion.endswith("3 of 6 trials are unfinished, so this may change.")
    assert [row["missing"] for row in made.capacity] == [0, 1, 2]
    assert {row["width"] for row in made.learning} == {4, 8}
    last = read(tmp_path / "figures" / "capacity.csv")[-1]
    assert (last["width"], last["train_error"], last["missing"]) == ("16", "", "2")


def test_study_without_a_finished_trial_has_empty_tables_with_headers(tmp_path: Path) -> None:
    made = capacity.report(HandMade(tmp_path, {(1, 4, 0.1): [None]}))  # type: ignore[arg-type]
    assert made.conclusion.startswith("No width has a top-1 training error yet.")
    assert made.learning == []
    header = (tmp_path / "figures" / "learning_curves.csv").read_text()
    assert header == "depth,width,lr,epoch,train_error,train_error_min,train_error_max,runs\n"
    assert (tmp_path / "figures" / "roi.csv").read_text().startswith("depth,width_from,width_to,")


def test_diverged_runs_stay_in_the_table(tmp_path: Path) -> None:
    study = HandMade(tmp_path, {(1, 4, 0.1): [0.5], (1, 4, 10.0): [INF], (1, 8, 0.1): [0.2], (1, 8, 10.0): [INF]})
    capacity.report(study)  # type: ignore[arg-type]
    rows = read(tmp_path / "figures" / "capacity.csv")
    assert [(row["lr"], row["train_error"], row["diverged"]) for row in rows[:2]] == [
        ("0.1", "0.5", "0"),
        ("10.0", "inf", "1"),
    ]


def test_metric_of_the_study_is_the_one_drawn(tmp_path: Path) -> None:
    study = HandMade(tmp_path, {(1, 4, 0.1): [0.5], (1, 8, 0.1): [0.2]}, SweepConfig(epochs=2, metric="top5"))
    made = capacity.report(study)  # type: ignore[arg-type]
    assert [row["train_error"] for row in made.capacity] == [0.25, 0.1]
    assert made.learning[1]["train_error"] == 0.4


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "sigmoid MLP, SGD"),
        (
            {"optimizer": "momentum", "momentum": 0.5, "activation": "leaky_relu"},
            "leaky relu MLP, SGD with momentum 0.5",
        ),
        ({"weight_decay": 1e-4}, "sigmoid MLP, SGD, weight decay 0.0001"),
    ],
)
def test_title_says_what_was_trained(settings: dict[str, Any], words: str) -> None:
    from capacity.reporting.sweep import _model

    assert _model(SweepConfig(**settings)) == words


def test_no_study_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"not a study folder: it has no study\.toml"):
        capacity.report(tmp_path)


def test_figures_that_cannot_be_written_leave_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    study = HandMade(tmp_path, {(1, 4, 0.1): [0.5]})
    with pytest.raises(StudyError, match=r"cannot write the figures to .*taken"):
        capacity.report(study, tmp_path / "taken")  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
