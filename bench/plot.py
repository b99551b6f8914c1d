"""The plot of the results: time of a step against its arithmetic, all peers and the floor."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from bench.cases import STEPS
from bench.peers import JAX, OURS, OURS_BF16, PYTORCH, SKLEARN
from capacity.plots.style import DPI, GREY, look, render

LOOKS = {  # the colours of capacity's figures, after Okabe & Ito
    OURS: ("#0072B2", "o"),
    OURS_BF16: ("#56B4E9", "s"),
    PYTORCH: ("#D55E00", "D"),
    JAX: ("#009E73", "^"),
    SKLEARN: ("#CC79A7", "v"),
}


def svg(results: dict[str, Any]) -> bytes:
    """Return the plot of the table of steps as an SVG file."""
    rows = [row for row in results["rows"] if row["measurement"] == STEPS]
    with look():
        figure = Figure(figsize=(7.0, 4.4), dpi=DPI)
        ax = figure.add_subplot()
        floors = [(row["flop"], row["floor_us"][OURS]) for row in rows if OURS in row["floor_us"]]
        if floors:
            x, y = zip(*floors, strict=True)
            ax.plot(x, y, color=GREY, linestyle=(0, (4, 2)), label="floor: float32 arithmetic at its peak")
        for name, (color, marker) in LOOKS.items():
            points = [(row["flop"], row["us"][name]) for row in rows if name in row["us"]]
            if not points:
                continue
            x, us = zip(*points, strict=True)
            median = [each["median"] for each in us]
            spread = [
                [each["median"] - each["q1"] for each in us],
                [each["q3"] - each["median"] for each in us],
            ]
            ax.errorbar(x, median, yerr=spread, color=color, marker=marker, markersize=5, capsize=2, label=name)
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.margins(x=0.08)
        ax.set_xlabel("Arithmetic of a step (FLOP)")
        ax.set_ylabel("Time of a step (µs)")
        top = ax.secondary_xaxis("top")
        top.set_xticks([row["flop"] for row in rows], [row["shape"].replace(", ", "\n") for row in rows], fontsize=7)
        top.minorticks_off()
        ax.legend()
        figure.suptitle(f"A step of SGD on one core of {results['name']}", x=0.012, ha="left", fontweight="bold")
    return render(figure, "svg")
