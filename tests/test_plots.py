"""What the figures draw: lines, labels, scales, legends."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from capacity.analysis import CapacityCurve, capacity_curves, learning_curve, return_on_investment
from capacity.plots import Setting, capacity_figure, learning_figure, render, roi_figure
from tests.make_rows import Errors, make_rows

INF, NAN = math.inf, math.nan
SETTING = Setting(data="digits", samples=1000, epochs=2, batch=32, model="sigmoid MLP, SGD")


def curves_of(errors: Errors) -> tuple[CapacityCurve, ...]:
    return capacity_curves(make_rows(errors))


def draw_capacity(errors: Errors) -> Figure:
    return capacity_figure(curves_of(errors), SETTING)


def draw_roi(errors: Errors) -> Figure:
    curves = curves_of(errors)
    return roi_figure(curves, [return_on_investment(curve, SETTING.samples) for curve in curves], SETTING)


def draw_learning(errors: Errors, learned: dict[str, list[float]]) -> Figure:
    """Draw with the curves of `learned` by trial key."""
    curves = curves_of(errors)
    chosen = [point.chosen for curve in curves for point in curve.points if point.chosen.errors]
    return learning_figure(curves, [learning_curve(runs, learned) for runs in chosen], SETTING)


def drawn(figure: Figure, gid: str) -> list[tuple[float, float]]:
    """The points of the one line with that id; gaps are left out."""
    (line,) = [line for ax in figure.axes for line in ax.lines if line.get_gid() == gid]
    return [(float(x), float(y)) for x, y in zip(*line.get_data(), strict=True) if not math.isnan(y)]


def ids(figure: Figure) -> set[str]:
    return {str(artist.get_gid()) for ax in figure.axes for artist in ax.get_children() if artist.get_gid()}


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for box in figure.legends for text in box.get_texts()]


def words(figure: Figure) -> str:
    assert figure.get_suptitle()
    return "\n".join([figure.get_suptitle().strip(), *(text.get_text() for text in figure.texts)])


def labels(axis: Any) -> list[str]:
    return [axis.get_major_formatter()(tick) for tick in axis.get_majorticklocs()]


# -- Training error against width ------------------------------------------------------------------------------------


def test_capacity_line_is_the_median_error_at_the_best_learning_rate_in_percent() -> None:
    figure = draw_capacity(
        {(1, 4, 0.1): [0.5, 0.4, 0.3], (1, 4, 0.01): [0.6] * 3, (1, 8, 0.1): [0.9] * 3, (1, 8, 0.01): [0.2] * 3}
    )
    assert drawn(figure, "error-depth-1") == [(4, 40), (8, 20)]
    assert drawn(figure, "best-lr-0.1-depth-1") == [(4, 40)]
    assert drawn(figure, "best-lr-0.01-depth-1") == [(8, 20)]
    assert drawn(figure, "lr-0.1-depth-1") == [(4, 40), (8, 90)]
    assert sorted(drawn(figure, "seeds-depth-1"))[:3] == [(4, 30), (4, 40), (4, 50)]


def test_capacity_band_spans_the_seeds() -> None:
    figure = draw_capacity({(1, 4, 0.1): [0.5, 0.4, 0.3], (1, 8, 0.1): [0.25, 0.2, 0.2]})
    (band,) = [artist for artist in figure.axes[0].collections if artist.get_gid() == "band-depth-1"]
    corners = {(float(x), round(float(y), 9)) for x, y in band.get_paths()[0].vertices}
    assert corners == {(4, 30), (4, 50), (8, 20), (8, 25)}


def test_learning_rates_have_their_own_markers() -> None:
    figure = draw_capacity({(1, 4, 0.1): [0.5], (1, 4, 0.01): [0.6], (1, 8, 0.1): [0.9], (1, 8, 0.01): [0.2]})
    lines = {line.get_gid(): line.get_marker() for line in figure.axes[0].lines}
    assert lines["best-lr-0.1-depth-1"] == lines["lr-0.1-depth-1"] != lines["best-lr-0.01-depth-1"]
    assert legend(figure) == [
        "1 hidden layer, best learning rate",
        "learning rate 0.1",
        "learning rate 0.01",
        "one learning rate at all widths",
    ]


def test_every_depth_has_its_line_and_colour() -> None:
    figure = draw_capacity({(d, w, 0.1): [0.5 / d / w] for d in (1, 3) for w in (4, 8)})
    colors = [line.get_color() for line in figure.axes[0].lines if str(line.get_gid()).startswith("error-")]
    assert len(set(colors)) == 2
    assert legend(figure) == ["1 hidden layer", "3 hidden layers"]
    assert figure.axes[0].get_xlabel() == "Hidden units per layer"


def test_title_says_data_depth_epochs_batch_and_what_was_trained() -> None:
    text = words(draw_capacity({(1, 4, 0.1): [0.5] * 3, (1, 4, 0.01): [0.5] * 3}))
    assert text.startswith("Training error against width on digits\n")
    assert "1,000 training examples; sigmoid MLP, SGD, 1 hidden layer; 2 epochs, batch 32" in text
    assert "best of learning rates 0.01, 0.1; median of 3 seeds" in text


def test_one_seed_and_one_learning_rate_are_said_and_no_band_is_explained() -> None:
    figure = draw_capacity({(1, 4, 0.1): [0.5], (1, 8, 0.1): [0.4]})
    assert "learning rate 0.1; one seed" in words(figure)
    assert legend(figure) == ["1 hidden layer"]
    assert "seeds-depth-1" not in ids(figure)


def test_unfinished_runs_are_said() -> None:
    figure = draw_capacity({(1, 4, 0.1): [0.5, None], (1, 8, 0.1): [None, None]})
    assert "INCOMPLETE: 3 of 4 runs have not finished" in words(figure)
    assert drawn(figure, "error-depth-1") == [(4, 50)]


def test_nothing_finished_still_makes_a_figure() -> None:
    figure = draw_capacity({(1, 4, 0.1): [None], (1, 8, 0.1): [None]})
    assert drawn(figure, "error-depth-1") == []
    assert labels(figure.axes[0].xaxis) == ["4", "8"]


def test_widths_are_by_doublings_with_a_label_each() -> None:
    figure = draw_capacity({(1, 2**k, 0.1): [0.5] for k in range(8)})
    ax = figure.axes[0]
    assert (ax.get_xscale(), ax.get_xlabel()) == ("log", "Hidden units")
    assert labels(ax.xaxis) == ["1", "2", "4", "8", "16", "32", "64", "128"]


def test_crowded_widths_keep_a_tick_and_lose_the_label() -> None:
    widths = (1000, 2000, 5000, 7000, 10000, 14900, 15000)
    ax = draw_capacity({(1, width, 0.1): [0.5] for width in widths}).axes[0]
    assert labels(ax.xaxis) == ["1,000", "2,000", "5,000", "7,000", "10,000", "15,000"]
    assert list(ax.get_xticks(minor=True)) == [14900]


def test_errors_within_a_decade_are_linear_from_zero() -> None:
    ax = draw_capacity({(1, 4, 0.1): [0.5], (1, 8, 0.1): [0.2]}).axes[0]
    assert (ax.get_yscale(), ax.get_ylabel()) == ("linear", "Training error, top-1 (%)")
    assert ax.get_ylim()[0] == 0
    assert ax.get_ylim()[1] > 50


def test_errors_over_a_decade_are_logarithmic() -> None:
    ax = draw_capacity({(1, 4, 0.1): [0.5], (1, 8, 0.1): [0.01]}).axes[0]
    assert ax.get_yscale() == "log"
    assert labels(ax.yaxis) == ["1", "2", "5", "10", "20", "50"]


def test_zero_error_is_drawn_at_zero_and_the_linear_part_ends_at_one_example() -> None:
    figure = draw_capacity({(1, 4, 0.1): [0.5], (1, 8, 0.1): [0.0]})
    ax = figure.axes[0]
    assert ax.get_yscale() == "symlog"
    assert ax.yaxis.get_transform().linthresh == pytest.approx(0.1)  # 1 of 1000 examples, in percent
    assert drawn(figure, "error-depth-1") == [(4, 50), (8, 0)]
    assert ax.get_ylim()[0] < 0
    assert labels(ax.yaxis)[0] == "0"
    assert "one training example" in [text.get_text() for text in ax.texts]


def test_zero_error_alone_has_an_axis() -> None:
    ax = draw_capacity({(1, 4, 0.1): [0.0], (1, 8, 0.1): [0.0]}).axes[0]
    assert (ax.get_yscale(), ax.get_ylim()[0]) == ("linear", 0)


def test_diverged_learning_rate_is_a_cross_and_named() -> None:
    figure = draw_capacity(
        {(1, 4, 10.0): [INF], (1, 4, 0.1): [0.5], (1, 8, 10.0): [INF], (1, 8, 0.1): [0.4], (1, 16, 0.1): [0.3]}
    )
    crosses = [line for line in figure.axes[0].lines if line.get_gid() == "diverged-lr-10-depth-1"]
    assert [float(cross.get_xdata()[0]) for cross in crosses] == [4, 8]
    assert {cross.get_marker() for cross in crosses} == {"x"}
    assert "half or more of the runs diverged\n(learning rate 10)" in legend(figure)
    assert drawn(figure, "error-depth-1") == [(4, 50), (8, 40), (16, 30)]


def test_line_is_broken_where_all_learning_rates_diverged() -> None:
    figure = draw_capacity({(1, 4, 0.1): [0.5], (1, 8, 0.1): [INF], (1, 16, 0.1): [0.3]})
    (line,) = [line for line in figure.axes[0].lines if line.get_gid() == "error-depth-1"]
    np.testing.assert_array_equal(line.get_ydata(), [50, NAN, 30])


def test_some_diverged_runs_of_the_best_learning_rate_are_noted() -> None:
    ax = draw_capacity({(1, 4, 0.1): [0.5, 0.4, INF], (1, 8, 0.1): [0.3] * 3}).axes[0]
    assert [text.get_text() for text in ax.texts] == ["1 of 3\ndiverged"]


def test_top5_is_named_on_the_axis() -> None:
    curves = capacity_curves(make_rows({(1, 4, 0.1): [0.5]}), "top5")
    figure = capacity_figure(curves, Setting("digits", 1000, 2, 32, "sigmoid MLP, SGD", "top5"))
    assert figure.axes[0].get_ylabel() == "Training error, top-5 (%)"


# -- Return on investment --------------------------------------------------------------------------------------------


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


# -- Learning curves -------------------------------------------------------------------------------------------------


def test_learning_curves_are_medians_by_epoch() -> None:
    figure = draw_learning(
        {(1, 4, 0.1): [0.5, 0.3], (1, 8, 0.1): [0.1, 0.1]},
        {
            "d1w4lr0.1s0": [0.9, 0.7, 0.5],
            "d1w4lr0.1s1": [0.9, 0.5, 0.3],
            "d1w8lr0.1s0": [0.9, 0.2, 0.1],
            "d1w8lr0.1s1": [0.9, 0.2, 0.1],
        },
    )
    assert drawn(figure, "error-depth-1-width-4") == [(0, 90), (1, pytest.approx(60)), (2, 40)]
    assert drawn(figure, "error-depth-1-width-8") == [(0, 90), (1, 20), (2, 10)]
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("Epochs", "Training error, top-1 (%)")
    assert figure.axes[0].get_xlim() == (0, 2)
    assert legend(figure) == ["4", "8", "smallest to largest seed"]
    assert [box.get_title().get_text() for box in figure.legends] == ["Hidden\nunits", ""]


def test_learning_colours_run_from_dark_to_light_with_width() -> None:
    widths = [2**k for k in range(16)]
    figure = draw_learning(
        {(1, width, 0.1): [0.5] for width in widths}, {f"d1w{width}lr0.1s0": [0.9, 0.6, 0.5] for width in widths}
    )
    colors = {line.get_gid(): mpl.colors.to_rgb(line.get_color()) for line in figure.axes[0].lines}
    brightness = [np.dot(colors[f"error-depth-1-width-{width}"], (0.2126, 0.7152, 0.0722)) for width in widths]
    assert np.all(np.diff(brightness) > 0)
    assert brightness[-1] < 0.85  # visible on white


def test_learning_line_style_says_which_learning_rate_is_best() -> None:
    figure = draw_learning(
        {(1, 4, 0.1): [0.5], (1, 4, 0.01): [0.6], (1, 8, 0.1): [0.5], (1, 8, 0.01): [0.4]},
        {key: [0.9, 0.6, 0.5] for key in ("d1w4lr0.1s0", "d1w8lr0.01s0")},
    )
    styles = {line.get_gid(): line.get_linestyle() for line in figure.axes[0].lines}
    assert styles["error-depth-1-width-4"] == "-" != styles["error-depth-1-width-8"]
    assert legend(figure) == ["4", "8", "learning rate 0.1 is best", "learning rate 0.01 is best"]


def test_learning_has_a_panel_a_depth_on_one_scale() -> None:
    errors = {(depth, 4, 0.1): [0.5 / depth] for depth in (1, 2, 3, 5)}
    figure = draw_learning(errors, {f"d{depth}w4lr0.1s0": [0.9, 0.6, 0.5 / depth] for depth in (1, 2, 3, 5)})
    assert [ax.get_title(loc="left") for ax in figure.axes] == [
        "1 hidden layer",
        "2 hidden layers",
        "3 hidden layers",
        "5 hidden layers",
    ]
    assert len({ax.get_ylim() for ax in figure.axes}) == 1
    assert [bool(ax.get_ylabel()) for ax in figure.axes] == [True, False, False, True]  # three a row
    assert figure.legends[0].get_title().get_text() == "Hidden\nunits per layer"


def test_learning_line_ends_in_a_cross_where_the_runs_have_diverged() -> None:
    figure = draw_learning({(1, 4, 0.1): [INF]}, {"d1w4lr0.1s0": [0.9, 0.8, NAN]})
    assert drawn(figure, "error-depth-1-width-4") == [(0, 90), (1, 80)]
    assert drawn(figure, "diverged-depth-1-width-4") == [(1, 80)]
    assert "half or more of the runs have diverged" in legend(figure)


def test_learning_without_a_finished_run_still_makes_a_figure() -> None:
    figure = draw_learning({(1, 4, 0.1): [None]}, {})
    assert ids(figure) == set()
    assert "INCOMPLETE" in words(figure)


# -- Files -----------------------------------------------------------------------------------------------------------


def test_svg_is_the_same_every_time_and_carries_no_date() -> None:
    errors = {(1, 4, 0.1): [0.5, 0.4], (1, 8, 0.1): [0.3, 0.0]}
    first, second = render(draw_capacity(errors), "svg"), render(draw_capacity(errors), "svg")
    assert first == second
    assert b"<dc:date>" not in first
    assert b'id="error-depth-1"' in first


def test_png_is_fine_enough_to_print() -> None:
    png = render(draw_roi({(1, 4, 0.1): [0.5], (1, 8, 0.1): [0.3]}), "png")
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    assert (width, height) == (1400, 1000)
    pixels_per_metre = int.from_bytes(png[(at := png.index(b"pHYs") + 4) : at + 4], "big")
    assert pixels_per_metre * 0.0254 == pytest.approx(200, abs=0.1)


def test_text_stays_inside_the_figure() -> None:
    errors = {(1, 2**k, lr): [INF if lr == 10 else 0.9 * 0.6**k] * 3 for k in range(8) for lr in (10.0, 0.1, 0.01)}
    for figure in (draw_capacity(errors), draw_roi(errors)):
        figure.draw_without_rendering()
        frame = figure.bbox
        for artist in (*figure.texts, *figure.legends, *figure.axes):
            box = artist.get_tightbbox()
            assert box.x0 >= -1 and box.x1 <= frame.x1 + 1, artist  # noqa: PT018
            assert box.y0 >= -1 and box.y1 <= frame.y1 + 1, artist  # noqa: PT018


def test_title_and_axes_do_not_touch() -> None:
    figure = draw_capacity({(1, 4, 0.1): [0.5], (1, 8, 0.1): [0.0]})
    figure.draw_without_rendering()
    lowest = min(text.get_tightbbox().y0 for text in figure.texts)
    assert figure.axes[0].get_tightbbox().y1 < lowest


def test_the_users_matplotlib_settings_neither_matter_nor_change() -> None:
    errors = {(1, 4, 0.1): [0.5], (1, 8, 0.1): [0.3]}
    plain = render(draw_capacity(errors), "svg")
    with mpl.rc_context({"lines.linewidth": 9, "font.size": 30, "axes.facecolor": "red"}):
        before = dict(mpl.rcParams)
        assert render(draw_capacity(errors), "svg") == plain
        assert dict(mpl.rcParams) == before


def test_pyplot_is_never_imported() -> None:
    code = (
        "import sys; from capacity.plots import Setting, capacity_figure, render; "
        "from capacity.analysis import capacity_curves; from tests.make_rows import make_rows; "
        "curves = capacity_curves(make_rows({(1, 4, 0.1): [0.5]})); "
        "render(capacity_figure(curves, Setting('digits', 10, 1, 1, '')), 'png'); "
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"False\s*", done.stdout)
