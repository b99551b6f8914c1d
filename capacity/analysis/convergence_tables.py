"""The numbers behind the figures of convergence as rows with plain values, for CSV files, JSON and tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypedDict

import numpy as np

from capacity.analysis.comparison import LawComparison
from capacity.analysis.convergence import HaltingCurve, Spread
from capacity.analysis.data_law import DataLaw
from capacity.analysis.exponent import Exponent
from capacity.analysis.interval import Interval
from capacity.errors import InputError


class HaltingRow(TypedDict):
    """One run of one line; `steps` is a lower bound where `censored`."""

    line: str
    size: float
    seed: int
    steps: float
    censored: bool


class ScalingRow(TypedDict):
    """The fit of one line, see `PowerLaw`; intervals are None without a second seed, all but the verdict without a fit.

    `aicc_*` is each law's AICc less the smallest.
    """

    line: str
    verdict: str
    reason: str
    a: float | None
    a_low: float | None
    a_high: float | None
    k: float | None
    k_low: float | None
    k_high: float | None
    b: float | None
    b_low: float | None
    b_high: float | None
    confidence: float | None
    residual_sd: float | None
    r_squared: float | None
    lack_of_fit_p: float | None
    aicc_power: float | None
    aicc_floor: float | None
    aicc_constant: float | None
    aicc_logarithm: float | None
    aicc_exponential: float | None
    runs: int
    censored: int
    sizes: int


class DataLawRow(TypedDict):
    """The fit of steps = c D^p / M^k, see `DataLaw`; all but line, verdict and reason are None without a fit."""

    line: str
    verdict: str
    reason: str
    c: float | None
    p: float | None
    p_low: float | None
    p_high: float | None
    k: float | None
    k_low: float | None
    k_high: float | None
    confidence: float | None
    residual_sd: float | None
    r_squared: float | None
    lack_of_fit_p: float | None
    runs: int | None
    censored: int | None
    sizes: int | None
    data_sizes: int | None


class SpreadRow(TypedDict):
    """One run's value of one quantity in one group of layers."""

    group: str
    width: int
    seed: int
    value: float


class ExponentRow(TypedDict):
    """The power of width that a quantity of one group of layers goes with, see `Exponent`."""

    quantity: str
    group: str
    exponent: float
    low: float | None
    high: float | None
    confidence: float | None
    claim: float | None
    verdict: str
    residual_sd: float
    r_squared: float
    lack_of_fit_p: float | None
    runs: int
    sizes: int
    reason: str


class ComparisonRow(TypedDict):
    """Logarithm against power law for one group of layers, see `LawComparison`."""

    group: str
    verdict: str
    a: float
    k: float
    alpha: float
    beta: float
    aicc_power: float
    aicc_logarithm: float
    aicc_constant: float
    noise_power: str
    noise_logarithm: str
    lack_of_fit_p: float | None
    runs: int
    sizes: int
    reason: str


def halting_table(curves: Iterable[HaltingCurve]) -> list[HaltingRow]:
    """Return one row for every run."""
    return [
        HaltingRow(line=curve.name, size=float(size), seed=int(seed), steps=float(steps), censored=bool(censored))
        for curve in curves
        for size, seed, steps, censored in zip(curve.sizes, curve.seeds, curve.steps, curve.censored, strict=True)
    ]


def scaling_table(curves: Iterable[HaltingCurve]) -> list[ScalingRow]:
    """Return one row for every line."""
    return [_scaling_row(curve) for curve in curves]


