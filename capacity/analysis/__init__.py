"""What the finished runs of a study say: pure functions of rows and arrays, without files, figures or printing."""

from __future__ import annotations

from capacity.analysis.comparison import LawComparison, compare_laws
from capacity.analysis.conclusion import conclusion
from capacity.analysis.convergence import HaltingCurve, Spread, halting_curve
from capacity.analysis.convergence_tables import (
    ComparisonRow,
    DataLawRow,
    ExponentRow,
    HaltingRow,
    ScalingRow,
    SpreadRow,
    comparison_table,
    data_law_table,
    exponent_table,
    halting_table,
    scaling_table,
    spread_table,
)
from capacity.analysis.curve import CapacityCurve, CurvePoint, capacity_curves, select_lr
from capacity.analysis.data_law import DataLaw, fit_data_law
from capacity.analysis.emc import EmcLine, EmcPoint, emc_line, emc_point, scan_steps
from capacity.analysis.emc_comparison import MeanRatio, Ratio, emc_ratio, mean_ratio, per_parameter
from capacity.analysis.exponent import Exponent, fit_exponent
from capacity.analysis.halting import Halting, Patience, halting_time
from capacity.analysis.halting_conclusion import halting_conclusion
from capacity.analysis.interval import Interval, median_interval
from capacity.analysis.learning import LearningCurve, learning_curve
from capacity.analysis.roi import Return, ReturnOnInvestment, return_on_investment
from capacity.analysis.runs import METRICS, Runs, group_runs
from capacity.analysis.scaling import PowerLaw, fit_power_law
from capacity.analysis.tables import CapacityRow, LearningRow, ReturnRow, capacity_table, learning_table, roi_table
from capacity.analysis.trajectory import Path, PathRecorder, angle, layer_groups
from capacity.analysis.verdict import Verdict

__all__ = [
    "METRICS",
    "CapacityCurve",
    "CapacityRow",
    "ComparisonRow",
    "CurvePoint",
    "DataLaw",
    "DataLawRow",
    "EmcLine",
    "EmcPoint",
    "Exponent",
    "ExponentRow",
    "Halting",
    "HaltingCurve",
    "HaltingRow",
    "Interval",
    "LawComparison",
    "LearningCurve",
    "LearningRow",
    "MeanRatio",
    "Path",
    "PathRecorder",
    "Patience",
    "PowerLaw",
    "Ratio",
    "Return",
    "ReturnOnInvestment",
    "ReturnRow",
    "Runs",
    "ScalingRow",
    "Spread",
    "SpreadRow",
    "Verdict",
    "angle",
    "capacity_curves",
    "capacity_table",
    "compare_laws",
    "comparison_table",
    "conclusion",
    "data_law_table",
    "emc_line",
    "emc_point",
    "emc_ratio",
    "exponent_table",
    "fit_data_law",
    "fit_exponent",
    "fit_power_law",
    "group_runs",
    "halting_conclusion",
    "halting_curve",
    "halting_table",
    "halting_time",
    "layer_groups",
    "learning_curve",
    "learning_table",
    "mean_ratio",
    "median_interval",
    "per_parameter",
    "return_on_investment",
    "roi_table",
    "scaling_table",
    "scan_steps",
    "select_lr",
    "spread_table",
]
