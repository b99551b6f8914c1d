"""Training error against width, each width with its best learning rate (Dauphin & Bengio 2013, section 2, figure 1)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from capacity.analysis.runs import Runs, group_runs


@dataclass(frozen=True)
class CurvePoint:
    """One width of a capacity curve.

    Attributes
    ----------
    chosen : Runs
        The runs with the chosen learning rate.
    candidates : tuple of Runs
        The runs with every learning rate, the chosen one among them, by ascending learning rate.
    """

    chosen: Runs
    candidates: tuple[Runs, ...]

    @property
    def width(self) -> int:
        """Hidden units per layer."""
        return self.chosen.width

    @property
    def error(self) -> float:
        """Median final training error at the chosen learning rate, a fraction.

        NaN when no run of this width has finished; infinite when half or more of the runs diverged at every
        learning rate.
        """
        return self.chosen.median

    @property
    def missing(self) -> int:
        """Unfinished runs of this width, all learning rates; while there are any, the choice may still change."""
        return sum(runs.missing for runs in self.candidates)

    @property
    def diverged(self) -> int:
        """Diverged runs of this width, all learning rates."""
        return sum(runs.diverged for runs in self.candidates)


@dataclass(frozen=True)
class CapacityCurve:
    """Training error against width at one depth.

    Attributes
    ----------
    depth : int
        Hidden layers.
    metric : {"top1", "top5"}
        Which training error.
    points : tuple of CurvePoint
        By ascending width.
    """

    depth: int
    metric: str
    points: tuple[CurvePoint, ...]

    @property
    def measured(self) -> tuple[CurvePoint, ...]:
        """The points that have a finite error."""
        return tuple(point for point in self.points if math.isfinite(point.error))


def select_lr(rows: Iterable[Mapping[str, Any]], metric: str = "top1") -> dict[tuple[int, int], Runs]:
    """Choose the learning rate of every (depth, width) on the final training error.

    The paper chooses on the training error because the question is optimisation, not generalisation (section 2). It
    has one run per setting; over several seeds the median decides here. A diverged run counts as infinitely bad,
    and of equal medians the larger learning rate is taken. Unfinished runs have no say.

    Parameters
    ----------
    rows : iterable of mapping
        As for `group_runs`.
    metric : {"top1", "top5"}
        Which training error decides.

    Returns
    -------
    dict
        From (depth, width) to the runs with the chosen learning rate.
    """
    return {(c.depth, p.width): p.chosen for c in capacity_curves(rows, metric) for p in c.points}


def capacity_curves(rows: Iterable[Mapping[str, Any]], metric: str = "top1") -> tuple[CapacityCurve, ...]:
    """Return the capacity curve of every depth, by ascending depth.

    Parameters
    ----------
    rows : iterable of mapping
        As for `group_runs`.
    metric : {"top1", "top5"}
        Which training error is drawn and decides the learning rate, see `select_lr`.

    Returns
    -------
    tuple of CapacityCurve
    """
    shapes: dict[int, dict[int, list[Runs]]] = {}
    for runs in group_runs(rows, metric):
        shapes.setdefault(runs.depth, {}).setdefault(runs.width, []).append(runs)
    return tuple(
        CapacityCurve(depth, metric, tuple(CurvePoint(_best(found), tuple(found)) for found in widths.values()))
        for depth, widths in shapes.items()
    )


def _best(candidates: Sequence[Runs]) -> Runs:
    return min(candidates, key=lambda runs: (not runs.errors, runs.median if runs.errors else 0.0, -runs.lr))
