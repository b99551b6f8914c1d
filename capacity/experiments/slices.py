"""What a worker does: advance a group of trials for a while, then write their files.

A group is trials that are equally far: of one network shape, trained together as the replicas of one Trainer; or, where
the data are read in windows, of several, which take turns at every window. Each slice begins from the trials' files and
ends in them, so every trial of more than one slice goes through the same path as one that was killed, and a slice may
run in any process that sees the study's folder.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capacity.data import Dataset, open_dataset
from capacity.errors import StudyError
from capacity.experiments.lock import writer
from capacity.experiments.team import Team, advance_together, has_file, measure_together
from capacity.experiments.trial import TrialConfig
from capacity.experiments.trialfile import file_name
from capacity.files import replace_files

Watch = Callable[[int], bool]
"""Called with the step reached, every 0.2 s or so; a true answer ends the slice."""


@dataclass(frozen=True)
class Slice:
    """The order to advance a group of trials, all equally far, for `seconds`; `memory` is what data may take."""

    study: str
    token: str
    data: str
    memory: int | None
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


@functools.lru_cache(maxsize=1)
def open_data(source: str, memory: int | None, digest: str) -> Dataset:
    """Open the study's data once per process, and see that it is what the study began with."""
    dataset = open_dataset(source, memory=memory)
    if dataset.digest != digest:
        raise StudyError(f"the data set '{source}' has changed since the study began; put the earlier content back.")
    return dataset


class _Group:
    """The trials of a slice in memory, as teams of one network shape."""

    def __init__(self, order: Slice, trials_folder: Path) -> None:
        dataset = open_data(order.data, order.memory, order.trials[0].data_digest)
        shapes: dict[object, list[TrialConfig]] = {}
        for trial in order.trials:
            shapes.setdefault(trial.shape, []).append(trial)
        self._teams = [Team(order, trials, dataset, trials_folder) for trials in shapes.values()]
        of_trial = {record.config: record for team in self._teams for record in team.records}
        self.records = [of_trial[trial] for trial in order.trials]

    def run(self, deadline: float, watch: Watch | None) -> None:
        """Train and measure until all trials are done, the deadline has passed or `watch` says so."""
        steps, looks = 1, 1
        while running := [team for team in self._teams if team.running]:
            first = running[0]
            measured, since = divmod(first.trainer.step, first.every)
            if since == 0 and first.measured == measured:
                measure_together(running)
            elif since == 0 and (quiet := first.quiet()):
                looks = first.fit(min(looks, quiet))
            else:
                steps = advance_together(running, min(steps, first.every - since))
            if (watch is not None and watch(first.trainer.step)) or time.perf_counter() >= deadline:
                break

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield the name and content of each trial's file, if it is wanted."""
        for team in self._teams:
            yield from team.files()

    def leftovers(self) -> list[str]:
        """Return the names of the files of trials that need none any more."""
        return [file_name(record.config.key) for record in self.records if not has_file(record)]
