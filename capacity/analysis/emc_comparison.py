"""How many times one EMC is another: geometric means over matched pairs, some of which are known as bounds only."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from capacity.analysis.bootstrap import CONFIDENCE, crossed_weights, expanded_ends
from capacity.analysis.interval import Interval
from capacity.analysis.observations import FloatArray, IntArray
from capacity.analysis.threshold import SeedThreshold

FEW = 4
"""With fewer settings than this, what is said names their number."""

Bound = Literal["", "at least", "at most"]


class Ratio(NamedTuple):
    """How many times the EMC of a pair's one member is the other's: between `low` and `high`, which may be 0 and inf.

    `setting` is what the two have in common but for the seed: network, optimizer, labels, as far as they are the same.
    """

    setting: Hashable
    seed: int
    low: float
    high: float


@dataclass(frozen=True)
class MeanRatio:
    """The geometric mean of ratios.

    Attributes
    ----------
    value : float or None
        None when it is not known, see `mean_ratio`.
    bound : {'', 'at least', 'at most'}
        What `value` is: the mean, or a bound of it.
    low, high : float or None
        Ends of the `confidence` interval of the mean over settings and seeds; None for the end that the pairs say
        nothing about, and both None when there is one pair only.
    pairs, bounds : int
        Pairs that `value` is made from, and how many of these are bounds.
    left_out : int
        Pairs that it could not be made from.
    higher, lower : int
        Of all pairs those whose ratio is certainly above 1, and certainly below.
    of : tuple of Hashable
        The settings behind `pairs`.
    seeds : int
        How many seeds are.
    confidence : float
    """

    value: float | None
    bound: Bound
    low: float | None
    high: float | None
    pairs: int
    bounds: int
    left_out: int
    higher: int
    lower: int
    of: tuple[Hashable, ...]
    seeds: int
    confidence: float = CONFIDENCE

    @property
    def settings(self) -> int:
        """How many settings are behind `pairs`."""
        return len(self.of)

    def words(self, unit: str, of: str) -> str:
        """Return what was found: "1.35 times (1.2 to 1.5; 12 pairs)" for the unit "times", of "pair"."""
        if self.value is None:
            return f"not known ({self.left_out} {of}s that bounds leave open)"
        said = [f"{self.pairs} {of}{'s' * (self.pairs != 1)}"]
        said += [f"{self.bounds} of them bounds"] * (self.bounds > 0)
        said += [f"{self.left_out} more left out"] * (self.left_out > 0)
        said += [f"{self.settings} setting{'s' * (self.settings > 1)} only"] * (self.settings < FEW)
        return f"{self.short()} {unit} ({'; '.join([*self.span(), ', '.join(said)])})"

    def short(self) -> str:
        """Return the value, with what it is if it is a bound; nothing where there is none."""
        return "" if self.value is None else f"{self.bound} {times(self.value)}".lstrip()

    def span(self) -> list[str]:
        """Return the interval in words, empty where there is none."""
        if self.low is not None and self.high is not None:
            return [f"{times(self.low)} to {times(self.high)}"]
        ends = [f"{times(self.low)} or more"] if self.low is not None else []
        return ends + ([f"{times(self.high)} or less"] if self.high is not None else [])


def times(value: float) -> str:
    """Return a ratio with three digits that matter: 1.35; 0.742; 12.3; 1,230."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def emc_ratio(setting: Hashable, one: SeedThreshold, other: SeedThreshold) -> Ratio:
    """Return how many times the EMC of `one` is that of `other`, which share setting and seed.

    An EMC that is only a lower bound, because the sample ran out, lies anywhere above; that of a seed which did not
    fit the smallest sample tried, anywhere below that sample.
    """
    (low, high), (other_low, other_high) = _range(one), _range(other)
    return Ratio(setting, one.seed, low / other_high, high / other_low if other_low else math.inf)


