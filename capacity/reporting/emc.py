"""The report of a study of effective model complexity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capacity.reporting.base import Report
from capacity.reporting.emc_comparisons import (
    Comparison,
    ComparisonRow,
    PerParameterRow,
    comparisons,
    per_parameter,
    per_parameter_row,
)
from capacity.reporting.emc_figures import Titles, emc_figures
from capacity.reporting.emc_generalisation import report_generalisation
from capacity.reporting.emc_lines import ASPECTS, MOST, aspect_name, capital, line_name, varying
from capacity.reporting.emc_rows import AnswerRow, EmcRow, answer_rows, emc_row
from capacity.reporting.emc_seeds import SeedRow, seed_rows
from capacity.reporting.files import csv_bytes, figure_files, write_figures

if TYPE_CHECKING:
    from capacity.analysis.emc import EmcLine, EmcPoint
    from capacity.experiments import EmcConfig, Study
    from capacity.experiments.emc_plan import Cell, CellSearch


@dataclass(frozen=True)
class EmcReport(Report):
    """What `report` made of a study of effective model complexity; see also :class:`Report`.

    Attributes
    ----------
    emc : list of EmcRow
        A row for every network, optimizer and kind of labels.
    per_parameter : list of PerParameterRow
        A row for every line: EMC over the number of parameters.
    comparisons : list of ComparisonRow
        Of every level of what varies with the baseline.
    """

    emc: list[EmcRow]
    per_parameter: list[PerParameterRow]
    comparisons: list[ComparisonRow]

    def tables(self) -> dict[str, Any]:
        return {"emc": self.emc, "per_parameter": self.per_parameter, "comparisons": self.comparisons}


def report_emc(study: Study, config: EmcConfig, folder: Path) -> EmcReport:
    """Draw the figures of a study into a folder, with numbers beside; see :func:`capacity.report`."""
    from capacity.experiments.emc_plan import EmcPlan
    from capacity.experiments.roster import finished_rows, replay

    plan, found = EmcPlan(config, study.facts["data_digest"]), finished_rows(study.path)
    replay(plan, lambda trial: found.get(trial.key))
    searches = {cell: search for cell, search in plan.searches.items() if search.answers()}
    points = {cell: _point(search) for cell, search in searches.items()}
    lines, compared = _lines(points), comparisons(points, list(plan.searches))
    answers = [row for cell, search in searches.items() for row in answer_rows(cell, search)]
    seeds = [row for cell, search in searches.items() for row in seed_rows(study, cell, search, points[cell])]
    status = study.status()
    titles = _titles(config, study, points, status.total - status.done)
    tests = report_generalisation(searches, titles)
    figures = emc_figures(lines, varying(points), compared, answers, config.accuracy, titles) if lines else {}
    figures |= tests.figures
    words = _conclusion(list(lines.values()), compared, status.total - status.done)
    done = EmcReport(
        conclusion="".join([words, tests.conclusion, *_contradictions(study, config)]),
        figures=tuple(folder / f"{name}.png" for name in figures),
        emc=[emc_row(study, cell, search, points[cell]) for cell, search in searches.items()],
        per_parameter=[per_parameter_row(cell, line) for cell, line in lines.items()],
        comparisons=[found.row() for found in compared],
    )
    tables = [
        ("emc.csv", csv_bytes(EmcRow, done.emc)),
        ("seeds.csv", csv_bytes(SeedRow, seeds)),
        ("answers.csv", csv_bytes(AnswerRow, answers)),
        ("per_parameter.csv", csv_bytes(PerParameterRow, done.per_parameter)),
        *([("comparisons.csv", csv_bytes(ComparisonRow, done.comparisons))] if done.comparisons else []),
        *tests.tables,
    ]
    write_figures(folder, [*figure_files(figures), *tables])
    return done


def _point(search: CellSearch) -> EmcPoint:
    from capacity import analysis

    parameters = next(iter(search.results.values()))["parameters"]
    runs = [(n, seed, fitted) for (n, seed), fitted in search.answers().items()]
    return analysis.emc_point(search.cell.width, parameters, runs)


def _lines(points: Mapping[Cell, EmcPoint]) -> dict[Cell, EmcLine]:
    """Return the lines, each by the first of its cells."""
    from capacity import analysis

    aspects = varying(points)
    grouped: dict[str, list[Cell]] = {}
    for cell in points:
        grouped.setdefault(line_name(cell, aspects), []).append(cell)
    return {cells[0]: analysis.emc_line(name, [points[cell] for cell in cells]) for name, cells in grouped.items()}


def _titles(config: EmcConfig, study: Study, cells: Iterable[Cell], unfinished: int) -> Titles:
    known = list(cells)
    fixed = [aspect_name(name, getattr(known[0], name)) for name in ASPECTS if name not in varying(known)]
    budget = f"{config.steps:,} steps" if config.steps else f"{config.epochs:,} epochs"
    protocol = [
        f"{config.seeds} seed{'s' * (config.seeds > 1)}",
        f"{100 * config.accuracy:g}% of the sample right within {budget}",
        f"n known to {config.increment}" if config.increment else f"n known to {100 * config.resolution:g}%",
    ]
    return Titles(
        data=study.data_name,
        what=f"MLP; {'; '.join(fixed)}; up to {config.n_max:,} of {study.dataset_size:,} examples",
        how="; ".join(protocol),
        note=f"INCOMPLETE: {unfinished:,} trainings have not finished" if unfinished else "",
    )


def _conclusion(lines: Sequence[EmcLine], compared: Sequence[Comparison], unfinished: int) -> str:
    if not lines:
        return "No training has come to its end yet, so there is no EMC."
    said = [f"{capital(line.name)}: {_line_words(line)}." for line in lines] if len(lines) <= MOST else _range(lines)
    if compared:
        said += ["EMC of pairs alike in all else (geometric means, 95% intervals):"]
        said += ["; ".join(found.sentence for found in compared if _is_told(found, compared)) + "."]
    said += [f"{unfinished:,} trainings are unfinished, so this may change."] * (unfinished > 0)
    return " ".join(said)


def _contradictions(study: Study, config: EmcConfig) -> Iterator[str]:
    """Yield what equal examples with different labels mean for EMC."""
    from capacity.experiments.emc_contradictions import known_contradictions

    for bound in known_contradictions(study.facts):
        name = aspect_name("labels", bound.labels)
        of = f" and {bound.classes} classes" if bound.classes else ""
        yield (
            f" With {name}{of}, {bound.rows:,} of {bound.samples:,} examples have the features of another and a "
            "different label"
        )
        low, high = min(bound.prefixes), max(bound.prefixes)
        if config.accuracy < 1:
            yield ", so they cannot all be right."
        elif low == config.n_max:
            yield ", but no sample of this study holds such a pair."
        else:
            yield f", so no network can fit a sample beyond {low:,}{f' to {high:,}, by seed' * (low < high)}."


def _line_words(line: EmcLine) -> str:
    mean = per_parameter(line)
    known = mean.value is not None
    return line.reason + f"; geometric mean {mean.words('examples a parameter', 'value')}" * known


def _range(lines: Sequence[EmcLine]) -> list[str]:
    """Return what is said of many lines: the least and the most examples a parameter, of lines where they are known."""
    means = {line.name: per_parameter(line) for line in lines}
    values = {name: mean.value for name, mean in means.items() if mean.value is not None and not mean.bound}
    if not values:
        return [f"In none of {len(lines)} lines is EMC known but for bounds."]
    ends = (min(values, key=lambda name: values[name]), max(values, key=lambda name: values[name]))
    least, most = (f"{means[end].words('examples a parameter', 'value')} for {end}" for end in ends)
    open_ends = f"; in {len(lines) - len(values)} lines there are only bounds" * (len(values) < len(lines))
    return [f"In {len(lines)} lines, EMC is from {least} to {most}{open_ends}."]


def _is_told(found: Comparison, compared: Sequence[Comparison]) -> bool:
    """Return whether a comparison is for the conclusion: of all kinds of labels together, where there is such a one."""
    whole = any((other.aspect, other.level, other.among) == (found.aspect, found.level, "") for other in compared)
    return not (found.among and whole)
