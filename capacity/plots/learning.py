"""Training error against epochs, a line a width (Dauphin & Bengio 2013, figure 3)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from capacity.analysis import CapacityCurve, LearningCurve
from capacity.plots.axes import error_axis
from capacity.plots.style import GREY, Setting, dashes, depth_name, look, new_figure, sequence_colors

_CROSS: dict[str, Any] = {"linestyle": "none", "marker": "x", "markersize": 6, "markeredgewidth": 1.3}


def learning_figure(curves: Sequence[CapacityCurve], learning: Sequence[LearningCurve], setting: Setting) -> Figure:
    """Draw training error against epochs at the best learning rate of every width, a panel a depth.

    Colours run from the narrowest network (dark) to the widest (light), the line style says which learning rate, a band
    spans smallest to largest over the seeds. A cross ends a line where half or more of the runs have diverged.

    Parameters
    ----------
    curves : sequence of CapacityCurve
        One per depth.
    learning : sequence of LearningCurve
        Of every depth and width that has a finished run.
    setting : Setting
        What the title says.

    Returns
    -------
    matplotlib Figure
    """
    with look():
        columns = min(len(curves), 3)
        rows = math.ceil(len(curves) / columns)
        size = (max(7.2, 3.4 * columns + 1.6), 4.8 if rows == 1 else 2.8 * rows + 1.4)
        figure = new_figure(f"Learning curves on {setting.data}", setting, curves, size)
        axes: list[Axes] = [figure.add_subplot(rows, columns, 1)]
        axes += [figure.add_subplot(rows, columns, i, sharey=axes[0]) for i in range(2, len(curves) + 1)]
        colors = sequence_colors(sorted({line.runs.width for line in learning}))
        styles = dashes({line.runs.lr for line in learning})
        first = _first_epoch(learning, setting.epochs)
        for ax, curve in zip(axes, curves, strict=True):
            for line in learning:
                if line.runs.depth == curve.depth:
                    _line(ax, line, first, colors[line.runs.width], styles[line.runs.lr])
            ax.set_xlabel("Epochs")
            ax.set_xlim(first, setting.epochs)
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
            if len(curves) > 1:
                ax.set_title(depth_name(curve.depth))
        error_axis(axes, setting.samples, setting.metric)
        widths = [Line2D([], [], color=color, linewidth=2, label=f"{width:,}") for width, color in colors.items()]
        layer = " per layer" if max(curve.depth for curve in curves) > 1 else ""
        figure.legend(handles=widths, loc="outside right upper", title=f"Hidden\nunits{layer}")
        figure.legend(handles=_legend(learning, styles), loc="outside lower center", ncols=3)
    return figure


def _first_epoch(learning: Sequence[LearningCurve], epochs: int) -> int:
    """Return where the lines begin: before training all guess alike, which would only stretch the axis.

    That start is drawn where a line has no more than it.
    """
    return 1 if epochs > 1 and all(np.isfinite(line.median[1:2]).any() for line in learning) else 0


def _line(ax: Axes, curve: LearningCurve, first: int, color: Any, style: Any) -> None:
    name = f"depth-{curve.runs.depth}-width-{curve.runs.width}"
    epochs, finite = np.arange(len(curve.median)), np.isfinite(curve.median)
    median = np.where(finite, 100 * curve.median, np.nan)
    band: dict[str, Any] = {"color": color, "alpha": 0.15, "linewidth": 0, "gid": f"band-{name}"}
    ax.fill_between(epochs[first:], 100 * curve.low[first:], 100 * curve.high[first:], **band)
    ax.plot(epochs[first:], median[first:], color=color, linestyle=style, linewidth=1.5, gid=f"error-{name}")
    if finite.any() and not finite.all():
        last = np.flatnonzero(finite)[-1]
        ax.plot([last], [median[last]], color=color, clip_on=False, gid=f"diverged-{name}", **_CROSS)


def _legend(learning: Sequence[LearningCurve], styles: Mapping[float, Any]) -> list[Any]:
    """Explain what is there to be seen besides the widths, and nothing else."""
    entries: list[Any] = []
    if len(styles) > 1:
        entries += [
            Line2D([], [], color=GREY, linestyle=style, linewidth=1.5, label=f"learning rate {lr:g} is best")
            for lr, style in styles.items()
        ]
    if any(len(line.runs.errors) > 1 for line in learning):
        entries.append(Patch(color=GREY, alpha=0.2, linewidth=0, label="smallest to largest seed"))
    if not all(np.isfinite(line.median).all() for line in learning):
        entries.append(Line2D([], [], color=GREY, label="half or more of the runs have diverged", **_CROSS))
    return entries
