"""Return on investment: what each added hidden unit takes off the training error (Dauphin & Bengio 2013, figure 2)."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

from capacity.analysis.curve import CapacityCurve, CurvePoint
from capacity.analysis.interval import Interval, median_interval
from capacity.errors import InputError

_ROUNDING = 1e-9  # errors are multiples of 1/N kept as floats: one example per unit may read 0.9999999999


@dataclass(frozen=True)
class Return:
    """The return on one step from a width to the next.

    Attributes
    ----------
    depth : int
        Hidden layers.
    width_from, width_to : int
        Hidden units per layer before and after.
    samples : int
        Training examples N.
    error_from, error_to : float
        Median training error before and after, fractions.
    value : float
        Reduction of training error (a fraction) per added hidden unit; NaN unless both errors are finite.
    interval : Interval or None
        In the unit of `value`, from the seeds that both widths share; None with fewer than two of them.
    """

    depth: int
    width_from: int
    width_to: int
    samples: int
    error_from: float
    error_to: float
    value: float
    interval: Interval | None

    @property
    def units(self) -> int:
        """Hidden units added, all layers together."""
        return self.depth * (self.width_to - self.width_from)

    @property
    def examples(self) -> float:
        """Training examples newly fitted per added hidden unit; the reference is 1."""
        return self.value * self.samples

    @property
    def examples_interval(self) -> Interval | None:
        """`interval` in training examples per added hidden unit."""
        if self.interval is None:
            return None
        return replace(self.interval, low=self.interval.low * self.samples, high=self.interval.high * self.samples)

    @property
    def verdict(self) -> str:
        """Against one training example per unit: `pays`, `below`, `unclear` (the interval holds both), `unknown`."""
        if math.isnan(self.value):
            return "unknown"
        interval = self.examples_interval
        low, high = (interval.low, interval.high) if interval else (self.examples, self.examples)
        if low >= 1 - _ROUNDING:
            return "pays"
        return "below" if high < 1 - _ROUNDING else "unclear"


@dataclass(frozen=True)
class ReturnOnInvestment:
    """The returns of one depth, by ascending width.

    Attributes
    ----------
    depth : int
        Hidden layers.
    samples : int
        Training examples N.
    steps : tuple of Return
        One for each pair of neighbouring widths.
    """

    depth: int
    samples: int
    steps: tuple[Return, ...]

    @property
    def reference(self) -> float:
        """One training example per added unit, as a fraction of the training set: 1/N.

        A unit could be spent on a template of a single wrong example, so less than this is a poor use of it. The text
        at hand has no such line; a later version of the paper is said to have one, and this is our reading of it.
        """
        return 1.0 / self.samples


def return_on_investment(curve: CapacityCurve, samples: int) -> ReturnOnInvestment:
    """Return the finite differences -(e2 - e1) / (h2 - h1) of a capacity curve.

    Here e is the median training error and h the number of hidden units of all layers, so that the reference means
    the same at every depth; with one hidden layer h is the width, as in the paper. The interval comes from the
    differences seed by seed (runs of one seed see the same order of examples): see `median_interval`. Seeds of which
    either run diverged or is missing are left out of the interval; the count that stays is in it.

    Parameters
    ----------
    curve : CapacityCurve
        Neighbouring points are paired; a point without a finite error gives steps without a value.
    samples : int
        Training examples N.

    Returns
    -------
    ReturnOnInvestment

    Raises
    ------
    InputError
        `samples` is not positive.
    """
    if samples < 1:
        raise InputError(f"samples must be at least 1, got {samples}")
    steps = tuple(_step(curve.depth, first, second, samples) for first, second in itertools.pairwise(curve.points))
    return ReturnOnInvestment(curve.depth, samples, steps)


def _step(depth: int, first: CurvePoint, second: CurvePoint, samples: int) -> Return:
    units = depth * (second.width - first.width)
    known = math.isfinite(first.error) and math.isfinite(second.error)
    value = (first.error - second.error) / units if known else math.nan
    after = dict(zip(second.chosen.seeds, second.chosen.errors, strict=True))
    before = zip(first.chosen.seeds, first.chosen.errors, strict=True)
    paired = [(error - after[seed]) / units for seed, error in before if seed in after]
    interval = median_interval([x for x in paired if math.isfinite(x)]) if known else None
    if interval is not None:
        # The difference of two medians need not be the median difference: never draw a value outside its interval.
        interval = replace(interval, low=min(interval.low, value), high=max(interval.high, value))
    return Return(depth, first.width, second.width, samples, first.error, second.error, value, interval)
