"""What a report says of the settings of a study, from trainings that are made up, and the figures of it."""

from __future__ import annotations

import csv
import math
from itertools import product
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from capacity.analysis import Ratio, emc_line, emc_point, mean_ratio
from capacity.experiments.emc_plan import Cell
from capacity.plots import AccuracyPanel, Place, RatioRow, Reached, accuracy_figure, emc_figure, ratio_figure
from capacity.reporting import emc_figures as figures
from capacity.reporting.emc import EmcReport
from capacity.reporting.emc_comparisons import comparisons
from capacity.reporting.emc_lines import split
from capacity.reporting.emc_rows import AnswerRow
from tests.emc_cases import FACTORS, made_up_report
from tests.plot_cases import drawn, labels, legend, words

TITLES = figures.Titles("data", "what", "how", "")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> EmcReport:
    folder = tmp_path_factory.mktemp("report")
    return made_up_report(
        folder, widths=(8, 32), labels=("semantic", "random"), optimizers=("sgd", "gd"),
        activations=("relu", "tanh"), seeds=2, increment=1, first=4,
    )  # fmt: skip


def test_every_setting_is_compared_with_its_baseline_and_comes_to_what_was_put_in(report: EmcReport) -> None:
    found = {(row["aspect"], row["level"], row["baseline"], row["among"]): row for row in report.comparisons}
    among = ("", "semantic", "random")
    assert set(found) == {("labels", "random", "semantic", "")} | {
        (*names, kind) for names, kind in product((("optimizer", "gd", "sgd"), ("activation", "tanh", "relu")), among)
    }
    for (_, level, _, kind), row in found.items():
        assert row["ratio"] == pytest.approx(FACTORS[level], rel=0.06)  # the random part differs by activation
        assert row["pairs"] == (8 if kind else 16)
        assert row["lower"] == row["pairs"]
        assert row["parameters_ratio"] == 1
    exact = found["optimizer", "gd", "sgd", ""]
    assert exact["low"] is not None
    assert exact["high"] is not None
    assert exact["low"] <= 0.6 <= exact["high"]


def test_the_files_and_the_conclusion_hold_the_same_numbers(report: EmcReport) -> None:
    folder = report.figures[0].parent
    assert [path.name for path in report.figures] == ["emc.png", "accuracy.png", "per_parameter.png", "comparisons.png"]
    for name, rows in (("comparisons", report.comparisons), ("per_parameter", report.per_parameter)):
        with open(folder / f"{name}.csv", newline="") as file:
            table = list(csv.DictReader(file))
        assert [row["low"] for row in table] == [str(row["low"]) for row in rows]
        assert report.tables()[name] == rows
    assert report.conclusion.startswith("In 8 lines, EMC is from ")
    row = next(row for row in report.comparisons if (row["level"], row["among"]) == ("gd", ""))
    said = f"Full-batch GD over SGD: {row['ratio']:.3g} times ({row['low']:.3g} to {row['high']:.3g}; 16 pairs)"
    assert said in report.conclusion
    assert report.conclusion.count("over SGD") == 1  # not for each kind of labels


def test_a_line_has_its_examples_a_parameter(report: EmcReport) -> None:
    row = report.per_parameter[0]
    assert (row["labels"], row["optimizer"], row["activation"]) == ("semantic", "sgd", "tanh")
    logs = [
        math.log(emc["geometric_mean"] / emc["parameters"])
        for emc in report.emc
        if emc["geometric_mean"] is not None
        if (emc["labels"], emc["optimizer"], emc["activation"]) == ("semantic", "sgd", "tanh")
    ]
    assert row["per_parameter"] == pytest.approx(math.exp(sum(logs) / 2))
    assert (row["values"], row["networks"], row["seeds"], row["below_one"]) == (4, 2, 2, 4)
    assert row["exponent"] == pytest.approx(1, abs=0.15)


def test_a_study_in_which_nothing_varies_has_no_comparisons(tmp_path: Path) -> None:
    found = made_up_report(tmp_path, widths=8, labels="random", seeds=2, unfinished=3)
    assert [path.name for path in found.figures] == ["emc.png", "accuracy.png"]
    assert found.comparisons == []
    assert not (tmp_path / "figures" / "comparisons.csv").exists()
    assert "over" not in found.conclusion
    assert "; geometric mean 0." in found.conclusion
    assert found.conclusion.endswith("3 trainings are unfinished, so this may change.")


