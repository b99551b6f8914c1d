"""The runs of a study of convergence as lines: halting time against size, with all else fixed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from capacity.analysis import HaltingCurve, Spread

Row = dict[str, Any]
HALTED = ("converged", "step_limit")
"""Outcomes of runs that have a halting time, or a lower bound of it."""
ASPECTS = ("data", "rule", "layers")
"""What may tell lines from each other: the part of the data, the optimizer with its learning rate, the depth."""
_RULES = {"sgd": "SGD", "momentum": "SGD with momentum", "adam": "Adam", "adamw": "AdamW", "shampoo": "Shampoo"}


@dataclass(frozen=True, eq=False)
class Line:
    """Runs that differ in width and seed only.

    Attributes
    ----------
    data, rule, layers : str
        What is fixed, for people.
    samples : int
        n, the training examples of each run.
    rows : tuple of dict
        One a trial, as :meth:`Study.rows` gives them.
    """

    data: str
    rule: str
    layers: str
    samples: int
    rows: tuple[Row, ...]

    @property
    def halted(self) -> list[Row]:
        """The runs that have a halting time, or a lower bound of it."""
        return [row for row in self.rows if row["outcome"] in HALTED]

    def name(self, aspects: Iterable[str] = ASPECTS) -> str:
        """Return what is fixed, as far as it is among `aspects`."""
        return ", ".join(getattr(self, aspect) for aspect in aspects)

    def curve(self, name: str, *, smoothed: bool = False) -> HaltingCurve:
        """Return the halting times, of the curves as they are or of the smoothed ones, with their fit."""
        from capacity.analysis import halting_curve

        step, outcome = ("smoothed_step", "smoothed_outcome") if smoothed else ("halting_step", "outcome")
        # A run that is smoothed from a curve that diverged late has an outcome of its own.
        runs = [row for row in self.rows if row["state"] == "done" and row[outcome] in HALTED]
        return halting_curve(
            name,
            [row["parameters"] for row in runs],
            # A bound of 0 steps says as much as one of the first validation: the run had not stalled.
            [max(row[step], row["validate_every"]) for row in runs],
            [row["seed"] for row in runs],
            censored=[row[outcome] == "step_limit" for row in runs],
        )

    def spread(self, group: str, column: str) -> Spread:
        """Return a column of the runs that came to their end, by width and seed; a panel of a figure named `group`."""
        import numpy as np

        from capacity.analysis import Spread

        rows = [row for row in self.rows if row["outcome"] == "converged"]
        return Spread(
            group,
            np.array([row["width"] for row in rows], np.intp),
            np.array([row["seed"] for row in rows], np.intp),
            np.array([row[column] for row in rows], np.float64),
        )


def lines_of(rows: Iterable[Row], samples: int) -> list[Line]:
    """Return the lines of a study, in the order of its grid; `samples` is N."""
    found: dict[tuple[int, str, float, int], list[Row]] = {}
    for row in rows:
        found.setdefault((row["depth"], row["optimizer"], row["lr"], row["samples"]), []).append(row)
    return [
        Line(
            data=f"{'all data' if n == samples else f'{100 * n / samples:.3g}% of the data'} ({n:,} examples)",
            rule=f"{_RULES[optimizer]}, learning rate {lr:g}",
            layers=f"{depth} hidden layer{'s' * (depth > 1)}",
            samples=n,
            rows=tuple(members),
        )
        for (depth, optimizer, lr, n), members in found.items()
    ]


def varying(lines: Sequence[Line]) -> list[str]:
    """Return the aspects in which the lines differ; the part of the data when they are one."""
    return [aspect for aspect in ASPECTS if len({getattr(line, aspect) for line in lines}) > 1] or ["data"]


def reference(lines: Sequence[Line]) -> Line:
    """Return the line that figures start from: the first rule and depth of the grid, with most data."""
    first = lines[0]
    alike = [line for line in lines if (line.rule, line.layers) == (first.rule, first.layers)]
    return max(alike, key=lambda line: line.samples)


def along(lines: Sequence[Line], aspect: str) -> list[Line]:
    """Return the lines that differ from the reference in one aspect at most, the reference included."""
    start = reference(lines)
    others = [other for other in ASPECTS if other != aspect]
    return [line for line in lines if line.name(others) == start.name(others)]
