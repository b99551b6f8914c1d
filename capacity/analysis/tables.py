"""The numbers behind the figures as rows with plain values, for CSV files, JSON and tables on a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

from capacity.analysis.curve import CapacityCurve
from capacity.analysis.learning import LearningCurve
from capacity.analysis.roi import ReturnOnInvestment


class CapacityRow(TypedDict):
    """One depth, width and learning rate. Errors are fractions.

    `train_error` is the median over the finished runs, a diverged one counting as infinite; `train_error_min` and
    `train_error_max` are the smallest and largest of those that did not diverge. `runs` counts all finished runs,
    `diverged` ones included; `chosen` marks the learning rate that the capacity curve takes.
    """

    depth: int
    width: int
    lr: float
    chosen: bool
    train_error: float
    train_error_min: float
    train_error_max: float
    test_error: float
    runs: int
    diverged: int
    missing: int


class ReturnRow(TypedDict):
    """One step between neighbouring widths.

    `roi` is the fraction of the training set fitted per added hidden unit, `reference` is 1/N of the same unit, and
    `examples_per_unit` is `roi` times N. `low` and `high` bound `examples_per_unit` with the coverage `confidence`;
    they are None when fewer than two `seeds` stand behind them.
    """

    depth: int
    width_from: int
    width_to: int
    units_added: int
    roi: float
    reference: float
    examples_per_unit: float
    low: float | None
    high: float | None
    confidence: float | None
    seeds: int | None
    verdict: str


class LearningRow(TypedDict):
    """One depth, width and epoch at the chosen learning rate; errors as in `CapacityRow`."""

    depth: int
    width: int
    lr: float
    epoch: int
    train_error: float
    train_error_min: float
    train_error_max: float
    runs: int


def capacity_table(curves: Iterable[CapacityCurve]) -> list[CapacityRow]:
    """Return one row for every depth, width and learning rate."""
    return [
        CapacityRow(
            depth=runs.depth,
            width=runs.width,
            lr=runs.lr,
            chosen=runs is point.chosen,
            train_error=runs.median,
            train_error_min=runs.low,
            train_error_max=runs.high,
            test_error=runs.test_median,
            runs=len(runs.errors),
            diverged=runs.diverged,
            missing=runs.missing,
        )
        for curve in curves
        for point in curve.points
        for runs in point.candidates
    ]


def roi_table(returns: Iterable[ReturnOnInvestment]) -> list[ReturnRow]:
    """Return one row for every step between neighbouring widths."""
    return [
        ReturnRow(
            depth=step.depth,
            width_from=step.width_from,
            width_to=step.width_to,
            units_added=step.units,
            roi=step.value,
            reference=roi.reference,
            examples_per_unit=step.examples,
            low=interval.low if interval else None,
            high=interval.high if interval else None,
            confidence=interval.confidence if interval else None,
            seeds=interval.runs if interval else None,
            verdict=step.verdict,
        )
        for roi in returns
        for step in roi.steps
        for interval in [step.examples_interval]
    ]


def learning_table(curves: Iterable[LearningCurve]) -> list[LearningRow]:
    """Return one row for every depth, width and epoch."""
    return [
        LearningRow(
            depth=curve.runs.depth,
            width=curve.runs.width,
            lr=curve.runs.lr,
            epoch=epoch,
            train_error=float(curve.median[epoch]),
            train_error_min=float(curve.low[epoch]),
            train_error_max=float(curve.high[epoch]),
            runs=len(curve.runs.errors),
        )
        for curve in curves
        for epoch in range(len(curve.median))
    ]