def test_classes_are_compared_for_each_kind_of_labels_and_depths_from_one_hidden_layer_on() -> None:
    cells = [
        Cell(kind, classes, "sgd", "relu", depth, 8 if depth else 1)
        for kind, classes, depth in product(("semantic", "random"), (2, 4), (0, 1, 2))
    ]
    harder = {("semantic", 2): 80, ("semantic", 4): 40, ("random", 2): 20, ("random", 4): 60}
    points = {
        cell: emc_point(cell.width, 10 + 10 * cell.depth, [(n * (cell.depth + 1), 0, True), (999, 0, False)])
        for cell in cells
        for n in [harder[cell.labels, cell.classes]]
    }
    found = {(row.aspect, row.level, row.baseline, row.among): row for row in comparisons(points, cells)}
    assert set(found) == {
        ("labels", "random", "semantic", ""),
        ("classes", 4, 2, "semantic"), ("classes", 4, 2, "random"),
        ("depth", 2, 1, ""), ("depth", 2, 1, "semantic"), ("depth", 2, 1, "random"),
    }  # fmt: skip
    values = {key: row.mean.value for key, row in found.items()}
    assert values["classes", 4, 2, "semantic"] == pytest.approx(0.5)
    assert values["classes", 4, 2, "random"] == pytest.approx(3)
    assert values["labels", "random", "semantic", ""] == pytest.approx((0.25 * 1.5) ** 0.5)
    depth = found["depth", 2, 1, ""]
    assert depth.mean.pairs == 4
    said = "2 hidden layers over 1 hidden layer: 1.5 times (1.5 to 1.5; 4 pairs) with 1.5 times the parameters"
    assert depth.sentence == said
    assert found["classes", 4, 2, "random"].sentence.startswith("4 classes over 2 classes, random labels: 3 times (")


def test_only_pairs_of_the_same_seed_and_width_are_compared() -> None:
    settings = (("sgd", 8), ("gd", 8), ("gd", 16))
    one, other, lonely = (Cell("random", 0, rule, "relu", 1, width) for rule, width in settings)
    points = {
        one: emc_point(8, 50, [(20, 0, True), (30, 0, False), (20, 1, True), (30, 1, False)]),
        other: emc_point(8, 50, [(10, 1, True), (30, 1, False), (20, 2, True), (30, 2, False)]),
        lonely: emc_point(16, 100, [(10, 1, True), (30, 1, False)]),
    }
    (found,) = comparisons(points, [one, other, lonely])
    assert (found.mean.value, found.mean.pairs, found.mean.seeds) == (pytest.approx(0.5), 1, 1)
    assert comparisons({one: points[one], lonely: points[lonely]}, [one, other, lonely]) == []


def test_parameters_are_compared_over_the_settings_that_the_ratio_is_of() -> None:
    cells = [Cell("random", 0, "sgd", "relu", depth, width) for depth, width in product((1, 2), (8, 16))]
    parameters = dict(zip(cells, (10, 20, 30, 200), strict=True))
    runs = {cell: [(20 * cell.depth, 0, True), (50, 0, False)] for cell in cells}
    runs[cells[-1]] = [(50, 0, True)]  # at least 50
    points = {cell: emc_point(cell.width, parameters[cell], runs[cell]) for cell in cells}
    (found,) = comparisons(points, cells)
    assert (found.mean.value, found.mean.pairs, found.mean.left_out) == (pytest.approx(2), 1, 1)
    assert found.parameters == pytest.approx(3)


def test_an_activation_is_none_of_a_network_without_hidden_layers() -> None:
    cells = [Cell("random", 0, "sgd", activation, 0, 1) for activation in ("tanh", "relu")]
    runs = [(20, 0, True), (30, 0, False)]
    assert comparisons({cell: emc_point(1, 50, runs) for cell in cells}, cells) == []


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ({"labels": 3, "optimizer": 2}, ([], [], ["labels", "optimizer"])),
        ({"labels": 3, "activation": 4}, (["labels"], [], ["activation"])),
        ({"labels": 3, "optimizer": 3, "activation": 4}, (["labels"], ["optimizer"], ["activation"])),
        ({"classes": 9}, ([], [], ["classes"])),
        ({"labels": 2, "classes": 9}, (["labels"], [], ["classes"])),
    ],
)
def test_panels_are_made_until_their_lines_can_be_told_apart(
    levels: dict[str, int], expected: tuple[list[str], list[str], list[str]]
) -> None:
    names = {"labels": "semantic", "classes": 0, "optimizer": "sgd", "activation": "relu", "depth": 1}
    cells = [
        Cell(**(names | dict(zip(levels, chosen, strict=True))), width=8)  # type: ignore[arg-type]
        for chosen in product(*(range(count) for count in levels.values()))
    ]
    assert split(cells, list(levels)) == expected


