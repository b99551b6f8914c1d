"""Halting time against model size (Ardalani, Hestness & Diamos 2019, figures 1 to 3)."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from capacity.analysis.convergence import HaltingCurve
from capacity.plots.axes import decade_ticks
from capacity.plots.style import GREY, depth_colors, look, titled_figure

_DOT: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 3.5, "alpha": 0.55, "markeredgewidth": 0}
_ARROW: dict[str, Any] = {"linestyle": "none", "marker": r"$\uparrow$", "markersize": 6.5, "alpha": 0.8}
_DOUBT = (0, (4, 2.5))
_APART = 0.025  # of the axis: room for the runs of one size
_POINTS = 200
_COLUMN = 110  # characters of the caption that fit into the figure


def halting_figure(curves: Sequence[HaltingCurve], headline: str, lines: tuple[str, str]) -> Figure:
    """Draw halting time against model size on logarithmic axes, a colour a line, with the fit of each and its verdict.

    Dots are single runs; an upward arrow is one that hit the step limit, at the lower bound of its halting time. The
    fit a M^-k + b is solid where it may be called a power law and broken where not, with the band of its interval over
    the seeds. The verdicts stand below.

    Parameters
    ----------
    curves : sequence of HaltingCurve
        At least one, each with at least one run.
    headline : str
        Title.
    lines : tuple of two str
        How the numbers were made, for below the title.

    Returns
    -------
    matplotlib Figure
    """
    captions = ["\n".join(textwrap.wrap(f"{curve.name}: {curve.verdict.reason}", _COLUMN)) for curve in curves]
    rows = sum(caption.count("\n") + 1 for caption in captions)
    with look():
        figure = titled_figure(headline, lines, (7, 4.7 + 0.16 * rows))
        ax = figure.add_subplot()
        colors = depth_colors(range(len(curves)))
        for place, curve in enumerate(curves):
            _line(ax, curve, colors[place], place)
        ax.set_ylabel("Steps to convergence")
        _log_axes(ax, curves)
        handles = [
            Line2D([], [], color=colors[i], linestyle=_style(curve), linewidth=1.8, label=caption)
            for i, (curve, caption) in enumerate(zip(curves, captions, strict=True))
        ]
        figure.legend(handles=handles + _signs(curves), loc="outside lower left", ncols=1)
    return figure


def _line(ax: Axes, curve: HaltingCurve, color: Any, place: int) -> None:
    at = {"color": color, "zorder": 3}
    sizes = curve.sizes * _aside(curve)
    for name, which, look_of in (("seeds", ~curve.censored, _DOT), ("censored", curve.censored, _ARROW)):
        if which.any():
            ax.plot(sizes[which], curve.steps[which], gid=f"{name}-{place}", **at, **look_of)
    if curve.law is None:
        return
    sizes = np.geomspace(curve.sizes.min(), curve.sizes.max(), _POINTS)
    ax.plot(sizes, curve.law.predict(sizes), linestyle=_style(curve), linewidth=1.8, gid=f"fit-{place}", **at)
    band = curve.law.band(sizes)
    if band is not None:
        low, high = np.minimum(band, 1e3 * curve.steps.max())  # an end may be infinite, which cannot be drawn
        ax.fill_between(sizes, low, high, color=color, alpha=0.15, linewidth=0, gid=f"band-{place}")


def _aside(curve: HaltingCurve) -> np.ndarray:
    """Return factors of size that set the runs of one size side by side, by seed: those at a limit would be one."""
    rank = np.searchsorted(np.unique(curve.seeds), curve.seeds) / max(len(np.unique(curve.seeds)) - 1, 1)
    return np.asarray((curve.sizes.max() / curve.sizes.min()) ** (_APART * (rank - 0.5)))


def _style(curve: HaltingCurve) -> Any:
    return "-" if curve.verdict.code == "power_law" else _DOUBT


def _log_axes(ax: Axes, curves: Sequence[HaltingCurve]) -> None:
    """Fit both axes to the runs, whatever a band does."""
    steps = np.concatenate([curve.steps for curve in curves])
    low, high = steps.min() / 1.4, steps.max() * 1.4
    ax.set_yscale("log")
    ax.set_ylim(low, high)
    decade_ticks(ax, low, low, high)
    sizes = np.concatenate([curve.sizes for curve in curves])
    pad = max((sizes.max() / sizes.min()) ** 0.04, 1.1)
    ax.set_xscale("log")
    ax.set_xlim(sizes.min() / pad, sizes.max() * pad)
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if sizes.max() < 300 * sizes.min() else (1,)))
    ax.xaxis.set_minor_locator(LogLocator(subs=range(2, 10)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda size, _: short(size)))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("Parameters")


def short(value: float) -> str:
    """Return a number of parameters as people say it: 800, 20k, 1.5M, 3G."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit * (1 - 1e-9):
            return f"{value / unit:.3g}{name}"
    return f"{value:.3g}"


def _signs(curves: Sequence[HaltingCurve]) -> list[Any]:
    """Explain what is there to be seen besides the lines, and nothing else."""
    entries: list[Any] = []
    if any(curve.censored.any() for curve in curves):
        entries.append(Line2D([], [], color=GREY, label="hit the step limit: a lower bound", **_ARROW))
    sure = [c.law.k_interval.confidence for c in curves if c.law is not None and c.law.k_interval is not None]
    if sure:
        label = f"{100 * sure[0]:.0f}% interval of the fit over the seeds"
        entries.append(Patch(color=GREY, alpha=0.2, linewidth=0, label=label))
    return entries
