"""What `gather` makes of stored values: exact conversions, and one factor for each row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from capacity.engine.executor import STORED_TYPES, Source
from capacity.engine.optimizers import SGD
from capacity.models import MLP
from tests.executors import ALL, OpCase, Out, Run, Target, make_factors, make_source, run_op


def gathered(source: Source, target: Target) -> np.ndarray:
    """Return all rows in stored order, as they come out of `gather`."""
    rows, inputs = source.features.shape
    operands = (Out((rows, inputs)), Out((rows,), arena="labels"))
    return run_op(OpCase("gather", "", operands, {"inputs": inputs, "shuffled": False}, rows, source=source), target)[0]


@pytest.mark.parametrize("target", ALL, ids=str)
def test_every_float16_is_the_same_number(target: Target) -> None:
    features = np.arange(2**16, dtype=np.uint16).view(np.float16).reshape(64, 1024)
    got, expected = gathered(Source(features, np.zeros(64, np.int32), 1.0), target), features.astype(target.dtype)
    np.testing.assert_array_equal(got, expected)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(got)[numbers], np.signbit(expected)[numbers])


@pytest.mark.parametrize("target", ALL, ids=str)
def test_every_int32_is_rounded_once(target: Target) -> None:
    ends = [-(2**31), 2**31 - 1, 2**24 + 1, -(2**24) - 1, 2**25 + 2, 2**25 + 6, 0, -1]  # ties, and numbers beside them
    features = np.random.default_rng(0).integers(-(2**31), 2**31, (9, 31)).astype(np.int32)
    features[0, : len(ends)] = ends
    source = Source(features, np.zeros(9, np.int32), 1.0)
    np.testing.assert_array_equal(gathered(source, target), features.astype(target.dtype))


@pytest.mark.parametrize("target", ALL, ids=str)
@pytest.mark.parametrize("stored", STORED_TYPES)
def test_scale_and_factor_are_multiplied_first(target: Target, stored: str) -> None:
    source = replace(make_source(33, 17, 3, stored=stored), row_scale=make_factors(33))
    real = np.dtype(target.dtype).type
    expected = source.features.astype(real) * (real(source.scale) * source.row_scale.astype(real))[:, None]
    np.testing.assert_array_equal(gathered(source, target), expected)


@pytest.mark.parametrize("target", ALL, ids=str)
def test_training_with_factors_is_training_on_rows_multiplied_by_them(target: Target) -> None:
    # Powers of two, so that neither way rounds.
    source = make_source(100, 6, 3)
    factors = (2.0 ** np.random.default_rng(1).integers(-3, 4, 100)).astype(np.float32)
    run = Run(
        MLP((5,)), source, classes=3, batch=16, optimizer=SGD(0.5), seeds=(3, 1), lrs=(0.5, 0.1), samples=(70, 100)
    )
    by_hand = replace(run, source=replace(source, features=source.features.astype(np.float32) * factors[:, None]))
    by_factors = replace(run, source=replace(source, row_scale=factors))
    got, plain = by_factors.on(target, 12).parameters, run.on(target, 12).parameters
    np.testing.assert_array_equal(got, by_hand.on(target, 12).parameters)
    assert not np.array_equal(got, plain)


@pytest.mark.parametrize("target", ALL, ids=str)
@pytest.mark.parametrize("factors", [np.ones(99, np.float32), np.ones((100, 1), np.float32), np.ones(100)], ids=str)
def test_factors_that_do_not_fit_are_refused(target: Target, factors: np.ndarray) -> None:
    run = Run(MLP((5,)), replace(make_source(100, 6, 3), row_scale=factors), classes=3)
    with pytest.raises(ValueError, match=r"row_scale must be float32, \(100,\) or \(0,\), got float"):
        run.on(target, 1)
