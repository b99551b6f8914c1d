"""The report of a study: analysis, figures and tables, put together from what is in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from capacity.reporting.base import Report

if TYPE_CHECKING:
    from capacity.experiments import ConvergeConfig, EmcConfig, Study, SweepConfig

__all__ = ["FIGURES", "Report", "report"]

FIGURES = "figures"


def report(study: Study | str | Path, out: str | Path | None = None) -> Report:
    """Draw the figures of a study, write the numbers beside them and say what they mean.

    Works on an unfinished study too: what is missing is counted, in the figures and in the conclusion.

    Parameters
    ----------
    study : Study, str or Path
        A study or its folder.
    out : str, Path or None
        Folder for the figures (PNG, SVG, CSV each); None is `figures` in the study's folder. Files of an earlier report
        are replaced.

    Returns
    -------
    Report
        A :class:`SweepReport`, a :class:`ConvergeReport` or an :class:`EmcReport`, as the study is.

    Raises
    ------
    StudyError
        When the folder is not a study, or the files cannot be written.
    """
    from capacity.experiments import open_study
    from capacity.reporting.converge import report_converge
    from capacity.reporting.emc import report_emc
    from capacity.reporting.sweep import report_sweep

    if isinstance(study, str | Path):
        study = open_study(study)
    folder = Path(out) if out is not None else study.path / FIGURES
    if study.config.kind == "converge":
        return report_converge(study, cast("ConvergeConfig", study.config), folder)
    if study.config.kind == "emc":
        return report_emc(study, cast("EmcConfig", study.config), folder)
    return report_sweep(study, cast("SweepConfig", study.config), folder)
