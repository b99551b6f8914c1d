"""What may be said of a law, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from capacity.analysis.goodness import DECISIVE, MISFIT, LackOfFit
from capacity.analysis.interval import Interval
from capacity.analysis.observations import Observations
from capacity.analysis.words import number

NAMES = {
    "power": "a power law",
    "floor": "a power law with a floor",
    "constant": "no dependence on size",
    "logarithm": "a logarithmic law",
    "exponential": "an exponential law",
    "data": "no dependence on model size",
    "size": "no dependence on data size",
}
"""The laws of the comparisons, for people."""


@dataclass(frozen=True)
class Verdict:
    """A finding and its reason.

    Attributes
    ----------
    code : str
        Which finding; the function that gives the verdict lists them.
    reason : str
        One sentence for people.
    """

    code: str
    reason: str


def too_little(runs: Observations, needed: int, settings: str, interval: Interval | None) -> str | None:
    """Return why the runs cannot support any law, or None.

    Parameters
    ----------
    runs : Observations
    needed : int
        Sizes from which on a law has something left to be tested by.
    settings : str
        What the law's constants are, for the sentence.
    interval : Interval or None
        Of the exponent; None when no size has a second seed.
    """
    limited = runs.runs - runs.observed
    if 2 * limited > runs.runs:
        return f"{limited} of {runs.runs} runs hit the step limit, more than half"
    if runs.distinct < needed:
        return f"{runs.distinct} sizes leave nothing to test {settings} by; at least {needed} are needed"
    if interval is None:
        return "every size has a single seed, so the spread is unknown"
    return None


def rivals(differences: Mapping[str, float], own: tuple[str, ...]) -> str | None:
    """Return which law fits about as well as the best of our `own`, or better; None when none does."""
    best = min(differences[name] for name in own)
    others = {name: value for name, value in differences.items() if name not in own}
    name = min(others, key=lambda law: others[law])
    lead = others[name] - best
    if not math.isfinite(lead):
        return "there are too few runs to compare laws"
    if lead < DECISIVE:
        how = "as well" if lead > -DECISIVE else "better"
        return f"{NAMES[name]} fits {how} (its AICc is {number(abs(lead))} {'larger' if lead >= 0 else 'smaller'})"
    return None


def misfit(test: LackOfFit | None) -> str | None:
    """Return that the means lie off the law, or None when they do not, or cannot be told from it."""
    if test is None or test.p >= MISFIT:
        return None
    return (
        f"the means lie off the law by up to {100 * test.largest:.0f}%, more than the seeds scatter "
        f"(lack of fit, p = {max(test.p, 1e-6):.2g})"
    )


def span(interval: Interval) -> str:
    """Return an interval in words."""
    return f"{100 * interval.confidence:.0f}% interval {number(interval.low)} to {number(interval.high)}"
