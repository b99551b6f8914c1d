"""The report of a study: analysis, figures and tables, put together from what is in its folder."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from capacity.analysis import CapacityRow, LearningRow, ReturnRow
    from capacity.experiments import Study, SweepConfig

FIGURES = "figures"
KINDS = ("png", "svg")


@dataclass(frozen=True)
class Report:
    """What `report` made of a study.

    Attributes
    ----------
    conclusion : str
        One line; see `capacity.analysis.conclusion`.
    figures : tuple of Path
        The PNG files: training error against width, return on investment, learning curves. An SVG file and a CSV
        file with the numbers lie beside each.
    capacity : list of CapacityRow
    roi : list of ReturnRow
    learning : list of LearningRow
        The rows of the CSV files; `capacity.analysis.tables` says what is in them.
    """

    conclusion: str
    figures: tuple[Path, ...]
    capacity: list[CapacityRow]
    roi: list[ReturnRow]
    learning: list[LearningRow]


def report(study: Study | str | Path, out: str | Path | None = None) -> Report:
    """Draw the figures of a study, write the numbers beside them and say what they mean.

    Works on an unfinished study too: what is missing is counted, in the figures and in the conclusion.

    Parameters
    ----------
    study : Study, str or Path
        A study or its folder.
    out : str, Path or None
        Folder for `capacity.*`, `roi.*` and `learning_curves.*` (PNG, SVG, CSV each); None is `figures` in the
        study's folder. Files of an earlier report are replaced.

    Returns
    -------
    Report

    Raises
    ------
    StudyError
        When the folder is not a study, or the files cannot be written.
    """
    from capacity import analysis, plots
    from capacity.experiments import open_study

    if isinstance(study, str | Path):
        study = open_study(study)
    config = study.config
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
    done = Report(
        conclusion=analysis.conclusion(curves, returns),
        figures=tuple((Path(out) if out is not None else study.path / FIGURES) / f"{name}.png" for name in figures),
        capacity=analysis.capacity_table(curves),
        roi=analysis.roi_table(returns),
        learning=analysis.learning_table(learning),
    )
    files = [(f"{name}.{kind}", plots.render(figure, kind)) for name, figure in figures.items() for kind in KINDS]
    files += [
        ("capacity.csv", _csv(analysis.CapacityRow, done.capacity)),
        ("roi.csv", _csv(analysis.ReturnRow, done.roi)),
        ("learning_curves.csv", _csv(analysis.LearningRow, done.learning)),
    ]
    _write(done.figures[0].parent, files)
    return done


def _model(config: SweepConfig) -> str:
    """Say for a title what was trained and how."""
    momentum = f" with momentum {config.momentum:g}" if config.optimizer == "momentum" else ""
    decay = f", weight decay {config.weight_decay:g}" if config.weight_decay else ""
    return f"{config.activation.replace('_', ' ')} MLP, SGD{momentum}{decay}"


def _csv(columns: type, table: Sequence[Mapping[str, Any]]) -> bytes:
    """Return rows as CSV; what has no value is an empty field, the infinite error of a diverged run is `inf`."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns.__annotations__), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _known(value) for name, value in row.items()} for row in table)
    return text.getvalue().encode()


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _write(folder: Path, files: Sequence[tuple[str, bytes]]) -> None:
    from capacity.files import disk_refusals, replace_files

    with disk_refusals(f"write the figures to '{folder}'", "see to that or choose another folder (out)"):
        folder.mkdir(parents=True, exist_ok=True)
        replace_files(folder, files)
