"""What a search for effective model complexity found, in numbers and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

from capacity.analysis.threshold import (
    FitRun,
    MeanEMC,
    SeedThreshold,
    Threshold,
    fit_threshold,
    mean_emc,
    seed_thresholds,
)
from capacity.analysis.verdict import span
from capacity.analysis.words import number


class RunError(NamedTuple):
    """A training that broke off: n samples, its seed, and the exception in words."""

    n: int
    seed: int
    error: str


class SeedRow(TypedDict):
    """What the runs of one seed say, see `SeedThreshold`."""

    seed: int
    emc: int
    at_least: bool
    largest_fitted: int
    smallest_failed: int | None
    non_monotone: bool
    runs: int


@dataclass(frozen=True)
class EMCResult:
    """What a search found.

    Attributes
    ----------
    runs : tuple of FitRun
        (n, seed, fitted) of every training that ended, in that order: pandas.DataFrame(result.runs).
    errors : tuple of RunError
        Those that raised an exception; they count as if they had not been tried.
    seeds : tuple of SeedThreshold
        What each seed's runs say; seeds that have none are missing.
    mean : MeanEMC
        EMC and log EMC over the seeds.
    threshold : Threshold or None
        The law P(fit | n) from all runs; None unless some fitted and some failed.
    first, n_max : int
        The smallest and the largest sample.
    """

    runs: tuple[FitRun, ...]
    errors: tuple[RunError, ...]
    seeds: tuple[SeedThreshold, ...]
    mean: MeanEMC
    threshold: Threshold | None
    first: int
    n_max: int

    @property
    def trainings(self) -> int:
        """How many trainings were made."""
        return len(self.runs) + len(self.errors)

    @property
    def at_least(self) -> bool:
        """Whether the mean is only a lower bound, because a seed never failed."""
        return self.mean.at_least > 0

    def table(self) -> list[SeedRow]:
        """Return a row per seed, for csv.DictWriter or pandas.DataFrame."""
        return [
            {
                "seed": seed.seed,
                "emc": seed.emc,
                "at_least": seed.at_least,
                "largest_fitted": seed.largest_fitted,
                "smallest_failed": seed.smallest_failed,
                "non_monotone": seed.non_monotone,
                "runs": seed.runs,
            }
            for seed in self.seeds
        ]

    def summary(self) -> str:
        """Return what was found in a few sentences; each but the first is there only where it has something to say."""
        return " ".join([_mean(self), *_threshold(self), *_non_monotone(self), *_unfitted(self), *_errors(self)])


def make_result(runs: Sequence[FitRun], errors: Sequence[RunError], first: int, n_max: int) -> EMCResult:
    """Return what one or more runs say."""
    seeds = seed_thresholds(runs)
    return EMCResult(tuple(runs), tuple(errors), seeds, mean_emc(seeds), fit_threshold(runs), first, n_max)


def _mean(result: EMCResult) -> str:
    mean, values = result.mean, [seed.emc for seed in result.seeds]
    seeds = "1 seed" if mean.seeds == 1 else f"{mean.seeds} seeds"
    text = f"EMC is {'at least ' if result.at_least else ''}{number(mean.value)}"
    if mean.at_least == mean.seeds:
        return f"{text}: no training of {seeds} failed; {result.trainings} trainings."
    if mean.error is not None:
        text += f" ± {number(mean.error)}"
    text += f" ({seeds}, {number(min(values))} to {number(max(values))}"
    text += f", of which {mean.at_least} never failed)" if mean.at_least else ")"
    return f"{text}; {result.trainings} trainings."


def _threshold(result: EMCResult) -> list[str]:
    found = result.threshold
    if found is None or not result.first <= found.n50 <= result.n_max:
        return []
    return [f"A sample of {number(found.n50)} is fitted half of the time ({span(found.interval)})."]


def _non_monotone(result: EMCResult) -> list[str]:
    seeds = [seed for seed in result.seeds if seed.non_monotone]
    if not seeds:
        return []
    top = max(seed.largest_fitted for seed in seeds)
    return [
        f"{len(seeds)} of {result.mean.seeds} seeds fitted a larger sample than one that failed, up to {number(top)}; "
        "EMC counts up to the first failure."
    ]


def _unfitted(result: EMCResult) -> list[str]:
    count = result.mean.unfitted
    return [f"{count} of {result.mean.seeds} seeds did not fit {result.first}, and count as 0."] if count else []


def _errors(result: EMCResult) -> list[str]:
    count = len(result.errors)
    return [f"{count} of {result.trainings} trainings raised an exception and count for nothing."] if count else []
