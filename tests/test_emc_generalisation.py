"""`capacity emc --generalise`: networks that are trained on the largest sample and tested, and what the report says."""

from __future__ import annotations

import csv
import math
import random
from pathlib import Path
from typing import Any

import pytest

import capacity
from capacity import plots
from capacity.analysis.generalisation import QUANTITIES, Network, correlate
from capacity.analysis.threshold import SeedThreshold
from capacity.errors import InputError
from capacity.experiments import EmcConfig, Interrupted, Snapshot, Study, progress, run_study
from capacity.experiments.emc_plan import CellSearch, EmcPlan
from capacity.experiments.emc_trial import EmcTrial
from capacity.experiments.roster import finished_rows, replay
from capacity.plots.generalisation import generalisation_figure
from capacity.reporting.emc import EmcReport
from tests.study_cases import WALL_CLOCK, assert_same_numbers, assert_whole, tiny_data

SETTINGS: dict[str, Any] = {
    "data": "digits", "widths": (3, 4, 5, 6, 7), "activations": "tanh", "labels": ("semantic", "random"),
    "lrs": (0.5, 0.1), "seeds": 2, "n_max": 200, "resolution": 0.2, "steps": 400, "threads": 1, "generalise": True,
}  # fmt: skip
TINY: dict[str, Any] = {
    "widths": (2, 3), "lrs": 0.5, "seeds": 2, "first": 4, "increment": 4, "steps": 200, "batch": 8, "threads": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return run_study(EmcConfig(out=str(tmp_path_factory.mktemp("emc") / "study"), **SETTINGS))


@pytest.fixture(scope="module")
def report(study: Study) -> EmcReport:
    found = capacity.report(study)
    assert isinstance(found, EmcReport)
    return found


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make reports in a moment: their figures become empty files."""
    monkeypatch.setattr(plots, "render", lambda figure, kind: b"")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tiny_data(tmp_path)


def emc(data: Path, out: Path, **settings: Any) -> Study:
    return run_study(EmcConfig(data=str(data), out=str(out), **(TINY | settings)))


def timeless(study: Study) -> list[dict[str, Any]]:
    """Return the rows without wall-clock times, and with None for what is not a number, so that equal is equal."""

    def known(value: Any) -> Any:
        return None if isinstance(value, float) and math.isnan(value) else value

    return [{name: known(value) for name, value in row.items() if name not in WALL_CLOCK} for row in study.rows()]


def searches(study: Study) -> dict[tuple[str, int], CellSearch]:
    assert isinstance(study.config, EmcConfig)
    plan, rows = EmcPlan(study.config, study.facts["data_digest"]), finished_rows(study.path)
    replay(plan, lambda trial: rows.get(trial.key))
    return {(cell.labels, cell.width): search for cell, search in plan.searches.items()}


def table(study: Study, name: str) -> list[dict[str, str]]:
    with open(study.path / "figures" / name, newline="") as file:
        return list(csv.DictReader(file))


def test_every_seed_is_trained_on_the_largest_sample_and_tested(study: Study) -> None:
    tested = [row for row in study.rows() if row["test"]]
    assert [(row["labels"], row["width"], row["seed"]) for row in tested] == [
        ("semantic", width, seed) for width in (3, 4, 5, 6, 7) for seed in (0, 1)
    ]
    assert {(row["samples"], row["full"]) for row in tested} == {(200, 1)}
    digits = capacity.open_dataset("digits")
    for row in (row for row in tested if row["width"] in (3, 6)):
        trainer = capacity.Trainer(
            capacity.MLP((row["width"],), "tanh", output_init="glorot_uniform"), digits, batch=32, lrs=[row["lr"]],
            seeds=[row["seed"]], samples=[200],
        )  # fmt: skip
        while (wrong := trainer.evaluate("train").top1[0]) > 0 and trainer.step < 400:
            trainer.advance(20)
        assert (row["step"], row["train_top1"]) == (trainer.step, wrong)
        assert row["test_top1"] == trainer.evaluate("test").top1[0]
        assert row["outcome"] == ("fitted" if wrong == 0 else "step_limit")


def test_the_learning_rate_is_that_of_the_largest_sample_tried(study: Study) -> None:
    for (labels, _), search in searches(study).items():
        assert search.ended
        assert bool(search.tests) == (labels == "semantic")
        largest = max(n for n, _ in search.used())
        used = {trial.lr for (n, _), trial in search.used().items() if n == largest}
        assert {trial.lr for trial in search.tests} <= used


@pytest.mark.usefixtures("undrawn")
def test_the_search_knows_nothing_of_what_is_tested(tmp_path: Path, data: Path) -> None:
    without, tested = emc(data, tmp_path / "without"), emc(data, tmp_path / "tested", generalise=True)
    assert timeless(without) == [row for row in timeless(tested) if not row["test"]]
    assert {row["test_top1"] for row in timeless(without)} == {None}
    assert "generalise" not in (without.path / "study.toml").read_text()
    report = capacity.report(without)
    assert report.tables() == capacity.report(tested).tables()
    assert not list((without.path / "figures").glob("*eneralisation*"))
    assert "Test accuracy" not in report.conclusion
    for name, search in searches(tested).items():
        assert search.answers() == searches(without)[name].answers()
        assert not any(trial.test for trial in (*search.results, *search.failures(), *search.verified()))


def test_a_finished_study_can_be_asked_for_it_and_comes_to_the_same(tmp_path: Path, data: Path) -> None:
    whole = emc(data, tmp_path / "whole", generalise=True)
    later = emc(data, tmp_path / "later")
    searched = len(later.rows())
    later = emc(data, tmp_path / "later", generalise=True)
    assert len(later.rows()) == searched + 4
    assert timeless(later) == timeless(whole)
    assert_whole(later)
    assert later.config.kept() == {"generalise": True}
    emc(data, tmp_path / "later")  # asking without it takes nothing away
    assert timeless(capacity.open_study(tmp_path / "later")) == timeless(whole)


def test_a_study_stopped_anywhere_goes_on_to_the_same_rows(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    whole = emc(data, tmp_path / "whole", generalise=True)
    config = EmcConfig(data=str(data), out=str(tmp_path / "study"), generalise=True, **TINY)
    stopped = 0
    for tells in (4, 20, 60, 90):
        left = [tells]

        def interrupt(snapshot: Snapshot, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt

        try:
            run_study(config, progress=interrupt)
        except Interrupted:
            stopped += 1
    assert stopped >= 2
    assert timeless(capacity.resume(tmp_path / "study")) == timeless(whole)


def test_what_is_measured_does_not_depend_on_the_neighbours(tmp_path: Path, data: Path) -> None:
    settings: dict[str, Any] = {"generalise": True, "widths": 2, "labels": "semantic"}
    together = emc(data, tmp_path / "together", **settings)
    assert_same_numbers(together, emc(data, tmp_path / "alone", replicas=1, **settings))


def test_the_order_of_results_does_not_matter() -> None:
    config = EmcConfig(**SETTINGS).fitted_to(capacity.open_dataset("digits"))

    def result(trial: EmcTrial) -> dict[str, Any]:
        fitted = trial.samples <= 20 * trial.width + 7 * trial.seed and not trial.test
        return {
            "outcome": "fitted" if fitted else "step_limit" if trial.full else "stalled", "step": trial.samples,
            "fewest_wrong": 3, "train_loss": trial.lr, "test_top1": 0.5 if trial.test else None,
        }  # fmt: skip

    ends = []
    for order in range(4):
        plan, rng = EmcPlan(config, "digest"), random.Random(order)
        left, known = list(plan.first), set[EmcTrial]()
        while left:
            trial = left.pop(rng.randrange(len(left)))
            assert isinstance(trial, EmcTrial)
            known.add(trial)
            left += plan.take(trial, result(trial))
            assert plan.take(trial, result(trial)) == []
        ends.append(known)
    assert ends[0] == ends[1] == ends[2] == ends[3]
    assert sum(trial.test for trial in ends[0]) == 10


def test_the_tables_hold_what_the_rows_say(study: Study, report: EmcReport) -> None:
    networks = table(study, "generalisation.csv")
    assert [int(row["width"]) for row in networks] == [3, 4, 5, 6, 7]
    for row in networks:
        errors = [r["test_top1"] for r in study.rows() if r["test"] and r["width"] == int(row["width"])]
        assert float(row["test_accuracy"]) == pytest.approx(1 - sum(errors) / 2)
        assert float(row["test_error"]) == pytest.approx(abs(errors[0] - errors[1]) / 2)
        assert (row["samples"], row["seeds"]) == ("200", "2")
        beside = {r["labels"]: r for r in report.emc if r["width"] == int(row["width"])}
        for labels in ("semantic", "random"):
            expected = beside[labels]["geometric_mean"]
            assert row[labels] == "" if expected is None else float(row[labels]) == pytest.approx(expected)
        if row["difference"]:
            assert float(row["difference"]) == pytest.approx(beside["semantic"]["emc"] - beside["random"]["emc"])
            assert float(row["ratio"]) == pytest.approx(float(row["semantic"]) / float(row["random"]))
    correlations = table(study, "correlations.csv")
    assert [row["quantity"] for row in correlations] == list(QUANTITIES)
    assert {int(row["networks"]) + int(row["left_out"]) for row in correlations} == {5}
    assert correlations[1]["pearson"]
    for row in correlations:
        if row["pearson"] and row["pearson_low"]:
            assert -1 <= float(row["pearson_low"]) <= float(row["pearson"]) <= float(row["pearson_high"]) <= 1


def test_the_conclusion_and_the_figure_say_the_same(study: Study, report: EmcReport) -> None:
    for row in table(study, "correlations.csv"):
        assert QUANTITIES[row["quantity"]] in report.conclusion
        assert f": {row['reason']}" in report.conclusion
    assert study.path / "figures" / "generalisation.png" in report.figures
    assert (study.path / "figures" / "generalisation.svg").exists()


def networks() -> list[Network]:
    def thresholds(emc: int, *, at_least: bool = False) -> tuple[SeedThreshold, ...]:
        return tuple(SeedThreshold(s, emc + s, emc + s, None if at_least else 2 * emc, 5) for s in (0, 1))

    known = [
        Network(name, width, 10 * width, {0: 0.5 + 0.01 * width, 1: 0.52}, thresholds(9 * width), thresholds(5 * width))
        for name in ("ReLU", "tanh")
        for width in (2, 4, 8)
    ]
    return [*known, Network("ReLU", 16, 160, {0: 0.8, 1: 0.9}, thresholds(200, at_least=True), thresholds(60))]


def test_the_figure_has_a_mark_for_every_network_and_the_coefficients() -> None:
    found = [correlate(quantity, networks()) for quantity in QUANTITIES]
    figure = generalisation_figure(networks(), found, "headline", ("what", "how"))
    assert len(figure.axes) == 4
    for ax, one in zip(figure.axes, found, strict=True):
        marks = {name: [line for line in ax.lines if line.get_gid() == name] for name in ("exact", "bound")}
        assert len(marks["exact"]) == one.networks
        assert len(marks["bound"]) == one.left_out == (one.quantity != "random")
        assert ax.get_title(loc="left").replace("\n", ", ") == one.reason
    (bound,) = [line for line in figure.axes[0].lines if line.get_gid() == "bound"]
    assert float(bound.get_xdata()[0]) == pytest.approx(math.sqrt(200 * 201))
    assert float(bound.get_ydata()[0]) == pytest.approx(85)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "ReLU", "tanh", "width 2", "width 4", "width 8", "width 16", "a bound: the examples ran out",
    ]  # fmt: skip


@pytest.mark.usefixtures("undrawn")
def test_without_random_labels_or_with_several_tasks_the_report_says_so(tmp_path: Path, data: Path) -> None:
    study = emc(data, tmp_path / "study", labels="semantic", classes=(2, 3), widths=2, generalise=True)
    found = capacity.report(study)
    assert "Test accuracy of 2 classes cannot be set against EMC(semantic): " in found.conclusion
    assert "Without random labels in the study there is no gap to set it against." in found.conclusion
    assert [path.stem for path in found.figures if "general" in path.stem] == ["generalisation_2", "generalisation_3"]
    assert [row["classes"] for row in table(study, "correlations.csv")] == ["2", "3"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"labels": "random"}, "generalise tests networks that are trained on semantic labels, got labels random; add"),
        ({}, "generalise measures the error on a test split, and 'tiny data' has none of 7 classes; import"),
        ({"generalise": "yes"}, "generalise must be true or false, got 'yes'."),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(tmp_path: Path, settings: dict[str, Any], sentence: str) -> None:
    data = tiny_data(tmp_path, with_test=False)
    with pytest.raises(InputError, match=sentence):
        emc(data, tmp_path / "study", **({"generalise": True} | settings))
    assert not (tmp_path / "study").exists()
