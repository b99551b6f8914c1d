"""A trial of a sweep: so many epochs on the whole training set, measured after each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from capacity.experiments.outcomes import Outcome
from capacity.experiments.sweep_config import SweepConfig
from capacity.experiments.trial import Curves, Ending, Entry, TrialConfig
from capacity.training import Trainer

QUANTITIES = tuple(f"{split}_{name}" for split in ("train", "test") for name in ("loss", "top1", "top5"))


@dataclass(frozen=True)
class SweepTrial(TrialConfig):
    """One network, learning rate and seed of a sweep; see :class:`TrialConfig`."""

    kind: ClassVar[str] = "sweep"
    revision: ClassVar[str] = "sweep/1"
    columns: ClassVar[Mapping[str, str]] = {
        "epochs_done": "INTEGER NOT NULL DEFAULT 0",
        "step": "INTEGER NOT NULL DEFAULT 0",
        **dict.fromkeys(QUANTITIES, "REAL"),
    }

    epochs: int

    def rows(self, samples: int) -> int:
        return samples

    def every(self, samples: int) -> int:
        return self.steps_per_epoch(samples)

    def limit(self, samples: int) -> int:
        return self.epochs * self.steps_per_epoch(samples)

    @staticmethod
    def measure(trainer: Trainer, trials: Sequence[SweepTrial]) -> dict[str, NDArray[np.float64]]:
        splits = ("train",) if trainer.data.test is None else ("train", "test")
        measured = {split: trainer.evaluate(split) for split in splits}
        return {
            f"{split}_{name}": getattr(metrics, name)
            for split, metrics in measured.items()
            for name in ("loss", "top1", "top5")
        }

    def ending(self, samples: int) -> Ending:
        def end(step: int, entry: Entry) -> Outcome | None:
            if not math.isfinite(entry["train_loss"]):
                return Outcome.DIVERGED
            if step < self.limit(samples):
                return None
            return Outcome.FITTED if entry["train_top1"] == 0 else Outcome.STEP_LIMIT

        return end

    def findings(self, curves: Curves) -> dict[str, Any]:
        last = {name: curves[name][-1] if curves.get(name) else math.nan for name in QUANTITIES}
        return {"epochs_done": max(len(curves.get("train_loss", ())) - 1, 0), **last}


def trials_of(config: SweepConfig, data_digest: str) -> list[SweepTrial]:
    """Return the trials of a sweep, ordered by depth, width, learning rate (largest first) and seed."""
    names = [field.name for field in fields(SweepTrial)]
    same = {name: getattr(config, name) for name in names if name in SweepConfig.model_fields}
    same |= {"data_digest": data_digest, "momentum": config.momentum if config.optimizer == "momentum" else 0.0}
    grid = product(config.depths, config.widths, config.lrs, range(config.seeds))
    return [SweepTrial(**same, depth=depth, width=width, lr=lr, seed=seed) for depth, width, lr, seed in grid]
