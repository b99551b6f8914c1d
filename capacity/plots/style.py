"""What the figures share: what stands in the title, the look, and how a figure becomes a file."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import matplotlib.style
from matplotlib.figure import Figure

from capacity.analysis import CapacityCurve

GREY = "#5f5f5f"
DPI = 200
_LEFT = 0.012  # of the figure's width

# Okabe & Ito's palette without its yellow, which is too light for a line: told apart by readers with any colour vision.
_OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = "osD^vP*X"
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)))

_STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.6,
    "legend.columnspacing": 1.4,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "svg.hashsalt": "capacity",  # with the date left out, equal numbers give equal bytes
    "xtick.color": GREY,
    "xtick.labelcolor": "black",
    "ytick.color": GREY,
    "ytick.labelcolor": "black",
}


@dataclass(frozen=True)
class Setting:
    """What every figure of a study says about how its numbers were made.

    Attributes
    ----------
    data : str
        Name of the data set.
    samples : int
        Training examples N.
    epochs, batch : int
        Passes over the training set, and examples in a batch.
    model : str
        What was trained and how, for people: "sigmoid MLP, SGD".
    metric : {"top1", "top5"}
        Which training error.
    """

    data: str
    samples: int
    epochs: int
    batch: int
    model: str
    metric: str = "top1"


def look() -> Any:
    """Return a context in which matplotlib draws in this package's style, whatever the user's settings are."""
    return matplotlib.style.context(["default", _STYLE])


def new_figure(headline: str, setting: Setting, curves: Sequence[CapacityCurve], size: tuple[float, float]) -> Figure:
    """Return an empty figure of `size` (inches) with its title: the headline, then how the numbers were made."""
    return titled_figure(headline, (_what(setting, curves), _which(curves)), size)


def titled_figure(headline: str, lines: tuple[str, str], size: tuple[float, float]) -> Figure:
    """Return an empty figure of `size` (inches) with a headline and two lighter lines below it."""
    figure = Figure(figsize=size, dpi=DPI)
    # The layout makes room for the headline only, so it brings the room of the two lighter lines along. Inches.
    figure.suptitle(f"{headline}\n\n", x=_LEFT, ha="left", fontsize=11.5, fontweight="bold")
    for text, below_top in zip(lines, (0.28, 0.445), strict=True):
        figure.text(_LEFT, 1 - below_top / size[1], text, va="top", fontsize=8.5, color=GREY)
    return figure


def _what(setting: Setting, curves: Sequence[CapacityCurve]) -> str:
    layers = f", {depth_name(curves[0].depth)}" if len(curves) == 1 else ""
    return (
        f"{setting.samples:,} training examples; {setting.model}{layers}; "
        f"{setting.epochs:,} epoch{'s' * (setting.epochs > 1)}, batch {setting.batch:,}"
    )


def _which(curves: Sequence[CapacityCurve]) -> str:
    groups = [runs for curve in curves for point in curve.points for runs in point.candidates]
    lrs, seeds = sorted({runs.lr for runs in groups}), seed_count(curves)
    missing = sum(runs.missing for runs in groups)
    total = missing + sum(len(runs.errors) for runs in groups)
    return "; ".join(
        [
            f"best of learning rates {', '.join(f'{lr:g}' for lr in lrs)}"
            if len(lrs) > 1
            else f"learning rate {lrs[0]:g}",
            f"median of {seeds} seeds" if seeds > 1 else "one seed",
            *([f"INCOMPLETE: {missing:,} of {total:,} runs have not finished"] if missing else []),
        ]
    )


def seed_count(curves: Sequence[CapacityCurve]) -> int:
    """Return how many seeds the study asked for."""
    groups = (runs for curve in curves for point in curve.points for runs in point.candidates)
    return max(len(runs.errors) + runs.missing for runs in groups)


def depth_name(depth: int) -> str:
    """Return "1 hidden layer", "3 hidden layers"."""
    return f"{depth} hidden layer{'s' * (depth > 1)}"


def depth_colors(depths: Sequence[int]) -> dict[int, Any]:
    """Return a colour for every depth: a few distinct ones, or a sequence when there are many."""
    if len(depths) <= len(_OKABE_ITO):
        return dict(zip(depths, _OKABE_ITO, strict=False))
    return sequence_colors(depths)


def sequence_colors(values: Sequence[int]) -> dict[int, Any]:
    """Return colours from dark to light in the order of `values`, short of the yellow end of viridis."""
    last = max(len(values) - 1, 1)
    return {value: mpl.colormaps["viridis"](0.9 * i / last) for i, value in enumerate(values)}


def markers(lrs: Iterable[float]) -> dict[float, str]:
    """Return a marker for every learning rate, the largest first."""
    return {lr: _MARKERS[i % len(_MARKERS)] for i, lr in enumerate(sorted(lrs, reverse=True))}


def dashes(lrs: Iterable[float]) -> dict[float, Any]:
    """Return a line style for every learning rate, the largest solid."""
    return {lr: _DASHES[i % len(_DASHES)] for i, lr in enumerate(sorted(lrs, reverse=True))}


def render(figure: Figure, kind: str) -> bytes:
    """Return a figure as the bytes of a file.

    Parameters
    ----------
    figure : matplotlib Figure
        One that this package made.
    kind : {"png", "svg"}
        PNG at 200 dots per inch, or SVG; equal figures give equal SVG bytes.

    Returns
    -------
    bytes
    """
    buffer = io.BytesIO()
    with look():
        figure.savefig(buffer, format=kind, dpi=DPI, metadata={"Date": None} if kind == "svg" else None)
    return buffer.getvalue()
