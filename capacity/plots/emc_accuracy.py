"""Training accuracy that was reached against the size of the sample: what stands behind each EMC."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from capacity.plots.halting import short
from capacity.plots.style import GREY, look, sequence_colors, titled_figure


class Reached(NamedTuple):
    """The share of a sample of `n` that a training classified correctly at best; `early`: it was ended early."""

    width: int
    n: int
    seed: int
    accuracy: float
    early: bool


@dataclass(frozen=True)
class AccuracyPanel:
    """The trainings of a line.

    Attributes
    ----------
    name : str
        What they have in common.
    trainings : sequence of Reached
        By size.
    emc : mapping of int to float
        The geometric mean of EMC by width, where there is one.
    """

    name: str
    trainings: Sequence[Reached]
    emc: Mapping[int, float]


def accuracy_figure(panels: Sequence[AccuracyPanel], target: float, headline: str, captions: tuple[str, str]) -> Figure:
    """Draw accuracy reached against n, a panel a line, a colour a width, the trainings of a seed joined.

    Filled dots fitted or had the whole budget, hollow ones were ended early. Ticks at the target accuracy are EMC.

    Parameters
    ----------
    panels : sequence of AccuracyPanel
        At least one, each with a training.
    target : float
        The accuracy that counts as fitted.
    headline : str
        Title.
    captions : tuple of two str
        How the numbers were made, for below the title.

    Returns
    -------
    matplotlib Figure
    """
    widths = sorted({training.width for panel in panels for training in panel.trainings})
    colors = sequence_colors(widths)
    columns = _columns(len(panels))
    rows = math.ceil(len(panels) / columns)
    with look():
        figure = titled_figure(
            headline, captions, (max(2.7 * columns, 6) + 0.6, (2.3 if rows > 1 else 3.2) * rows + 1.6)
        )
        axes = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
        for ax, panel in zip(axes, panels, strict=False):
            ax.set_title(panel.name, fontsize=8 if columns > 1 else 10)
            _trainings(ax, panel, target, colors)
        _axes(axes, panels)
        figure.supylabel("Training accuracy reached (%)", fontsize=10)
        figure.legend(handles=_legend(panels, colors), loc="outside lower left", ncols=min(len(widths) + 1, 7))
    return figure


def _columns(panels: int) -> int:
    return 1 if panels == 1 else 2 if panels in (2, 4) else 3


def _trainings(ax: Axes, panel: AccuracyPanel, target: float, colors: Mapping[int, Any]) -> None:
    ax.axhline(100 * target, color=GREY, linestyle=(0, (1, 2)), linewidth=1, gid="target", zorder=1)
    of: dict[tuple[int, int], list[Reached]] = {}
    for training in panel.trainings:
        of.setdefault((training.width, training.seed), []).append(training)
    for (width, seed), trainings in of.items():
        points = [(t.n, 100 * t.accuracy) for t in trainings]
        ax.plot(*zip(*points, strict=True), color=colors[width], linewidth=0.7, alpha=0.5, gid=f"curve-{width}-{seed}")
    dot: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 2.8, "markeredgewidth": 0.7, "zorder": 3}
    for width, color in colors.items():
        for early, fill, name in ((False, color, "whole"), (True, "white", "early")):
            points = [(t.n, 100 * t.accuracy) for t in panel.trainings if (t.width, t.early) == (width, early)]
            if points:
                ax.plot(*zip(*points, strict=True), color=color, markerfacecolor=fill, gid=f"{name}-{width}", **dot)
        if width in panel.emc:
            ax.plot(
                [panel.emc[width]], [100 * target], color=color, linestyle="none", marker="|", markersize=13,
                markeredgewidth=1.6, gid=f"emc-{width}", zorder=4, clip_on=False,
            )  # fmt: skip


def _axes(axes: Sequence[Axes], panels: Sequence[AccuracyPanel]) -> None:
    sizes = [training.n for panel in panels for training in panel.trainings]
    lowest = min(training.accuracy for panel in panels for training in panel.trainings)
    room = max(1 - lowest, 0.01)
    first = axes[0]
    first.set_xscale("log")
    first.set_xlim(min(sizes) / 1.15, max(sizes) * 1.15)
    first.set_ylim(100 * (lowest - 0.06 * room), 100 + 100 * 0.1 * room)
    first.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if max(sizes) < 300 * min(sizes) else (1,)))
    first.xaxis.set_minor_locator(LogLocator(subs=range(2, 10)))
    first.xaxis.set_major_formatter(FuncFormatter(lambda size, _: short(size)))
    first.xaxis.set_minor_formatter(NullFormatter())
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    for ax in axes[max(len(panels) - _columns(len(panels)), 0) : len(panels)]:
        ax.tick_params(labelbottom=True)
        ax.set_xlabel("Examples in the sample")


def _legend(panels: Sequence[AccuracyPanel], colors: Mapping[int, Any]) -> list[Any]:
    """Explain what is there to be seen, and nothing else."""
    entries = [
        Line2D([], [], color=color, marker="o", markersize=2.8, linewidth=0.7, label=f"width {width:,}")
        for width, color in colors.items()
    ]
    if any(panel.emc for panel in panels):
        entries.append(Line2D([], [], color=GREY, linestyle="none", marker="|", markersize=10, label="EMC"))
    if any(training.early for panel in panels for training in panel.trainings):
        hollow: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 3, "markerfacecolor": "white"}
        entries.append(Line2D([], [], color=GREY, label="ended early", **hollow))
    return entries
