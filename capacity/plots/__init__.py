"""The figures of a study, from the results of `capacity.analysis`. The only room that imports matplotlib.

Figures are made without pyplot: nothing is kept in a global list, no window opens, and the caller's matplotlib
settings neither change nor matter.
"""

from __future__ import annotations

from capacity.plots.curve import capacity_figure
from capacity.plots.emc import Place, emc_figure
from capacity.plots.emc_accuracy import AccuracyPanel, Reached, accuracy_figure
from capacity.plots.emc_comparison import RatioRow, ratio_figure
from capacity.plots.exponents import exponent_figure
from capacity.plots.halting import halting_figure
from capacity.plots.learning import learning_figure
from capacity.plots.roi import roi_figure
from capacity.plots.style import Setting, render
from capacity.plots.trajectory import GROUPS, QUANTITIES, trajectory_figure

__all__ = [
    "GROUPS",
    "QUANTITIES",
    "AccuracyPanel",
    "Place",
    "RatioRow",
    "Reached",
    "Setting",
    "accuracy_figure",
    "capacity_figure",
    "emc_figure",
    "exponent_figure",
    "halting_figure",
    "learning_figure",
    "ratio_figure",
    "render",
    "roi_figure",
    "trajectory_figure",
]
