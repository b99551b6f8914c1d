"""A study of EMC counts equal examples with different labels, and says what they bound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import capacity
from capacity.data import derive_dataset, save_dataset
from capacity.engine import random
from capacity.experiments import EmcConfig, Study, run_study
from capacity.experiments.emc_contradictions import known_contradictions

N = 60
SETTINGS: dict[str, Any] = {
    "widths": 2, "labels": "semantic", "lrs": 0.5, "seeds": 3, "first": 4, "increment": 8, "steps": 60, "batch": 8,
    "threads": 1, "accuracy": 1.0,
}  # fmt: skip


def study_of(folder: Path, copies: int, **settings: Any) -> Study:
    """Run a study on data whose last rows are copies of the first, with another label."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(N, 4)).astype(np.float32)
    labels = np.arange(N) % 4
    features[N - copies :] = features[:copies]
    labels[N - copies :] = (labels[:copies] + 1) % 4
    file = folder / "data.h5"
    save_dataset(file, features, labels, name="data", classes=4)
    return run_study(EmcConfig(data=str(file), out=str(folder / "study"), **(SETTINGS | settings)))


def prefix_by_hand(copies: int, seed: int, n_max: int) -> int:
    order = random.permutation(seed, random.PURPOSE_SUBSET, 0, N, np.arange(N)).tolist()
    seen: set[int] = set()
    for place, row in enumerate(order[:n_max]):
        twin = row + N - copies if row < copies else row - N + copies if row >= N - copies else None
        if twin in seen:
            return place
        seen.add(row)
    return n_max


def test_they_are_counted_and_bound_each_seed(tmp_path: Path) -> None:
    study = study_of(tmp_path, 6)
    (bound,) = known_contradictions(study.facts)
    assert (bound.labels, bound.classes, bound.samples, bound.rows) == ("semantic", 0, N, 12)
    assert bound.prefixes == [prefix_by_hand(6, seed, N) for seed in range(3)]
    low, high = min(bound.prefixes), max(bound.prefixes)
    assert low < high < N
    assert (
        "With semantic labels, 12 of 60 examples have the features of another and a different label, so no network "
        f"can fit a sample beyond {low} to {high}, by seed."
    ) in capacity.report(study).conclusion


def test_samples_that_hold_no_pair_are_not_bound(tmp_path: Path) -> None:
    small = min(prefix_by_hand(1, seed, N) for seed in range(3))
    said = capacity.report(study_of(tmp_path, 1, n_max=small)).conclusion
    assert "2 of 60 examples have the features of another and a different label, but no sample of this study" in said


def test_with_a_lower_target_they_are_only_counted(tmp_path: Path) -> None:
    said = capacity.report(study_of(tmp_path, 6, accuracy=0.9)).conclusion
    assert "12 of 60 examples have the features of another and a different label, so they cannot all be right." in said


def test_each_kind_of_labels_and_number_of_classes_has_its_own(tmp_path: Path) -> None:
    study = study_of(tmp_path, 6, labels=("semantic", "random", "random-inputs"), classes=(2, 4))
    dataset = capacity.open_dataset(tmp_path / "data.h5")
    for bound in known_contradictions(study.facts):
        labels = derive_dataset(dataset, labels=bound.labels, classes=bound.classes).train.labels
        assert bound.rows == 2 * int((labels[:6] != labels[-6:]).sum()) > 0
    assert {bound.labels for bound in known_contradictions(study.facts)} == {"semantic", "random"}


def test_without_any_nothing_is_said(tmp_path: Path) -> None:
    study = study_of(tmp_path, 0)
    assert known_contradictions(study.facts) == []
    assert "different label" not in capacity.report(study).conclusion
