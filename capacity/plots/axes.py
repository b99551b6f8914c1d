"""Axes whose ticks a reader can use: widths by doublings, errors in percent down to an honest zero."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from capacity.analysis import METRICS
from capacity.plots.style import GREY

_LINEAR_PART = 0.4  # height of the linear part of a symlog axis, in decades


def width_axis(ax: Axes, widths: Sequence[int], depth: int) -> None:
    """Make the x axis the width, doublings evenly spaced, with a tick at every width and a label where there is room.

    Parameters
    ----------
    ax : Axes
    widths : sequence of int
        Ascending.
    depth : int
        The largest depth drawn; more than one makes the label say "per layer".
    """
    ax.set_xscale("log", base=2)
    pad = 2 ** max(0.04 * math.log2(widths[-1] / widths[0]), 0.15)
    ax.set_xlim(widths[0] / pad, widths[-1] * pad)
    labelled = _with_room(widths)
    ax.xaxis.set_major_locator(FixedLocator(labelled))
    ax.xaxis.set_minor_locator(FixedLocator([width for width in widths if width not in labelled]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda width, _: f"{width:,.0f}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("Hidden units" if depth == 1 else "Hidden units per layer")


def _with_room(widths: Sequence[int]) -> list[int]:
    """Return the widths whose labels do not touch: the ends first, then powers of two, then what fits between."""
    label = 0.017 + 0.0125 * len(f"{widths[-1]:,}")  # of the axis: a gap, and its figures
    room = label * math.log2(widths[-1] / widths[0])
    inner = sorted(widths[1:-1], key=lambda width: (width & (width - 1) != 0, -width))
    labelled: list[int] = []
    for width in dict.fromkeys((widths[0], widths[-1], *inner)):
        if all(abs(math.log2(width / other)) >= room for other in labelled):
            labelled.append(width)
    return sorted(labelled)


def error_axis(panels: Sequence[Axes], samples: int, metric: str) -> None:
    """Make the shared y axis a training error in percent: logarithmic if what is drawn spans a decade, else linear.

    A zero has no place on a logarithmic axis. When there is one, the axis is linear from zero to the smallest error
    there can be, one training example, and logarithmic above; a dotted line marks where.

    Parameters
    ----------
    panels : sequence of Axes
        With their lines drawn, in percent.
    samples : int
        Training examples N.
    metric : {"top1", "top5"}
    """
    lines = [line for ax in panels for line in ax.lines if line.get_transform() == ax.transData]
    drawn = [float(y) for line in lines for y in np.asarray(line.get_ydata()) if math.isfinite(y)] or [100.0]
    low, high, one = min(drawn), max(drawn), 100 / samples
    logarithmic = high > 10 * max(low, one)
    for ax in panels:
        spec = ax.get_subplotspec()
        if spec is not None and spec.is_first_col():
            ax.set_ylabel(f"Training error, {METRICS[metric]} (%)")
        if not logarithmic:
            pad = max(0.12 * (high - low), one)
            ax.set_ylim(max(low - pad, 0), high + pad)
        elif low > 0:
            ax.set_yscale("log")
            ax.set_ylim(low / 1.2, high * 1.2)
            decade_ticks(ax, low, *ax.get_ylim())
        else:
            ax.set_yscale("symlog", linthresh=one, linscale=_LINEAR_PART)
            ax.set_ylim(-0.15 * one, high * 1.2)
            decade_ticks(ax, one, *ax.get_ylim())
            _mark_threshold(ax, one)


def _mark_threshold(ax: Axes, one: float) -> None:
    ax.axhline(one, color=GREY, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
    place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    ax.annotate("one training example", (0, one), (3, 2), fontsize=7, color=GREY, **place)


def decade_ticks(ax: Axes, smallest: float, low: float, high: float) -> None:
    """Label the y axis between `low` and `high` at powers of ten, or at 1, 2, 5 of each decade when there are few.

    `smallest` is where the logarithmic part begins; below it only zero has a label, and negative values have the
    labels of the positive ones.
    """
    reach = max(high, -low)
    decades = [10.0**e for e in range(math.floor(math.log10(smallest)), math.ceil(math.log10(reach)) + 1)]
    named = (1, 2, 5) if math.log10(reach / smallest) < 2.2 else (1,)
    for set_locator, steps in ((ax.yaxis.set_major_locator, named), (ax.yaxis.set_minor_locator, range(2, 10))):
        positive = [step * decade for decade in decades for step in steps if step * decade >= smallest / 1.01]
        ticks = [*(-tick for tick in reversed(positive)), *([0.0] if steps is named else []), *positive]
        set_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
