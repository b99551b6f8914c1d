"""The report of a study of effective model complexity: figure, tables and conclusion."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import capacity
from capacity.analysis import emc_line, emc_point
from capacity.experiments import Study
from capacity.plots import emc_figure
from capacity.reporting.emc import EmcReport
from tests.study_cases import tiny_data


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("emc")
    return capacity.emc(
        tiny_data(folder), out=folder / "study", widths=(2, 4, 32), labels=("semantic", "random"), lrs=(0.5, 0.1),
        seeds=3, first=4, steps=400, batch=8, threads=1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def report(study: Study) -> EmcReport:
    found = capacity.report(study)
    assert isinstance(found, EmcReport)
    return found


def rows_of(study: Study, width: int, labels: str) -> list[dict[str, Any]]:
    return [row for row in study.rows() if (row["width"], row["labels"]) == (width, labels)]


def test_a_row_has_what_the_trainings_say(study: Study, report: EmcReport) -> None:
    assert [(row["labels"], row["width"]) for row in report.emc] == [
        (labels, width) for labels in ("semantic", "random") for width in (2, 4, 32)
    ]
    for row in report.emc:
        trainings = rows_of(study, row["width"], row["labels"])
        assert row["trainings"] == len(trainings)
        assert row["steps"] == sum(training["step"] for training in trainings)
        assert row["parameters"] == trainings[0]["parameters"]
        assert row["per_parameter"] == pytest.approx(row["emc"] / row["parameters"])
        certified = row["at_minimum"] + row["at_saddle"] + row["out_of_budget"] + row["diverged"]
        assert certified == 3 - row["at_least"]
    wide = next(row for row in report.emc if (row["labels"], row["width"]) == ("semantic", 32))
    assert (wide["emc"], wide["at_least"]) == (60, 3)


def test_the_files_hold_the_same_numbers(study: Study, report: EmcReport) -> None:
    with open(study.path / "figures" / "emc.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [float(row["emc"]) for row in table] == [row["emc"] for row in report.emc]
    with open(study.path / "figures" / "answers.csv", newline="") as file:
        answers = list(csv.DictReader(file))
    assert {(row["width"], row["fitted"]) for row in answers if row["labels"] == "semantic"} >= {("32", "True")}
    trained: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in study.rows():
        key = row["width"], row["labels"], row["samples"], row["seed"], row["lr"], row["outcome"]
        trained.setdefault(key, []).append(row)
    for row in answers:
        n, seed, lr = int(row["n"]), int(row["seed"]), float(row["lr"])
        (found,) = trained[int(row["width"]), row["labels"], n, seed, lr, row["outcome"]]
        assert float(row["accuracy"]) == pytest.approx(1 - found["fewest_wrong"] / found["samples"])
        assert (int(row["steps"]), row["fitted"]) == (found["step"], str(row["outcome"] == "fitted"))
    names = ("emc", "accuracy", "per_parameter", "comparisons")
    assert report.figures == tuple(study.path / "figures" / f"{name}.png" for name in names)
    assert all(path.stat().st_size > 10_000 for path in report.figures)


def test_the_conclusion_names_every_line_and_bounds_as_bounds(report: EmcReport) -> None:
    assert report.conclusion.startswith("Semantic labels: ")
    assert " Random labels: " in report.conclusion
    assert "Random labels over semantic labels: " in report.conclusion
    assert "seeds fitted all there is" in report.conclusion


def test_the_figure_has_a_mark_for_every_seed_and_the_diagonal() -> None:
    points = [
        emc_point(4, 50, [(20, 0, True), (30, 0, False), (10, 1, True), (20, 1, False)]),
        emc_point(8, 100, [(100, 0, True), (50, 1, True), (60, 1, False)]),
    ]
    figure = emc_figure([emc_line("a line", points)], "headline", ("what", "how"))
    (ax,) = figure.axes
    drawn = {line.get_gid(): line for line in ax.lines if line.get_gid()}
    seeds = [line for line in ax.lines if line.get_gid() == "seeds-0"]
    assert sorted(float(y) for line in seeds for y in line.get_ydata()) == [10, 20, 50]
    assert list(drawn["at_least-0"].get_ydata()) == [100]
    x, y = drawn["diagonal"].get_data()
    assert list(x) == list(y)
    assert any("a line: " in text.get_text() for legend in figure.legends for text in legend.get_texts())


def test_seeds_that_fitted_nothing_point_down_from_the_smallest_sample() -> None:
    points = [emc_point(4, 50, [(16, 0, False), (16, 1, False)])]
    (ax,) = emc_figure([emc_line("a line", points)], "headline", ("what", "how")).axes
    (below,) = [line for line in ax.lines if line.get_gid() == "below-0"]
    assert list(below.get_ydata()) == [16, 16]


def test_the_command_says_the_same_as_python(tmp_path: Path) -> None:
    settings = [
        "--widths",
        "2",
        "--labels",
        "random",
        "--lrs",
        "0.5",
        "--seeds",
        "2",
        "--steps",
        "300",
        "--out",
        "study",
    ]
    command = [sys.executable, "-c", "from capacity.cli import main; main()", "emc", str(tiny_data(tmp_path))]
    done = subprocess.run([*command, *settings, "--json"], cwd=tmp_path, capture_output=True, text=True, check=True)
    trials, _, certified = done.stderr.partition(" certificates; ")
    assert re.search(r"^(\d+) of \1 trials done after ", trials, re.M)
    assert re.search(r"^(\d+) of \1 certificates done after ", certified, re.M)
    found = json.loads(done.stdout)
    study = capacity.open_study(tmp_path / "study")
    assert found["emc"] == [dict(row) for row in capacity.report(study).tables()["emc"]]
    shown = subprocess.run([*command, *settings], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "out of" in shown
    assert "random" not in shown.splitlines()[1]  # one kind of labels needs no column
    assert "ended early, but for a tenth" in shown


def test_every_seed_has_its_bracket_and_the_certificate_of_its_failure(study: Study, report: EmcReport) -> None:
    with open(study.path / "figures" / "seeds.csv", newline="") as file:
        seeds = list(csv.DictReader(file))
    assert len(seeds) == 3 * len(report.emc)
    for network, row in ((network, row) for network in report.emc for row in seeds):
        if (row["labels"], row["width"]) != (network["labels"], str(network["width"])):
            continue
        trainings = [t for t in rows_of(study, network["width"], network["labels"]) if str(t["seed"]) == row["seed"]]
        failed = [t["samples"] for t in trainings if t["outcome"] != "fitted" and t["lr"]]
        assert (row["smallest_failed"] == "") == (row["at_least"] == "True") == (row["certificate"] == "")
        if row["smallest_failed"]:
            assert int(row["smallest_failed"]) in failed
            assert int(row["emc"]) < int(row["smallest_failed"])
            of = [t["key"] for t in trainings if t["samples"] == int(row["smallest_failed"])]
            assert sum((study.path / "certificates" / f"{key}.json").exists() for key in of) == 1
            assert float(row["smallest_eigenvalue"]) < float(row["largest_eigenvalue"])
    means = [sum(int(row["emc"]) for row in seeds[k : k + 3]) / 3 for k in range(0, len(seeds), 3)]
    assert means == pytest.approx([network["emc"] for network in report.emc])
