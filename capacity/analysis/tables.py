"""The numbers behind the figures as rows with plain values, for CSV files, JSON and tables on a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from capacity.analysis.curve import CapacityCurve
from capacity.analysis.learning import LearningCurve
from capacity.analysis.roi import ReturnOnInvestment
from capacity.analysis.runs import Runs


def capacity_table(curves: Iterable[CapacityCurve]) -> list[dict[str, Any]]:
    """Return one row for every depth, width and learning rate; `chosen` marks the learning rate of the curve.

    Errors are fractions: the median over the finished runs (diverged ones count as infinite), and the smallest and
    largest among those that did not diverge. `runs` counts all finished runs, diverged ones included.
    """
    return [
        {"depth": curve.depth, "width": point.width, "lr": runs.lr, "chosen": runs is point.chosen, **_errors(runs)}
        for curve in curves
        for point in curve.points
        for runs in point.candidates
    ]


def _errors(runs: Runs) -> dict[str, Any]:
    return {
        "train_error": runs.median,
        "train_error_min": runs.low,
        "train_error_max": runs.high,
        "test_error": runs.test_median,
        "runs": len(runs.errors),
        "diverged": runs.diverged,
        "missing": runs.missing,
    }


def roi_table(returns: Iterable[ReturnOnInvestment]) -> list[dict[str, Any]]:
    """Return one row for every step between neighbouring widths.

    `roi` is a fraction of the training set per added hidden unit, `examples_per_unit` the same times N; `low` and
    `high` bound the latter, with the coverage `confidence`, and are None when fewer than two seeds stand behind them.
    """
    table = []
    for roi in returns:
        for step in roi.steps:
            interval = step.examples_interval
            table.append(
                {
                    "depth": step.depth,
                    "width_from": step.width_from,
                    "width_to": step.width_to,
                    "units_added": step.units,
                    "roi": step.value,
                    "examples_per_unit": step.examples,
                    "low": interval.low if interval else None,
                    "high": interval.high if interval else None,
                    "confidence": interval.confidence if interval else None,
                    "seeds": interval.runs if interval else None,
                    "reference": roi.reference,
                    "verdict": step.verdict,
                }
            )
    return table


def learning_table(curves: Iterable[LearningCurve]) -> list[dict[str, Any]]:
    """Return one row for every depth, width and epoch at the chosen learning rate; errors are fractions."""
    return [
        {
            "depth": curve.runs.depth,
            "width": curve.runs.width,
            "lr": curve.runs.lr,
            "epoch": epoch,
            "train_error": float(curve.median[epoch]),
            "train_error_min": float(curve.low[epoch]),
            "train_error_max": float(curve.high[epoch]),
            "runs": len(curve.runs.errors),
        }
        for curve in curves
        for epoch in range(len(curve.median))
    ]
