"""Measurements: trials, the study folder that keeps them, and the kinds of studies.

The names below are imported when first used, so that `capacity sweep --help` needs the settings only.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from capacity.experiments.api import resume as resume
    from capacity.experiments.api import sweep as sweep
    from capacity.experiments.api_converge import converge as converge
    from capacity.experiments.api_emc import emc as emc
    from capacity.experiments.config import StudyConfig as StudyConfig
    from capacity.experiments.converge_config import ConvergeConfig as ConvergeConfig
    from capacity.experiments.emc_config import EmcConfig as EmcConfig
    from capacity.experiments.interrupt import Interrupted as Interrupted
    from capacity.experiments.loading import load_config as load_config
    from capacity.experiments.outcomes import Outcome as Outcome
    from capacity.experiments.progress import Progress as Progress
    from capacity.experiments.progress import Snapshot as Snapshot
    from capacity.experiments.running import run_study as run_study
    from capacity.experiments.study import Status as Status
    from capacity.experiments.study import Study as Study
    from capacity.experiments.study import open_study as open_study
    from capacity.experiments.sweep_config import SweepConfig as SweepConfig
    from capacity.experiments.tables import export as export
    from capacity.experiments.trial import TrialConfig as TrialConfig

_HOME = {
    "ConvergeConfig": "converge_config",
    "EmcConfig": "emc_config",
    "Interrupted": "interrupt",
    "Outcome": "outcomes",
    "Progress": "progress",
    "Snapshot": "progress",
    "Status": "study",
    "Study": "study",
    "StudyConfig": "config",
    "SweepConfig": "sweep_config",
    "TrialConfig": "trial",
    "converge": "api_converge",
    "emc": "api_emc",
    "export": "tables",
    "load_config": "loading",
    "open_study": "study",
    "resume": "api",
    "run_study": "running",
    "sweep": "api",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'capacity.experiments' has no attribute '{name}'")
    return getattr(importlib.import_module(f"capacity.experiments.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
