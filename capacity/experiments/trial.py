"""One trial: a frozen config whose canonical form hashes to its key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from itertools import product
from typing import Any

from capacity.experiments.config import SweepConfig
from capacity.models import MLP
from capacity.training import SGD

REVISION = "sweep/1"
"""Part of every key; changed when the meaning of a field changes, so that old results are not taken for new ones."""


@dataclass(frozen=True)
class TrialConfig:
    """Everything that a trial's numbers depend on, for a given device.

    The data set is named by the digest of its content, not by its path. How the trial is run (device, threads,
    workers) is provenance and no part of it.
    """

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
    epochs: int
    seed: int
    precision: str

    @cached_property
    def key(self) -> str:
        """First 16 hex digits of the SHA-256 of the canonical form."""
        return digest_of({"revision": REVISION, **asdict(self)})[:16]

    @cached_property
    def shape(self) -> tuple[Any, ...]:
        """All but learning rate and seed: trials of one shape can be trained together as replicas."""
        return tuple(value for name, value in asdict(self).items() if name not in ("lr", "seed"))

    @property
    def label(self) -> str:
        """The network, for people."""
        return f"width {self.width}, depth {self.depth}"

    def model(self) -> MLP:
        """Return the network to train."""
        return MLP((self.width,) * self.depth, self.activation, self.init, self.output_init)

    def sgd(self) -> SGD:
        """Return the optimizer's settings."""
        return SGD(momentum=self.momentum, weight_decay=self.weight_decay)


TRIAL_FIELDS = tuple(field.name for field in fields(TrialConfig))


def digest_of(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of the canonical JSON of `content`: keys sorted, no spaces, shortest exact floats."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def trials_of(config: SweepConfig, data_digest: str) -> list[TrialConfig]:
    """Return the trials of a sweep, ordered by depth, width, learning rate (largest first) and seed."""
    same = {name: getattr(config, name) for name in TRIAL_FIELDS if name in SweepConfig.model_fields}
    same |= {"data_digest": data_digest, "momentum": config.momentum if config.optimizer == "momentum" else 0.0}
    grid = product(config.depths, config.widths, config.lrs, range(config.seeds))
    return [TrialConfig(**same, depth=depth, width=width, lr=lr, seed=seed) for depth, width, lr, seed in grid]
