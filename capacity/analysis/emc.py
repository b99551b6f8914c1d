"""Effective model complexity of networks over seeds and sizes (Shwartz-Ziv et al. 2024)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from capacity.analysis.exponent import Exponent, fit_exponent
from capacity.analysis.threshold import MeanEMC, SeedThreshold, Threshold, fit_threshold, mean_emc, seed_thresholds
from capacity.analysis.words import number
from capacity.errors import InputError


@dataclass(frozen=True)
class EmcPoint:
    """EMC of one network.

    Attributes
    ----------
    width, parameters : int
    seeds : tuple of SeedThreshold
        What the trainings of each seed say.
    mean : MeanEMC
        Over the seeds.
    threshold : Threshold or None
        P(fit | n) over the seeds; None unless some trainings fitted and some failed.
    """

    width: int
    parameters: int
    seeds: tuple[SeedThreshold, ...]
    mean: MeanEMC
    threshold: Threshold | None

    @property
    def irregular(self) -> int:
        """Seeds that fitted a larger sample than one that failed."""
        return sum(seed.non_monotone for seed in self.seeds)


@dataclass(frozen=True)
class EmcLine:
    """EMC against size with all else fixed: a line of a figure.

    Attributes
    ----------
    name : str
        What is fixed, for the legend.
    points : tuple of EmcPoint
        By size, ascending.
    exponent : Exponent or None
        The power of the number of parameters that EMC goes with, from the seeds that have a value; None when there are
        fewer than two sizes.
    reason : str
        One sentence.
    """

    name: str
    points: tuple[EmcPoint, ...]
    exponent: Exponent | None
    reason: str


def emc_point(width: int, parameters: int, runs: Sequence[tuple[int, int, bool]]) -> EmcPoint:
    """Return the EMC of a network of `parameters` parameters from its trainings, (n, seed, fitted) each."""
    seeds = seed_thresholds(runs)
    return EmcPoint(width, parameters, seeds, mean_emc(seeds), fit_threshold(runs))


def emc_line(name: str, points: Sequence[EmcPoint]) -> EmcLine:
    """Put the points of a line together and fit EMC = scale P^exponent to what is known exactly."""
    ordered = tuple(sorted(points, key=lambda point: point.parameters))
    known = [
        (point.parameters, seed.emc, seed.seed)
        for point in ordered
        for seed in point.seeds
        if seed.emc > 0 and not seed.at_least
    ]
    bounds, nothing = (sum(getattr(point.mean, name) for point in ordered) for name in ("at_least", "unfitted"))
    try:
        exponent = fit_exponent(*zip(*known, strict=True)) if known else None
    except InputError:  # too few sizes
        exponent = None
    ratios = [point.mean.value / point.parameters for point in ordered]
    low, high = number(min(ratios)), number(max(ratios))
    said = [f"{low}{'' if low == high else f' to {high}'} examples a parameter"]
    if exponent is not None and exponent.interval is not None:
        ends = exponent.interval
        said.append(f"EMC ~ P^{number(exponent.exponent)} ({number(ends.low)} to {number(ends.high)})")
    if bounds:
        said.append(f"{bounds} seed{'s' * (bounds > 1)} fitted all there is")
    if nothing:
        said.append(f"{nothing} seed{'s' * (nothing > 1)} did not fit the smallest sample")
    return EmcLine(name, ordered, exponent, "; ".join(said))


def scan_steps(steps: Mapping[tuple[int, int], int], point: EmcPoint, sizes: Sequence[int]) -> float:
    """Estimate the training steps of a scan: every size in turn, for each seed, up to the first that fails.

    Sizes that were not tried are taken to need as many steps as lies between those of the sizes next to them.

    Parameters
    ----------
    steps : mapping of (n, seed) to int
        Steps of the trainings that were run.
    point : EmcPoint
        The outcomes.
    sizes : sequence of int
        The sizes that a scan goes through.
    """
    total = 0.0
    for seed in point.seeds:
        last = math.inf if seed.smallest_failed is None else seed.smallest_failed
        known = sorted((n, count) for (n, of), count in steps.items() if of == seed.seed and n <= last)
        tried, counts = zip(*known, strict=True)
        total += float(np.interp([n for n in sizes if n <= last], tried, counts).sum())
    return total
