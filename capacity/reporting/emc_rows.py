"""The rows of the tables of a study of effective model complexity: its networks, and the trainings behind them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from capacity.reporting.emc_lines import CellRow, cell_columns

if TYPE_CHECKING:
    from capacity.analysis.emc import EmcPoint
    from capacity.experiments import Study
    from capacity.experiments.emc_plan import Cell, CellSearch
    from capacity.experiments.emc_trial import EmcTrial


class EmcRow(CellRow):
    """One network: EMC over the seeds, and what stands behind it.

    `emc` is the mean over seeds, `standard_error` its standard error, `geometric_mean` exp of the mean of log EMC
    with its standard error `log_error`; all are lower bounds where `at_least`, the number of seeds that fitted all
    there is, is not 0. `unfitted` seeds did not fit the smallest sample, `irregular` ones fitted a sample larger
    than one that failed. `n50` is the sample that is fitted half of the time, with its 95 % interval
    (`capacity.analysis.threshold`), where it lies between the smallest and the largest. `steps` is what the search
    has cost, `scan_steps` what a scan would have, by estimate. Of the random tenth, `carried` trainings were judged
    hopeless and run on all the same; `false_stops` of them fitted. `verified` smallest failures that had been ended
    early were run again with the whole budget; `corrected` of them fitted. The last columns count the certificates
    of the seeds' smallest failures.
    """

    parameters: int
    emc: float
    standard_error: float | None
    geometric_mean: float | None
    log_error: float | None
    per_parameter: float
    n50: float | None
    n50_low: float | None
    n50_high: float | None
    at_least: int
    unfitted: int
    irregular: int
    seeds: int
    trainings: int
    steps: int
    scan_steps: float
    carried: int
    false_stops: int
    verified: int
    corrected: int
    at_minimum: int
    at_saddle: int
    out_of_budget: int
    diverged: int


class AnswerRow(CellRow):
    """One training that a search went by.

    `accuracy` is the largest share of its sample that was classified correctly at any look, `steps` how many it took;
    `outcome` tells a training that had the whole budget (`step_limit`) from one that was ended early (`stalled`).
    """

    n: int
    seed: int
    fitted: bool
    accuracy: float | None
    outcome: str
    steps: int
    lr: float


def emc_row(study: Study, cell: Cell, search: CellSearch, point: EmcPoint) -> EmcRow:
    """Return the row of a network from its search and what `emc_point` made of it."""
    from capacity import analysis
    from capacity.experiments.emc_certificates import read_certificate

    results, verified = search.results, search.verified()
    mean, law = point.mean, point.threshold
    if law and not search.sizes[0] <= law.n50 <= search.sizes[-1]:
        law = None  # beyond all that was tried
    certificates = [read_certificate(study.path, trial.key) for trial in search.failures()]
    codes = Counter(found.code for found in certificates if found is not None)
    hopeless = {
        t: row["hopeless_step"] is not None and row["hopeless_step"] < row["step"] for t, row in results.items()
    }
    carried = [trial for trial in results if trial.full and hopeless[trial] and trial not in verified]
    fitted = {trial for trial, row in results.items() if row["outcome"] == "fitted"}
    return EmcRow(
        **cell_columns(cell),
        parameters=point.parameters,
        emc=mean.value,
        standard_error=mean.error,
        geometric_mean=None if mean.log_value is None else math.exp(mean.log_value),
        log_error=mean.log_error,
        per_parameter=mean.value / point.parameters,
        n50=law.n50 if law else None,
        n50_low=law.interval.low if law else None,
        n50_high=law.interval.high if law else None,
        at_least=mean.at_least,
        unfitted=mean.unfitted,
        irregular=point.irregular,
        seeds=len(point.seeds),
        trainings=len(results),
        steps=sum(row["step"] for row in results.values()),
        scan_steps=analysis.scan_steps(
            {pair: results[trial]["step"] for pair, trial in search.used().items()}, point, search.sizes
        ),
        carried=len(carried),
        false_stops=len(fitted.intersection(carried)),
        verified=len(verified),
        corrected=len(fitted.intersection(verified)),
        at_minimum=codes["not_fitted_at_minimum"],
        at_saddle=codes["not_fitted_at_saddle"],
        out_of_budget=codes["out_of_budget"],
        diverged=codes["diverged"],
    )


def answer_rows(cell: Cell, search: CellSearch) -> list[AnswerRow]:
    """Return a row for each training that the search of a network went by, by size and seed."""
    return [_answer(cell, trial, search.results[trial]) for _, trial in sorted(search.used().items())]


def _answer(cell: Cell, trial: EmcTrial, result: Mapping[str, Any]) -> AnswerRow:
    wrong = result["fewest_wrong"]
    return AnswerRow(
        **cell_columns(cell),
        n=trial.samples,
        seed=trial.seed,
        fitted=result["outcome"] == "fitted",
        accuracy=None if wrong is None else 1 - wrong / trial.samples,
        outcome=result["outcome"],
        steps=result["step"],
        lr=trial.lr,
    )
