"""What a study of convergence reports: files, lines, verdicts, conclusion; and its commands."""

from __future__ import annotations

import csv
import inspect
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

import capacity
from capacity.analysis import fit_power_law, halting_conclusion
from capacity.analysis.convergence import HaltingCurve, halting_curve
from capacity.cli import main
from capacity.cli.converge import converge
from capacity.experiments import ConvergeConfig, Study
from capacity.experiments.study import Status
from capacity.reporting.converge import ConvergeReport, report_converge
from capacity.reporting.lines import along, lines_of, reference, varying


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capacity.analysis.bootstrap.RESAMPLES", 100)


WIDTHS, SEEDS = (2, 4, 8, 16, 32, 64), 5


def rows(**fixed: Any) -> list[dict[str, Any]]:
    """Return runs that halt after 5000 P^-0.5 n / 100 steps, with a little scatter over the seeds."""
    setting = {"depth": 1, "optimizer": "sgd", "lr": 0.1, "samples": 100} | fixed
    scatter = np.random.default_rng(3).normal(scale=0.03, size=(len(WIDTHS), SEEDS))
    return [
        {
            **setting, "width": width, "parameters": 10 * width, "seed": seed, "state": "done", "outcome": "converged",
            "halting_step": round(5000 * (10 * width) ** -0.5 * setting["samples"] / 100 * np.exp(scatter[i, seed])),
            "smoothed_outcome": "converged", "smoothed_step": 100, "validate_every": 4, "best_loss": 1 / width,
        }
        for i, width in enumerate(WIDTHS)
        for seed in range(SEEDS)
    ]  # fmt: skip


@dataclass
class HandMade:
    """A study of convergence as far as a report looks at one."""

    table: list[dict[str, Any]]
    data_name: str = "digits"
    dataset_size: int = 200

    def rows(self) -> list[dict[str, Any]]:
        return self.table

    def status(self) -> Status:
        done = sum(row["state"] == "done" for row in self.table)
        return Status(len(self.table) - done, 0, done, {}, None)


def report(table: list[dict[str, Any]], folder: Path) -> ConvergeReport:
    return report_converge(HandMade(table), ConvergeConfig(every=4, seeds=SEEDS), folder)  # type: ignore[arg-type]


