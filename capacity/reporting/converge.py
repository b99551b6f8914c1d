"""The report of a study of convergence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capacity.errors import InputError
from capacity.reporting.base import Report
from capacity.reporting.files import csv_bytes, figure_files, write_figures
from capacity.reporting.lines import ASPECTS, Line, along, lines_of, reference, varying
from capacity.reporting.path import Paths, report_paths

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from capacity.analysis import ComparisonRow, DataLaw, DataLawRow, ExponentRow, HaltingCurve, ScalingRow
    from capacity.experiments import ConvergeConfig, Study

_FIGURES = {"data": "halting_data", "rule": "halting_rules", "layers": "halting_depths"}


@dataclass(frozen=True)
class ConvergeReport(Report):
    """What `report` made of a study of convergence; see also :class:`Report`.

    The figures are halting time against parameters, with a line a part of the data, and, where there are several, a
    line a learning rate and optimizer, and a line a depth; the spread of the smallest validation loss and of the
    halting time over the seeds; and, with trajectories, of distance, path length, step size and angle by groups of
    layers, and the exponents of the step size.

    Attributes
    ----------
    fits, fits_smoothed : list of ScalingRow
        The verdicts: a row for every line of the study, from the curves as they are and from the smoothed ones.
    data_laws : list of DataLawRow
        Steps against model and data size together: a row for every rule and depth with several parts of the data.
    exponents : list of ExponentRow
        The power of width that distance, path length and step size go with, a row a group of layers; empty without
        trajectories, as is `distance_laws`.
    distance_laws : list of ComparisonRow
        Logarithm against power of width for the distance from the start.
    """

    fits: list[ScalingRow]
    fits_smoothed: list[ScalingRow]
    data_laws: list[DataLawRow]
    exponents: list[ExponentRow]
    distance_laws: list[ComparisonRow]

    def tables(self) -> dict[str, Any]:
        names = ("fits", "fits_smoothed", "data_laws", "exponents", "distance_laws")
        return {name: getattr(self, name) for name in names}


def report_converge(study: Study, config: ConvergeConfig, folder: Path) -> ConvergeReport:
    """Draw the figures of a study of convergence into a folder, with numbers beside; see :func:`capacity.report`."""
    from capacity import analysis

    rows = study.rows()
    lines = lines_of(rows, study.dataset_size)
    measured = [line for line in lines if line.halted]
    names = {line: line.name(varying(lines)) for line in measured}
    curves = {line: line.curve(name) for line, name in names.items()}
    smoothed = [line.curve(name, smoothed=True) for line, name in names.items()]
    laws = _data_laws(measured, varying(lines))
    figures, tables = _figures(study, config, lines, curves)
    paths = Paths()
    if config.trajectory and curves:
        fixed = f"{_network(config)}; {reference(lines).name()}"
        paths = report_paths(study, reference(lines), (fixed, f"converged runs; {_how(config, study)}"))
        figures, tables = figures | paths.figures, tables | paths.tables
    done = ConvergeReport(
        conclusion=analysis.halting_conclusion([curves[line] for line in measured], rows),
        figures=tuple(folder / f"{name}.png" for name in figures),
        fits=analysis.scaling_table(curves.values()),
        fits_smoothed=analysis.scaling_table(smoothed),
        data_laws=analysis.data_law_table(laws),
        exponents=paths.exponents,
        distance_laws=paths.distance_laws,
    )
    tables |= {
        "fits.csv": csv_bytes(analysis.ScalingRow, done.fits),
        "fits_smoothed.csv": csv_bytes(analysis.ScalingRow, done.fits_smoothed),
        "data_laws.csv": csv_bytes(analysis.DataLawRow, done.data_laws),
    }
    write_figures(folder, [*figure_files(figures), *tables.items()])
    return done


def _figures(
    study: Study, config: ConvergeConfig, lines: Sequence[Line], curves: dict[Line, HaltingCurve]
) -> tuple[dict[str, Figure], dict[str, bytes]]:
    """Return the figures by name, and the CSV files beside them; none while no run has come to its end."""
    from capacity import analysis, plots

    if not curves:
        return {}, {}
    figures: dict[str, Figure] = {}
    tables: dict[str, bytes] = {}
    how = _how(config, study)
    for aspect in varying(lines):
        drawn = [line for line in along(lines, aspect) if line in curves]
        if not drawn:
            continue
        fixed = reference(lines).name([other for other in ASPECTS if other != aspect])
        shown = [_named(curves[line], getattr(line, aspect)) for line in drawn]
        name = _FIGURES[aspect]
        headline = f"Steps to convergence against size on {study.data_name}"
        figures[name] = plots.halting_figure(shown, headline, (f"{_network(config)}; {fixed}", how))
        tables[f"{name}.csv"] = csv_bytes(analysis.HaltingRow, analysis.halting_table(shown))
    parts = along(lines, "data")
    fixed = f"{_network(config)}; {reference(lines).name(['rule', 'layers'])}"
    for quantity, column, headline in (
        ("best_loss", "best_loss", f"Smallest validation loss against width on {study.data_name}"),
        ("steps", "halting_step", f"Steps to convergence against width on {study.data_name}"),
    ):
        spreads = [line.spread(line.data, column) for line in parts]
        spreads = [spread for spread in spreads if len(spread.values)]
        if spreads:
            figures[quantity] = plots.trajectory_figure(quantity, spreads, headline, (fixed, f"converged runs; {how}"))
            tables[f"{quantity}.csv"] = csv_bytes(analysis.SpreadRow, analysis.spread_table(spreads))
    return figures, tables


def _named(curve: HaltingCurve, name: str) -> HaltingCurve:
    return replace(curve, name=name)


def _data_laws(lines: Sequence[Line], names: Sequence[str]) -> list[tuple[str, DataLaw | InputError]]:
    """Fit steps against model and data size, for every rule and depth with several parts of the data."""
    from capacity.analysis import fit_data_law

    groups: dict[str, list[Line]] = {}
    for line in lines:
        groups.setdefault(line.name(["rule", "layers"]), []).append(line)
    laws: list[tuple[str, DataLaw | InputError]] = []
    for members in groups.values():
        if len(members) < 2:
            continue
        name = members[0].name([aspect for aspect in names if aspect != "data"]) or "all runs"
        runs = [(line.samples, row) for line in members for row in line.halted]
        try:
            law = fit_data_law(
                [row["parameters"] for _, row in runs],
                [samples for samples, _ in runs],
                [max(row["halting_step"], row["validate_every"]) for _, row in runs],
                [row["seed"] for _, row in runs],
                censored=[row["outcome"] == "step_limit" for _, row in runs],
            )
        except InputError as error:
            laws.append((name, error))
        else:
            laws.append((name, law))
    return laws


def _network(config: ConvergeConfig) -> str:
    decay = f", weight decay {config.weight_decay:g}" if config.weight_decay is not None else ""
    activation = config.activation.replace("relu", "ReLU").replace("gelu", "GELU").replace("_", " ")
    return f"{activation} MLP{decay}, batch {config.batch:,}"


def _how(config: ConvergeConfig, study: Study) -> str:
    """Say for a title how halting times were made, and whether all are there."""
    status = study.status()
    parts = [
        f"{config.seeds} seed{'s' * (config.seeds > 1)}",
        f"within {100 * config.tolerance:g}% of the minimum validation loss, measured every {config.every} steps",
    ]
    if status.done < status.total:
        parts.append(f"INCOMPLETE: {status.total - status.done:,} of {status.total:,} runs have not finished")
    return "; ".join(parts)
