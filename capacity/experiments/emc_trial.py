"""A training of a search for effective model complexity: does this network fit this sample?"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from capacity.analysis.outlook import Outlook, next_judgement
from capacity.data import Dataset, derive_dataset
from capacity.experiments.outcomes import Outcome
from capacity.experiments.trial import Curves, Ending, Entry, TrialConfig
from capacity.training import Trainer


@dataclass(frozen=True)
class EmcTrial(TrialConfig):
    """One network, optimizer, learning rate, sample size and seed; see :class:`TrialConfig`.

    `samples` is n, the rows of the sample, which the seed draws; a seed's smaller sample lies in its larger. `labels`,
    `classes` (0: those of the data) and `selection` say what the data are made into, see
    :func:`capacity.data.derive_dataset`. `full` is 1 for a training that runs to its limit whatever its curve says.
    `test` is 1 for one whose error on the test split is measured where it ends.
    """

    kind: ClassVar[str] = "emc"
    revision: ClassVar[str] = "emc/2"
    columns: ClassVar[Mapping[str, str]] = {
        "step": "INTEGER NOT NULL DEFAULT 0",
        "train_loss": "REAL",
        "train_top1": "REAL",
        "fewest_wrong": "INTEGER",
        "hopeless_step": "INTEGER",
        "test_top1": "REAL",
    }
    free: ClassVar[tuple[str, ...]] = ("lr", "seed", "samples", "steps", "full")
    order: ClassVar[tuple[str, ...]] = (
        "labels", "classes", "optimizer", "activation", "depth", "width", "seed", "samples", "lr", "full",
        "test",
    )  # fmt: skip

    labels: str
    classes: int
    selection: str
    samples: int
    accuracy: float
    check_every: int
    steps: int
    full: int
    test: int

    @property
    def label(self) -> str:
        return f"{super().label}, {self.optimizer}, {self.labels} labels, n = {self.samples:,}"

    @property
    def allowed(self) -> int:
        """Wrong examples with which it counts as fitted."""
        return math.floor((1 - self.accuracy) * self.samples + 1e-9)

    def quiet_until(self, step: int) -> int:
        if self.test:
            return step
        return self.steps if self.full else next_judgement(step, self.steps, self.check_every)

    def data(self, dataset: Dataset) -> Dataset:
        return derived(dataset, self.labels, self.classes, self.selection)

    def keeps_file(self, outcome: Outcome) -> bool:
        """Return whether it did not fit: then the parameters that it ended with say why."""
        return outcome is not Outcome.FITTED

    def rows(self, samples: int) -> int:
        return self.samples

    def every(self, samples: int) -> int:
        return self.check_every

    def limit(self, samples: int) -> int:
        return self.steps

    @staticmethod
    def measure(trainer: Trainer, trials: Sequence[EmcTrial]) -> dict[str, NDArray[np.float64]]:
        """Measure loss and error on the trials' own samples, and test those that are to be tested and end here."""
        found = trainer.evaluate("train")
        measured = {
            "step": np.full(len(trials), float(trainer.step)), "train_loss": found.loss, "train_top1": found.top1
        }  # fmt: skip
        if trials[0].test:
            ends = [
                math.isfinite(loss) and (trainer.step >= trial.steps or trial._fits(error))
                for trial, loss, error in zip(trials, found.loss, found.top1, strict=True)
            ]
            measured["test_top1"] = np.where(ends, trainer.evaluate("test").top1 if any(ends) else math.nan, math.nan)
        return measured

    def ending(self, samples: int) -> Ending:
        """Return what ends the trial once it has fitted or diverged, at its limit, or when it is hopeless."""
        outlook = Outlook(self.steps, self.allowed, self.check_every)

        def end(step: int, entry: Entry) -> Outcome | None:
            if not math.isfinite(entry["train_loss"]):
                return Outcome.DIVERGED
            if self._fits(entry["train_top1"]):
                return Outcome.FITTED
            hopeless = outlook.update(step, self._wrong(entry["train_top1"]))
            if step >= self.steps:
                return Outcome.STEP_LIMIT
            return Outcome.STALLED if hopeless and not self.full else None

        return end

    def findings(self, curves: Curves) -> dict[str, Any]:
        """Return what the curves say so far; see `capacity.experiments.store` for the columns."""
        if not curves.get("step"):
            return {name: None for name in self.columns if name != "step"}
        wrong = [self._wrong(error) if math.isfinite(error) else self.samples for error in curves["train_top1"]]
        outlook = Outlook(self.steps, self.allowed, self.check_every)
        steps = [int(step) for step in curves["step"]]
        judged = (step for step, count in zip(steps, wrong, strict=True) if outlook.update(step, count))
        return {
            "train_loss": curves["train_loss"][-1],
            "train_top1": curves["train_top1"][-1],
            "fewest_wrong": min(wrong),
            "hopeless_step": next(judged, None),
            "test_top1": curves.get("test_top1", (None,))[-1],
        }

    def _fits(self, error: float) -> bool:
        return self._wrong(error) <= self.allowed

    def _wrong(self, error: float) -> int:
        return round(error * self.samples)


@functools.lru_cache(maxsize=8)
def derived(dataset: Dataset, labels: str, classes: int, selection: str) -> Dataset:
    """Return a data set made into another; the last ones are kept, since trials of some kinds take turns."""
    return derive_dataset(dataset, labels=labels, classes=classes or None, selection=selection)
