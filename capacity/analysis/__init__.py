"""What the finished runs of a study say: pure functions of rows and arrays, without files, figures or printing."""

from __future__ import annotations

from capacity.analysis.conclusion import conclusion
from capacity.analysis.curve import CapacityCurve, CurvePoint, capacity_curves, select_lr
from capacity.analysis.interval import Interval, median_interval
from capacity.analysis.learning import LearningCurve, learning_curve
from capacity.analysis.roi import Return, ReturnOnInvestment, return_on_investment
from capacity.analysis.runs import METRICS, Runs, group_runs
from capacity.analysis.tables import CapacityRow, LearningRow, ReturnRow, capacity_table, learning_table, roi_table

__all__ = [
    "METRICS",
    "CapacityCurve",
    "CapacityRow",
    "CurvePoint",
    "Interval",
    "LearningCurve",
    "LearningRow",
    "Return",
    "ReturnOnInvestment",
    "ReturnRow",
    "Runs",
    "capacity_curves",
    "capacity_table",
    "conclusion",
    "group_runs",
    "learning_curve",
    "learning_table",
    "median_interval",
    "return_on_investment",
    "roi_table",
    "select_lr",
]
