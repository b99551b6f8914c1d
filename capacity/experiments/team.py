"""Trials of one network shape, trained together: a Trainer and, replica by replica, their records."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capacity import training
from capacity.data import Dataset
from capacity.experiments.paths import GroupPaths
from capacity.experiments.provenance import now, provenance
from capacity.experiments.trial import Ending, Entry, TrialConfig
from capacity.experiments.trialfile import TrialRecord, file_name, layout_of, pack, read_record, read_state
from capacity.training import Trainer

if TYPE_CHECKING:
    from capacity.experiments.slices import Slice

SHORT_RUN_SECONDS = 0.2
"""About how long the trainer runs natively before it is asked again whether to stop."""


class Team:
    """Trials of one shape, equally far, as the replicas of one Trainer."""

    def __init__(self, order: Slice, trials: Sequence[TrialConfig], dataset: Dataset, trials_folder: Path) -> None:
        first = trials[0]
        samples = self._samples = len(dataset.train.labels)
        self.trainer = Trainer(
            first.model(),
            first.data(dataset),
            batch=first.batch,
            lrs=[trial.lr for trial in trials],
            seeds=[trial.seed for trial in trials],
            samples=[trial.rows(samples) for trial in trials],
            optimizer=first.rule(),
            precision=first.precision,
            device=order.device,
            threads=order.threads,
            trajectory=first.path_every > 0,
        )
        source = provenance(dataset, order.device, first.precision, order.threads, len(trials))
        paths = [trials_folder / file_name(trial.key) for trial in trials]
        found = [resumable(path) for path in paths]
        if None not in found:
            self.trainer.restore([read_state(path) for path in paths])
        self.records = [
            _begin(trial, order.device, source, layout_of(self.trainer.segments))
            if record is None
            else _go_on(record, order.device, source)
            for trial, record in zip(trials, found, strict=True)
        ]
        self._paths = None
        if first.path_every:
            self._paths = GroupPaths(self.trainer, [record.path for record in self.records], first.path_every)
            for record, path in zip(self.records, self._paths.paths, strict=True):
                record.path = path
        self._endings = [_ending(record, samples) for record in self.records]

    @property
    def running(self) -> bool:
        """Whether there is a trial that has not ended."""
        return any(record.outcome is None for record in self.records)

    @property
    def every(self) -> int:
        """The steps between two measurements."""
        return self.records[0].config.every(self._samples)

    @property
    def measured(self) -> int:
        """How often the trials that run were measured."""
        return next(record.measured for record in self.records if record.outcome is None)

    def quiet(self) -> int:
        """Return how many measurements the trainer may make by itself."""
        step = self.trainer.step
        until = (record.config.quiet_until(step) for record in self.records if record.outcome is None)
        return (min(until) - step) // self.every

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield the name and content of each trial's file, if it is wanted."""
        for record, state in zip(self.records, self.trainer.states(), strict=True):
            if has_file(record):
                yield file_name(record.config.key), pack(record, state)

    def note(self, seconds: float) -> None:
        """Note that the trainer has come to its step, in so many seconds."""
        if self._paths is not None:
            self._paths.add(self.trainer)
        for record in self.records:
            if record.outcome is None:
                record.step = self.trainer.step
                record.training_seconds += seconds
                record.epoch_seconds += seconds

    def fit(self, most: int) -> int:
        """Advance by at most so many measurements, which the trainer makes by itself; return how many to do next."""
        began, before, every = time.perf_counter(), self.trainer.step, self.every
        found, looks = self.trainer.fit(every, most, [record.config.allowed for record in self.records])
        seconds = time.perf_counter() - began
        each = seconds / max(1, looks.max())
        for replica, record in enumerate(self.records):
            if record.outcome is not None:
                continue
            count = int(looks[replica])
            steps = range(before + every, before + (count + 1) * every, every)
            losses, errors = (values[:count, replica].tolist() for values in (found.loss, found.top1))
            examples = [record.config.examples(step, self._samples) for step in (before, *steps)]
            rates = [(b - a) / each for a, b in pairwise(examples)]
            curves = {"step": steps, "train_loss": losses, "train_top1": errors, "seconds": [each] * count}
            record.extend({**curves, "examples_per_second": rates})
            record.step = before + count * every
            for step, loss, error in zip(steps, losses, errors, strict=True):
                self._end(replica, step, {"train_loss": loss, "train_top1": error})
        return _next(most, seconds)

    def _end(self, replica: int, step: int, entry: Entry) -> None:
        """Tell a trial what was measured, and end it if that is its end."""
        record = self.records[replica]
        record.outcome = self._endings[replica](step, entry)
        if record.outcome is not None:
            record.finished = now()
            self.trainer.active[replica] = False

    def measure(self, began: float) -> None:
        """Evaluate, extend the curves, and end the trials that are at their end; all this since a moment."""
        step = self.trainer.step
        trials = [record.config for record in self.records]
        measured = trials[0].measure(self.trainer, trials)
        seconds = time.perf_counter() - began
        for replica, record in enumerate(self.records):
            if record.outcome is not None:
                continue
            entry = {name: float(values[replica]) for name, values in measured.items()}
            before = step - record.config.every(self._samples)
            rate = math.nan
            if step:
                examples = record.config.examples(step, self._samples) - record.config.examples(before, self._samples)
                rate = examples / record.training_seconds
            record.measure({**entry, "seconds": record.epoch_seconds + seconds, "examples_per_second": rate})
            record.epoch_seconds = record.training_seconds = 0.0
            self._end(replica, step, entry)


