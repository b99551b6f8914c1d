"""XOR, parity, contradicting duplicates, constant labels: each seed's EMC is what it must be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import capacity
from bench.cover import separable_prefix
from bench.truth_sets import MOST_SEEDS, TruthSet, clusters, parity, run_set, study_findings, subset_order, truth_sets
from capacity.cli.emc_table import show_table
from capacity.data import save_dataset
from capacity.reporting.emc import EmcReport

SETS = truth_sets()
SEEDS = 3


@pytest.mark.parametrize("truth", SETS, ids=[f"{truth.name}, {truth.network}" for truth in SETS])
def test_a_set_has_the_emc_that_it_must_have(tmp_path: Path, truth: TruthSet) -> None:
    found = study_findings(run_set(truth, tmp_path, SEEDS, threads=1))
    expected = [truth.emc(subset_order(seed, len(truth.labels))) for seed in range(SEEDS)]
    assert found["emc"] == expected
    if truth.all_fitted:
        assert (found["at_least"], found["failed"], found["n50"]) == (SEEDS, [None] * SEEDS, None)
    else:
        assert (found["at_least"], found["failed"]) == (0, [emc + 1 for emc in expected])
        assert None not in found["certificates"]
    if truth.network == "linear":  # a convex loss has no saddles
        assert set(found["certificates"]) == {"not_fitted_at_minimum"}


def test_the_sets_are_what_they_are_called() -> None:
    features, labels = parity(2)
    assert dict(zip(map(tuple, features.tolist()), labels.tolist(), strict=True)) == {
        (-1, -1): 0, (-1, 1): 1, (1, -1): 1, (1, 1): 0
    }  # fmt: skip
    assert parity(5)[0].shape == (32, 5)
    assert parity(5)[1].sum() == 16
    assert all(
        separable_prefix(features[order], labels[order]) == 3 for order in np.array([[0, 1, 2, 3], [2, 0, 3, 1]])
    )
    scattered, same = clusters(15)
    assert (np.sign(scattered[:, 0] * scattered[:, 1]) == np.where(same == 1, -1, 1)).mean() > 0.95
    constant = SETS[-1]
    sampled = [subset_order(seed, len(constant.labels))[: constant.settings["n_max"]] for seed in range(MOST_SEEDS)]
    assert not constant.labels[np.concatenate(sampled)].any()


def test_constant_labels_are_reported_as_a_bound_and_never_as_a_threshold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = capacity.report(run_set(SETS[-1], tmp_path, SEEDS, threads=1))
    assert isinstance(report, EmcReport)
    (row,) = report.emc
    assert (row["emc"], row["at_least"], row["n50"], row["n50_low"], row["n50_high"]) == (50, SEEDS, None, None, None)
    assert not any(row[code] for code in ("at_minimum", "at_saddle", "out_of_budget", "diverged"))
    assert f"{SEEDS} seeds fitted all there is" in report.conclusion
    show_table(report, 2000)
    assert "≥ 50" in capsys.readouterr().out


def test_one_example_of_another_class_is_fitted_with_all_the_rest(tmp_path: Path) -> None:
    features = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    save_dataset(tmp_path / "data.h5", features, features[:, 0] > features[:, 0].min(), name="all but one", classes=2)
    study = capacity.emc(
        tmp_path / "data.h5", widths=[2], labels=["semantic"], lrs=[0.5], batch=8, seeds=2, first=4, increment=2,
        steps=5000, threads=1, out=tmp_path / "study",
    )  # fmt: skip
    found = study_findings(study)
    assert (found["emc"], found["at_least"], found["n50"]) == ([50, 50], 2, None)
    assert not list((study.path / "trials").glob("*.h5"))