def test_panels_share_axes_and_hold_their_own_lines() -> None:
    lines = [emc_line(name, [emc_point(8, 50, [(n, 0, True), (99, 0, False)])]) for name, n in (("a", 20), ("b", 40))]
    figure = emc_figure(lines, "headline", ("what", "how"), [Place("Left", "up", "a"), Place("Right", "up", "b")])
    left, right = figure.axes
    assert (left.get_title(loc="left"), right.get_title(loc="left")) == ("Left, up", "Right, up")
    assert left.get_ylim() == right.get_ylim()
    assert drawn(figure, "seeds-0") == [(50, 20)]
    assert {line.get_gid() for line in right.lines} >= {"seeds-1", "diagonal"}
    assert "seeds-0" not in {line.get_gid() for line in right.lines}
    assert legend(figure)[:2] == ["a", "b"]


def test_a_forest_has_a_row_for_every_ratio() -> None:
    known = mean_ratio([Ratio(i, 0, x, x) for i, x in enumerate((1.2, 1.3, 1.4, 1.5))])
    bound = mean_ratio([Ratio(i, 0, x, math.inf) for i, x in enumerate((1.2, 1.6))])
    rows = [
        RatioRow("Over one", "a", known),
        RatioRow("Over one", "a", bound, "part"),
        RatioRow("Over two", "b", bound),
    ]
    figure = ratio_figure(rows, "headline", ("what", "how"), unit="times")
    (ax,) = figure.axes
    assert labels(ax.yaxis) == ["Over one", "a", "Over two", "b"]
    ((x, y),), ((part, below),) = drawn(figure, "mean-a"), drawn(figure, "mean-a-part")
    assert (x, part) == pytest.approx((known.value, bound.value))
    assert y < below < drawn(figure, "mean-b")[0][1]
    assert [end for end, _ in drawn(figure, "interval-a")] == [known.low, known.high]
    assert [end for end, _ in drawn(figure, "interval-b")] == [bound.low, bound.value]
    assert any("at least" in text for text in legend(figure))
    assert "all" in legend(figure)
    assert any(text.get_text() == "at least 1.39 (1.2 or more); 2" for text in ax.texts)


def accuracy(panels: int = 1) -> Figure:
    trainings = [Reached(8, 16, 0, 1, False), Reached(8, 32, 0, 0.9, False), Reached(8, 64, 0, 0.7, True)]
    return accuracy_figure([AccuracyPanel("A", trainings, {8: 20})] * panels, 0.95, "headline", ("what", "how"))


def test_accuracy_shows_what_was_ended_early_and_where_the_target_is() -> None:
    figure = accuracy()
    assert drawn(figure, "whole-8") == [(16, 100), (32, 90)]
    assert drawn(figure, "early-8") == [(64, 70)]
    assert drawn(figure, "curve-8-0") == [(16, 100), (32, 90), (64, 70)]
    assert drawn(figure, "emc-8") == [(20, 95)]
    assert {y for _, y in drawn(figure, "target")} == {95}
    assert legend(figure) == ["width 8", "EMC", "ended early"]
    assert [ax.get_visible() for ax in accuracy(5).axes] == [True] * 5 + [False]


def test_lines_without_a_panel_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [Cell(kind, 0, "sgd", "relu", 1, 8) for kind in ("semantic", "random")]
    lines = {cell: emc_line(cell.labels, [emc_point(8, 50, [(20, 0, True), (30, 0, False)])]) for cell in cells}
    rows = [
        AnswerRow(
            labels=cell.labels, classes=0, optimizer="sgd", activation="relu", depth=1, width=8, n=20, seed=0,
            fitted=True, accuracy=1.0, outcome="fitted", steps=10, lr=0.1,
        )
        for cell in cells
    ]  # fmt: skip
    whole = figures.emc_figures(lines, ["labels"], [], rows, 1.0, TITLES)
    assert [len(whole[name].axes) for name in ("accuracy", "per_parameter")] == [2, 1]
    assert "left out" not in words(whole["accuracy"])
    monkeypatch.setattr(figures, "PANELS", 1)
    capped = figures.emc_figures(lines, ["labels"], [], rows, 1.0, TITLES)["accuracy"]
    assert len(capped.axes) == 1
    assert "1 of 2 lines are left out here, not in answers.csv" in words(capped)


def test_a_threshold_beyond_all_samples_is_not_given(tmp_path: Path) -> None:
    # Seed 0 of 5 fits 45 and no more, seeds 1 to 4 up to 50 and more: the law would put the threshold above 50.
    settings = {"widths": 8, "labels": "semantic", "increment": 1, "first": 4, "seeds": 5}
    (within,) = made_up_report(tmp_path / "a", **settings).emc
    assert within["n50"] is not None
    assert within["n50_low"] is not None
    limit = int(within["emc"] * 0.98)
    (beyond,) = made_up_report(tmp_path / "b", **settings, n_max=limit).emc
    assert 0 < beyond["at_least"] < 5
    law = beyond["n50"]
    assert law is None or law <= limit
    assert (beyond["n50"] is None) == (beyond["n50_low"] is None) == (beyond["n50_high"] is None)