def advance_together(teams: Sequence[Team], steps: int) -> int:
    """Advance teams that are equally far by `steps`, and return how many to do next."""
    began = time.perf_counter()
    training.advance_together([team.trainer for team in teams], steps)
    seconds = time.perf_counter() - began
    for team in teams:
        team.note(seconds)
    return _next(steps, seconds)


def measure_together(teams: Sequence[Team]) -> None:
    """Measure teams that are equally far; rows that are read in windows are read once for all of them."""
    began = time.perf_counter()
    trainers = [team.trainer for team in teams]
    if len(trainers) > 1:
        for split in ("train",) if trainers[0].data.test is None else ("train", "test"):
            training.evaluate_together(trainers, split)
    for team in teams:
        team.measure(began)


def _next(done: int, seconds: float) -> int:
    """Return how much to do at once after so much took so long."""
    return max(1, int(done * min(SHORT_RUN_SECONDS / max(seconds, 1e-6), 8.0)))


def resumable(path: Path) -> TrialRecord | None:
    """Return what a trial's file holds, or None when there is nothing to go on from."""
    return read_record(path) if path.exists() else None


def has_file(record: TrialRecord) -> bool:
    return record.outcome is None or record.config.keeps_file(record.outcome)


def _begin(trial: TrialConfig, device: str, source: dict[str, Any], layout: str) -> TrialRecord:
    return TrialRecord(trial, device, started=source["since"], provenance={**source, "first_step": 0}, layout=layout)


def _go_on(record: TrialRecord, device: str, source: dict[str, Any]) -> TrialRecord:
    """Note in the provenance that another process, or this one on another device, goes on with the trial."""
    before = dict(record.provenance)
    earlier = before.pop("earlier", [])
    if all(before[name] == source[name] for name in ("host", "pid", "device")):
        source = {**source, "since": before["since"], "first_step": before["first_step"]}
    else:
        source = {**source, "first_step": record.step}
        earlier = [*earlier, before]
    record.device = device
    record.provenance = {**source, "earlier": earlier} if earlier else source
    return record


def _ending(record: TrialRecord, samples: int) -> Ending:
    """Return what says when a trial has ended, told of what was measured so far."""
    ending, every = record.config.ending(samples), record.config.every(samples)
    for place in range(record.measured):
        ending(place * every, {name: values[place] for name, values in record.curves.items()})
    return ending
