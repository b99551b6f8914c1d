"""The figures of a sweep, from the results of `capacity.analysis`. The only room that imports matplotlib.

Figures are made without pyplot: nothing is kept in a global list, no window opens, and the caller's matplotlib
settings neither change nor matter.
"""

from __future__ import annotations

from capacity.plots.curve import capacity_figure
from capacity.plots.learning import learning_figure
from capacity.plots.roi import roi_figure
from capacity.plots.style import Setting, render

__all__ = ["Setting", "capacity_figure", "learning_figure", "render", "roi_figure"]
