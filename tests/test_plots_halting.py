"""What the figure of halting time against model size draws, and the tables beside it."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from capacity.analysis import (
    HaltingCurve,
    HaltingRow,
    ScalingRow,
    bootstrap,
    halting_curve,
    halting_table,
    scaling_table,
)
from capacity.errors import InputError
from capacity.plots import render
from capacity.plots.halting import halting_figure, short
from tests.plot_cases import drawn, ids, labels, legend, words
from tests.scaling_cases import power_law, simulate

LINES = ("sigmoid MLP, SGD, learning rate 0.1", "10 seeds")


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 100)


def planted(name: str, a: float, limit: float = np.inf, seeds: int = 5) -> HaltingCurve:
    cases, censored = simulate(power_law(a, 0.5), 0.1, seeds=seeds).stopped_at(limit)
    return halting_curve(name, *cases, censored=censored)


def draw(*curves: HaltingCurve) -> Figure:
    return halting_figure(curves, "Steps to convergence on digits", LINES)


def flat(name: str) -> HaltingCurve:
    return halting_curve(name, *simulate(lambda size: 0 * size + 500, 0.1, seeds=5))


def test_every_run_is_a_dot_near_its_size_and_a_censored_one_an_arrow() -> None:
    curve = planted("all", 2e5, limit=3800)
    figure = draw(curve)
    dots, arrows = drawn(figure, "seeds-0"), drawn(figure, "censored-0")
    assert len(arrows) == curve.censored.sum() > 0
    for points, which in ((dots, ~curve.censored), (arrows, curve.censored)):
        np.testing.assert_array_equal([y for _, y in points], curve.steps[which])
        np.testing.assert_allclose([x for x, _ in points], curve.sizes[which], rtol=0.1)
    xs = np.array([x for x, _ in dots + arrows])
    assert len(np.unique(xs.round(6))) == len(xs)  # side by side, so that none hides another
    (line,) = [line for line in figure.axes[0].lines if line.get_gid() == "censored-0"]
    assert line.get_marker() == r"$\uparrow$"
    assert "hit the step limit: a lower bound" in legend(figure)


def test_without_censored_runs_none_are_drawn_or_explained() -> None:
    figure = draw(planted("all", 2e5))
    assert "censored-0" not in ids(figure)
    assert not [text for text in legend(figure) if "step limit" in text]


def test_the_fit_is_the_laws_and_lies_in_its_band() -> None:
    curve = planted("all", 2e5)
    assert curve.law is not None
    figure = draw(curve)
    sizes, steps = np.transpose(drawn(figure, "fit-0"))
    assert (sizes[0], sizes[-1]) == (pytest.approx(1e3), pytest.approx(3e5))
    np.testing.assert_allclose(steps, curve.law.predict(sizes))
    (band,) = [artist for artist in figure.axes[0].collections if artist.get_gid() == "band-0"]
    low, high = curve.law.band(sizes) or ([], [])
    corners = band.get_paths()[0].vertices[:, 1]
    assert (corners.min(), corners.max()) == (pytest.approx(low.min()), pytest.approx(high.max()))


def test_the_verdicts_stand_below_and_a_doubtful_fit_is_broken() -> None:
    sure, doubtful = planted("10% of the data", 2e5), flat("all data")
    figure = draw(sure, doubtful)
    captions = [text.replace("\n", " ") for text in legend(figure)]
    assert captions[:2] == [f"10% of the data: {sure.verdict.reason}", f"all data: {doubtful.verdict.reason}"]
    assert (sure.verdict.code, doubtful.verdict.code) == ("power_law", "no_power_law")
    styles = {line.get_gid(): line.get_linestyle() for line in figure.axes[0].lines}
    assert (styles["fit-0"], styles["fit-1"]) == ("-", "--")
    colors = {line.get_gid(): line.get_color() for line in figure.axes[0].lines}
    assert colors["fit-0"] == colors["seeds-0"] != colors["seeds-1"]
    assert "95% interval of the fit over the seeds" in captions


def test_too_few_sizes_are_drawn_without_a_fit_and_say_so() -> None:
    curve = halting_curve("all", [1e3, 1e3, 4e3], [50, 60, 30], [0, 1, 0])
    assert curve.law is None
    figure = draw(curve)
    assert ids(figure) == {"seeds-0"}
    (caption,) = (text.replace("\n", " ") for text in legend(figure))
    assert caption.startswith("all: No power law: the constants of this law need at least 3 sizes with a run")


def test_one_size_and_one_seed_still_make_a_figure() -> None:
    figure = draw(halting_curve("all", [1e3], [50], [0]))
    assert drawn(figure, "seeds-0") == [(1000, 50)]
    assert render(figure, "png").startswith(b"\x89PNG")


def test_bad_arrays_are_refused_all_the_same() -> None:
    with pytest.raises(InputError, match="steps must be positive"):
        halting_curve("all", [1, 2, 4], [0, 1, 2], [0, 0, 0])


def test_axes_are_logarithmic_and_read_by_people() -> None:
    ax = draw(planted("all", 2e5)).axes[0]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Parameters", "Steps to convergence")
    shown = [label for at, label in zip(ax.get_xticks(), labels(ax.xaxis), strict=True) if 1e3 <= at <= 3e5]
    assert shown == ["1k", "10k", "100k"]
    assert "1,000" in labels(ax.yaxis)
    low, high = ax.get_ylim()
    assert 100 < low < 330
    assert 6000 < high < 20000


def test_short_numbers() -> None:
    assert [short(x) for x in (800, 1e3, 20e3, 1.5e6, 3e9)] == ["800", "1k", "20k", "1.5M", "3G"]


def test_title_says_how_the_numbers_were_made_and_all_text_is_inside() -> None:
    figure = draw(planted("10% of the data", 2e5, limit=3800), planted("30%", 6e5), flat("all of the data"))
    assert words(figure).startswith("Steps to convergence on digits\n")
    assert words(figure).endswith("\nsigmoid MLP, SGD, learning rate 0.1\n10 seeds")
    figure.draw_without_rendering()
    for artist in (*figure.texts, *figure.legends, *figure.axes):
        box = artist.get_tightbbox()
        assert box.x0 >= -1
        assert box.y0 >= -1
        assert box.x1 <= figure.bbox.x1 + 1
        assert box.y1 <= figure.bbox.y1 + 1


def test_svg_is_the_same_every_time() -> None:
    assert render(draw(planted("all", 2e5)), "svg") == render(draw(planted("all", 2e5)), "svg")


def test_table_of_runs() -> None:
    curve = halting_curve("all", [1e3, 4e3], [50, 30], [7, 8], censored=[True, False])
    assert halting_table([curve]) == [
        HaltingRow(line="all", size=1000.0, seed=7, steps=50.0, censored=True),
        HaltingRow(line="all", size=4000.0, seed=8, steps=30.0, censored=False),
    ]


def test_table_of_fits() -> None:
    sure = planted("10%", 2e5, limit=3800)
    few = halting_curve("all", [1e3, 4e3], [50, 30], [7, 8], censored=[True, False])
    one, other = scaling_table([sure, few])
    assert set(one) == set(other) == set(ScalingRow.__annotations__)
    law = sure.law
    assert law is not None
    assert law.k_interval is not None
    assert (one["line"], one["verdict"], one["k"], one["b"]) == ("10%", "power_law", law.k, law.b)
    assert (one["k_low"], one["k_high"], one["confidence"]) == (law.k_interval.low, law.k_interval.high, 0.95)
    assert (one["runs"], one["censored"], one["sizes"]) == (30, int(sure.censored.sum()), 6)
    assert one["aicc_power"] == 0
    assert (other["k"], other["k_low"], other["aicc_floor"], other["confidence"]) == (None,) * 4
    assert (other["runs"], other["censored"], other["sizes"]) == (2, 1, 2)