def per_parameter(setting: Hashable, seed: SeedThreshold, parameters: int) -> Ratio:
    """Return EMC over the number of parameters P, with the same bounds as in `emc_ratio`."""
    low, high = _range(seed)
    return Ratio(setting, seed.seed, low / parameters, high / parameters)


def _range(seed: SeedThreshold) -> tuple[float, float]:
    if seed.at_least:
        return seed.emc, math.inf
    assert seed.smallest_failed is not None
    return (seed.emc, seed.emc) if seed.emc else (0.0, seed.smallest_failed)


def mean_ratio(ratios: Sequence[Ratio]) -> MeanRatio:
    """Return the geometric mean of ratios with its interval over settings and seeds.

    The mean is over the settings of which every pair is known: to drop single pairs would choose among seeds by what
    came out. Where there is no such setting and all bounds are from the same side, all pairs that are known or such
    bounds count, each bound as if the ratio were there; the result is then itself a bound ('at least', 'at most'), of
    whose interval the end on that side alone is kept. With bounds from either side it is not known. `higher` and
    `lower` count all that is certain, whatever the mean is made from.

    The interval is that of `bootstrap.crossed_weights` over settings and seeds: a seed draws the same sample for all
    settings, so its pairs are no more independent than those of a setting. It is as wide as Student's quantile for the
    fewer of the two makes it; of two settings, it hardly says more than where the two lie.

    Parameters
    ----------
    ratios : sequence of Ratio

    Returns
    -------
    MeanRatio
    """
    used, bounds, bound = _usable(ratios)
    logs = np.log([ratio.high if bound == "at most" else ratio.low for ratio in used])
    settings, seeds = _numbered([ratio.setting for ratio in used]), _numbered([ratio.seed for ratio in used])
    interval = _interval(logs, settings, seeds)
    return MeanRatio(
        value=math.exp(logs.mean()) if used else None,
        bound=bound,
        low=interval.low if interval and bound != "at most" else None,
        high=interval.high if interval and bound != "at least" else None,
        pairs=len(used),
        bounds=bounds,
        left_out=len(ratios) - len(used),
        higher=sum(ratio.low > 1 for ratio in ratios),
        lower=sum(ratio.high < 1 for ratio in ratios),
        of=tuple(dict.fromkeys(ratio.setting for ratio in used)),
        seeds=len(set(seeds)),
    )


def _usable(ratios: Sequence[Ratio]) -> tuple[list[Ratio], int, Bound]:
    """Return the ratios that a mean may be made from, how many of them are bounds, and what the mean then is."""
    partly = {ratio.setting for ratio in ratios if ratio.low < ratio.high}
    whole = [ratio for ratio in ratios if ratio.setting not in partly]
    if whole:
        return whole, 0, ""
    known = [ratio for ratio in ratios if ratio.low == ratio.high]
    at_least = [ratio for ratio in ratios if ratio.low > 0 and ratio.high == math.inf]
    at_most = [ratio for ratio in ratios if ratio.low == 0 and ratio.high < math.inf]
    if at_least and not at_most:
        return known + at_least, len(at_least), "at least"
    if at_most and not at_least:
        return known + at_most, len(at_most), "at most"
    return [], 0, ""


def _numbered(keys: Sequence[Hashable]) -> IntArray:
    """Return the place of each key among the distinct keys."""
    places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    return np.array([places[key] for key in keys], np.intp)


def _interval(logs: FloatArray, *factors: NDArray[np.intp]) -> Interval | None:
    counts = [len(np.unique(levels)) for levels in factors]
    spread = [count - 1 for count in counts if count > 1]
    if not spread:
        return None
    weights = crossed_weights(*factors)
    total = weights.sum(axis=1)
    weights, total = weights[total > 0], total[total > 0]  # a draw may hit no pair where some are missing
    low, high = expanded_ends(weights @ logs / total, min(spread))
    return Interval(math.exp(low), math.exp(high), len(logs), CONFIDENCE)
