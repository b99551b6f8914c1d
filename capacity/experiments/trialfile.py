"""The file of one trial, trials/KEY.h5: what was asked, what was measured, and the checkpoint to go on from.

The layout is the same while the trial runs and when it is done. A file is never changed in place: a new one is
written aside, flushed and renamed over the old, so it can be opened and copied at any time.

==================================  =================================================================================
`/` attributes
`format`                            'capacity-trial/1'
`kind`                              'sweep' or 'converge'; absent in files of the first version, which are of sweeps
`key`, `config`                     the trial's key, and its :class:`TrialConfig` as JSON
`state`                             'running' or 'done'
`outcome`                           a code of :class:`Outcome`, or '' while running
`started`, `finished`               UTC, ISO 8601; `finished` is '' while running
`device`                            the device it was trained on, the last one when there were several
`provenance`                        JSON: versions, machine, device, precision, threads, data file, and the step it went
                                    on from (`first_step`); `earlier` lists the same of what trained it before, when it
                                    was interrupted and another process or device went on
`/curves`                           one float64 array per quantity, an entry a measurement; the first is before training
`seconds`                           wall time since the last measurement, training and evaluation
`examples_per_second`               training examples of this trial per wall second of training, without evaluation;
                                    NaN in entry 0
of a sweep                          entry e is after e epochs
`train_loss`                        mean cross-entropy over the whole training set, nats
`train_top1`, `train_top5`          errors over the whole training set, fractions (top5 is NaN up to 5 classes)
`test_loss`, `test_top1`,           the same over the test split; absent when the data set has none
`test_top5`
of a study of convergence
`step`                              steps done
`validation_loss`,                  mean cross-entropy (nats) and error (a fraction) over the test split
`validation_top1`
`train_loss`                        mean cross-entropy over the trial's own examples, measured once an epoch, else NaN
`/checkpoint`                       attributes `step` (SGD steps done), `epoch_seconds` and `training_seconds` (wall
                                    time since the last measurement: all, and of training)
`parameters`                        (P,), in the device's type; attribute `layout`: JSON list of [name, shape] in order
`optimizer`                         (S,), the optimizer's state in the same type; S = 0 for plain SGD
`/trajectory`                       of a study of convergence that records paths: attribute `groups`, a JSON list of the
                                    G groups of layers; see :mod:`capacity.analysis.trajectory` for the quantities
`step`                              (T,), the steps of the rows: what is before each
`distance`, `path_length`           (T, G), |W(t) - W(0)| and the length of the path walked to W(t)
`step_size`, `step_length`          (T, G), |g| at W(t) and |W(t+1) - W(t)|
`angle`                             (T, G), between W(t) - W(0) and g, radians (A_s)
`mean_step_size`, `mean_angle`      (T, G), over all steps before
`totals`                            (G, 5), from which the sums go on
==================================  =================================================================================

Trials of one network shape are trained together (`replicas` in the provenance), so a wall time is that of all of them.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from capacity.engine.program import Segment
from capacity.errors import StudyError
from capacity.experiments.outcomes import Outcome
from capacity.experiments.paths import QUANTITIES, PathRecord
from capacity.experiments.trial import TrialConfig
from capacity.experiments.trials import TRIALS
from capacity.training import State

FORMAT = "capacity-trial/1"


@dataclass
class TrialRecord:
    """What is known of one trial; see the module for the units."""

    config: TrialConfig
    device: str
    started: str
    provenance: dict[str, Any]
    layout: str
    curves: dict[str, list[float]] = field(default_factory=dict)
    step: int = 0
    epoch_seconds: float = 0.0
    training_seconds: float = 0.0
    outcome: Outcome | None = None
    finished: str = ""
    path: PathRecord | None = None

    @property
    def measured(self) -> int:
        """How many entries the curves have: the measurements, that of the start included."""
        return len(self.curves.get("seconds", ()))

    def measure(self, values: Mapping[str, float]) -> None:
        """Append one entry to the curves."""
        for name, value in values.items():
            self.curves.setdefault(name, []).append(value)

    def extend(self, values: Mapping[str, Iterable[float]]) -> None:
        """Append some entries to the curves."""
        for name, column in values.items():
            self.curves.setdefault(name, []).extend(column)

    def row(self) -> dict[str, Any]:
        """Return the trial's columns in the study's table that change as it runs."""
        return {
            "key": self.config.key,
            "state": "done" if self.outcome else "running",
            "outcome": self.outcome.value if self.outcome else None,
            "step": self.step,
            **self.config.findings(self.curves),
            "seconds": sum(self.curves.get("seconds", ())) + self.epoch_seconds,
            "examples_per_second": _mean_rate(self.curves.get("examples_per_second", [])[1:]),
            "device": self.device,
            "started": self.started,
            "finished": self.finished or None,
            "provenance": json.dumps(self.provenance),
        }


def _mean_rate(rates: list[float]) -> float:
    """Return examples per second over all measurements, about as many examples apart: the harmonic mean."""
    return len(rates) / sum(1 / rate for rate in rates) if rates else math.nan


def layout_of(segments: Iterable[Segment]) -> str:
    """Return the names and shapes of the parameters in their order, as JSON."""
    return json.dumps([[f"{segment.layer}/{segment.role}", segment.shape] for segment in segments])


def file_name(key: str) -> str:
    """Return the name of a trial's file in the folder trials/."""
    return f"{key}.h5"


