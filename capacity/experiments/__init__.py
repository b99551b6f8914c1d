"""Measurements: trials, the study folder that keeps them, and the sweep."""

from __future__ import annotations

from capacity.experiments.api import resume, sweep
from capacity.experiments.config import SweepConfig, load_config
from capacity.experiments.interrupt import Interrupted
from capacity.experiments.outcomes import Outcome
from capacity.experiments.progress import Progress, Snapshot
from capacity.experiments.running import run_sweep
from capacity.experiments.study import Status, Study, open_study
from capacity.experiments.tables import export
from capacity.experiments.trial import TrialConfig

__all__ = [
    "Interrupted",
    "Outcome",
    "Progress",
    "Snapshot",
    "Status",
    "Study",
    "SweepConfig",
    "TrialConfig",
    "export",
    "load_config",
    "open_study",
    "resume",
    "run_sweep",
    "sweep",
]
