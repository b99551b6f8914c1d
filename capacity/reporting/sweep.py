"""The report of a sweep."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capacity.reporting.base import Report
from capacity.reporting.files import csv_bytes, figure_files, write_figures

if TYPE_CHECKING:
    from capacity.analysis import CapacityRow, LearningRow, ReturnRow
    from capacity.experiments import Study, SweepConfig


@dataclass(frozen=True)
class SweepReport(Report):
    """What `report` made of a sweep; see also :class:`Report`.

    The figures are training error against width, return on investment, and learning curves.

    Attributes
    ----------
    capacity : list of CapacityRow
    roi : list of ReturnRow
    learning : list of LearningRow
        The rows of the CSV files; `capacity.analysis.tables` says what is in them.
    """

    capacity: list[CapacityRow]
    roi: list[ReturnRow]
    learning: list[LearningRow]

    def tables(self) -> dict[str, Any]:
        return {"capacity": self.capacity, "roi": self.roi}


def report_sweep(study: Study, config: SweepConfig, folder: Path) -> SweepReport:
    """Draw the figures of a sweep into a folder, with the numbers beside them; see :func:`capacity.report`."""
    from capacity import analysis, plots

    curves = analysis.capacity_curves(study.rows(), config.metric)
    returns = [analysis.return_on_investment(curve, study.dataset_size) for curve in curves]
    learning = [
        analysis.learning_curve(runs, {key: study.curves(key)[f"train_{config.metric}"] for key in runs.keys})
        for runs in (point.chosen for curve in curves for point in curve.points)
        if runs.errors
    ]
    setting = plots.Setting(
        study.data_name, study.dataset_size, config.epochs, config.batch, _model(config), config.metric
    )
    figures = {
        "capacity": plots.capacity_figure(curves, setting),
        "roi": plots.roi_figure(curves, returns, setting),
        "learning_curves": plots.learning_figure(curves, learning, setting),
    }
    done = SweepReport(
        conclusion=analysis.conclusion(curves, returns),
        figures=tuple(folder / f"{name}.png" for name in figures),
        capacity=analysis.capacity_table(curves),
        roi=analysis.roi_table(returns),
        learning=analysis.learning_table(learning),
    )
    files = figure_files(figures)
    files += [
        ("capacity.csv", csv_bytes(analysis.CapacityRow, done.capacity)),
        ("roi.csv", csv_bytes(analysis.ReturnRow, done.roi)),
        ("learning_curves.csv", csv_bytes(analysis.LearningRow, done.learning)),
    ]
    write_figures(folder, files)
    return done


def _model(config: SweepConfig) -> str:
    """Say for a title what was trained and how."""
    momentum = f" with momentum {config.momentum:g}" if config.optimizer == "momentum" else ""
    decay = f", weight decay {config.weight_decay:g}" if config.weight_decay else ""
    return f"{config.activation.replace('_', ' ')} MLP, SGD{momentum}{decay}"
