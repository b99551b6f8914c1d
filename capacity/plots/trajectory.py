"""What the path through weight space does as networks get wider (Ardalani, Hestness & Diamos 2019, figures 5 to 8)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter

from capacity.analysis.convergence import Spread
from capacity.plots.axes import decade_ticks
from capacity.plots.style import GREY, depth_colors, look, titled_figure


@dataclass(frozen=True)
class Quantity:
    """How a quantity is drawn: on a logarithmic axis, or as an angle on a linear one, beside a right angle."""

    label: str
    angle: bool = False


QUANTITIES: Mapping[str, Quantity] = {
    "best_loss": Quantity("Smallest validation loss"),
    "steps": Quantity("Steps to convergence"),
    "direct_distance": Quantity("Direct distance |W(T) - W(0)|"),
    "path_length": Quantity("Path length, sum of |W(t+1) - W(t)|"),
    "step_size": Quantity("Mean step size |gradient|"),
    "angle_start": Quantity("Mean angle of the gradient\nand W(t) - W(0), A_s (rad)", angle=True),
    "angle_end": Quantity("Mean angle of the gradient\nand W(t) - W*, A_e (rad)", angle=True),
}
"""What can be drawn, by the name in tables and files."""

GROUPS: Mapping[str, str] = {
    "embedding": "Embedding or input layer",
    "hidden": "Hidden layers",
    "softmax": "Softmax layer",
    "all": "All layers",
}
"""Groups of layers, for people; other names stand for themselves."""

_DOT: dict[str, Any] = {"linestyle": "none", "marker": ".", "markersize": 4.5, "alpha": 0.7, "markeredgewidth": 0}
_MEDIAN: dict[str, Any] = {"linewidth": 1.3, "marker": "_", "markersize": 9, "markeredgewidth": 1.8, "zorder": 4}
_HALF = 0.38  # of the room of a width: the violin's half width
_SMALLEST = 3  # values from which on a density is drawn


def trajectory_figure(quantity: str, spreads: Sequence[Spread], headline: str, lines: tuple[str, str]) -> Figure:
    """Draw the spread of a quantity over the seeds at every width, a panel a group of layers.

    Every run is a dot; from three seeds on a violin shows their density (of the logarithm where the axis is
    logarithmic), and a line joins the medians. Widths are evenly spaced. The panels have axes of their own.

    Parameters
    ----------
    quantity : str
        A key of `QUANTITIES`.
    spreads : sequence of Spread
        One a panel.
    headline : str
        Title.
    lines : tuple of two str
        How the numbers were made, for below the title.

    Returns
    -------
    matplotlib Figure
    """
    drawn = QUANTITIES[quantity]
    columns = min(len(spreads), 2)
    rows = math.ceil(len(spreads) / columns)
    with look():
        figure = titled_figure(headline, lines, (7.4, (2.7 if rows > 1 else 3.7) * rows + 0.9))
        colors = depth_colors(range(len(spreads)))
        for place, spread in enumerate(spreads):
            ax = figure.add_subplot(rows, columns, place + 1)
            ax.set_title(GROUPS.get(spread.group, spread.group))
            _panel(ax, spread, drawn, colors[place])
            if place % columns == 0:
                ax.set_ylabel(drawn.label)
            if place >= len(spreads) - columns:
                ax.set_xlabel("Hidden units per layer")
    return figure


def _panel(ax: Axes, spread: Spread, quantity: Quantity, color: Any) -> None:
    usable = np.isfinite(spread.values) & ((spread.values > 0) | quantity.angle)
    widths = np.unique(spread.widths)
    seeds = np.unique(spread.seeds)
    medians = np.full(len(widths), np.nan)
    for place, width in enumerate(widths):
        here = usable & (spread.widths == width)
        values = spread.values[here]
        if not len(values):
            continue
        medians[place] = np.median(values)
        _violin(ax, values, place, not quantity.angle, color, f"violin-{spread.group}-{width}")
        # Each seed has its place beside the middle, the same at all widths.
        aside = 0.16 * (np.searchsorted(seeds, spread.seeds[here]) / max(len(seeds) - 1, 1) - 0.5)
        ax.plot(place + aside, values, color=color, gid=f"seeds-{spread.group}-{width}", **_DOT)
    ax.plot(range(len(widths)), medians, color=color, gid=f"median-{spread.group}", **_MEDIAN)
    ax.grid(visible=False, axis="x")
    ax.set_xlim(-0.6, len(widths) - 0.4)
    every = math.ceil(len(widths) / 8)
    ax.xaxis.set_major_locator(FixedLocator(list(range(0, len(widths), every))))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{widths[round(at)]:,}"))
    _scale(ax, spread.values[usable], quantity)


def _violin(ax: Axes, values: np.ndarray, place: int, logarithmic: bool, color: Any, gid: str) -> None:
    from scipy.stats import gaussian_kde

    scaled = np.log(values) if logarithmic else values
    if len(values) < _SMALLEST or np.ptp(scaled) <= 1e-9 * np.abs(scaled).max():
        return
    at = np.linspace(scaled.min(), scaled.max(), 80)
    density = gaussian_kde(scaled)(at)
    half = _HALF * density / density.max()
    heights = np.exp(at) if logarithmic else at
    ax.fill_betweenx(heights, place - half, place + half, color=color, alpha=0.22, linewidth=0, gid=gid)


def _scale(ax: Axes, values: np.ndarray, quantity: Quantity) -> None:
    if not len(values):
        return
    low, high = float(values.min()), float(values.max())
    if not quantity.angle:
        pad = max((high / low) ** 0.08, 1.03)
        ax.set_yscale("log")
        ax.set_ylim(low / pad, high * pad)
        if high / low > 3:
            decade_ticks(ax, low / pad, low / pad, high * pad)
        else:  # within a third of a decade round numbers are evenly spaced enough
            _few_ticks(ax)
        return
    right = math.pi / 2
    low, high = min(low, right), max(high, right)
    ax.axhline(right, color=GREY, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1, gid="right-angle")
    place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    ax.annotate("right angle", (0, right), (3, 2), fontsize=7, color=GREY, **place)
    pad = max(0.08 * (high - low), 0.005)
    ax.set_ylim(low - pad, high + pad)


def _few_ticks(ax: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.yaxis.set_major_locator(MaxNLocator(5))
    ax.yaxis.set_minor_locator(LogLocator(subs=()))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
