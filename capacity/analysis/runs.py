"""The rows of a study, grouped: the runs of one network shape with one learning rate, one per seed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from capacity.errors import InputError, did_you_mean

METRICS = {"top1": "top-1", "top5": "top-5"}
"""Which training error is looked at, and its name for people."""


@dataclass(frozen=True)
class Runs:
    """The runs of one network shape with one learning rate.

    A run that diverged is kept as an infinite error: it counts as infinitely bad in every median, and is counted.

    Attributes
    ----------
    depth, width : int
        Hidden layers, and hidden units in each.
    lr : float
        Learning rate.
    seeds : tuple of int
        Seeds of the finished runs, ascending.
    errors : tuple of float
        Final training error of each finished run, a fraction of the training examples; infinite where it diverged.
    test_errors : tuple of float
        Final test error of each finished run, a fraction; NaN without a test split and where the run diverged.
    keys : tuple of str
        Trial key of each finished run.
    missing : int
        Runs that were asked for and have not finished.
    """

    depth: int
    width: int
    lr: float
    seeds: tuple[int, ...]
    errors: tuple[float, ...]
    test_errors: tuple[float, ...]
    keys: tuple[str, ...]
    missing: int

    @property
    def median(self) -> float:
        """Median error over all finished runs: infinite when half or more diverged, NaN when none has finished."""
        return statistics.median(self.errors) if self.errors else math.nan

    @property
    def low(self) -> float:
        """Smallest error among the runs that did not diverge; NaN when there is none."""
        return min(self._finite(), default=math.nan)

    @property
    def high(self) -> float:
        """Largest error among the runs that did not diverge; NaN when there is none."""
        return max(self._finite(), default=math.nan)

    @property
    def diverged(self) -> int:
        """How many of the finished runs diverged."""
        return len(self.errors) - len(self._finite())

    @property
    def test_median(self) -> float:
        """Median test error over the runs that did not diverge; NaN without a test split."""
        return statistics.median([e for e in self.test_errors if not math.isnan(e)] or [math.nan])

    def _finite(self) -> list[float]:
        return [error for error in self.errors if math.isfinite(error)]


def group_runs(rows: Iterable[Mapping[str, Any]], metric: str = "top1") -> tuple[Runs, ...]:
    """Group a study's rows by depth, width and learning rate.

    Parameters
    ----------
    rows : iterable of mapping
        One per trial, as `Study.rows()` gives them: `depth`, `width`, `lr`, `seed`, `key`, `state`, `outcome`,
        `train_<metric>` and, where there is a test split, `test_<metric>`. Rows whose state is not `done` are counted
        as missing and their numbers left alone.
    metric : {"top1", "top5"}
        Which error to take.

    Returns
    -------
    tuple of Runs
        Sorted by depth, width, learning rate.

    Raises
    ------
    InputError
        Unknown metric, or a finished run without that error (top-5 error with five classes or fewer).
    """
    if metric not in METRICS:
        raise InputError(f"unknown metric {metric!r}{did_you_mean(metric, METRICS)}")
    groups: dict[tuple[int, int, float], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["depth"], row["width"], row["lr"]), []).append(row)
    return tuple(_runs(*shape, groups[shape], metric) for shape in sorted(groups))


def _runs(depth: int, width: int, lr: float, rows: list[Mapping[str, Any]], metric: str) -> Runs:
    done = sorted((row for row in rows if row["state"] == "done"), key=lambda row: int(row["seed"]))
    return Runs(
        depth=depth,
        width=width,
        lr=lr,
        seeds=tuple(row["seed"] for row in done),
        errors=tuple(_error(row, metric) for row in done),
        test_errors=tuple(_test_error(row, metric) for row in done),
        keys=tuple(row["key"] for row in done),
        missing=len(rows) - len(done),
    )


def _error(row: Mapping[str, Any], metric: str) -> float:
    if row["outcome"] == "diverged":
        return math.inf
    error = row[f"train_{metric}"]
    if error is None or math.isnan(error):
        raise InputError(
            f"trial {row['key']} has no {METRICS[metric]} training error (top-5 error needs more than five classes); "
            "choose metric 'top1'"
        )
    return float(error)


def _test_error(row: Mapping[str, Any], metric: str) -> float:
    error = row.get(f"test_{metric}")
    return math.nan if error is None or row["outcome"] == "diverged" else float(error)