def _scaling_row(curve: HaltingCurve) -> ScalingRow:
    law = curve.law
    a, k, b = (law.a_interval, law.k_interval, law.b_interval) if law else (None, None, None)
    aicc = law.aicc if law else {}
    return ScalingRow(
        line=curve.name,
        verdict=curve.verdict.code,
        reason=curve.verdict.reason,
        a=law.a if law else None,
        a_low=a.low if a else None,
        a_high=a.high if a else None,
        k=law.k if law else None,
        k_low=k.low if k else None,
        k_high=k.high if k else None,
        b=law.b if law else None,
        b_low=b.low if b else None,
        b_high=b.high if b else None,
        confidence=k.confidence if k else None,
        residual_sd=law.residual_sd if law else None,
        r_squared=law.r_squared if law else None,
        lack_of_fit_p=law.lack_of_fit.p if law and law.lack_of_fit else None,
        aicc_power=aicc.get("power"),
        aicc_floor=aicc.get("floor"),
        aicc_constant=aicc.get("constant"),
        aicc_logarithm=aicc.get("logarithm"),
        aicc_exponential=aicc.get("exponential"),
        runs=len(curve.steps),
        censored=int(curve.censored.sum()),
        sizes=len(np.unique(curve.sizes)),
    )


def data_law_table(laws: Iterable[tuple[str, DataLaw | InputError]]) -> list[DataLawRow]:
    """Return one row for every (line, law), or why there is no law."""
    return [_data_law_row(line, law) for line, law in laws]


def _data_law_row(line: str, found: DataLaw | InputError) -> DataLawRow:
    law = None if isinstance(found, InputError) else found
    p, k = (law.p_interval, law.k_interval) if law else (None, None)
    return DataLawRow(
        line=line,
        verdict=law.verdict.code if law else "no_power_law",
        reason=law.verdict.reason if law else f"No power law: {str(found).rstrip('.')}.",
        c=law.c if law else None,
        p=law.p if law else None,
        p_low=p.low if p else None,
        p_high=p.high if p else None,
        k=law.k if law else None,
        k_low=k.low if k else None,
        k_high=k.high if k else None,
        confidence=k.confidence if k else None,
        residual_sd=law.residual_sd if law else None,
        r_squared=law.r_squared if law else None,
        lack_of_fit_p=law.lack_of_fit.p if law and law.lack_of_fit else None,
        runs=law.runs if law else None,
        censored=law.censored if law else None,
        sizes=law.sizes if law else None,
        data_sizes=law.data_sizes if law else None,
    )


def spread_table(spreads: Iterable[Spread]) -> list[SpreadRow]:
    """Return one row for every run and group."""
    return [
        SpreadRow(group=spread.group, width=int(width), seed=int(seed), value=float(value))
        for spread in spreads
        for width, seed, value in zip(spread.widths, spread.seeds, spread.values, strict=True)
    ]


def exponent_table(exponents: Sequence[tuple[str, str, Exponent]]) -> list[ExponentRow]:
    """Return one row for every (quantity, group, exponent)."""
    return [_exponent_row(quantity, group, found, found.interval) for quantity, group, found in exponents]


def _exponent_row(quantity: str, group: str, exponent: Exponent, interval: Interval | None) -> ExponentRow:
    return ExponentRow(
        quantity=quantity,
        group=group,
        exponent=exponent.exponent,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        confidence=interval.confidence if interval else None,
        claim=exponent.claim,
        verdict=exponent.verdict.code,
        residual_sd=exponent.residual_sd,
        r_squared=exponent.r_squared,
        lack_of_fit_p=exponent.lack_of_fit.p if exponent.lack_of_fit else None,
        runs=exponent.runs,
        sizes=exponent.sizes,
        reason=exponent.verdict.reason,
    )


def comparison_table(comparisons: Sequence[tuple[str, LawComparison]]) -> list[ComparisonRow]:
    """Return one row for every (group, comparison)."""
    return [
        ComparisonRow(
            group=group,
            verdict=found.verdict.code,
            a=found.a,
            k=found.k,
            alpha=found.alpha,
            beta=found.beta,
            aicc_power=found.aicc["power"],
            aicc_logarithm=found.aicc["logarithm"],
            aicc_constant=found.aicc["constant"],
            noise_power=found.noise["power"],
            noise_logarithm=found.noise["logarithm"],
            lack_of_fit_p=found.lack_of_fit.p if found.lack_of_fit else None,
            runs=found.runs,
            sizes=found.sizes,
            reason=found.verdict.reason,
        )
        for group, found in comparisons
    ]
