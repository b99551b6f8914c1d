"""The study in one line: where, if anywhere, added width stops paying, and how far the seeds allow to say so."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from capacity.analysis.curve import CapacityCurve, CurvePoint
from capacity.analysis.interval import Interval
from capacity.analysis.roi import Return, ReturnOnInvestment
from capacity.analysis.runs import METRICS
from capacity.analysis.words import number

_PER_UNIT = "per added hidden unit"


def conclusion(curves: Sequence[CapacityCurve], returns: Sequence[ReturnOnInvestment]) -> str:
    """Say in one line whether the last step in width still pays more than one training example per added unit.

    Parameters
    ----------
    curves : sequence of CapacityCurve
        One per depth.
    returns : sequence of ReturnOnInvestment
        The same depths in the same order.

    Returns
    -------
    str
        Names where the returns fall below the reference, or that they never do in the range, or the width at which the
        error reached zero, or that the spread over the seeds leaves it open; then what diverged or is unfinished.
    """
    lines = []
    for curve, roi in zip(curves, returns, strict=True):
        depth = f"With {curve.depth} hidden layer{'s' * (curve.depth > 1)}: " if len(curves) > 1 else ""
        lines.append(depth + _one_depth(curve, roi))
    return " ".join([*lines, *_diverged(curves), *_missing(curves)])


def _one_depth(curve: CapacityCurve, roi: ReturnOnInvestment) -> str:
    name = f"{METRICS[curve.metric]} training error"
    measured = curve.measured
    steps = [step for step in roi.steps if step.verdict != "unknown"]
    zero = _zero_from(measured)
    if zero is not None:
        return _reached_zero(name, zero, [step for step in steps if step.width_to <= zero.width])
    if steps:
        return _last_step(steps)
    if measured:
        return f"No two neighbouring widths have a {name} yet, so there is no return to speak of."
    return f"No width has a {name} yet."


def _zero_from(points: Sequence[CurvePoint]) -> CurvePoint | None:
    """Return the smallest width from which on every median error is zero."""
    trailing = list(itertools.takewhile(lambda point: point.error == 0, reversed(points)))
    return trailing[-1] if trailing else None


def _below_from(steps: Sequence[Return]) -> Return | None:
    """Return the step from which on every return is below the reference."""
    trailing = list(itertools.takewhile(lambda step: step.verdict == "below", reversed(steps)))
    return trailing[-1] if trailing else None


def _reached_zero(name: str, zero: CurvePoint, steps: Sequence[Return]) -> str:
    seeds = len(zero.chosen.errors)
    reached = (
        f"The {name} reaches zero at width {zero.width} ({f'median of {seeds} seeds' if seeds > 1 else 'one seed'}), "
        "so wider networks have nothing left to gain here"
    )
    if not steps:
        return f"{reached}."
    below = _below_from(steps)
    if below is not None:
        return f"{reached}; returns were below one training example {_PER_UNIT} from width {below.width_from} on."
    if all(step.verdict == "pays" for step in steps):
        return f"{reached}; up to there every step returned at least one training example {_PER_UNIT}."
    return f"{reached}; the last step up to there, {_step(steps[-1])}, returned {_amount(steps[-1])}."


def _last_step(steps: Sequence[Return]) -> str:
    last, below = steps[-1], _below_from(steps)
    if below is not None:
        first = "" if below is last else f"the step {_step(below)} returns {_bare(below)}, "
        left = ""
        if last.error_from * last.samples < last.units:
            left = f"; only {number(last.error_from * last.samples)} were still wrong at width {last.width_from}"
        return (
            f"Returns fall below the reference of one training example {_PER_UNIT} from width {below.width_from} on: "
            f"{first}the last, {_step(last)}, returns {_bare(last)}{left}."
        )
    if last.verdict == "unclear":
        return (
            "The seeds leave open whether added width still pays: "
            f"the last step, {_step(last)}, returns {_amount(last)}, and the reference is 1."
        )
    weak = [step for step in steps if step.verdict != "pays"]
    if weak:
        return (
            f"Added width pays at the last step, {_step(last)}, which returns {_amount(last)} (the reference is 1), "
            f"although the step {_step(weak[-1])} does not clearly pay."
        )
    return (
        f"Added width pays throughout this range: the last step, {_step(last)}, still returns {_amount(last)}, "
        "and the reference is 1."
    )


def _step(step: Return) -> str:
    return f"{step.width_from} to {step.width_to}"


def _amount(step: Return) -> str:
    return f"{number(step.examples)} training examples {_PER_UNIT} ({_interval(step.examples_interval)})"


def _bare(step: Return) -> str:
    return f"{number(step.examples)} ({_interval(step.examples_interval)})"


def _interval(interval: Interval | None) -> str:
    if interval is None:
        return "no interval: fewer than two seeds"
    ends = f"{number(interval.low)} to {number(interval.high)}"
    return f"{100 * interval.confidence:.0f}% interval {ends}, {interval.runs} seeds"


def _diverged(curves: Sequence[CapacityCurve]) -> list[str]:
    points = [point for curve in curves for point in curve.points]
    runs, chosen = sum(point.diverged for point in points), sum(point.chosen.diverged for point in points)
    if not runs:
        return []
    lost = sorted({point.width for point in points if math.isinf(point.error)})
    widths = f"; no error can be given for width {', '.join(map(str, lost))}" if lost else ""
    return [f"{runs} run{'s' * (runs > 1)} diverged, {chosen or 'none'} of them at a chosen learning rate{widths}."]


def _missing(curves: Sequence[CapacityCurve]) -> list[str]:
    groups = [runs for curve in curves for point in curve.points for runs in point.candidates]
    missing = sum(runs.missing for runs in groups)
    total = missing + sum(len(runs.errors) for runs in groups)
    return [f"{missing} of {total} trials are unfinished, so this may change."] if missing else []
