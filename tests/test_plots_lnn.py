"""What the figure of the linear network draws."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure

from capacity.plots import render
from capacity.plots.lnn import lnn_figure
from capacity.theory import LnnRow
from tests.plot_cases import drawn, labels, legend, words


def made_up(k_max: int) -> list[LnnRow]:
    return [
        LnnRow(
            weights=k, origin=1 / math.sqrt(k), mean=1.1 / math.sqrt(k), beyond=0.1,
            monte_carlo=1.1 / math.sqrt(k) + 0.003, monte_carlo_error=0.001, samples=5000,
            descent=1.1 / math.sqrt(k) - 0.002, descent_error=0.002, starts=700,
            descent_origin=1 / math.sqrt(k), descent_miss=0.0,
        )
        for k in range(1, k_max + 1)
    ]  # fmt: skip


def inside(figure: Figure) -> bool:
    figure.draw_without_rendering()
    boxes = [artist.get_tightbbox() for artist in (*figure.texts, *figure.legends, *figure.axes)]
    frame = figure.bbox
    return all(b.x0 >= -1 and b.y0 >= -1 and b.x1 <= frame.x1 + 1 and b.y1 <= frame.y1 + 1 for b in boxes)


def test_lines_and_estimates_are_the_rows() -> None:
    rows = made_up(6)
    figure = lnn_figure(rows, 1.0)
    for gid, name in (("origin", "origin"), ("mean", "mean"), ("descent-origin", "descent_origin")):
        assert drawn(figure, gid) == [(row["weights"], row[name]) for row in rows]  # type: ignore[literal-required]
    (sampled, descended) = figure.axes[0].containers
    for bars, name in ((sampled, "monte_carlo"), (descended, "descent")):
        points, _, (spans,) = bars
        np.testing.assert_allclose(points.get_ydata(), [row[name] for row in rows])  # type: ignore[literal-required]
        np.testing.assert_allclose(points.get_xdata(), range(1, 7), rtol=0.05)
        error = rows[0][f"{name}_error"]  # type: ignore[literal-required]
        np.testing.assert_allclose([np.ptp(span[:, 1]) for span in spans.get_segments()], 4 * error)
    assert not set(sampled[0].get_xdata()) & set(descended[0].get_xdata())


def test_deviations_are_in_standard_errors_and_within_the_axis() -> None:
    figure = lnn_figure(made_up(4), 1.0)
    np.testing.assert_allclose([y for _, y in drawn(figure, "deviation-monte_carlo")], 3)
    np.testing.assert_allclose([y for _, y in drawn(figure, "deviation-descent")], -1)
    low, high = figure.axes[1].get_ylim()
    assert -low == high > 3


def test_words() -> None:
    figure = lnn_figure(made_up(4), 0.5)
    assert "ball of radius 0.5 C" in words(figure)
    assert "5,000 starts" in words(figure)
    assert "on the engine: 700" in words(figure)
    assert [ax.get_xlabel() for ax in figure.axes] == ["", "Weights K"]
    assert labels(figure.axes[1].xaxis) == ["1", "2", "3", "4"]
    assert len(legend(figure)) == 5


def test_text_stays_inside_from_one_weight_to_many() -> None:
    for k_max in (1, 2, 16, 200):
        assert inside(lnn_figure(made_up(k_max), 100.0)), k_max


def test_svg_is_the_same_every_time() -> None:
    assert render(lnn_figure(made_up(3), 1.0), "svg") == render(lnn_figure(made_up(3), 1.0), "svg")
