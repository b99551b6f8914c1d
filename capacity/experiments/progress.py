"""How far a study is, and how long it will take."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from capacity.experiments.groups import Group
from capacity.experiments.trial import TrialConfig

RATE_SECONDS = 30.0
"""The rate shown is that of the last so many seconds."""
QUIET_SECONDS = 0.1
"""Least time between two reports."""
EXAMPLE_COST = 2500
"""What an example costs besides its parameters, in parameters: gathering, the softmax, the loop (measured, roughly)."""


@dataclass(frozen=True)
class Snapshot:
    """Progress of a study at one moment.

    Attributes
    ----------
    study : Path
    device : str
        What the trials are trained on.
    trials_total, trials_done : int
        A trial that diverged is done.
    running : tuple of str
        The groups under way, largest first, for instance 'width 64, depth 1 (6 trials)'.
    epochs_total, epochs_done : int
        Passes of each trial over its own examples, summed over trials; one that is done counts with all it might need.
    examples_per_second : float
        Training examples per wall second over all running trials, in the last half minute; evaluation included.
    seconds_left : float or None
        Estimated from work (parameters x examples, and a little per example), not from numbers of trials; None until
        there is a rate.
    """

    study: Path
    device: str
    trials_total: int
    trials_done: int
    running: tuple[str, ...]
    epochs_total: int
    epochs_done: int
    examples_per_second: float
    seconds_left: float | None
    memory: int | None = None
    """Bytes within which the data are read in windows; None where they are in memory."""
    noun: str = "trial"
    """What the trials are called: those that look at them once more say so."""


Progress = Callable[[Snapshot], None]


class Meter:
    """Adds up what was reached and tells `report` about it, not more often than a person can read."""

    def __init__(
        self,
        study: Path,
        device: str,
        samples: int,
        report: Progress | None,
        noun: str = "trial",
        memory: int | None = None,
    ) -> None:
        self._study, self._device, self._report, self._noun = study, device, report, noun
        self._memory = memory
        self._samples = samples
        self._costs: dict[TrialConfig, int] = {}
        self._limits: dict[TrialConfig, float] = {}
        self._epochs: dict[TrialConfig, float] = {}
        self._done: set[TrialConfig] = set()
        self._shares: list[float] = []
        self._examples = 0.0
        self._work = 0.0
        self._began = time.monotonic()
        self._recent: deque[tuple[float, float]] = deque([(self._began, 0.0)])
        self._reported = -QUIET_SECONDS
        self.running: dict[Group, str] = {}
        """The groups under way, and what they are called."""

    def add(self, sizes: Mapping[TrialConfig, int], limits: Mapping[TrialConfig, int]) -> None:
        """Take in trials that are to be done: the number of parameters of each, and the steps it needs at most."""
        self._costs.update((trial, size + EXAMPLE_COST) for trial, size in sizes.items())
        self._limits.update((trial, limits[trial] / trial.steps_per_epoch(self._samples)) for trial in sizes)
        self._epochs.update(dict.fromkeys(sizes, 0.0))

    def start_from(self, trial: TrialConfig, step: int, *, done: bool) -> None:
        """Note how far a trial was before this process took it up; that says nothing about the rate."""
        self._epochs[trial] = step / trial.steps_per_epoch(self._samples)
        if done:
            self.finish(trial)

    def reach(self, trials: Iterable[TrialConfig], step: int) -> None:
        """Note that trials have come to a step."""
        for trial in trials:
            epochs = step / trial.steps_per_epoch(self._samples)
            examples = (epochs - self._epochs[trial]) * trial.rows(self._samples)
            self._epochs[trial] = epochs
            self._examples += examples
            self._work += examples * self._costs[trial]

    def finish(self, trial: TrialConfig) -> None:
        """Note that a trial is done; epochs that it has not needed count as done."""
        if self._epochs[trial]:
            self._shares.append(self._epochs[trial] / self._limits[trial])
        self._epochs[trial] = self._limits[trial]
        self._done.add(trial)

    def tell(self, *, at_once: bool = False) -> None:
        """Report, unless the last report was a moment ago."""
        moment = time.monotonic()
        if self._report is not None and (at_once or moment - self._reported >= QUIET_SECONDS):
            self._reported = moment
            self._report(self.snapshot())

    def snapshot(self) -> Snapshot:
        """Return the progress now."""
        moment = time.monotonic()
        # Trials that end by themselves need a part of their limit, the others as much as those that are done.
        share = sum(self._shares) / len(self._shares) if self._shares else 1.0
        left = sum(
            self._costs[trial] * trial.rows(self._samples) * max(0.0, share * self._limits[trial] - epochs)
            for trial, epochs in self._epochs.items()
        )
        elapsed = moment - self._began
        return Snapshot(
            study=self._study,
            device=self._device,
            trials_total=len(self._costs),
            trials_done=len(self._done),
            running=tuple(self.running.values()),
            epochs_total=int(sum(self._limits.values())),
            epochs_done=sum(int(epochs) for epochs in self._epochs.values()),
            examples_per_second=self._rate(moment),
            seconds_left=elapsed * left / self._work if self._work else None,
            memory=self._memory,
            noun=self._noun,
        )

    def _rate(self, moment: float) -> float:
        self._recent.append((moment, self._examples))
        while len(self._recent) > 1 and moment - self._recent[1][0] >= RATE_SECONDS:
            self._recent.popleft()
        since, before = self._recent[0]
        return (self._examples - before) / (moment - since) if moment > since else 0.0
