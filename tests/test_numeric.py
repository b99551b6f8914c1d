"""The vectorised functions, over their whole range, against float64 functions of NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import erf, expit

from tests.executors import NATIVE, In, OpCase, Out, Target, run_op


def _apply(kind: str, z: np.ndarray, target: Target) -> np.ndarray:
    case = OpCase("activation", kind, (Out((1, len(z))), In(z[None])), {"activation": kind})
    return run_op(case, target)[0][0]


def _range(target: Target, largest: float) -> np.ndarray:
    """Return numbers of either sign from 1e-30 to `largest`, dense on a logarithmic scale, exact in the type."""
    magnitudes = np.geomspace(1e-30, largest, 20_000)
    return np.concatenate([-magnitudes, [0.0], magnitudes]).astype(target.dtype).astype(np.float64)


@pytest.mark.parametrize("target", NATIVE, ids=str)
def test_sigmoid_keeps_its_relative_precision(target: Target) -> None:
    z = _range(target, 80 if target.dtype == "float32" else 700)
    np.testing.assert_allclose(_apply("sigmoid", z, target), expit(z), rtol=4 * target.epsilon)


@pytest.mark.parametrize("target", NATIVE, ids=str)
def test_tanh_keeps_its_relative_precision(target: Target) -> None:
    z = _range(target, 1000)
    np.testing.assert_allclose(_apply("tanh", z, target), np.tanh(z), rtol=4 * target.epsilon)


@pytest.mark.parametrize("target", NATIVE, ids=str)
def test_gelu_is_the_exact_one(target: Target) -> None:
    z = _range(target, 100)
    expected = 0.5 * z * (1 + erf(z / np.sqrt(2)))
    np.testing.assert_allclose(_apply("gelu", z, target), expected, rtol=4 * target.epsilon, atol=4 * target.epsilon)


@pytest.mark.parametrize("target", NATIVE, ids=str)
def test_beyond_the_range_the_limits_hold(target: Target) -> None:
    z = np.array([-np.inf, -1e30, 1e30, np.inf, np.nan])
    np.testing.assert_array_equal(_apply("sigmoid", z, target), [0, 0, 1, 1, np.nan])
    np.testing.assert_array_equal(_apply("tanh", z, target), [-1, -1, 1, 1, np.nan])