def pack(record: TrialRecord, state: State) -> bytes:
    """Return the content of the trial's file."""
    image = io.BytesIO()
    with h5py.File(image, "w") as file:
        file.attrs.update(
            format=FORMAT,
            kind=record.config.kind,
            key=record.config.key,
            config=json.dumps(record.config.settings),
            state="done" if record.outcome else "running",
            outcome=record.outcome.value if record.outcome else "",
            started=record.started,
            finished=record.finished,
            device=record.device,
            provenance=json.dumps(record.provenance),
        )
        curves = file.create_group("curves")
        for name, values in record.curves.items():
            curves[name] = np.array(values, np.float64)
        checkpoint = file.create_group("checkpoint")
        checkpoint.attrs.update(
            step=record.step, epoch_seconds=record.epoch_seconds, training_seconds=record.training_seconds
        )
        checkpoint["parameters"] = state.parameters
        checkpoint["parameters"].attrs["layout"] = record.layout
        checkpoint["optimizer"] = state.optimizer
        if record.path is not None:
            pack_path(record.path, file.create_group("trajectory"))
    return image.getvalue()


def read_record(path: Path) -> TrialRecord:
    """Read what a trial's file says, all but parameters and optimizer state.

    Raises
    ------
    StudyError
        When the file is not one of this format or is damaged.
    """
    with opened(path) as file:
        said = dict(file.attrs)
        if said["format"] != FORMAT:
            raise ValueError(f"its format is '{said['format']}', expected '{FORMAT}'")
        checkpoint = file["checkpoint"]
        return TrialRecord(
            config=TRIALS[said.get("kind", "sweep")](**json.loads(said["config"])),
            device=said["device"],
            started=said["started"],
            provenance=json.loads(said["provenance"]),
            layout=checkpoint["parameters"].attrs["layout"],
            curves={name: values[...].tolist() for name, values in file["curves"].items()},
            step=int(checkpoint.attrs["step"]),
            epoch_seconds=float(checkpoint.attrs["epoch_seconds"]),
            training_seconds=float(checkpoint.attrs["training_seconds"]),
            outcome=Outcome(said["outcome"]) if said["outcome"] else None,
            finished=said["finished"],
            path=read_path(file["trajectory"]) if "trajectory" in file else None,
        )


def pack_path(path: PathRecord, group: h5py.Group) -> None:
    """Write a path into a group of a file."""
    group.attrs["groups"] = json.dumps(path.groups)
    group["totals"] = path.totals
    for name, values in path.arrays().items():
        group[name] = values


def read_path(group: h5py.Group) -> PathRecord:
    """Read the path that is in a group of a file."""
    rows = {name: [group[name][...]] for name in QUANTITIES}
    return PathRecord(tuple(json.loads(group.attrs["groups"])), group["totals"][...], [group["step"][...]], rows)


def read_state(path: Path) -> State:
    """Read the checkpoint of a trial's file: step, parameters (P,), optimizer state (S,)."""
    with opened(path) as file:
        checkpoint = file["checkpoint"]
        return State(int(checkpoint.attrs["step"]), checkpoint["parameters"][...], checkpoint["optimizer"][...])


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open a trial's file, which nobody changes in place and so needs no lock."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise StudyError(
            f"the trial file '{path}' cannot be read ({error}); remove it to train that trial again."
        ) from error
