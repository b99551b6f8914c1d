"""Training error against width (Dauphin & Bengio 2013, figure 1)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from capacity.analysis import CapacityCurve
from capacity.plots.axes import error_axis, width_axis
from capacity.plots.style import GREY, Setting, depth_colors, depth_name, look, markers, new_figure, seed_count

_BEST: dict[str, Any] = {"linestyle": "none", "markersize": 6.5, "markeredgecolor": "white", "zorder": 4}
_FAINT: dict[str, Any] = {"alpha": 0.4, "linewidth": 0.9, "linestyle": (0, (4, 2)), "markersize": 3.5}
_DOT: dict[str, Any] = {"linestyle": "none", "marker": ".", "markersize": 5, "alpha": 0.6, "markeredgewidth": 0}
_CROSS: dict[str, Any] = {"linestyle": "none", "marker": "x", "markersize": 6, "markeredgewidth": 1.3}
_NOTE: dict[str, Any] = {"ha": "right", "va": "top", "fontsize": 7, "color": GREY}


def capacity_figure(curves: Sequence[CapacityCurve], setting: Setting) -> Figure:
    """Draw training error against width: a line a depth, at the best learning rate of every width.

    The marker says which learning rate that is. A band spans smallest to largest over the seeds, dots are single runs.
    Faint lines follow one learning rate over all widths. Where half or more of the runs diverged there is no median:
    a cross at the upper edge stands for it.

    Parameters
    ----------
    curves : sequence of CapacityCurve
        One per depth.
    setting : Setting
        What the title says.

    Returns
    -------
    matplotlib Figure
    """
    with look():
        figure = new_figure(f"Training error against width on {setting.data}", setting, curves, (7, 5))
        ax = figure.add_subplot()
        colors = depth_colors([curve.depth for curve in curves])
        shapes = markers({runs.lr for curve in curves for point in curve.points for runs in point.candidates})
        for curve in curves:
            _single_rates(ax, curve, colors[curve.depth], shapes)
        for curve in curves:
            _best_rates(ax, curve, colors[curve.depth], shapes)
        error_axis([ax], setting.samples, setting.metric)
        width_axis(ax, sorted({point.width for curve in curves for point in curve.points}), max(colors))
        figure.legend(handles=_legend(curves, colors, shapes), loc="outside lower center", ncols=3)
    return figure


def _single_rates(ax: Axes, curve: CapacityCurve, color: Any, shapes: Mapping[float, str]) -> None:
    """Draw every learning rate on its own, faintly, and a cross at the upper edge where it has no median."""
    groups = [runs for point in curve.points for runs in point.candidates]
    for lr, shape in shapes.items() if len(shapes) > 1 else ():
        line = [(runs.width, _percent(runs.median)) for runs in groups if runs.lr == lr]
        ax.plot(*zip(*line, strict=True), color=color, marker=shape, gid=f"lr-{lr:g}-depth-{curve.depth}", **_FAINT)
    for runs in groups:
        if math.isinf(runs.median):
            strength = 1.0 if any(runs is point.chosen for point in curve.points) else 0.4
            gid = f"diverged-lr-{runs.lr:g}-depth-{curve.depth}"
            edge = ax.get_xaxis_transform()
            ax.plot([runs.width], [0.985], transform=edge, color=color, alpha=strength, gid=gid, **_CROSS)


def _best_rates(ax: Axes, curve: CapacityCurve, color: Any, shapes: Mapping[float, str]) -> None:
    """Draw the curve itself: band and dots of the seeds, the median line, a marker for the learning rate."""
    points, name = curve.points, f"depth-{curve.depth}"
    widths = [point.width for point in points]
    low, high = [100 * point.chosen.low for point in points], [100 * point.chosen.high for point in points]
    ax.fill_between(widths, low, high, color=color, alpha=0.15, linewidth=0, gid=f"band-{name}")
    seeds = [(point.width, _percent(error)) for point in points for error in point.chosen.errors]
    if len(seeds) > len(points):
        ax.plot(*zip(*seeds, strict=True), color=color, gid=f"seeds-{name}", **_DOT)
    ax.plot(widths, [_percent(p.error) for p in points], color=color, linewidth=2, zorder=3, gid=f"error-{name}")
    for lr, shape in shapes.items():
        best = [(point.width, _percent(point.error)) for point in points if point.chosen.lr == lr]
        if best:
            ax.plot(*zip(*best, strict=True), color=color, marker=shape, gid=f"best-lr-{lr:g}-{name}", **_BEST)
    for point in curve.measured:
        if point.chosen.diverged:
            text = f"{point.chosen.diverged} of {len(point.chosen.errors)}\ndiverged"
            ax.annotate(text, (point.width, 100 * point.error), (-3, -6), textcoords="offset points", **_NOTE)


def _percent(error: float) -> float:
    """Return a fraction in percent; NaN, which breaks a line, where there is no finite error."""
    return 100 * error if math.isfinite(error) else math.nan


def _legend(curves: Sequence[CapacityCurve], colors: Mapping[int, Any], shapes: Mapping[float, str]) -> list[Any]:
    """Explain what is there to be seen, and nothing else."""
    points = [point for curve in curves for point in curve.points]
    neutral = next(iter(colors.values())) if len(colors) == 1 else GREY
    best = ", best learning rate" if len(shapes) > 1 else ""
    entries: list[Any] = [Line2D([], [], color=c, linewidth=2, label=depth_name(d) + best) for d, c in colors.items()]
    if len(shapes) > 1:
        entries += [
            Line2D([], [], color=neutral, marker=shape, label=f"learning rate {lr:g}", **_BEST)
            for lr, shape in shapes.items()
        ]
        entries.append(Line2D([], [], color=neutral, label="one learning rate at all widths", **_FAINT))
    if seed_count(curves) > 1:
        entries.append(Patch(color=neutral, alpha=0.2, linewidth=0, label="smallest to largest seed"))
    gone = sorted({runs.lr for point in points for runs in point.candidates if math.isinf(runs.median)})
    if gone:
        label = f"half or more of the runs diverged\n(learning rate {', '.join(f'{lr:g}' for lr in gone)})"
        entries.append(Line2D([], [], color=neutral, label=label, **_CROSS))
    return entries
