"""What the figures of the path through weight space draw, and the tables beside them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib.figure import Figure

from capacity.analysis import (
    ComparisonRow,
    ExponentRow,
    Spread,
    SpreadRow,
    comparison_table,
    exponent_table,
    spread_table,
)
from capacity.analysis.comparison import compare_laws
from capacity.analysis.exponent import fit_exponent
from capacity.plots import render
from capacity.plots.exponents import exponent_figure
from capacity.plots.trajectory import QUANTITIES, trajectory_figure
from tests.plot_cases import drawn, ids, labels, legend, words
from tests.scaling_cases import power_law, simulate

LINES = ("sigmoid MLP, SGD, learning rate 0.1", "10 seeds")
WIDTHS = (16.0, 32.0, 64.0, 128.0)
GROUPS = ("embedding", "hidden", "softmax", "all")


def spread(group: str, k: float = -0.3, sd: float = 0.1, seeds: int = 6) -> Spread:
    cases = simulate(power_law(2.0, k), sd, seeds=seeds, sizes=WIDTHS)
    return Spread(group, cases.sizes.astype(int), cases.seeds, cases.values)


def draw(quantity: str, *spreads: Spread) -> Figure:
    return trajectory_figure(quantity, spreads, "Distance on digits", LINES)


def violins(figure: Figure, group: str) -> dict[str, np.ndarray]:
    found = [a for ax in figure.axes for a in ax.collections if str(a.get_gid()).startswith(f"violin-{group}-")]
    return {str(artist.get_gid()).rsplit("-", 1)[1]: artist.get_paths()[0].vertices for artist in found}


def test_a_panel_a_group_with_dots_and_medians() -> None:
    spreads = [spread(group) for group in GROUPS]
    figure = draw("direct_distance", *spreads)
    assert [ax.get_title(loc="left") for ax in figure.axes] == [
        "Embedding or input layer",
        "Hidden layers",
        "Softmax layer",
        "All layers",
    ]
    hidden = spreads[1]
    for place, width in enumerate((16, 32, 64, 128)):
        values = hidden.values[hidden.widths == width]
        dots = drawn(figure, f"seeds-hidden-{width}")
        np.testing.assert_array_equal([y for _, y in dots], values)
        assert all(abs(x - place) < 0.1 for x, _ in dots)
        assert drawn(figure, "median-hidden")[place] == (place, pytest.approx(np.median(values)))
    assert labels(figure.axes[0].xaxis) == ["16", "32", "64", "128"]


def test_violins_span_the_values_and_are_widest_where_they_are_dense() -> None:
    values = np.array([1.0, 9.0, 10.0, 10.0, 10.0, 11.0])
    shape = violins(draw("steps", Spread("all", np.full(6, 16), np.arange(6), values)), "all")["16"]
    assert (shape[:, 1].min(), shape[:, 1].max()) == (pytest.approx(1), pytest.approx(11))
    assert shape[np.argmax(shape[:, 0]), 1] == pytest.approx(10, rel=0.1)
    np.testing.assert_allclose(shape[:, 0].max(), -shape[:, 0].min())  # around the width's place, 0


@pytest.mark.parametrize("values", [[2.0, 3.0], [2.0, 2.0, 2.0, 2.0]])
def test_few_or_equal_values_are_dots_without_a_density(values: list[float]) -> None:
    n = len(values)
    figure = draw("direct_distance", Spread("all", np.full(n, 16), np.arange(n), np.array(values)))
    assert violins(figure, "all") == {}
    assert len(drawn(figure, "seeds-all-16")) == n


def test_angles_have_a_linear_axis_and_a_right_angle() -> None:
    figure = draw("angle_start", spread("all", k=0.0, sd=0.01))
    ax = figure.axes[0]
    assert ax.get_yscale() == "linear"
    assert {y for _, y in drawn(figure, "right-angle")} == {math.pi / 2}
    assert ax.get_ylim()[0] < math.pi / 2 < ax.get_ylim()[1]
    plain = draw("direct_distance", spread("all"))
    assert (plain.axes[0].get_yscale(), "right-angle" in ids(plain)) == ("log", False)


def test_missing_values_are_left_out() -> None:
    values = np.array([1.0, np.nan, 3.0, np.nan])
    one = Spread("all", np.array([16, 16, 32, 64]), np.array([0, 1, 0, 0]), values)
    figure = draw("path_length", one)
    assert drawn(figure, "median-all") == [(0, 1.0), (1, 3.0)]
    nothing = Spread("all", np.array([16]), np.array([0]), np.array([np.nan]))
    assert drawn(draw("path_length", nothing), "median-all") == []


def test_many_widths_keep_room_between_their_labels() -> None:
    widths = np.arange(1, 21)
    ax = draw("steps", Spread("all", widths, np.zeros(20, dtype=int), widths * 10.0)).axes[0]
    assert labels(ax.xaxis) == ["1", "4", "7", "10", "13", "16", "19"]


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_every_quantity_is_named_on_its_axis_inside_the_figure(quantity: str) -> None:
    figure = draw(quantity, *(spread(group) for group in GROUPS))
    assert figure.axes[0].get_ylabel() == QUANTITIES[quantity].label == figure.axes[2].get_ylabel()
    assert [ax.get_xlabel() for ax in figure.axes] == ["", ""] + 2 * ["Hidden units per layer"]
    assert words(figure).startswith("Distance on digits\n")
    assert words(figure).endswith("\n" + "\n".join(LINES))
    figure.draw_without_rendering()
    for artist in (*figure.texts, *figure.axes):
        box = artist.get_tightbbox()
        assert box.x0 >= -1
        assert box.y0 >= -1
        assert box.x1 <= figure.bbox.x1 + 1
        assert box.y1 <= figure.bbox.y1 + 1


def test_exponents_with_intervals_and_claims() -> None:
    spreads = [spread("hidden", -0.21), spread("softmax", -0.5), spread("other", -0.1, seeds=1)]
    claims = {"hidden": 0.21, "softmax": 0.3}
    exponents = {s.group: fit_exponent(s.widths, s.values, s.seeds, claim=claims.get(s.group)) for s in spreads}
    figure = exponent_figure("step_size", spreads, exponents, "Step size on digits", LINES)
    found = exponents["softmax"]
    assert found.interval is not None
    assert drawn(figure, "exponent-softmax") == [(found.exponent, 1)]
    assert drawn(figure, "interval-softmax") == [(found.interval.low, 1), (found.interval.high, 1)]
    assert drawn(figure, "claim-softmax")[0][0] == 0.3
    assert not {"interval-other", "claim-other"} & ids(figure)
    ends = drawn(figure, "fit-hidden")
    assert ends == [(x, pytest.approx(exponents["hidden"].predict(x))) for x in (16, 128)]
    assert len(drawn(figure, "seeds-hidden")) == 24
    assert [text.get_text() for text in figure.axes[1].get_yticklabels()] == ["Hidden layers", "Softmax layer", "other"]
    assert legend(figure) == [
        "Hidden layers",
        "Softmax layer",
        "other",
        "exponent with 95% interval over the seeds",
        "claimed by Ardalani et al. 2019",
    ]
    assert render(figure, "svg") == render(figure, "svg")


def test_exponents_without_seeds_or_claims_explain_neither() -> None:
    one = spread("all", seeds=1)
    exponents = {"all": fit_exponent(one.widths, one.values, one.seeds)}
    assert legend(exponent_figure("step_size", [one], exponents, "", LINES)) == ["All layers"]


def test_table_of_spreads() -> None:
    one = Spread("hidden", np.array([16, 32]), np.array([0, 1]), np.array([1.5, 2.5]))
    assert spread_table([one]) == [
        SpreadRow(group="hidden", width=16, seed=0, value=1.5),
        SpreadRow(group="hidden", width=32, seed=1, value=2.5),
    ]


def test_tables_of_exponents_and_comparisons() -> None:
    one = spread("hidden")
    exponent = fit_exponent(one.widths, one.values, one.seeds, claim=0.21)
    (row,) = exponent_table([("step_size", "hidden", exponent)])
    assert set(row) == set(ExponentRow.__annotations__)
    assert exponent.interval is not None
    assert (row["group"], row["exponent"], row["claim"], row["runs"]) == ("hidden", exponent.exponent, 0.21, 24)
    assert (row["low"], row["high"], row["verdict"]) == (exponent.interval.low, exponent.interval.high, "outside")
    single = fit_exponent([1, 2], [1, 2], [0, 0])
    assert exponent_table([("step_size", "all", single)])[0]["low"] is None
    comparison = compare_laws(one.widths, one.values, one.seeds)
    (line,) = comparison_table([("hidden", comparison)])
    assert set(line) == set(ComparisonRow.__annotations__)
    assert (line["k"], line["beta"], line["verdict"]) == (comparison.k, comparison.beta, comparison.verdict.code)
    assert line["aicc_logarithm"] == comparison.aicc["logarithm"]
