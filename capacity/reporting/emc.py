"""The report of a study of effective model complexity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from capacity.reporting.base import Report
from capacity.reporting.files import csv_bytes, figure_files, write_figures

if TYPE_CHECKING:
    from capacity.analysis.emc import EmcLine, EmcPoint
    from capacity.experiments import EmcConfig, Study
    from capacity.experiments.emc_plan import Cell, CellSearch

ASPECTS = ("labels", "classes", "optimizer", "activation", "depth")
"""What may tell lines from each other."""


_WORDS = {
    "sgd": "SGD", "gd": "full-batch GD", "momentum": "SGD with momentum", "adam": "Adam", "adamw": "AdamW",
    "shampoo": "Shampoo",
    "relu": "ReLU", "leaky_relu": "leaky ReLU", "gelu": "GELU", "random-inputs": "random inputs and labels",
    "semantic": "semantic labels", "random": "random labels",
}  # fmt: skip


class EmcRow(TypedDict):
    """One network: EMC over the seeds, and what stands behind it.

    `emc` is the mean over seeds, `standard_error` its standard error, `geometric_mean` exp of the mean of log EMC
    with its standard error `log_error`; all are lower bounds where `at_least`, the number of seeds that fitted all
    there is, is not 0. `unfitted` seeds did not fit the smallest sample, `irregular` ones fitted a sample larger
    than one that failed. `n50` is the sample that is fitted half of the time, with its 95 % interval
    (`capacity.analysis.threshold`). `steps` is what the search has cost, `scan_steps` what a scan would have, by
    estimate. Of the random tenth, `carried` trainings were judged hopeless and run on all the same; `false_stops`
    of them fitted. `verified` smallest failures that had been ended early were run again with the whole budget;
    `corrected` of them fitted. The last columns count the certificates of the seeds' smallest failures.
    """

    labels: str
    classes: int
    optimizer: str
    activation: str
    depth: int
    width: int
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


class AnswerRow(TypedDict):
    """One training that a search went by."""

    labels: str
    classes: int
    optimizer: str
    activation: str
    depth: int
    width: int
    n: int
    seed: int
    fitted: bool


@dataclass(frozen=True)
class EmcReport(Report):
    """What `report` made of a study of effective model complexity; see also :class:`Report`.

    Attributes
    ----------
    emc : list of EmcRow
        A row for every network, optimizer and kind of labels.
    """

    emc: list[EmcRow]

    def tables(self) -> dict[str, Any]:
        return {"emc": self.emc}


def report_emc(study: Study, config: EmcConfig, folder: Path) -> EmcReport:
    """Draw the figures of a study into a folder, with numbers beside; see :func:`capacity.report`."""
    from capacity import analysis, plots
    from capacity.experiments.emc_plan import EmcPlan
    from capacity.experiments.roster import finished_rows, replay

    plan, found = EmcPlan(config, study.facts["data_digest"]), finished_rows(study.path)
    replay(plan, lambda trial: found.get(trial.key))
    searches = {cell: search for cell, search in plan.searches.items() if search.answers()}
    points = {cell: _point(search) for cell, search in searches.items()}
    varying = [name for name in ASPECTS if len({getattr(cell, name) for cell in points}) > 1]
    grouped: dict[str, list[EmcPoint]] = {}
    for cell, point in points.items():
        grouped.setdefault(_name(cell, varying), []).append(point)
    lines = [analysis.emc_line(name, members) for name, members in grouped.items()]
    status = study.status()
    captions = (_what(config, study, varying), _how(config, status.total - status.done))
    headline = f"Effective model complexity against size on {study.data_name}"
    figures = {"emc": plots.emc_figure(lines, headline, captions)} if lines else {}
    done = EmcReport(
        conclusion=_conclusion(lines, status.total - status.done),
        figures=tuple(folder / f"{name}.png" for name in figures),
        emc=[_row(study, cell, search, points[cell]) for cell, search in searches.items()],
    )
    tables = [
        ("emc.csv", csv_bytes(EmcRow, done.emc)),
        ("answers.csv", csv_bytes(AnswerRow, [row for c, s in searches.items() for row in _answers(c, s)])),
    ]
    write_figures(folder, [*figure_files(figures), *tables])
    return done


def _point(search: CellSearch) -> EmcPoint:
    from capacity import analysis

    parameters = next(iter(search.results.values()))["parameters"]
    runs = [(n, seed, fitted) for (n, seed), fitted in search.answers().items()]
    return analysis.emc_point(search.cell.width, parameters, runs)


def _row(study: Study, cell: Cell, search: CellSearch, point: EmcPoint) -> EmcRow:
    import math

    from capacity import analysis
    from capacity.experiments.emc_certificates import read_certificate

    results, verified = search.results, search.verified()
    mean, law = point.mean, point.threshold
    certificates = [read_certificate(study.path, trial.key) for trial in search.failures()]
    codes = Counter(found.code for found in certificates if found is not None)
    hopeless = {
        t: row["hopeless_step"] is not None and row["hopeless_step"] < row["step"] for t, row in results.items()
    }
    carried = [trial for trial in results if trial.full and hopeless[trial] and trial not in verified]
    fitted = {trial for trial, row in results.items() if row["outcome"] == "fitted"}
    return EmcRow(
        labels=cell.labels,
        classes=cell.classes,
        optimizer=cell.optimizer,
        activation=cell.activation,
        depth=cell.depth,
        width=cell.width,
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


def _answers(cell: Cell, search: CellSearch) -> list[AnswerRow]:
    return [
        AnswerRow(
            labels=cell.labels,
            classes=cell.classes,
            optimizer=cell.optimizer,
            activation=cell.activation,
            depth=cell.depth,
            width=cell.width,
            n=n,
            seed=seed,
            fitted=fitted,
        )
        for (n, seed), fitted in sorted(search.answers().items())
    ]


def _name(cell: Cell, aspects: Sequence[str]) -> str:
    """Return what tells a line from the others, for people."""
    return ", ".join(_aspect(cell, name) for name in aspects) or "all networks"


def _aspect(cell: Cell, name: str) -> str:
    value = getattr(cell, name)
    if name == "classes":
        return f"{value} classes" if value else "all classes"
    if name == "depth":
        return f"{value} hidden layer{'s' * (value != 1)}"
    return _WORDS.get(value, str(value).replace("_", " "))


def _what(config: EmcConfig, study: Study, varying: Sequence[str]) -> str:
    from capacity.experiments.emc_plan import Cell

    first = Cell(
        config.labels[0], (config.classes or (0,))[0], config.optimizers[0], config.activations[0], config.depths[0], 0
    )
    fixed = [_aspect(first, name) for name in ASPECTS if name not in varying]
    return f"MLP; {'; '.join(fixed)}; up to {config.n_max:,} of {study.dataset_size:,} examples"


def _how(config: EmcConfig, unfinished: int) -> str:
    parts = [
        f"{config.seeds} seed{'s' * (config.seeds > 1)}",
        f"{100 * config.accuracy:g}% of the sample right within {config.steps:,} steps",
        f"n known to {config.increment}" if config.increment else f"n known to {100 * config.resolution:g}%",
    ]
    return "; ".join(parts + [f"INCOMPLETE: {unfinished:,} trainings have not finished"] * (unfinished > 0))


def _conclusion(lines: Sequence[EmcLine], unfinished: int) -> str:
    if not lines:
        return "No training has come to its end yet, so there is no EMC."
    said = " ".join(f"{line.name[:1].upper()}{line.name[1:]}: {line.reason}." for line in lines)
    return said + (f" {unfinished:,} trainings are unfinished, so this may change." if unfinished else "")