def read(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    out = tmp_path_factory.mktemp("converge") / "s"
    return capacity.converge(
        "digits",
        widths=(2, 4, 8, 16),
        fractions=(0.5, 1),
        seeds=2,
        alignment=True,
        epochs=200,
        patience=3,
        every=20,
        out=out,
    )


def test_a_planted_law_comes_out_with_its_numbers_and_files(tmp_path: Path) -> None:
    table = rows(samples=100) + rows(samples=200)
    made = report(table, tmp_path)
    assert [row["line"] for row in made.fits] == ["50% of the data (100 examples)", "all data (200 examples)"]
    for row, n in zip(made.fits, (100, 200), strict=True):
        runs = [r for r in table if r["samples"] == n]
        law = fit_power_law(*([r[name] for r in runs] for name in ("parameters", "halting_step", "seed")))
        assert (row["verdict"], row["k"], row["runs"]) == ("power_law", law.k, len(WIDTHS) * SEEDS)
        assert row["k"] == pytest.approx(0.5, abs=0.05)
    assert {row["verdict"] for row in made.fits_smoothed} == {"no_power_law"}  # 100 steps everywhere
    (both,) = made.data_laws
    assert (both["p"], both["k"]) == (pytest.approx(1, abs=0.05), pytest.approx(0.5, abs=0.05))
    assert made.conclusion.startswith(
        "Steps to convergence follow a power of size on all 2 lines, with k from 0.49 to 0.49"
    )
    assert made.conclusion.endswith("the median number of steps changes by a factor of 0.18.")
    names = ["halting_data", "best_loss", "steps"]
    assert made.figures == tuple(tmp_path / f"{name}.png" for name in names)
    tables = {"fits.csv", "fits_smoothed.csv", "data_laws.csv"}
    assert {path.name for path in tmp_path.iterdir()} == {
        *(f"{name}.{kind}" for name in names for kind in ("png", "svg", "csv")), *tables,
    }  # fmt: skip
    assert [float(row["steps"]) for row in read(tmp_path / "halting_data.csv")] == [r["halting_step"] for r in table]
    assert [float(row["value"]) for row in read(tmp_path / "best_loss.csv")] == [r["best_loss"] for r in table]
    assert read(tmp_path / "fits.csv")[0]["k"] == str(made.fits[0]["k"])


def test_a_figure_is_drawn_for_each_aspect_that_varies(tmp_path: Path) -> None:
    table = [
        row
        for depth in (1, 2)
        for optimizer, lr in (("sgd", 0.3), ("sgd", 0.1), ("adam", 0.001))
        for samples in (100, 200)
        for row in rows(depth=depth, optimizer=optimizer, lr=lr, samples=samples)
    ]
    lines = lines_of(table, 200)
    assert len(lines) == 12
    assert varying(lines) == ["data", "rule", "layers"]
    assert reference(lines).name() == "all data (200 examples), SGD, learning rate 0.3, 1 hidden layer"
    assert [line.rule for line in along(lines, "rule")] == [
        "SGD, learning rate 0.3", "SGD, learning rate 0.1", "Adam, learning rate 0.001",
    ]  # fmt: skip
    assert [line.layers for line in along(lines, "layers")] == ["1 hidden layer", "2 hidden layers"]
    assert {line.data for line in along(lines, "layers")} == {"all data (200 examples)"}
    made = report(table, tmp_path)
    assert [path.stem for path in made.figures] == [
        "halting_data", "halting_rules", "halting_depths", "best_loss", "steps",
    ]  # fmt: skip
    assert len(made.fits) == 12
    assert {row["line"] for row in read(tmp_path / "halting_depths.csv")} == {"1 hidden layer", "2 hidden layers"}
    assert [row["line"] for row in made.data_laws][:2] == ["SGD, learning rate 0.3, 1 hidden layer",
                                                           "SGD, learning rate 0.1, 1 hidden layer"]  # fmt: skip


def test_runs_at_the_step_limit_are_bounds_and_others_are_left_out(tmp_path: Path) -> None:
    table = rows()
    table[0] |= {"outcome": "step_limit", "halting_step": 0}
    table[1] |= {"outcome": "diverged", "halting_step": None, "smoothed_step": None, "smoothed_outcome": "diverged"}
    table[2] |= {"outcome": "stalled", "halting_step": 0}
    table[3] |= {"state": "pending", "outcome": None, "halting_step": None, "best_loss": float("nan")}
    made = report(table, tmp_path)
    (row,) = made.fits
    assert (row["runs"], row["censored"]) == (27, 1)
    assert read(tmp_path / "halting_data.csv")[0] == {
        "line": "50% of the data (100 examples)", "size": "20.0", "seed": "0", "steps": "4.0", "censored": "True",
    }  # fmt: skip
    assert len(read(tmp_path / "best_loss.csv")) == 26
    for sentence in (
        "1 of 30 runs came to the step limit before their validation loss had turned, and count as lower bounds.",
        "1 of 30 runs stalled: ",
        "1 of 30 runs diverged and have no halting time.",
        "1 of 30 trials are unfinished, so this may change.",
    ):
        assert sentence in made.conclusion


def test_without_a_finished_run_the_tables_are_empty_and_nothing_is_drawn(tmp_path: Path) -> None:
    table = [row | {"state": "pending", "outcome": None} for row in rows()]
    made = report(table, tmp_path)
    assert made.conclusion == (
        "No run has come to its end yet, so there is no halting time. "
        "30 of 30 trials are unfinished, so this may change."
    )
    assert (made.figures, made.fits) == ((), [])
    assert (tmp_path / "fits.csv").read_text().startswith("line,verdict,reason,a,")


def test_the_conclusion_gives_medians_where_both_ends_have_them() -> None:
    sizes, seeds = np.repeat([10, 20, 40, 80], 3), np.tile([0, 1, 2], 4)
    steps = np.repeat([400, 300, 250, 200], 3) + seeds
    found: list[dict[str, Any]] = [{"state": "done", "outcome": "converged"}] * 12

    def curve(censored: Any) -> HaltingCurve:
        return halting_curve("line", sizes, steps, seeds, censored=censored)

    said = halting_conclusion([curve(np.zeros(12, bool))], found)
    assert said.startswith("From 10 to 80 parameters the median goes from 401 to 201 steps.")
    assert "From 10" not in halting_conclusion([curve(sizes == 10)], found)


def test_converge_prints_the_table_the_figures_and_the_conclusion(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, "resume", study.path)
    assert (code, err) == (0, f"nothing left to run; study {study.path}\n")
    made = capacity.report(study)
    assert isinstance(made, ConvergeReport)
    lines = out.splitlines()
    assert lines[-1] == made.conclusion
    for row in made.fits:
        assert f"{row['line']}: {row['reason']}" in lines
        assert re.search(rf"{re.escape(row['line'])} +{row['runs']} +{row['censored']} ", out)
    assert all(f"  {path}" in lines for path in made.figures)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in made.figures)


