"""The trials of each kind of study, by the kind's name."""

from __future__ import annotations

from collections.abc import Mapping

from capacity.experiments.converge_trial import ConvergeTrial
from capacity.experiments.emc_trial import EmcTrial
from capacity.experiments.sweep_trial import SweepTrial
from capacity.experiments.trial import TrialConfig

TRIALS: Mapping[str, type[TrialConfig]] = {trial.kind: trial for trial in (SweepTrial, ConvergeTrial, EmcTrial)}
