"""One trial: a frozen config whose canonical form hashes to its key, and which knows how it is measured and ends."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from capacity.data import Dataset
from capacity.experiments.outcomes import Outcome
from capacity.models import MLP
from capacity.training import SGD, Adam, AdamW, Shampoo, Trainer

Entry = Mapping[str, float]
"""One entry of a trial's curves: what was measured at one moment, by name."""
Curves = Mapping[str, Sequence[float]]
"""All entries so far, by name."""
Ending = Callable[[int, Entry], Outcome | None]
"""Told of each measurement of a trial, in order, as (step, entry); says how the trial has ended with it, if it has."""


@dataclass(frozen=True)
class TrialConfig(ABC):
    """Everything that a trial's numbers depend on, for a given device; each kind of study adds its own fields.

    The data set is named by the digest of its content, not by its path. How the trial is run (device, threads,
    workers) is provenance and no part of it. In the methods `samples` is N, the size of the whole training set.
    """

    kind: ClassVar[str]
    revision: ClassVar[str]
    """Part of every key; changed with the meaning of a field, so that old results are not taken for new ones."""
    columns: ClassVar[Mapping[str, str]]
    """What is measured, as columns of the study's table with their SQL types."""
    free: ClassVar[tuple[str, ...]] = ("lr", "seed")
    """Fields in which trials that are trained together may differ."""
    order: ClassVar[tuple[str, ...]] = ()
    """Fields by which the rows of a study are sorted; none leaves them in the order of its grid."""

    data_digest: str
    width: int
    depth: int
    activation: str
    init: str
    output_init: str
    optimizer: str
    momentum: float
    weight_decay: float
    lr: float
    batch: int
    seed: int
    precision: str

    @cached_property
    def key(self) -> str:
        """First 16 hex digits of the SHA-256 of the canonical form."""
        return digest_of({"revision": self.revision, **self.settings})[:16]

    @cached_property
    def shape(self) -> tuple[Any, ...]:
        """All but the free fields: trials of one shape can be trained together as replicas."""
        return tuple(value for name, value in self.settings.items() if name not in self.free)

    @property
    def settings(self) -> dict[str, Any]:
        """The fields and their values, which are plain."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def label(self) -> str:
        """The network, for people."""
        return f"width {self.width}, depth {self.depth}"

    @property
    def path_every(self) -> int:
        """Every how many steps the path through weight space is recorded; 0: it is not."""
        return 0

    @property
    def allowed(self) -> int:
        """With how many wrong examples it has fitted its sample, and ends; see `quiet_until`."""
        return 0

    def quiet_until(self, step: int) -> int:
        """Return the step up to which nothing ends it but that it has fitted its sample, or that it has diverged.

        Until then it is trained and measured (train_loss, train_top1) without returning to Python. Here it is `step`
        itself: what is measured, and what ends it, is said by `measure` and `ending`.
        """
        return step

    def data(self, dataset: Dataset) -> Dataset:
        """Return what it is trained on, made from the study's data set."""
        return dataset

    def keeps_file(self, outcome: Outcome) -> bool:
        """Whether its file is wanted when it has ended so, and not only its row in the study's table."""
        return True

    def model(self) -> MLP:
        """Return the network to train."""
        return MLP((self.width,) * self.depth, self.activation, self.init, self.output_init)

    def rule(self) -> SGD | Adam | AdamW | Shampoo:
        """Return the optimizer with its settings."""
        if self.optimizer in ("adam", "adamw"):
            return (AdamW if self.optimizer == "adamw" else Adam)(weight_decay=self.weight_decay)
        if self.optimizer == "shampoo":
            return Shampoo(weight_decay=self.weight_decay)
        return SGD(momentum=self.momentum, weight_decay=self.weight_decay)

    @abstractmethod
    def rows(self, samples: int) -> int:
        """Return n, how many of the N training examples it is trained on."""

    @abstractmethod
    def every(self, samples: int) -> int:
        """Return the steps between two measurements; the first is at step 0. The same for all trials of a shape."""

    @abstractmethod
    def limit(self, samples: int) -> int:
        """Return the step after which it is not trained on: a multiple of `every`."""

    @staticmethod
    @abstractmethod
    def measure(trainer: Trainer, trials: Sequence[Any]) -> dict[str, NDArray[np.float64]]:
        """Measure the active ones of some trials of one shape now; each quantity has an entry per trial."""

    @abstractmethod
    def ending(self, samples: int) -> Ending:
        """Return what says when the trial has ended; a new one, told of all measurements again, says the same."""

    @abstractmethod
    def findings(self, curves: Curves) -> dict[str, Any]:
        """Return what the curves say so far: a value for each of `columns` but `step`, the steps done."""

    def steps_per_epoch(self, samples: int) -> int:
        """Return the steps in which it sees each of its n examples once."""
        return -(-self.rows(samples) // self.batch)

    def examples(self, step: int, samples: int) -> int:
        """Return how many examples it has been trained on after so many steps."""
        epochs, into = divmod(step, self.steps_per_epoch(samples))
        return epochs * self.rows(samples) + into * self.batch


def digest_of(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of the canonical JSON of `content`: keys sorted, no spaces, shortest exact floats."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
