"""Figures drawn from hand-made rows, and what is on them, for the tests of the plots."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.figure import Figure

from capacity.analysis import CapacityCurve, capacity_curves, learning_curve, return_on_investment
from capacity.plots import Setting, capacity_figure, learning_figure, roi_figure
from tests.make_rows import Errors, make_rows

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
