"""What the figure of the learning curves draws."""

from __future__ import annotations

import math

import matplotlib as mpl
import numpy as np
import pytest

from tests.plot_cases import draw_learning, drawn, ids, legend, words

INF, NAN = math.inf, math.nan


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
    assert drawn(figure, "error-depth-1-width-4") == [(1, pytest.approx(60)), (2, 40)]
    assert drawn(figure, "error-depth-1-width-8") == [(1, 20), (2, 10)]
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("Epochs", "Training error, top-1 (%)")
    assert figure.axes[0].get_xlim() == (1, 2)  # before training all guess alike
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
    assert drawn(figure, "error-depth-1-width-4") == [(1, 80)]
    assert drawn(figure, "diverged-depth-1-width-4") == [(1, 80)]
    assert "half or more of the runs have diverged" in legend(figure)


def test_learning_begins_before_training_where_a_line_has_no_more() -> None:
    figure = draw_learning({(1, 4, 0.1): [INF]}, {"d1w4lr0.1s0": [0.9, NAN, NAN]})
    assert drawn(figure, "error-depth-1-width-4") == [(0, 90)]
    assert drawn(figure, "diverged-depth-1-width-4") == [(0, 90)]
    assert figure.axes[0].get_xlim() == (0, 2)


def test_learning_without_a_finished_run_still_makes_a_figure() -> None:
    figure = draw_learning({(1, 4, 0.1): [None]}, {})
    assert ids(figure) == set()
    assert "INCOMPLETE" in words(figure)
