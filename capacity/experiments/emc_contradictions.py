"""Equal examples with different labels among a study's data: they bound EMC whatever the network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from capacity.data import Dataset, find_contradictions
from capacity.engine.random import PURPOSE_SUBSET, permutation
from capacity.experiments.emc_trial import derived

if TYPE_CHECKING:
    from capacity.experiments.emc_config import EmcConfig

FACT = "contradictions"
"""The study's fact in which they are kept, as JSON."""


@dataclass(frozen=True)
class Bound:
    """The contradictions among the training examples with one kind of labels and number of classes.

    Attributes
    ----------
    labels : str
    classes : int
        0: those of the data.
    samples, rows : int
        N, and how many of them have the features of another and a different label.
    prefixes : list of int
        For each seed the largest sample, up to n_max, that holds no such pair: EMC can be no larger.
    """

    labels: str
    classes: int
    samples: int
    rows: int
    prefixes: list[int]


def contradictions(config: EmcConfig, dataset: Dataset) -> dict[str, Any]:
    """Look for contradictions in all that the data are made into; return them as a fact of the study."""
    assert config.n_max is not None
    found = []
    for labels in config.labels:
        for classes in config.classes or (0,):
            if labels == "random-inputs":  # no two rows of these are equal
                continue
            part = derived(dataset, labels, classes, config.selection).train
            pairs = find_contradictions(part.features, part.labels)
            if not len(pairs.rows):
                continue
            N, places = len(part.labels), np.arange(config.n_max)
            orders = (permutation(seed, PURPOSE_SUBSET, 0, N, places) for seed in range(config.seeds))
            prefixes = [pairs.consistent_prefix(order) for order in orders]
            found.append(Bound(labels, classes, N, len(pairs.rows), prefixes))
    return {FACT: json.dumps([asdict(bound) for bound in found])}


def known_contradictions(facts: Mapping[str, Any]) -> list[Bound]:
    """Return the contradictions that a study's facts tell of."""
    return [Bound(**bound) for bound in json.loads(facts.get(FACT, "[]"))]
