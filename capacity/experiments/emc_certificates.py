"""Certificates of the failures that an EMC rests on: where has the training ended, and what does that mean?

When all trainings of a study have ended, the smallest failure of every seed is looked at: loss, gradient and Hessian of
its whole sample in float64, at the parameters that it ended with. Each result is a file `certificates/KEY.json` with
the fields of :class:`capacity.analysis.certificate.Certificate`; what is there is not done again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from capacity.analysis.certificate import Certificate, certify, improvement, is_stationary
from capacity.data import Dataset
from capacity.experiments import store
from capacity.experiments.emc_trial import EmcTrial
from capacity.experiments.interrupt import Interrupted, Interrupts
from capacity.experiments.outcomes import Outcome
from capacity.experiments.progress import Meter, Progress
from capacity.experiments.trial import TrialConfig
from capacity.experiments.trialfile import file_name, read_record, read_state
from capacity.files import replace_files
from capacity.training import LossSurface

FOLDER = "certificates"
DECISIVE, ROUGH = 1e-4, 1e-2
"""How exactly eigenvalues are wanted, as shares of the Hessian's norm; roughly where the smallest decides nothing."""


def uncertified(study: Path, failures: Sequence[EmcTrial]) -> list[EmcTrial]:
    """Return the trials that have no certificate yet."""
    return [trial for trial in failures if not _path(study, trial.key).exists()]


def read_certificate(study: Path, key: str) -> Certificate | None:
    """Return the certificate of a trial; None when there is none."""
    path = _path(study, key)
    return Certificate(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def write_certificates(
    study: Path, sizes: Mapping[TrialConfig, int], dataset: Dataset, device: str, progress: Progress | None
) -> None:
    """Certify trials one by one.

    Raises
    ------
    Interrupted
        After Ctrl-C; the certificates that were made are there.
    """
    (study / FOLDER).mkdir(exist_ok=True)
    meter = Meter(study, device, len(dataset.train.labels), progress, "certificate")
    meter.add(sizes, dict.fromkeys(sizes, 1))
    outcomes = {row["key"]: row["outcome"] for row in store.read_rows(study)}
    with Interrupts() as interrupts:
        for trial in sizes:
            assert isinstance(trial, EmcTrial)
            meter.tell()
            found = certificate(study, trial, Outcome(outcomes[trial.key]), dataset)
            replace_files(study / FOLDER, [(_path(study, trial.key).name, json.dumps(asdict(found)).encode())])
            meter.finish(trial)
            if interrupts.requested:
                raise Interrupted(study)
    meter.tell(at_once=True)


def certificate(study: Path, trial: EmcTrial, outcome: Outcome, dataset: Dataset) -> Certificate:
    """Return what is known of the point at which a trial ended."""
    from capacity.analysis.hessian import largest_eigenvalues, smallest_eigenvalues

    if outcome is Outcome.DIVERGED:
        return Certificate("diverged", *[math.nan] * 6)
    path = study / "trials" / file_name(trial.key)
    curves, parameters = read_record(path).curves, read_state(path).parameters
    surface = LossSurface(trial.model(), trial.data(dataset), parameters, samples=trial.samples, subset_seed=trial.seed)
    hessian, gradient = surface.hessian(), surface.gradient()
    largest = float(largest_eigenvalues(hessian, tolerance=DECISIVE).values[0])
    known = surface.loss, float((gradient @ gradient) ** 0.5), improvement(curves["step"], curves["train_loss"])
    tolerance = DECISIVE if is_stationary(*known, largest) else ROUGH
    smallest = smallest_eigenvalues(hessian, tolerance=tolerance)
    return certify(*known, float(smallest.values[0]), largest, float(smallest.residuals[0]))


def _path(study: Path, key: str) -> Path:
    return study / FOLDER / f"{key}.json"
