"""The page and the figure of `python -m bench emc-truths`, made from its results."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.cover import separation_probability
from bench.machine import ROOT
from bench.readme import rewritten
from bench.table import line, rule

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAGE = ROOT / "docs" / "emc-truths.md"
FIGURE = ROOT / "docs" / "emc-cover.png"
_TRAINED, _PROGRAM, _LAW = "#0072B2", "#D55E00", "#5f5f5f"

Results = Mapping[str, Any]
Row = Mapping[str, Any]


def publish(results: Results, path: Path) -> None:
    """Draw the figure of the results in a file, and put their tables into the page."""
    from capacity.plots.style import render

    FIGURE.write_bytes(render(figure(results), "png"))
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8"), section(results, path)), encoding="utf-8")
    print(f"written: {FIGURE}, {PAGE}")


def section(results: Results, path: Path) -> str:
    """Return what the page says of the results in a file."""
    machine = results["machine"]
    origin = (
        f"{results['samples']} samples for each D and n, {results['steps']:,} steps; measured {results['date']} in "
        f"{results['seconds'] / 60:.1f} minutes on {machine['processor']}, {machine['cores']} cores "
        f"([numbers](../{path.relative_to(ROOT).as_posix()}))."
    )
    tables = (shares_table(results), studies_table(results["studies"]), ways_table(results["ways"]))
    picture = "![How often a linear classifier fits n random examples, and Cover's function](emc-cover.png)"
    return "\n\n".join([origin, picture, *tables, sets_table(results["sets"])])


def shares_table(results: Results) -> str:
    """Return a row for every D: what became of the single samples, over all n."""
    patience = results["patience"] * results["steps"]
    head = [
        "D", "sizes n", "samples", "separable", f"fitted in {results['steps']:,} steps",
        f"separable, fitted in {patience:,}", "fitted, not separable", "sizes whose interval holds Cover's function",
    ]  # fmt: skip
    lines = [line(head), rule(len(head))]
    for D, rows in _by_inputs(results["shares"]).items():
        counts = (
            sum(row[name] for row in rows) for name in ("samples", "separable", "fitted", "patient", "impossible")
        )
        sizes = f"{min(row['n'] for row in rows)} to {max(row['n'] for row in rows)}"
        inside = f"{sum(row['inside'] for row in rows)} of {len(rows)}"
        lines.append(line([f"{D}", sizes, *(f"{count:,}" for count in counts), inside]))
    return "\n".join(lines)


def studies_table(studies: Sequence[Row]) -> str:
    """Return a row for every D: what `capacity emc` has found."""
    head = [
        "D", "2 (D + 1)", "fitted half of the time (95 %)", "mean EMC ± s.e.", "s.e. after Cover",
        "seeds whose EMC is the largest separable sample", "their failures certified at a minimum",
        "other seeds", "their failures certified out of budget",
    ]  # fmt: skip
    lines = [line(head), rule(len(head))]
    for row in studies:
        right = Counter(zip(np.equal(row["prefix"], row["emc"]).tolist(), row["certificates"], strict=True))
        seeds, reached = len(row["emc"]), sum(count for (whole, _), count in right.items() if whole)
        lines.append(
            line([
                f"{row['inputs']}", f"{row['expected']}",
                f"{row['n50']:.1f} ({row['n50_low']:.1f} to {row['n50_high']:.1f})",
                f"{row['mean']:.1f} ± {row['error']:.1f}", f"{math.sqrt(row['expected'] / seeds):.1f}",
                f"{reached} of {seeds}", f"{right[True, 'not_fitted_at_minimum']}",
                f"{seeds - reached}", f"{right[False, 'out_of_budget']}",
            ])
        )  # fmt: skip
    return "\n".join(lines)


def ways_table(ways: Sequence[Row]) -> str:
    """Return a row for every D and way to train: how many separable samples are fitted within so many steps."""
    budgets = [most for most, _ in ways[0]["within"]]
    head = ["training", "D", "n", "learning rate", "separable", *(f"fitted in {most:,} steps" for most in budgets)]
    lines = [line(head), rule(len(head))]
    for row in ways:
        about = (row["way"], f"{row['inputs']}", f"{row['n']}", f"{row['lr']:g}", f"{row['separable']}")
        lines.append(line([*about, *(f"{count}" for _, count in row["within"])]))
    return "\n".join(lines)


def sets_table(sets: Sequence[Row]) -> str:
    """Return a row for every small set: what EMC must be on average, what it is, and whether it is a bound."""
    head = ["data", "network", "EMC must be", "EMC", "seeds as they must be", "threshold (95 %)"]
    lines = [line(head), line(["---", "---", "---:", "---:", "---:", "---:"])]
    for row in sets:
        seeds = len(row["emc"])
        right = sum(
            emc == expected and (failed is None) == row["all_fitted"]
            for emc, expected, failed in zip(row["emc"], row["expected"], row["failed"], strict=True)
        )
        must = f"{'at least ' if row['all_fitted'] else ''}{sum(row['expected']) / seeds:.4g}"
        came = f"{'at least ' if row['at_least'] else ''}{row['mean']:.4g}"
        threshold = (
            "none" if row["n50"] is None else f"{row['n50']:.1f} ({row['n50_low']:.1f} to {row['n50_high']:.1f})"
        )
        lines.append(line([row["name"], row["network"], must, came, f"{right} of {seeds}", threshold]))
    return "\n".join(lines)


def figure(results: Results) -> Figure:
    """Draw for every D how often n examples are fitted, and can be separated, beside Cover's function."""
    from matplotlib.ticker import PercentFormatter

    from capacity.plots.style import look, titled_figure

    shares, studies = _by_inputs(results["shares"]), {row["inputs"]: row for row in results["studies"]}
    captions = (
        f"random inputs and labels, 2 classes; {results['samples']} samples for each n; Adam on the whole sample, "
        f"{results['steps']:,} steps",
        "bars hold the true probabilities, all of them at once, with 99 %; triangles: fitted half of the time after "
        "capacity emc, 95 %",
    )
    with look():
        drawn = titled_figure("How often a linear classifier fits n examples", captions, (7.6, 3.7))
        panels = drawn.subplots(1, len(shares), sharey=True, squeeze=False)[0]
        for ax, (D, rows) in zip(panels, shares.items(), strict=True):
            _panel(ax, D, rows, studies[D])
        panels[0].set_ylabel("Share of the samples")
        panels[0].yaxis.set_major_formatter(PercentFormatter(1))
        drawn.legend(*panels[0].get_legend_handles_labels(), loc="outside lower left", ncols=4)
    return drawn


