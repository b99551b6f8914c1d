"""Studies of effective model complexity whose trainings are made up: reports of many networks in no time."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np

from capacity.experiments import EmcConfig, roster
from capacity.experiments.emc_trial import EmcTrial
from capacity.experiments.roster import Plan
from capacity.experiments.trial import TrialConfig
from capacity.reporting import emc as emc_report
from capacity.reporting.emc import EmcReport, report_emc

INPUTS = 10
FACTORS = {
    "random": 0.7, "random-inputs": 1.3, "gd": 0.6, "adam": 1.2, "tanh": 0.75, "sigmoid": 0.4, "identity": 0.15,
}  # fmt: skip
"""How many times as many examples are fitted as with semantic labels, SGD and ReLU."""


def parameters_of(trial: EmcTrial) -> int:
    """Return P of a network of `INPUTS` inputs and two classes, or as many as are asked for."""
    sizes = [INPUTS, *(trial.width,) * trial.depth, trial.classes or 2]
    return sum((inputs + 1) * outputs for inputs, outputs in pairwise(sizes))


def capacity_of(trial: EmcTrial) -> float:
    """Return the examples that a network fits: half its parameters times `FACTORS`, times up to 1.2 by seed."""
    factor = math.prod(FACTORS.get(name, 1.0) for name in (trial.labels, trial.optimizer, trial.activation))
    rng = np.random.default_rng([trial.seed, trial.width, len(trial.activation)])
    return 0.5 * parameters_of(trial) * factor * (1 + 0.04 * trial.seed) * (1 + 0.1 * rng.random())


def made_up_report(folder: Path, *, unfinished: int = 0, **settings: Any) -> EmcReport:
    """Return the report of a study of 5,000 examples in which a training fits up to `capacity_of` examples.

    Tables are written; figures are made, but not rendered to files, which would take longer than all else.
    """
    config = EmcConfig(data="made up", **({"n_max": 5000, "lrs": 0.1, "seeds": 5, "steps": 20_000} | settings))
    status = SimpleNamespace(total=100, done=100 - unfinished)
    study: Any = SimpleNamespace(
        facts={"data_digest": "none"}, path=folder, data_name="made-up data", dataset_size=5000, status=lambda: status
    )
    replay = roster.replay

    def made_up(plan: Plan, result: object) -> object:
        return replay(plan, _row)

    with patch.object(roster, "replay", made_up), patch.object(emc_report, "figure_files", lambda figures: []):
        return report_emc(study, config, folder / "figures")


def _row(trial: TrialConfig) -> dict[str, Any]:
    assert isinstance(trial, EmcTrial)
    wrong = max(0, math.ceil(0.15 * (trial.samples - capacity_of(trial))))
    ends = "step_limit" if trial.full else "stalled"
    return {
        "outcome": "fitted" if wrong == 0 else ends,
        "step": trial.samples,
        "fewest_wrong": wrong,
        "hopeless_step": None if wrong == 0 else trial.samples,
        "train_loss": 0.1,
        "parameters": parameters_of(trial),
    }
