"""What a worker does: advance a group of trials for a while, then write their files.

A group is trials of one network shape, equally far, trained together as the replicas of one Trainer. Each slice begins
from the trials' files and ends in them, so every trial of more than one slice goes through the same path as one
that was killed, and a slice may run in any process that sees the study's folder.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from capacity.data import Dataset, open_dataset
from capacity.errors import StudyError
from capacity.experiments.lock import writer
from capacity.experiments.paths import GroupPaths
from capacity.experiments.provenance import now, provenance
from capacity.experiments.trial import Ending, Entry, TrialConfig
from capacity.experiments.trialfile import TrialRecord, file_name, layout_of, pack, read_record, read_state
from capacity.files import replace_files
from capacity.training import Trainer

SHORT_RUN_SECONDS = 0.2
"""About how long the trainer runs natively before it is asked again whether to stop."""

Watch = Callable[[int], bool]
"""Called with the step reached, every SHORT_RUN_SECONDS or so; a true answer ends the slice."""


@dataclass(frozen=True)
class Slice:
    """The order to advance a group of trials, all of one shape and equally far, for `seconds`."""

    study: str
    token: str
    data: str
    trials: tuple[TrialConfig, ...]
    device: str
    threads: int | None
    seconds: float


@dataclass(frozen=True)
class SliceResult:
    """What a slice achieved: each trial's changing columns, and the seconds it spent on files and set-up."""

    rows: tuple[dict[str, Any], ...]
    overhead_seconds: float


def run_slice(order: Slice, watch: Watch | None = None) -> SliceResult:
    """Advance a group until it is done, its time is up or `watch` says so; then write its files.

    Raises
    ------
    StudyError
        When the study was taken over by another process, the data changed, or the disk refuses.
    """
    began = time.perf_counter()
    folder = Path(order.study)
    with writer(folder, order.token):
        group = _Group(order, folder / "trials")
        started = time.perf_counter()
        group.run(started + order.seconds, watch)
        ended = time.perf_counter()
        replace_files(folder / "trials", group.files())
        for name in group.leftovers():
            (folder / "trials" / name).unlink(missing_ok=True)
    rows = tuple(record.row() for record in group.records)
    return SliceResult(rows, (started - began) + (time.perf_counter() - ended))


def resumable(path: Path) -> TrialRecord | None:
    """Return what a trial's file holds, or None when there is nothing to go on from."""
    return read_record(path) if path.exists() else None


@functools.lru_cache(maxsize=1)
def open_data(source: str, digest: str) -> Dataset:
    """Open the study's data once per process, and see that it is what the study began with."""
    dataset = open_dataset(source)
    if dataset.digest != digest:
        raise StudyError(f"the data set '{source}' has changed since the study began; put the earlier content back.")
    return dataset


class _Group:
    """The trials of a slice in memory: a Trainer and, replica by replica, their records."""

    def __init__(self, order: Slice, trials_folder: Path) -> None:
        first = order.trials[0]
        dataset = open_data(order.data, first.data_digest)
        samples = self._samples = len(dataset.train.labels)
        self._dataset = first.data(dataset)
        self._trainer = Trainer(
            first.model(),
            self._dataset,
            batch=first.batch,
            lrs=[trial.lr for trial in order.trials],
            seeds=[trial.seed for trial in order.trials],
            samples=[trial.rows(samples) for trial in order.trials],
            optimizer=first.rule(),
            precision=first.precision,
            device=order.device,
            threads=order.threads,
            trajectory=first.path_every > 0,
        )
        source = provenance(dataset, order.device, first.precision, order.threads, len(order.trials))
        paths = [trials_folder / file_name(trial.key) for trial in order.trials]
        found = [resumable(path) for path in paths]
        if None not in found:
            self._trainer.restore([read_state(path) for path in paths])
        self.records = [
            _begin(trial, order.device, source, layout_of(self._trainer.segments))
            if record is None
            else _go_on(record, order.device, source)
            for trial, record in zip(order.trials, found, strict=True)
        ]
        self._paths = None
        if first.path_every:
            self._paths = GroupPaths(self._trainer, [record.path for record in self.records], first.path_every)
            for record, path in zip(self.records, self._paths.paths, strict=True):
                record.path = path
        self._endings = [_ending(record, samples) for record in self.records]

    def run(self, deadline: float, watch: Watch | None) -> None:
        """Train and measure until all trials are done, the deadline has passed or `watch` says so."""
        steps, looks, every = 1, 1, self.records[0].config.every(self._samples)
        while running := [record for record in self.records if record.outcome is None]:
            step = self._trainer.step
            measured, since = divmod(step, every)
            quiet = (min(record.config.quiet_until(step) for record in running) - step) // every
            if since == 0 and running[0].measured == measured:
                self._measure()
            elif since == 0 and quiet:
                looks = self._fit(every, min(looks, quiet))
            else:
                steps = self._advance(running, min(steps, every - since))
            if (watch is not None and watch(self._trainer.step)) or time.perf_counter() >= deadline:
                break

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield the name and content of each trial's file, if it is wanted."""
        for record, state in zip(self.records, self._trainer.states(), strict=True):
            if _has_file(record):
                yield file_name(record.config.key), pack(record, state)

    def leftovers(self) -> list[str]:
        """Return the names of the files of trials that need none any more."""
        return [file_name(record.config.key) for record in self.records if not _has_file(record)]

    def _advance(self, running: list[TrialRecord], steps: int) -> int:
        """Advance by `steps` and return how many to do next."""
        began = time.perf_counter()
        self._trainer.advance(steps)
        if self._paths is not None:
            self._paths.add(self._trainer)
        seconds = time.perf_counter() - began
        for record in running:
            record.step = self._trainer.step
            record.training_seconds += seconds
            record.epoch_seconds += seconds
        return max(1, int(steps * min(SHORT_RUN_SECONDS / max(seconds, 1e-6), 8.0)))

    def _fit(self, every: int, most: int) -> int:
        """Advance by at most so many measurements, which the trainer makes by itself; return how many to do next."""
        began, before = time.perf_counter(), self._trainer.step
        found, looks = self._trainer.fit(every, most, [record.config.allowed for record in self.records])
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
        return max(1, int(most * min(SHORT_RUN_SECONDS / max(seconds, 1e-6), 8.0)))

    def _end(self, replica: int, step: int, entry: Entry) -> None:
        """Tell a trial what was measured, and end it if that is its end."""
        record = self.records[replica]
        record.outcome = self._endings[replica](step, entry)
        if record.outcome is not None:
            record.finished = now()
            self._trainer.active[replica] = False

    def _measure(self) -> None:
        """Evaluate, extend the curves, and end the trials that are at their end."""
        began, step = time.perf_counter(), self._trainer.step
        trials = [record.config for record in self.records]
        measured = trials[0].measure(self._trainer, trials)
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


def _has_file(record: TrialRecord) -> bool:
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
