"""What the figure of the return on investment draws."""

from __future__ import annotations

import math

import pytest

from tests.plot_cases import draw_roi, drawn, ids, labels, legend

INF = math.inf


def test_roi_bars_span_their_widths_at_the_return_in_points_per_unit() -> None:
    figure = draw_roi({(1, 4, 0.1): [0.5, 0.5], (1, 8, 0.1): [0.3, 0.2], (1, 16, 0.1): [0.25, 0.25]})
    assert drawn(figure, "step-depth-1-width-4-8") == [(4, pytest.approx(6.25)), (8, pytest.approx(6.25))]
    assert drawn(figure, "step-depth-1-width-8-16") == [(8, pytest.approx(0)), (16, pytest.approx(0))]
    (low, high) = drawn(figure, "interval-depth-1-width-4-8")
    assert (low[1], high[1]) == (pytest.approx(5), pytest.approx(7.5))
    assert low[0] == high[0] == pytest.approx(math.sqrt(32))


def test_roi_reference_is_one_example_per_unit_and_says_where_it_comes_from() -> None:
    figure = draw_roi({(1, 4, 0.1): [0.5], (1, 8, 0.1): [0.3]})
    assert {y for _, y in drawn(figure, "reference")} == {0.1}  # percent of 1000 examples
    assert legend(figure) == [
        "1 hidden layer, from width to width",
        "reference: one training example per unit (our\nreading of a later version of Dauphin & Bengio 2013)",
    ]


def test_roi_axes_show_the_same_heights_in_points_and_in_examples() -> None:
    left, right = draw_roi({(1, 4, 0.1): [0.5, 0.5], (1, 8, 0.1): [0.3, 0.2]}).axes
    assert left.get_ylabel() == "Training error removed per added\nhidden unit (percentage points)"
    assert right.get_ylabel() == "Training examples fitted\nper added hidden unit"
    for points in (0.0, 0.1, 3.0):
        heights = [
            ax.transAxes.inverted().transform(ax.transData.transform((4, y)))[1]
            for ax, y in ((left, points), (right, 10 * points))
        ]
        assert heights[0] == pytest.approx(heights[1])


def test_roi_scale_is_logarithmic_above_one_example_and_linear_below() -> None:
    left, right = draw_roi({(1, 4, 0.1): [0.5], (1, 8, 0.1): [0.3], (1, 16, 0.1): [0.35]}).axes
    assert (left.get_yscale(), right.get_yscale()) == ("symlog", "symlog")
    assert right.yaxis.get_transform().linthresh == 1
    assert left.get_ylim()[0] < -100 * 0.05 / 8  # the negative return is in sight
    assert labels(right.yaxis) == ["-5", "-2", "-1", "0", "1", "2", "5", "10", "20", "50"]


def test_roi_within_ten_examples_is_linear() -> None:
    left, right = draw_roi({(1, 4, 0.1): [0.5], (1, 8, 0.1): [0.499]}).axes
    assert (left.get_yscale(), right.get_yscale()) == ("linear", "linear")


def test_roi_interval_and_its_confidence_are_explained() -> None:
    figure = draw_roi({(1, 4, 0.1): [0.5] * 3, (1, 8, 0.1): [0.3, 0.2, None]})
    assert "interval over the seeds (50% confidence)" in legend(figure)
    three = draw_roi({(1, 4, 0.1): [0.5] * 3, (1, 8, 0.1): [0.3] * 3, (1, 16, 0.1): [0.2, 0.2, None]})
    assert "interval over the seeds (50 to 75% confidence)" in legend(three)


def test_roi_without_anything_left_to_remove_is_open() -> None:
    figure = draw_roi({(1, 4, 0.1): [0.5], (1, 8, 0.1): [0.0], (1, 16, 0.1): [0.0]})
    faces = {line.get_gid(): line.get_markerfacecolor() for line in figure.axes[0].lines}
    assert faces["return-depth-1-width-8-16"] == "white"
    assert faces["return-depth-1-width-4-8"] != "white"
    assert "no training error left to remove" in legend(figure)


def test_roi_leaves_out_steps_without_a_value() -> None:
    figure = draw_roi({(1, 4, 0.1): [0.5], (1, 8, 0.1): [INF], (1, 16, 0.1): [0.2], (1, 32, 0.1): [0.1]})
    assert {name for name in ids(figure) if name.startswith("step-")} == {"step-depth-1-width-16-32"}


def test_roi_of_one_width_is_an_empty_figure_with_the_reference() -> None:
    figure = draw_roi({(1, 4, 0.1): [0.5]})
    assert ids(figure) == {"returns-depth-1", "reference"}


def test_roi_whiskers_of_several_depths_stand_side_by_side() -> None:
    figure = draw_roi({(d, w, 0.1): [0.5 / w, 0.4 / w] for d in (1, 3) for w in (4, 8)})
    first, second = (drawn(figure, f"interval-depth-{d}-width-4-8")[0][0] for d in (1, 3))
    assert 4 < first < math.sqrt(32) < second < 8
