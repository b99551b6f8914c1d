"""The power of width that the step size goes with (Ardalani, Hestness & Diamos 2019, section 4.3 and figure 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator

from capacity.analysis.convergence import Spread
from capacity.analysis.exponent import Exponent
from capacity.plots.axes import decade_ticks, width_axis
from capacity.plots.style import GREY, depth_colors, look, titled_figure
from capacity.plots.trajectory import GROUPS, QUANTITIES

_DOT: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 3.2, "alpha": 0.5, "markeredgewidth": 0}
_POINT: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 6, "zorder": 4}
_ABOVE = 0.2  # of a row: lest a claim hide what was found
_CLAIM: dict[str, Any] = {"linestyle": "none", "marker": "D", "markersize": 5, "markerfacecolor": "white", "zorder": 5}


def exponent_figure(
    quantity: str,
    spreads: Sequence[Spread],
    exponents: Mapping[str, Exponent],
    headline: str,
    lines: tuple[str, str],
) -> Figure:
    """Draw a quantity against width with its power laws, and beside it the exponents with intervals and claims.

    Parameters
    ----------
    quantity : str
        A key of `QUANTITIES`.
    spreads : sequence of Spread
        One a group of layers; the runs, as dots.
    exponents : mapping from group to Exponent
        The fits, of groups among the spreads.
    headline : str
        Title.
    lines : tuple of two str
        How the numbers were made, for below the title.

    Returns
    -------
    matplotlib Figure
    """
    with look():
        figure = titled_figure(headline, lines, (8.2, 4.4))
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        colors = dict(zip([s.group for s in spreads], depth_colors(range(len(spreads))).values(), strict=True))
        for spread in spreads:
            _runs(left, spread, exponents.get(spread.group), colors[spread.group])
        values = np.concatenate([spread.values[np.isfinite(spread.values)] for spread in spreads])
        low, high = float(values.min()) / 1.15, float(values.max()) * 1.15
        left.set_yscale("log")
        left.set_ylim(low, high)
        decade_ticks(left, low, low, high)
        left.set_ylabel(QUANTITIES[quantity].label)
        width_axis(left, sorted({int(width) for spread in spreads for width in spread.widths}), 1)
        left.set_xlabel("Hidden units per layer")
        _exponents(right, exponents, colors)
        figure.legend(handles=_legend(spreads, exponents, colors), loc="outside lower left", ncols=3)
    return figure


def _runs(ax: Axes, spread: Spread, exponent: Exponent | None, color: Any) -> None:
    ax.plot(spread.widths, spread.values, color=color, gid=f"seeds-{spread.group}", **_DOT)
    if exponent is not None:
        widths = np.array([spread.widths.min(), spread.widths.max()])
        ax.plot(widths, exponent.predict(widths), color=color, linewidth=1.6, gid=f"fit-{spread.group}")


def _exponents(ax: Axes, exponents: Mapping[str, Exponent], colors: Mapping[str, Any]) -> None:
    for place, (group, found) in enumerate(exponents.items()):
        if found.interval is not None:
            span = [found.interval.low, found.interval.high]
            ax.plot(span, [place, place], color=colors[group], linewidth=2, gid=f"interval-{group}")
        ax.plot([found.exponent], [place], color=colors[group], gid=f"exponent-{group}", **_POINT)
        if found.claim is not None:
            ax.plot([found.claim], [place - _ABOVE], color="black", gid=f"claim-{group}", **_CLAIM)
    ax.axvline(0, color=GREY, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)
    ax.margins(x=0.08)
    ax.set_ylim(len(exponents) - 0.4, -0.6)
    ax.yaxis.set_major_locator(FixedLocator(list(range(len(exponents)))))
    ax.yaxis.set_major_formatter(
        FixedFormatter([GROUPS.get(group, group).replace(" or ", "\nor ") for group in exponents])
    )
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("Exponent of width")


def _legend(spreads: Sequence[Spread], exponents: Mapping[str, Exponent], colors: Mapping[str, Any]) -> list[Any]:
    """Explain what is there to be seen, and nothing else."""
    entries = [
        Line2D([], [], color=colors[s.group], marker="o", markersize=3.2, label=GROUPS.get(s.group, s.group))
        for s in spreads
    ]
    sure = [found.interval for found in exponents.values() if found.interval is not None]
    if sure:
        label = f"exponent with {100 * sure[0].confidence:.0f}% interval over the seeds"
        entries.append(Line2D([], [], color=GREY, linewidth=2, marker="o", markersize=6, label=label))
    if any(found.claim is not None for found in exponents.values()):
        entries.append(Line2D([], [], color="black", label="claimed by Ardalani et al. 2019", **_CLAIM))
    return entries
