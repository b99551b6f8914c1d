"""The driver: hands groups of trials to workers slice by slice, and is the only writer of the database."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from capacity.errors import StudyError
from capacity.experiments import store
from capacity.experiments.groups import Group, make_groups, make_mixed_groups
from capacity.experiments.interrupt import Interrupted, Interrupts
from capacity.experiments.launchers import Launcher
from capacity.experiments.progress import Meter, Progress
from capacity.experiments.roster import Roster
from capacity.experiments.sizing import Limit
from capacity.experiments.slices import Slice, SliceResult, open_data
from capacity.experiments.study import TRIALS
from capacity.experiments.team import resumable
from capacity.experiments.trial import TrialConfig
from capacity.experiments.trialfile import file_name

SLICE_SECONDS = 10.0
"""A running trial is checkpointed about this often."""
CHECKPOINT_SHARE = 0.05
"""Slices grow until reading and writing checkpoints takes at most this share of the time."""
TRIES = 3
"""How often a group may be under way when a worker process dies, before the study is given up."""
FLUSH_SECONDS = 0.5
"""Least time between two commits, so that a thousand short trials do not wait for a thousand of them."""
POLL_SECONDS = 0.25


class Driver:
    """Runs the trials of one study that are not done; for the one process that holds the study's lock.

    Parameters
    ----------
    folder : Path
    token : str
        The lock's token, which lets workers write.
    database : Store
    roster : Roster
        The study's trials, with what is known to be done.
    data : str
        What opens the data set.
    memory : int or None
        Within which it is read in windows; None where it is in memory.
    samples : int
        N, the training samples of it.
    device : str
        Resolved.
    launcher : Launcher
        Closed at the end.
    limit : callable
        Most trials of a network that are trained together.
    progress : callable or None
    """

    def __init__(
        self,
        folder: Path,
        token: str,
        database: store.Store,
        roster: Roster,
        *,
        data: str,
        memory: int | None,
        samples: int,
        device: str,
        launcher: Launcher,
        limit: Limit,
        progress: Progress | None,
    ) -> None:
        self._folder, self._token, self._database, self._roster = folder, token, database, roster
        self._data, self._memory, self._samples, self._device = data, memory, samples, device
        self._launcher, self._limit = launcher, limit
        self._meter = Meter(folder, device, samples, progress, memory=memory)
        self._interrupts = Interrupts()
        self._queue: deque[Group] = deque()
        self._flying: dict[Future[SliceResult], Group] = {}
        self._unwritten: list[dict[str, Any]] = []
        self._new: list[TrialConfig] = []  # called for by results, and not in the database yet
        self._flushed = 0.0

    def run(self) -> None:
        """Run until every trial is done.

        Raises
        ------
        Interrupted
            After Ctrl-C, with all that ran checkpointed and recorded.
        StudyError
            When workers keep dying, memory runs out or the disk refuses.
        """
        with self._interrupts:
            try:
                self._know(self._roster.sizes)
                for trial in self._roster.done:
                    self._meter.start_from(trial, 0, done=True)
                self._queue.extend(self._catch_up(self._roster.unfinished))
                self._tell(at_once=True)
                self._loop()
                self._wind_down()
            except BaseException as error:
                with suppress(Exception):
                    self._wind_down()
                if isinstance(error, KeyboardInterrupt):  # a second Ctrl-C, or one that a worker met
                    raise Interrupted(self._folder) from error
                raise
            finally:
                self._launcher.close()
                open_data.cache_clear()
            self._tell(at_once=True)
        if self._queue:
            raise Interrupted(self._folder)

    def _loop(self) -> None:
        while (self._queue or self._flying) and not self._interrupts.requested:
            while self._queue and len(self._flying) < self._launcher.at_once and not self._interrupts.requested:
                self._launch(self._queue.popleft())
            ended, _ = wait(self._flying, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in ended:
                if future in self._flying:  # those that broke are taken out together
                    self._collect(future)
            if time.monotonic() - self._flushed >= FLUSH_SECONDS:
                self._flush()
            self._tell()

    def _catch_up(self, trials: Iterable[TrialConfig]) -> list[Group]:
        """Bring the database up to what the trials' files say, and return the groups that are still to run."""
        groups, unknown = self._take_stock(trials)
        self._flush()
        self._database.reset(unknown)
        return groups

    def _take_stock(self, trials: Iterable[TrialConfig]) -> tuple[list[Group], list[str]]:
        """Look for the trials' files; return the groups that are still to run, and the keys that have no file."""
        unknown, reached = [], {}
        left = deque(trials)
        while left:
            trial = left.popleft()
            record = resumable(self._file(trial))
            if record is None:
                unknown.append(trial.key)
                reached[trial] = (0, 0)
                continue
            self._unwritten.append(record.row())
            self._meter.start_from(trial, record.step, done=record.outcome is not None)
            if record.outcome is None:
                reached[trial] = (record.step, record.measured)
            else:
                left.extend(self._finish(trial, record.row()))
        if self._memory is not None:
            return make_mixed_groups(reached, self._roster.sizes, self._limit), unknown
        return make_groups(reached, self._roster.sizes, self._launcher.at_once, self._limit), unknown

    def _know(self, trials: Mapping[TrialConfig, int]) -> None:
        self._meter.add(trials, {trial: trial.limit(self._samples) for trial in trials})

    def _finish(self, trial: TrialConfig, row: Mapping[str, Any]) -> list[TrialConfig]:
        """Take in that a trial is done, and return the new trials that this calls for."""
        new = self._roster.take(trial, row)
        self._know({trial: self._roster.sizes[trial] for trial in new})
        self._new += new
        return new

    def _launch(self, group: Group) -> None:
        order = Slice(
            study=str(self._folder.absolute()),
            token=self._token,
            data=self._data,
            memory=self._memory,
            trials=group.trials,
            device=self._device,
            threads=self._launcher.threads,
            seconds=max(SLICE_SECONDS, group.overhead_seconds / CHECKPOINT_SHARE),
        )

        def watch(step: int) -> bool:
            self._meter.reach(group.trials, step)
            self._tell()
            return self._interrupts.requested

        self._meter.running[group] = group.label
        self._tell()
        try:
            future = self._launcher.submit(order, watch)
        except BrokenExecutor as error:
            future = Future()
            future.set_exception(error)
        self._flying[future] = group

    def _collect(self, future: Future[SliceResult]) -> None:
        """Take in what a slice achieved, and queue what is left of its group."""
        group = self._flying.pop(future)
        del self._meter.running[group]
        try:
            result = future.result()
        except BrokenExecutor as error:
            self._mend(group, error)
            return
        except MemoryError as error:
            raise StudyError(
                f"there is not enough memory to train {group.label}; leave out that size, or use fewer workers."
            ) from error
        self._unwritten += result.rows
        left, new = [], []
        for trial, row in zip(group.trials, result.rows, strict=True):
            self._meter.reach([trial], row["step"])
            if row["state"] == "done":
                self._meter.finish(trial)
                new += self._finish(trial, row)
            else:
                left.append(trial)
        if left:
            self._queue.appendleft(Group(tuple(left), result.overhead_seconds))
        if new:  # which may have files, from an earlier process that was killed before it wrote what called for them
            self._queue.extend(self._take_stock(new)[0])

    def _mend(self, group: Group, error: BrokenExecutor) -> None:
        """A worker died, and all slices under way died with it: replace the workers and queue the groups again.

        Which group was to blame is unknown, so each that was under way has used up one of its tries.
        """
        broken = [group]
        wait(self._flying)
        for future, other in list(self._flying.items()):
            if isinstance(future.exception(), BrokenExecutor):
                del self._flying[future], self._meter.running[other]
                broken.append(other)
        worst = max(broken, key=lambda group: group.breaks)
        if worst.breaks + 1 >= TRIES or not self._launcher.restart():
            raise StudyError(
                f"a worker process died while training {worst.label}, {worst.breaks + 1} times; if memory ran out use "
                "fewer workers, and in a script call sweep under 'if __name__ == \"__main__\":'."
            ) from error
        for dead in broken:
            left = self._catch_up(dead.trials)
            self._queue.extendleft(replace(part, breaks=dead.breaks + 1) for part in left)

    def _wind_down(self) -> None:
        """End what is under way, and record what came to a good end."""
        self._launcher.stop()
        for future, group in list(self._flying.items()):
            if not future.cancel() and future.exception() is None:
                self._collect(future)
            else:
                self._queue.appendleft(group)
        self._flush()

    def _flush(self) -> None:
        if self._unwritten or self._new:
            self._database.record(self._unwritten, [(trial, self._roster.sizes[trial]) for trial in self._new])
        self._unwritten, self._new = [], []
        self._flushed = time.monotonic()

    def _tell(self, *, at_once: bool = False) -> None:
        """Report progress; a KeyboardInterrupt raised in there is as good as Ctrl-C."""
        try:
            self._meter.tell(at_once=at_once)
        except KeyboardInterrupt:
            self._interrupts.requested = True

    def _file(self, trial: TrialConfig) -> Path:
        return self._folder / TRIALS / file_name(trial.key)
