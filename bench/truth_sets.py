"""Small data sets whose effective model complexity is known beforehand, and what a study of one of them has found."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.cover import separable_prefix

if TYPE_CHECKING:
    from capacity.experiments import Study

Order = NDArray[np.int64]

COMMON: dict[str, Any] = {
    "labels": ["semantic"], "optimizers": ["adam"], "first": 2, "increment": 1, "steps": 5000, "early": False,
}  # fmt: skip
"""Settings of :func:`capacity.emc`; the batch is the whole set, so that every step is of the whole sample."""
LINEAR: dict[str, Any] = {"widths": [1], "depths": [0], "lrs": [0.3]}
MOST_SEEDS = 20


@dataclass(frozen=True)
class TruthSet:
    """A data set of two classes, a network, and what EMC must be.

    Attributes
    ----------
    name, network : str
        For people.
    features : ndarray (N, D)
    labels : ndarray (N,)
    settings : dict
        Of :func:`capacity.emc`, beside `COMMON`.
    emc : callable
        Called with the order in which a seed's samples take the rows, (N,): the EMC of that seed.
    all_fitted : bool
        Whether it is all rows there are, so that EMC is only known to be at least as many.
    """

    name: str
    network: str
    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    settings: dict[str, Any]
    emc: Callable[[Order], int]
    all_fitted: bool


def truth_sets() -> list[TruthSet]:
    """Return the sets: XOR, parity, contradicting duplicates, and labels that are all the same."""
    found = []
    relu, tanh = {"lrs": [0.03], "activations": ["relu"]}, {"lrs": [0.03], "activations": ["tanh"]}
    for name, features, labels in (("XOR, 4 points", *parity(2)), ("XOR, 4 clusters of 15", *clusters(15))):
        found += [_linear(name, features, labels), _fits_all(name, "8 ReLU units", features, labels, 8, relu)]
    for k in (3, 4, 5, 6):
        features, labels = parity(k)
        name = f"parity of {k} bits"
        found += [
            _linear(name, features, labels),
            _fits_all(name, f"{2 * k} tanh units", features, labels, 2 * k, tanh),
        ]
    return [*found, _duplicates(), _constant()]


def parity(k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the 2^k points with all coordinates -1 or 1, and whether an odd number of them is 1; XOR is k = 2."""
    features = np.array(list(itertools.product([-1, 1], repeat=k)), np.float32)
    return features, (features > 0).sum(axis=1) % 2


def clusters(rows: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return XOR with `rows` points scattered normally, by 0.3, round each of its four."""
    centres, labels = parity(2)
    noise = np.random.default_rng(0).normal(scale=0.3, size=(4 * rows, 2))
    return (np.repeat(centres, rows, axis=0) + noise).astype(np.float32), np.repeat(labels, rows)


def _linear(name: str, features: NDArray[np.float32], labels: NDArray[np.int64]) -> TruthSet:
    return TruthSet(
        name, "linear", features, labels, LINEAR,
        emc=lambda order: separable_prefix(features[order], labels[order]), all_fitted=False,
    )  # fmt: skip


def _fits_all(
    name: str, network: str, features: NDArray[np.float32], labels: NDArray[np.int64], width: int, rest: dict[str, Any]
) -> TruthSet:
    return TruthSet(name, network, features, labels, {"widths": [width], **rest}, emc=len, all_fitted=True)


def _duplicates() -> TruthSet:
    from capacity.data import find_contradictions

    features = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    labels = np.arange(40) % 2
    features[30:], labels[30:] = features[:10], 1 - labels[:10]
    contradictions = find_contradictions(features, labels)
    return TruthSet(
        "40 points, 10 of them twice with both labels", "64 ReLU units", features, labels,
        {"widths": [64], "lrs": [0.03]}, emc=contradictions.consistent_prefix, all_fitted=False,
    )  # fmt: skip


def _constant() -> TruthSet:
    # A file must have two classes, so the other one has a row that no sample of n_max rows holds.
    n_max = 50
    features = np.random.default_rng(0).normal(size=(2000, 3)).astype(np.float32)
    sampled = {int(row) for seed in range(MOST_SEEDS) for row in subset_order(seed, 2000)[:n_max]}
    labels = np.zeros(2000, np.int64)
    labels[next(row for row in range(2000) if row not in sampled)] = 1
    return TruthSet(
        "constant labels", "2 ReLU units", features, labels, {"widths": [2], "lrs": [0.03], "n_max": n_max},
        emc=lambda order: n_max, all_fitted=True,
    )  # fmt: skip


def subset_order(seed: int, rows: int) -> Order:
    """Return the order in which the samples of a seed take the rows 0..rows-1."""
    from capacity.engine import random

    return random.permutation(seed, random.PURPOSE_SUBSET, 0, rows, np.arange(rows))


def run_set(truth: TruthSet, folder: Path, seeds: int, **settings: Any) -> Study:
    """Run the study of a set in a folder that is there, with seeds 0..seeds-1, of which there are MOST_SEEDS."""
    import capacity
    from capacity.data import save_dataset

    file = folder / "data.h5"
    save_dataset(file, truth.features, truth.labels, name=truth.name, classes=2)
    batch = min(len(truth.labels), 128)
    return capacity.emc(
        file, **COMMON | {"batch": batch} | truth.settings, seeds=seeds, out=folder / "study", **settings
    )


def study_findings(study: Study) -> dict[str, Any]:
    """Return what a study of one network has found.

    Returns
    -------
    dict
        'emc' and 'failed': of every seed, EMC and the smallest sample that failed (None where none did); 'mean' and
        'error', over the seeds; 'at_least', seeds without a failure; 'n50' with its interval 'n50_low' to 'n50_high',
        None without a threshold; 'trainings' and 'steps'; 'certificates', of every seed, the code of that failure.
    """
    from capacity.analysis import emc_point
    from capacity.experiments import EmcConfig
    from capacity.experiments.emc_certificates import read_certificate
    from capacity.experiments.emc_plan import EmcPlan
    from capacity.experiments.roster import finished_rows, replay

    assert isinstance(study.config, EmcConfig)
    plan, rows = EmcPlan(study.config, study.facts["data_digest"]), finished_rows(study.path)
    replay(plan, lambda trial: rows.get(trial.key))
    (search,) = plan.searches.values()
    point = emc_point(1, 1, [(n, seed, fitted) for (n, seed), fitted in search.answers().items()])
    law = point.threshold
    certificates = {trial.seed: read_certificate(study.path, trial.key) for trial in search.failures()}
    codes = {seed: found.code for seed, found in certificates.items() if found is not None}
    return {
        "emc": [seed.emc for seed in point.seeds],
        "failed": [seed.smallest_failed for seed in point.seeds],
        "mean": point.mean.value,
        "error": point.mean.error,
        "at_least": point.mean.at_least,
        "n50": law and law.n50,
        "n50_low": law and law.interval.low,
        "n50_high": law and law.interval.high,
        "trainings": len(search.results),
        "steps": sum(row["step"] for row in search.results.values()),
        "certificates": [codes.get(seed.seed) for seed in point.seeds],
    }