def test_paths_are_drawn_up_to_the_minimum_of_the_runs_that_converged(study: Study, tmp_path: Path) -> None:
    made = capacity.report(study, tmp_path)
    assert isinstance(made, ConvergeReport)
    runs = [row for row in study.rows() if row["samples"] == 1437 and row["outcome"] == "converged"]
    assert len({row["width"] for row in runs}) >= 3
    columns = {"direct_distance": "distance", "path_length": "path_length", "step_size": "mean_step_size",
               "angle_start": "mean_angle", "angle_end": "mean_angle"}  # fmt: skip
    assert [path.stem for path in made.figures[-6:]] == [*columns, "exponents"]
    for quantity, column in columns.items():
        for g, group in enumerate(("embedding", "softmax", "all")):
            expected = []
            for row in runs:
                groups, path = study.trajectory(row["key"], "end" if quantity == "angle_end" else "start")
                assert groups == ("embedding", "softmax", "all")
                (place,) = np.flatnonzero(path["step"] == row["best_step"])
                expected.append((str(row["width"]), str(path[column][place, g])))
            found = [(r["width"], r["value"]) for r in read(tmp_path / f"{quantity}.csv") if r["group"] == group]
            assert found == expected
    softmax = {(row["quantity"], row["group"]): row for row in made.exponents}["step_size", "softmax"]
    values = [(int(r["width"]), float(r["value"])) for r in read(tmp_path / "step_size.csv") if r["group"] == "softmax"]
    slope = np.polyfit(*np.log(np.array(values)).T, 1)[0]
    assert (softmax["exponent"], softmax["claim"]) == (pytest.approx(slope), 0.5)
    assert {row["group"] for row in made.distance_laws} == {"embedding", "softmax", "all"}


def test_json_holds_the_verdicts(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = call(capsys, "report", study.path, "--json")
    found, made = json.loads(out, parse_constant=pytest.fail), capacity.report(study)
    assert isinstance(made, ConvergeReport)
    assert found["conclusion"] == made.conclusion
    assert [row["line"] for row in found["fits"]] == [row["line"] for row in made.fits]
    assert found["fits_smoothed"][0]["runs"] == made.fits_smoothed[0]["runs"]
    assert found["trials"] == 16


def test_status_and_export_work_on_both_kinds(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "status", study.path)
    assert code == 0
    assert out.startswith(f"{study.path}: 16 trials on digits (1,437 training examples), cpu\n  done         16\n")
    _, out, _ = call(capsys, "export", study.path, "-")
    assert [row["key"] for row in csv.DictReader(out.splitlines())] == [row["key"] for row in study.rows()]


def test_options_are_the_fields_of_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    options = {option.name: option for option in converge.params if isinstance(option, click.Option)}
    names = [name for name in options if name not in {"quiet", "as_json", "help"}]
    assert names == [name for name in ConvergeConfig.model_fields if name != "data"]
    assert names == [name for name in inspect.signature(capacity.converge).parameters if name in names]
    _, out, _ = call(capsys, "converge", "--help")
    flat = " ".join(out.split())
    assert "--optimizers NAME,..." in flat
    assert "--fractions X,X,..." in flat
    assert "[default: 0.25,0.5,1]" in flat
    assert "None" not in flat


def test_every_option_reaches_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[ConvergeConfig] = []

    def note(config: ConvergeConfig, **_: Any) -> None:
        asked.append(config)
        raise capacity.StudyError("noted")

    monkeypatch.setattr("capacity.experiments.running.run_study", note)
    call(capsys, "converge", "mine.h5", "--widths", "4..16", "--fractions", "0.1,1", "--optimizers", "sgd,adam",
         "--lrs", "0.1", "--seeds", 2, "--every", 5, "--patience", 2.5, "--steps", 100,
         "--tolerance", 0.02)  # fmt: skip
    assert asked == [
        ConvergeConfig(
            data="mine.h5", widths=(4, 8, 16), fractions=(0.1, 1), optimizers=("adam", "sgd"), lrs=0.1, seeds=2,
            every=5, patience=2.5, steps=100, tolerance=0.02,
        )
    ]  # fmt: skip
    (tmp_path / "settings.toml").write_text('widths = [4]\noptimizers = ["adam"]\n')
    call(capsys, "converge", tmp_path / "settings.toml", "--seeds", 3)
    assert asked[-1] == ConvergeConfig(widths=4, optimizers="adam", seeds=3)


def call(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main([str(arg) for arg in args])
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err
