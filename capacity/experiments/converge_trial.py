"""A trial of a study of convergence: trained on a part of the data until its validation loss has turned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from capacity.analysis.halting import Patience, halting_time
from capacity.data import Dataset
from capacity.experiments.converge_config import LEARNING_RATES, ConvergeConfig
from capacity.experiments.outcomes import Outcome
from capacity.experiments.trial import Curves, Ending, Entry, TrialConfig
from capacity.training import AdamW, Trainer


@dataclass(frozen=True)
class ConvergeTrial(TrialConfig):
    """One network, optimizer, learning rate, part of the data and seed; see :class:`TrialConfig`.

    `samples` is n, the examples it is trained on, drawn by its seed; `patience` and `steps`, the step limit, are in
    steps and follow from n where they were asked for in epochs; `trajectory` is every how many steps the path is
    recorded, 0 for not at all. A path that is recorded changes the rounding of plain SGD, and so belongs to the key.
    """

    kind: ClassVar[str] = "converge"
    revision: ClassVar[str] = "converge/1"
    columns: ClassVar[Mapping[str, str]] = {
        "step": "INTEGER NOT NULL DEFAULT 0",
        "best_loss": "REAL",
        "best_step": "INTEGER",
        "halting_step": "INTEGER",
        "smoothed_outcome": "TEXT",
        "smoothed_step": "INTEGER",
        "validation_loss": "REAL",
        "validation_top1": "REAL",
        "train_loss": "REAL",
    }
    free: ClassVar[tuple[str, ...]] = ("lr", "seed", "samples", "patience", "steps")

    samples: int
    tolerance: float
    smooth: int
    validate_every: int
    patience: int
    steps: int
    trajectory: int

    @property
    def path_every(self) -> int:
        return self.trajectory

    @property
    def label(self) -> str:
        return f"{super().label}, {self.optimizer}"

    def rows(self, samples: int) -> int:
        return self.samples

    def every(self, samples: int) -> int:
        return self.validate_every

    def limit(self, samples: int) -> int:
        return self.steps

    @staticmethod
    def measure(trainer: Trainer, trials: Sequence[ConvergeTrial]) -> dict[str, NDArray[np.float64]]:
        """Measure the validation loss, and the training loss of trials that have seen their examples once more.

        A training loss is over all n examples of a trial, which may be many times as many as were trained on since
        the last validation; so it is measured once an epoch, and NaN elsewhere.
        """
        validation = trainer.evaluate("test")
        active = trainer.active.copy()
        trainer.active[:] = active & [trial.ends_an_epoch(trainer.step) for trial in trials]
        try:
            train_loss = trainer.evaluate("train").loss if trainer.active.any() else np.full(len(trials), np.nan)
        finally:
            trainer.active[:] = active
        return {
            "step": np.full(len(trials), float(trainer.step)),
            "validation_loss": validation.loss,
            "validation_top1": validation.top1,
            "train_loss": train_loss,
        }

    def ends_an_epoch(self, step: int) -> bool:
        """Whether an epoch has ended since the last validation; true at the start."""
        epoch = -(-self.samples // self.batch)
        return step == 0 or step // epoch > (step - self.validate_every) // epoch

    def ending(self, samples: int) -> Ending:
        """Return what ends the trial once the minima of the curve and of the smoothed curve have both held.

        The verdict is that of the curve as it is, which does not depend on how long it goes on.
        """
        plain = Patience(self.patience, tolerance=self.tolerance)
        smoothed = Patience(self.patience, tolerance=self.tolerance, smooth=self.smooth)

        def end(step: int, entry: Entry) -> Outcome | None:
            loss = entry["validation_loss"]
            both = [watch.update(step, loss) for watch in (plain, smoothed)]
            return Outcome(plain.halting.outcome) if all(both) or step >= self.steps else None

        return end

    def findings(self, curves: Curves) -> dict[str, Any]:
        """Return what the curves say so far; see `capacity.experiments.store` for the columns."""
        if not curves.get("step"):
            return {name: None for name in self.columns if name != "step"}
        steps, losses = [int(step) for step in curves["step"]], curves["validation_loss"]
        plain = halting_time(steps, losses, patience=self.patience, tolerance=self.tolerance)
        smoothed = halting_time(steps, losses, patience=self.patience, tolerance=self.tolerance, smooth=self.smooth)
        return {
            "best_loss": plain.minimum,
            "best_step": plain.minimum_step,
            "halting_step": None if plain.outcome == "diverged" else plain.step,
            "smoothed_outcome": smoothed.outcome,
            "smoothed_step": None if smoothed.outcome == "diverged" else smoothed.step,
            "validation_loss": losses[-1],
            "validation_top1": curves["validation_top1"][-1],
            "train_loss": next((loss for loss in reversed(curves["train_loss"]) if not math.isnan(loss)), math.nan),
        }


def trials_of(config: ConvergeConfig, dataset: Dataset) -> list[ConvergeTrial]:
    """Return the trials of a config fitted to the data, ordered by depth, optimizer, learning rate, n, width, seed."""
    assert config.every is not None
    assert config.trajectory is not None
    every = config.every
    rules = [(name, lr) for name in config.optimizers for lr in (config.lrs if config.lrs else (LEARNING_RATES[name],))]
    trials = []
    for depth, (optimizer, lr), samples, width, seed in product(
        config.depths, rules, config.sizes(dataset), config.widths, range(config.seeds)
    ):
        epoch = math.ceil(samples / config.batch)
        limit = config.steps if config.steps is not None else (config.epochs or 0) * epoch
        decay = config.weight_decay
        if decay is None:
            decay = AdamW().weight_decay if optimizer == "adamw" else 0.0
        trials.append(
            ConvergeTrial(
                data_digest=dataset.digest,
                width=width,
                depth=depth,
                activation=config.activation,
                init=config.init,
                output_init=config.output_init,
                optimizer=optimizer,
                momentum=config.momentum if optimizer == "momentum" else 0.0,
                weight_decay=decay,
                lr=lr,
                batch=config.batch,
                samples=samples,
                seed=seed,
                precision=config.precision,
                tolerance=config.tolerance,
                smooth=config.smooth,
                validate_every=every,
                patience=max(every, math.ceil(config.patience * epoch)),
                steps=math.ceil(limit / every) * every,
                trajectory=config.trajectory,
            )
        )
    return trials
