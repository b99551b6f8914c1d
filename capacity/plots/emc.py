"""Effective model complexity against model size (Shwartz-Ziv et al. 2024, figures 1 to 5, as far as MLPs go)."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from capacity.analysis.emc import EmcLine, EmcPoint
from capacity.plots.axes import decade_ticks
from capacity.plots.halting import short
from capacity.plots.style import GREY, depth_colors, look, titled_figure

_X, _Y = "Parameters", "Effective model complexity (examples)"
_LETTERS = 95
"""So many stand in a line of the legend of one panel."""
_DOT: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 3, "alpha": 0.5, "markeredgewidth": 0}
_UP: dict[str, Any] = {"linestyle": "none", "marker": r"$\uparrow$", "markersize": 7}
_DOWN: dict[str, Any] = {"linestyle": "none", "marker": r"$\downarrow$", "markersize": 7}


class Place(NamedTuple):
    """Where a line is drawn: the column and the row of its panel, and what its colour stands for, in words."""

    column: str
    row: str
    color: str


def emc_figure(
    lines: Sequence[EmcLine], headline: str, captions: tuple[str, str], places: Sequence[Place] = ()
) -> Figure:
    """Draw EMC against parameters on logarithmic axes, a colour a line, with the diagonal where it equals them.

    Dots are seeds; the line joins the geometric means over seeds, with bars of one standard error. An upward arrow is a
    seed whose EMC is at least that: the examples ran out. A downward arrow is one that did not fit the smallest sample;
    where there is one, the network has no geometric mean.

    Parameters
    ----------
    lines : sequence of EmcLine
        At least one, each with at least one point.
    headline : str
        Title.
    captions : tuple of two str
        How the numbers were made, for below the title.
    places : sequence of Place
        One a line, where they are too many for one panel; else none.

    Returns
    -------
    matplotlib Figure
    """
    with look():
        return _panels(lines, headline, captions, places) if places else _one_panel(lines, headline, captions)


def _one_panel(lines: Sequence[EmcLine], headline: str, captions: tuple[str, str]) -> Figure:
    figure = titled_figure(headline, captions, (7, 4.9 + 0.16 * len(lines)))
    ax = figure.add_subplot()
    colors = depth_colors(range(len(lines)))
    for place, line in enumerate(lines):
        _line(ax, line, colors[place], place)
    _axes(ax, lines)
    ax.set_xlabel(_X)
    ax.set_ylabel(_Y)
    handles = [
        Line2D([], [], color=colors[i], linewidth=1.6, label=textwrap.fill(f"{line.name}: {line.reason}", _LETTERS))
        for i, line in enumerate(lines)
    ]
    figure.legend(handles=handles + _signs(lines), loc="outside lower left", ncols=1)
    return figure


def _panels(lines: Sequence[EmcLine], headline: str, captions: tuple[str, str], places: Sequence[Place]) -> Figure:
    columns, rows, names = (list(dict.fromkeys(values)) for values in zip(*places, strict=True))
    colors = dict(zip(names, depth_colors(range(len(names))).values(), strict=True))
    figure = titled_figure(headline, captions, (max(2.7 * len(columns), 5) + 0.8, 2.4 * len(rows) + 2))
    axes = figure.subplots(len(rows), len(columns), sharex=True, sharey=True, squeeze=False)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            ax = axes[i, j]
            _axes(ax, lines)
            ax.set_title(", ".join(filter(None, (column, row))), fontsize=8)
            if i == len(rows) - 1:
                ax.set_xlabel(_X)
            for number, (line, place) in enumerate(zip(lines, places, strict=True)):
                if place[:2] == (column, row):
                    _line(ax, line, colors[place.color], number)
    figure.supylabel(_Y, fontsize=10)
    handles = [Line2D([], [], color=colors[name], linewidth=1.6, label=name) for name in names]
    figure.legend(handles=handles + _signs(lines), loc="outside lower left", ncols=3 if len(columns) > 2 else 2)
    return figure


def _line(ax: Axes, line: EmcLine, color: Any, place: int) -> None:
    for name, wanted, look_of in (("seeds", _known, _DOT), ("at_least", _bounds, _UP), ("below", _unfitted, _DOWN)):
        marks = [(point.parameters, y) for point in line.points for y in wanted(point)]
        if marks:
            ax.plot(*zip(*marks, strict=True), color=color, gid=f"{name}-{place}", **look_of)
    whole = [
        (p.parameters, p.mean.log_value, p.mean.log_error or 0.0) for p in line.points if p.mean.log_value is not None
    ]
    if whole:
        sizes, logs, errors = (np.array(column) for column in zip(*whole, strict=True))
        bars = [np.exp(logs) - np.exp(logs - errors), np.exp(logs + errors) - np.exp(logs)]
        ax.errorbar(
            sizes, np.exp(logs), yerr=bars, color=color, linewidth=1.6, capsize=2, gid=f"mean-{place}", zorder=3
        )


def _known(point: EmcPoint) -> list[int]:
    return [seed.emc for seed in point.seeds if seed.emc and not seed.at_least]


def _bounds(point: EmcPoint) -> list[int]:
    """Return the EMC of the seeds that fitted all there was."""
    return [seed.emc for seed in point.seeds if seed.emc and seed.at_least]


def _unfitted(point: EmcPoint) -> list[int]:
    """Return for the seeds that did not fit the smallest sample how large that is."""
    return [seed.smallest_failed for seed in point.seeds if not seed.emc and seed.smallest_failed is not None]


def _axes(ax: Axes, lines: Sequence[EmcLine]) -> None:
    sizes = np.array([point.parameters for line in lines for point in line.points], float)
    marks = (kind(point) for kind in (_known, _bounds, _unfitted) for line in lines for point in line.points)
    values = np.concatenate([np.array(found, float) for found in marks])
    pad = max((sizes.max() / sizes.min()) ** 0.04, 1.1)
    low, high = values.min() / 1.4, values.max() * 1.4
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(sizes.min() / pad, sizes.max() * pad)
    ax.set_ylim(low, high)
    ends = np.array([min(sizes.min(), low) / pad, max(sizes.max(), high) * pad])
    ax.plot(ends, ends, color=GREY, linestyle=(0, (1, 2)), linewidth=1, gid="diagonal", zorder=1)
    decade_ticks(ax, low, low, high)
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if sizes.max() < 300 * sizes.min() else (1,)))
    ax.xaxis.set_minor_locator(LogLocator(subs=range(2, 10)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda size, _: short(size)))
    ax.xaxis.set_minor_formatter(NullFormatter())


def _signs(lines: Sequence[EmcLine]) -> list[Any]:
    entries = [Line2D([], [], color=GREY, linestyle=(0, (1, 2)), label="as many examples as parameters")]
    if any(_bounds(point) for line in lines for point in line.points):
        entries.append(Line2D([], [], color=GREY, label="at least: the examples ran out", **_UP))
    if any(_unfitted(point) for line in lines for point in line.points):
        entries.append(Line2D([], [], color=GREY, label="less: the smallest sample was not fitted", **_DOWN))
    return entries
