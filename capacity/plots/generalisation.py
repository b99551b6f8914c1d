"""Test accuracy against what a network can fit (Shwartz-Ziv et al. 2024, figure 1, right)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from capacity.analysis.generalisation import (
    LOGARITHMIC,
    QUANTITIES,
    Correlation,
    Network,
    Seen,
    look_at,
    mean_and_error,
)
from capacity.plots.halting import short
from capacity.plots.style import GREY, depth_colors, look, markers, sequence_colors, titled_figure

_BAR: dict[str, Any] = {"linestyle": "none", "markersize": 6, "elinewidth": 1, "capsize": 0, "zorder": 3}
_HOLLOW: dict[str, Any] = {"markerfacecolor": "white", "alpha": 0.8}
_MINUS = "\N{MINUS SIGN}"
_LINE, _HANDLE = 125, 8
"""How many letters of a legend stand in a line, and what a mark takes of them."""
_ARROWS = {True: r"$\rightarrow$", False: r"$\leftarrow$"}


def generalisation_figure(
    networks: Sequence[Network], found: Sequence[Correlation], headline: str, captions: tuple[str, str]
) -> Figure:
    """Draw the test accuracy of networks against each quantity, a panel each, with the coefficients above it.

    A mark is a network: its means over the seeds, with bars of one standard error; the shape is its width, the colour
    its name, or its width too when all have one name. A hollow mark with an arrow is a bound, since the examples ran
    out; it has no part in the coefficients.

    Parameters
    ----------
    networks : sequence of Network
        At least one that was tested.
    found : sequence of Correlation
        At least one.
    headline : str
        Title.
    captions : tuple of two str
        How the numbers were made, for below the title.

    Returns
    -------
    matplotlib Figure
    """
    with look():
        columns = min(len(found), 2)
        rows = -(-len(found) // columns)
        figure = titled_figure(headline, captions, (7.6, 1.4 + 2.75 * rows))
        panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
        marks = _marks(networks)
        shown: dict[tuple[str, int], dict[str, Any]] = {}
        bounded = False
        for ax, one in zip(panels.flat, found, strict=True):
            drawn = [(network, seen) for network in networks if (seen := look_at(network, one.quantity)) is not None]
            for network, seen in drawn:
                _mark(ax, seen, marks[network.name, network.width], logarithmic=one.quantity in LOGARITHMIC)
            _axes(ax, one)
            shown |= {(network.name, network.width): marks[network.name, network.width] for network, _ in drawn}
            bounded |= any(not seen.exact for _, seen in drawn)
        for ax in panels[:, 0]:
            ax.set_ylabel("Test accuracy (%)")
        entries = _legend(shown, bounded=bounded)
        longest = max(len(entry.get_label()) for entry in entries)
        columns = min(6, _LINE // (longest + _HANDLE))  # so many as fit beside each other
        figure.legend(handles=entries, loc="outside lower left", ncols=columns)
    return figure


def _marks(networks: Sequence[Network]) -> dict[tuple[str, int], dict[str, Any]]:
    """Return colour and shape for every name and width."""
    names = list(dict.fromkeys(network.name for network in networks))
    widths = sorted({network.width for network in networks})
    shapes = markers(widths)
    of_name, of_width = depth_colors(range(len(names))), sequence_colors(widths)
    return {
        (name, width): {"color": of_name[place] if len(names) > 1 else of_width[width], "marker": shapes[width]}
        for place, name in enumerate(names)
        for width in widths
    }


def _mark(ax: Axes, seen: Seen, mark: dict[str, Any], *, logarithmic: bool) -> None:
    """Draw one network."""
    (x, x_error), (y, y_error) = mean_and_error(seen.values), mean_and_error(100 * seen.accuracy)
    reach = (x_error or 0) if seen.exact else 0  # the error of a bound says nothing
    ends = np.array([x, x - reach, x + reach])
    middle, low, high = np.exp(ends) if logarithmic else ends
    bars: dict[str, Any] = {"xerr": [[middle - low], [high - middle]], "yerr": [y_error or 0]}
    ax.errorbar([middle], [y], **bars, **_BAR, **mark, **({} if seen.exact else _HOLLOW))
    ax.lines[-1].set_gid("exact" if seen.exact else "bound")
    if not seen.exact:
        aside = 9 if seen.at_least else -9
        place: dict[str, Any] = {"xytext": (aside, 0), "textcoords": "offset points", "ha": "center", "va": "center"}
        ax.annotate(_ARROWS[seen.at_least], (middle, y), color=mark["color"], **place)


def _axes(ax: Axes, found: Correlation) -> None:
    ax.margins(x=0.1, y=0.1)
    if found.quantity in LOGARITHMIC:
        ax.set_xscale("log")
        low, high = ax.get_xlim()
        steps = (1,) if high > 150 * low else (1, 2, 5) if high > 4 * low else range(1, 10)
        ax.xaxis.set_major_locator(LogLocator(subs=steps))
        ax.xaxis.set_minor_locator(LogLocator(subs=range(2, 10)))
        ax.xaxis.set_minor_formatter(NullFormatter())
    else:
        ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    name = QUANTITIES[found.quantity].replace(" - ", f" {_MINUS} ")
    ax.set_xlabel(name if found.quantity == "ratio" else f"{name} (examples)")
    title = found.reason.replace(", Kendall", "\nKendall") if found.pearson else f"no coefficients: {found.reason}"
    ax.set_title(title, fontsize=8, color=GREY)


def _tick(value: float) -> str:
    return (_MINUS if value < 0 else "") + short(abs(value))


def _legend(marks: dict[tuple[str, int], dict[str, Any]], *, bounded: bool) -> list[Any]:
    """Explain what is there to be seen, and nothing else."""
    dot: dict[str, Any] = {"linestyle": "none", "markersize": 6}
    names = {name: mark["color"] for (name, _), mark in marks.items()}
    widths = {width: mark for (_, width), mark in marks.items()}
    several = len(names) > 1
    entries = [Line2D([], [], color=color, linewidth=5, label=name) for name, color in names.items() if several]
    for width in sorted(widths):
        mark = widths[width] | ({"color": GREY} if several else {})
        entries.append(Line2D([], [], **dot, **mark, label=f"width {width:,}"))
    if bounded:
        label = "a bound: the examples ran out"
        entries.append(Line2D([], [], **dot, marker="o", color=GREY, markerfacecolor="white", label=label))
    return entries