def _panel(ax: Axes, D: int, rows: Sequence[Row], study: Row) -> None:
    from capacity.plots.style import GREY

    n, fitted = [row["n"] for row in rows], [row["fitted"] / row["samples"] for row in rows]
    reach = range(max(n) + D // 3 + 1)[1:]
    ax.plot(reach, [separation_probability(m, D + 1) for m in reach], color=_LAW, label="Cover 1965", gid="cover")
    bars = [
        [at - row["low"] for at, row in zip(fitted, rows, strict=True)],
        [row["high"] - at for at, row in zip(fitted, rows, strict=True)],
    ]
    ax.errorbar(n, fitted, bars, color=_TRAINED, linestyle="none", marker="o", markersize=4, capsize=2, label="fitted")
    separable = [row["separable"] / row["samples"] for row in rows]
    ax.plot(n, separable, "+", color=_PROGRAM, markersize=7, label="separable, by linear program", gid="separable")
    ends = [[study["n50"] - study["n50_low"]], [study["n50_high"] - study["n50"]]]
    label = "capacity emc"
    ax.errorbar([study["n50"]], [0.5], xerr=ends, color="#009E73", marker="^", capsize=2, linestyle="none", label=label)
    ax.axvline(2 * (D + 1), color=GREY, linewidth=0.8, linestyle=(0, (1, 2)))
    ax.set_title(f"D = {D}: one half at n = {2 * (D + 1)}")
    ax.set_xlabel("Examples n")


def _by_inputs(rows: Sequence[Row]) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = {}
    for row in rows:
        found.setdefault(row["inputs"], []).append(row)
    return found
