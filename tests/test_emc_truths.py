"""Linear classifiers on random inputs with random labels: EMC and how often samples are fitted, after Cover 1965."""

from __future__ import annotations

import itertools
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.cover import FAMILY_LEVEL, joint_intervals, separable, separable_prefix, separation_probability
from bench.emc_truths import random_data, share, study, with_intervals
from bench.truth_sets import parity

ROWS, STEPS = 1 << 14, 2000
TRIED = ((10, 11, 40), (10, 17, 120), (10, 22, 120), (10, 27, 120), (20, 42, 40), (50, 102, 40))
"""Inputs, examples and samples."""


def test_the_probability_is_the_share_of_labellings_that_can_be_separated() -> None:
    points = np.random.default_rng(0).normal(size=(6, 2))
    for n in range(1, 7):
        labellings = itertools.product([0, 1], repeat=n)
        count = sum(separable(points[:n], labels) for labels in labellings)
        assert count == 2**n * separation_probability(n, 3)
    assert [separation_probability(n, 11) for n in (1, 11, 22)] == [1, 1, 0.5]


def test_the_largest_separable_sample_has_mean_and_variance_2d() -> None:
    d, most = 5, 200
    at_least = np.array([separation_probability(n, d) for n in range(1, most)])
    mean = at_least.sum()
    square = ((2 * np.arange(1, most) - 1) * at_least).sum()
    assert mean == pytest.approx(2 * d)
    assert square - mean**2 == pytest.approx(2 * d)


def test_a_linear_program_knows_what_can_be_separated() -> None:
    features, xor = parity(2)
    assert not separable(features, xor)
    assert separable(features, [0, 1, 1, 1])
    assert separable(features, [1, 1, 1, 1])
    assert separable(features[:3], xor[:3])
    assert separable_prefix(features, xor) == 3
    assert separable_prefix(features, [0, 0, 0, 1]) == 4
    assert not separable([[0.0], [1.0], [2.0]], [0, 1, 0])
    assert separable([[0.0], [1e-6]], [0, 1])
    assert not separable([[1.0], [1.0]], [0, 1])


def test_joint_intervals_miss_no_more_than_they_may() -> None:
    # P(an interval misses) summed over all counts, at probabilities of every kind.
    runs, several = 12, 4
    intervals = [joint_intervals([count] * several, [runs] * several)[0] for count in range(runs + 1)]
    for p in np.linspace(0.01, 0.99, 25):
        missed = (math.comb(runs, k) * p**k * (1 - p) ** (runs - k) for k in range(runs + 1))
        chance = sum(each for each, (low, high) in zip(missed, intervals, strict=True) if not low <= p <= high)
        assert chance <= FAMILY_LEVEL / several


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cover")


@pytest.fixture(scope="module")
def shares(folder: Path) -> list[dict[str, Any]]:
    """Return what became of the samples of each size, whose seeds are its own."""
    data = cache(lambda D: random_data(folder, D, ROWS))
    rows = [
        share(data(D), n, range(1000 * place, 1000 * place + samples), STEPS, threads=1)
        for place, (D, n, samples) in enumerate(TRIED)
    ]
    with_intervals(rows)
    return rows


def test_no_sample_is_fitted_that_cannot_be_separated(shares: list[dict[str, Any]]) -> None:
    assert [row["impossible"] for row in shares] == [0] * len(shares)


def test_with_many_steps_all_that_can_be_separated_are_fitted(shares: list[dict[str, Any]]) -> None:
    for row in shares:
        assert row["separable"] - row["fitted"] <= 0.1 * row["samples"], row
        assert row["fitted"] <= row["patient"] <= row["separable"], row
        assert row["separable"] - row["patient"] <= 1 + 0.02 * row["samples"], row
        assert row["n"] > row["inputs"] + 1 or row["fitted"] == row["samples"], row


def test_samples_are_fitted_as_often_as_cover_says(shares: list[dict[str, Any]]) -> None:
    assert all(row["inside"] for row in shares), shares
    assert [row["probability"] for row in shares if row["n"] == 2 * (row["inputs"] + 1)] == [0.5, 0.5, 0.5]


def test_another_law_would_be_refused(shares: list[dict[str, Any]]) -> None:
    # Hyperplanes through the origin have one number less, d = D.
    others = [separation_probability(row["n"], row["inputs"]) for row in shares]
    assert not all(row["low"] <= p <= row["high"] for row, p in zip(shares, others, strict=True))


@pytest.mark.parametrize(("D", "seeds"), [(10, 8), (20, 4), (50, 3)])
def test_a_study_finds_covers_threshold(tmp_path: Path, D: int, seeds: int) -> None:
    found = study(random_data(tmp_path, D, ROWS), tmp_path, seeds, 2 * STEPS, threads=1)
    expected = 2 * (D + 1)
    assert found["n50_low"] < expected < found["n50_high"]
    assert abs(found["mean"] - expected) < 3 * math.sqrt(expected / seeds)
    short = np.subtract(found["prefix"], found["emc"])
    assert short.min() >= 0  # a failure within the budget may come early, a fit never late
    assert short.mean() <= 0.1 * expected
    assert (short == 0).any()
    assert found["at_least"] == 0
    for code, missing in zip(found["certificates"], short, strict=True):
        assert code != "not_fitted_at_saddle"  # the loss is convex
        assert missing == 0 or code == "out_of_budget"  # where the sample can be separated, there is no minimum
    assert "not_fitted_at_minimum" in found["certificates"]
