"""The vectorised functions, over their whole range, against float64 functions of NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logsumexp, ndtr

from tests.executors import CPU, NATIVE, In, OpCase, Out, Target, run_op


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
def test_gelu_keeps_its_relative_precision(target: Target) -> None:
    # z Phi(z); e^(-z^2/2) makes the rounding of z^2 / 2 that many times larger. Near -13 float32 loses its last bits to
    # numbers too small for it.
    z = _range(target, 12)
    got, expected = _apply("gelu", z, target), z * ndtr(z)
    assert (np.abs(got - expected) <= (6 + z * z / 2) * target.epsilon * np.abs(expected)).all()


@pytest.mark.parametrize("target", NATIVE, ids=str)
def test_the_derivative_of_gelu_is_exact_to_a_few_units_of_its_terms(target: Target) -> None:
    z = _range(target, 12)
    density = np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    case = OpCase("activation_grad", "gelu", (Out(z.shape), In(np.ones_like(z)), In(z)), {"activation": "gelu"}, len(z))
    error = np.abs(run_op(case, target)[0] - (ndtr(z) + z * density))
    assert (error <= (6 + z * z / 2) * target.epsilon * (ndtr(z) + np.abs(z * density))).all()


@pytest.mark.parametrize("target", NATIVE, ids=str)
@pytest.mark.parametrize("K", [2, 10, 63, 64, 1000])
def test_log_sum_exp_keeps_its_precision(target: Target, K: int) -> None:
    # log sum e^z - z_label with z_label = 0, the smallest: K - 1 others at z give losses from log K up to 80.
    z = np.zeros((200, K))
    z[:, 1:] = np.linspace(0, 80, 200).astype(np.float32)[:, None]
    case = OpCase(
        "softmax_xent", "lse", (Out((200,)), None, None, In(z), In(np.zeros(200, np.int32), "labels")), {}, 200
    )
    np.testing.assert_allclose(run_op(case, target)[0], logsumexp(z, axis=1), rtol=(4 + K**0.5 / 4) * target.epsilon)


@pytest.mark.parametrize("kind", ["sigmoid", "tanh", "gelu"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_paths_differ_by_a_few_units_at_most(kind: str, dtype: str) -> None:
    # Both within 4 units of the truth (6 + z^2 / 2 for GELU), they could differ by twice that; they differ by less.
    paths = [target for target in CPU if target.dtype == dtype]
    z = _range(paths[0], 4)
    results = [_apply(kind, z, target) for target in paths]
    for other in results[1:]:
        np.testing.assert_allclose(other, results[0], rtol=6 * paths[0].epsilon)


@pytest.mark.parametrize("target", NATIVE, ids=str)
def test_beyond_the_range_the_limits_hold(target: Target) -> None:
    z = np.array([-np.inf, -1e30, 1e30, np.inf, np.nan])
    np.testing.assert_array_equal(_apply("sigmoid", z, target), [0, 0, 1, 1, np.nan])
    np.testing.assert_array_equal(_apply("tanh", z, target), [-1, -1, 1, 1, np.nan])
