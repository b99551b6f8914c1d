"""Measure what neural networks do with their capacity.

The names below are imported when first used, so that `import capacity` stays fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "MLP": "capacity.models",
    "SGD": "capacity.training",
    "Adam": "capacity.training",
    "AdamW": "capacity.training",
    "Shampoo": "capacity.training",
    "LossSurface": "capacity.training",
    "Trainer": "capacity.training",
    "TrajectoryMeter": "capacity.training",
    "train": "capacity.training",
    "open_dataset": "capacity.data",
    "save_dataset": "capacity.data",
    "sweep": "capacity.experiments",
    "converge": "capacity.experiments",
    "emc": "capacity.experiments",
    "emc_search": "capacity.experiments.emc_callable",
    "resume": "capacity.experiments",
    "open_study": "capacity.experiments",
    "report": "capacity.reporting",
    "theory_lnn": "capacity.theory",
    "CapacityError": "capacity.errors",
    "InputError": "capacity.errors",
    "StudyError": "capacity.errors",
    "DeviceError": "capacity.errors",
}

__all__ = ["__version__", *_HOME]  # noqa: PLE0604 - the keys are strings

if TYPE_CHECKING:
    from capacity.data import open_dataset as open_dataset
    from capacity.data import save_dataset as save_dataset
    from capacity.errors import CapacityError as CapacityError
    from capacity.errors import DeviceError as DeviceError
    from capacity.errors import InputError as InputError
    from capacity.errors import StudyError as StudyError
    from capacity.experiments import converge as converge
    from capacity.experiments import emc as emc
    from capacity.experiments import open_study as open_study
    from capacity.experiments import resume as resume
    from capacity.experiments import sweep as sweep
    from capacity.experiments.emc_callable import emc_search as emc_search
    from capacity.models import MLP as MLP
    from capacity.reporting import report as report
    from capacity.theory import theory_lnn as theory_lnn
    from capacity.training import SGD as SGD
    from capacity.training import Adam as Adam
    from capacity.training import AdamW as AdamW
    from capacity.training import LossSurface as LossSurface
    from capacity.training import Shampoo as Shampoo
    from capacity.training import Trainer as Trainer
    from capacity.training import TrajectoryMeter as TrajectoryMeter
    from capacity.training import train as train


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'capacity' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
