"""Distance from the start to the solutions of a linear network (Ardalani, Hestness & Diamos 2019, appendix B)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from capacity.plots.axes import decade_ticks, width_axis
from capacity.plots.style import GREY, depth_colors, look, titled_figure

_SHOWN = 2  # standard errors that a bar is long, on either side
_ASIDE = 0.012  # of the axis: descent stands right of Monte Carlo, lest one hide the other
_BLUE, _ORANGE, _GREEN = list(depth_colors(range(3)).values())


def lnn_figure(rows: Sequence[Mapping[str, Any]], radius: float) -> Figure:
    """Draw the distance against the number of weights, and how far both estimates lie from the closed form.

    Parameters
    ----------
    rows : sequence of mappings
        Those of `capacity.theory.LnnRow`, K = 1, 2, ...
    radius : float
        R of the ball of the starts, in units of C.

    Returns
    -------
    matplotlib Figure
    """
    column = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    weights = [int(weight) for weight in column["weights"]]
    lines = (
        f"y = (w1 + ... + wK) x with solutions w1 + ... + wK = C; starts uniform in a ball of radius {radius:g} C",
        f"Monte Carlo: {rows[0]['samples']:,} starts for each K; gradient descent on the engine: "
        f"{rows[0]['starts']:,}; bars: {_SHOWN} standard errors",
    )
    with look():
        figure = titled_figure("Distance from the start to the solutions of a linear network", lines, (7, 6))
        upper, lower = figure.subplots(2, 1, height_ratios=(5, 2))
        _distances(upper, column)
        _deviations(lower, column)
        for ax, label in ((upper, ""), (lower, "Weights K")):
            width_axis(ax, weights, 1)
            ax.set_xlabel(label)
        figure.legend(*upper.get_legend_handles_labels(), loc="outside lower left", ncols=2)
    return figure


def _distances(ax: Axes, column: Mapping[str, Any]) -> None:
    at = column["weights"]
    ax.plot(at, column["origin"], color=GREY, linestyle=(0, (4, 2)), gid="origin", label=r"C/$\sqrt{K}$ (the paper)")
    ax.plot(at, column["mean"], color=_BLUE, linewidth=1.6, gid="mean", label="mean over the ball, closed form")
    for name, label, style in _estimates("Monte Carlo", "gradient descent from the ball"):
        ax.errorbar(at * _shift(name, at), column[name], _SHOWN * column[f"{name}_error"], label=label, **style)
    ax.plot(
        at, column["descent_origin"], color=_GREEN, linestyle="none", marker="D", markersize=4.5,
        markerfacecolor="none", gid="descent-origin", label="gradient descent from the origin",
    )  # fmt: skip
    values = np.concatenate([column[name] for name in ("origin", "mean", "monte_carlo", "descent")])
    low, high = float(values.min()) / 1.15, float(values.max()) * 1.15
    ax.set_yscale("log")
    ax.set_ylim(low, high)
    decade_ticks(ax, low, low, high)
    ax.set_ylabel("Mean distance, in units of C")


def _deviations(ax: Axes, column: Mapping[str, Any]) -> None:
    at = column["weights"]
    ax.axhspan(-_SHOWN, _SHOWN, color=GREY, alpha=0.12, linewidth=0)
    ax.axhline(0, color=_BLUE, linewidth=1.6)
    farthest = float(_SHOWN)
    for name, _, style in _estimates("", ""):
        values = (column[name] - column["mean"]) / column[f"{name}_error"]
        farthest = max(farthest, float(np.abs(values).max()))
        gid = f"deviation-{name}"
        ax.plot(at * _shift(name, at), values, **{**style, "gid": gid})
    ax.set_ylim(-1.4 * farthest, 1.4 * farthest)
    ax.set_ylabel("Estimate less closed\nform (std. errors)")


def _estimates(*labels: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Return the column, the label and the look of both estimates."""
    marks: dict[str, Any] = {"linestyle": "none", "markersize": 4.5, "zorder": 4}
    looks = ({"color": "black", "marker": "o", "markerfacecolor": "none"}, {"color": _ORANGE, "marker": "x"})
    names = ("monte_carlo", "descent")
    return [
        (name, label, {**marks, **look_of, "gid": name})
        for name, label, look_of in zip(names, labels, looks, strict=True)
    ]


def _shift(name: str, weights: Any) -> float:
    return float(weights[-1] / weights[0]) ** _ASIDE if name == "descent" else 1.0
