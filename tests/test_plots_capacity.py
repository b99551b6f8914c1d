"""What the figure of training error against width draws."""

from __future__ import annotations

import math

import numpy as np
import pytest

from capacity.analysis import capacity_curves
from capacity.plots import Setting, capacity_figure
from tests.make_rows import make_rows
from tests.plot_cases import draw_capacity, drawn, ids, labels, legend, words

INF, NAN = math.inf, math.nan


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


@pytest.mark.parametrize(("errors", "below", "above"), [((50, 20), (10, 20), (50, 60)), ((5, 1), (0, 1), (5, 6))])
def test_errors_within_a_decade_are_linear_and_fill_the_axis(
    errors: tuple[float, float], below: tuple[float, float], above: tuple[float, float]
) -> None:
    ax = draw_capacity({(1, 4, 0.1): [errors[0] / 100], (1, 8, 0.1): [errors[1] / 100]}).axes[0]
    assert (ax.get_yscale(), ax.get_ylabel()) == ("linear", "Training error, top-1 (%)")
    assert below[0] <= ax.get_ylim()[0] < below[1]
    assert above[0] < ax.get_ylim()[1] < above[1]


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
