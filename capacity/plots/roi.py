"""Return on investment against width (Dauphin & Bengio 2013, figure 2)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from capacity.analysis import CapacityCurve, Return, ReturnOnInvestment
from capacity.plots.axes import decade_ticks, width_axis
from capacity.plots.style import GREY, Setting, depth_colors, depth_name, look, new_figure

_LINEAR_PART = 0.6  # height of the part below one example per unit, in decades
_APART = 0.09  # between the whiskers of neighbouring depths, in doublings
_REFERENCE: dict[str, Any] = {"color": "black", "linewidth": 1.1, "linestyle": (0, (5, 2.5))}
_LINK: dict[str, Any] = {"linewidth": 0.9, "alpha": 0.5, "zorder": 3}
_BAR: dict[str, Any] = {"linewidth": 2.2, "zorder": 4}
_WHISKER: dict[str, Any] = {"linewidth": 1.2, "marker": "_", "markersize": 6, "zorder": 4}
_DOT: dict[str, Any] = {"marker": "o", "markersize": 5.5, "linestyle": "none", "zorder": 5}
_NOTHING_LEFT: dict[str, Any] = {**_DOT, "markerfacecolor": "white"}


def roi_figure(curves: Sequence[CapacityCurve], returns: Sequence[ReturnOnInvestment], setting: Setting) -> Figure:
    """Draw the reduction of training error per added hidden unit, a bar a step in width, with the reference line.

    A bar spans the two widths of its step, a whisker the interval from the seeds. The left axis is in percentage
    points, the paper's unit; the right one in training examples. Both are linear up to one training example per unit
    and logarithmic beyond, so that zero and negative returns have a place. An open marker says that no training error
    was left to remove.

    Parameters
    ----------
    curves : sequence of CapacityCurve
        One per depth.
    returns : sequence of ReturnOnInvestment
        The same depths in the same order.
    setting : Setting
        What the title says.

    Returns
    -------
    matplotlib Figure
    """
    with look():
        headline = f"Return on investment in width on {setting.data}"
        figure = new_figure(headline, setting, curves, (7, 5))
        ax = figure.add_subplot()
        colors = depth_colors([curve.depth for curve in curves])
        for place, roi in enumerate(returns):
            # Side by side around the middle of the step, lest the whiskers of several depths hide each other.
            _steps(ax, roi, colors[roi.depth], 2 ** (_APART * (place - (len(returns) - 1) / 2)))
        ax.axhline(100 / setting.samples, zorder=2, gid="reference", **_REFERENCE)
        width_axis(ax, sorted({point.width for curve in curves for point in curve.points}), max(colors))
        _return_axes(ax, [step for roi in returns for step in roi.steps], setting.samples)
        figure.legend(handles=_legend(returns, colors), loc="outside lower center", ncols=2)
    return figure


def _steps(ax: Axes, roi: ReturnOnInvestment, color: Any, shift: float) -> None:
    name = f"depth-{roi.depth}"
    middles = [shift * math.sqrt(step.width_from * step.width_to) for step in roi.steps]
    ax.plot(middles, [100 * step.value for step in roi.steps], color=color, gid=f"returns-{name}", **_LINK)
    for step, middle in zip(roi.steps, middles, strict=True):
        if not math.isfinite(step.value):
            continue
        value, ends = 100 * step.value, f"{name}-width-{step.width_from}-{step.width_to}"
        ax.plot([step.width_from, step.width_to], [value, value], color=color, gid=f"step-{ends}", **_BAR)
        if step.interval is not None:
            span = [100 * step.interval.low, 100 * step.interval.high]
            ax.plot([middle, middle], span, color=color, gid=f"interval-{ends}", **_WHISKER)
        ax.plot([middle], [value], color=color, gid=f"return-{ends}", **(_DOT if step.error_from else _NOTHING_LEFT))


def _return_axes(ax: Axes, steps: Sequence[Return], samples: int) -> None:
    """Scale the left axis (percentage points) and add the right one (training examples) at the same heights."""
    one = 100 / samples
    drawn = [0.0, one]
    for step in steps:
        ends = (step.interval.low, step.interval.high) if step.interval else (step.value,)
        drawn += [100 * end for end in ends if math.isfinite(end)]
    low, high = min(drawn), max(drawn)
    logarithmic = max(high, -low) > 10 * one
    bottom = min(1.4 * low, -0.15 * one)
    right = ax.twinx()
    right.grid(visible=False)
    right.spines["right"].set_visible(True)
    for axis, unit in ((ax, one), (right, 1.0)):
        if logarithmic:
            axis.set_yscale("symlog", linthresh=unit, linscale=_LINEAR_PART)
        axis.set_ylim(bottom * unit / one, 1.4 * high * unit / one)
        if logarithmic:
            decade_ticks(axis, unit, *axis.get_ylim())
    ax.set_ylabel("Training error removed per added\nhidden unit (percentage points)")
    right.set_ylabel("Training examples fitted\nper added hidden unit")


def _legend(returns: Sequence[ReturnOnInvestment], colors: Mapping[int, Any]) -> list[Any]:
    """Explain what is there to be seen, and nothing else."""
    steps = [step for roi in returns for step in roi.steps]
    neutral = next(iter(colors.values())) if len(colors) == 1 else GREY
    entries = [
        Line2D([], [], color=c, label=f"{depth_name(d)}, from width to width", marker="o", markersize=5.5, **_BAR)
        for d, c in colors.items()
    ]
    sure = [step.interval.confidence for step in steps if step.interval]
    if sure:
        percent = " to ".join(f"{100 * level:.0f}" for level in sorted({min(sure), max(sure)}))
        label = f"interval over the seeds ({percent}% confidence)"
        entries.append(Line2D([], [], color=neutral, linestyle="none", marker="|", markersize=11, label=label))
    if any(step.error_from == 0 for step in steps):
        entries.append(Line2D([], [], color=neutral, label="no training error left to remove", **_NOTHING_LEFT))
    label = "reference: one training example per unit (our\nreading of a later version of Dauphin & Bengio 2013)"
    return [*entries, Line2D([], [], label=label, **_REFERENCE)]
