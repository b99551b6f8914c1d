"""Geometric mean ratios with their intervals, a row each: which settings fit more examples, and how many times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from capacity.analysis.emc_comparison import MeanRatio, times
from capacity.plots.style import GREY, depth_colors, look, titled_figure

_MARK = {"": "o", "at least": ">", "at most": "<"}
_STEP = 0.55  # height of a part, in rows
_BETWEEN = 0.45  # left free between rows
_HEADING = (0.55, 0.85)  # left free above a heading, and how far down its first row is
_TICKS = (
    (1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2.0, 2.2, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 7.0, 8.0, 9.0),
    (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0),
    (1.0, 1.5, 2.0, 3.0, 5.0, 7.0),
    (1.0, 2.0, 5.0),
    (1.0,),
)


@dataclass(frozen=True)
class RatioRow:
    """A row of the figure.

    Attributes
    ----------
    group, name : str
        The heading that it stands below ('' for none), and what it is called; rows that have both in common stand close
        together and share the name.
    mean : MeanRatio
        With a value.
    part : str
        What it is a part of the whole of, for the legend; '' is the whole.
    """

    group: str
    name: str
    mean: MeanRatio
    part: str = ""


def ratio_figure(
    rows: Sequence[RatioRow], headline: str, captions: tuple[str, str], *, unit: str, whole: str = "all"
) -> Figure:
    """Draw ratios on a logarithmic axis with a line at 1, the numbers beside.

    A dot is the geometric mean with its interval. A triangle is a bound of it, and points to where it may lie.

    Parameters
    ----------
    rows : sequence of RatioRow
        At least one, those of a group one after another.
    headline : str
        Title.
    captions : tuple of two str
        How the numbers were made, for below the title.
    unit : str
        Label of the axis.
    whole : str
        What the rows without a part are of, for the legend, where there are parts.

    Returns
    -------
    matplotlib Figure
    """
    places, ticks, bottom = _places(rows)
    parts = list(dict.fromkeys(row.part for row in rows if row.part))
    colors = {"": "black", **dict(zip(parts, depth_colors(range(len(parts))).values(), strict=True))}
    with look():
        figure = titled_figure(headline, captions, (8.2, 1.75 + 0.27 * bottom + 0.2 * bool(parts)))
        ax = figure.add_subplot()
        _axes(ax, rows, ticks, bottom)
        for row, place in zip(rows, places, strict=True):
            _row(ax, row, place, colors[row.part])
        ax.set_xlabel(unit)
        figure.legend(handles=_legend(rows, colors, whole), loc="outside lower left", ncols=3)
    return figure


def _places(rows: Sequence[RatioRow]) -> tuple[list[float], list[tuple[float, str, bool]], float]:
    """Return how far down each row is, the names beside them (place, text, whether a heading), and where they end."""
    places: list[float] = []
    ticks: list[tuple[float, str, bool]] = []
    down, group, name = 0.0, "", None
    for row in rows:
        if row.group != group:
            down += _HEADING[0] if places else 0
            ticks.append((down, row.group, True))
            down, group, name = down + _HEADING[1], row.group, None
        if row.name != name:
            down += _BETWEEN if name is not None else 0
            ticks.append((down, row.name, False))
            name = row.name
        places.append(down)
        down += _STEP
    return places, ticks, down


def _row(ax: Axes, row: RatioRow, place: float, color: Any) -> None:
    mean = row.mean
    assert mean.value is not None
    label = f"{row.name}-{row.part}" if row.part else row.name
    size = 4.0 if row.part else 5.5
    if mean.low is not None or mean.high is not None:
        ends = [mean.value if end is None else end for end in (mean.low, mean.high)]
        ax.plot(ends, [place, place], color=color, linewidth=1.2 if row.part else 1.8, gid=f"interval-{label}")
    look_of: dict[str, Any] = {"linestyle": "none", "marker": _MARK[mean.bound], "markersize": size, "zorder": 4}
    ax.plot([mean.value], [place], color=color, gid=f"mean-{label}", **look_of)
    text = " ".join([mean.short(), *(f"({span})" for span in mean.span())])
    beside: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "annotation_clip": False}
    ax.annotate(
        f"{text}; {mean.pairs}", (1.015, place), va="center", fontsize=7 if row.part else 8, color=color, **beside
    )


def _axes(ax: Axes, rows: Sequence[RatioRow], ticks: Sequence[tuple[float, str, bool]], bottom: float) -> None:
    drawn = [end for row in rows for end in (row.mean.value, row.mean.low, row.mean.high) if end is not None]
    low, high = min([1.0, *drawn]), max([1.0, *drawn])
    pad = max((high / low) ** 0.05, 1.02)
    ax.set_xscale("log")
    ax.set_xlim(low / pad, high * pad)
    ax.xaxis.set_major_locator(FixedLocator(_round(low / pad, high * pad)))
    ax.xaxis.set_minor_locator(FixedLocator([]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda ratio, _: times(ratio)))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.axvline(1, color=GREY, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1, gid="one")
    ax.set_ylim(bottom - 0.1, -0.6)
    ax.set_yticks([place for place, _, _ in ticks], [text for _, text, _ in ticks])
    for label, (_, _, heading) in zip(ax.get_yticklabels(), ticks, strict=True):
        label.set_fontweight("bold" if heading else "normal")
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")


def _round(low: float, high: float) -> list[float]:
    """Return round numbers between two, as many as there is room for."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in _TICKS:
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) <= 9:
            break
    return ticks


def _legend(rows: Sequence[RatioRow], colors: dict[str, Any], whole: str) -> list[Any]:
    """Explain what is there to be seen, and nothing else."""
    parts = [part for part in colors if any(row.part == part for row in rows)]
    entries = [
        Line2D([], [], color=colors[part], linewidth=1.5, marker="o", markersize=4, label=part or whole)
        for part in (parts if len(parts) > 1 else [])
    ]
    for bound in ("at least", "at most"):
        if any(row.mean.bound == bound for row in rows):
            marker: dict[str, Any] = {"linestyle": "none", "marker": _MARK[bound], "markersize": 5}
            entries.append(Line2D([], [], color=GREY, label=f"{bound} that: some searches are bounds", **marker))
    return entries
