"""Every op on every executor computes what the reference computes, and writes nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from capacity.engine import _cpu
from capacity.engine.ops import OPS
from capacity.engine.reference import KERNELS
from tests.cases import CASES
from tests.executors import ALL, NATIVE, REFERENCE, In, OpCase, Out, Target, run_op


@pytest.mark.parametrize("target", NATIVE, ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_op_computes_what_the_reference_computes(case: OpCase, target: Target) -> None:
    expected, got = run_op(case, REFERENCE), run_op(case, target)
    inputs = [np.abs(_finite(o.array)).max() for o in case.operands if isinstance(o, In)]
    for want, have in zip(expected, got, strict=True):
        magnitude = max(np.abs(_finite(want)).max(initial=0.0), *inputs, 1.0)
        # A sum of n terms loses about sqrt(n) roundings of its largest term; 8 covers the functions applied to it.
        tolerance = 8 * target.epsilon * np.sqrt(case.depth) * magnitude
        limit = float(np.finfo(target.dtype).max)
        overflowing = np.abs(want) > limit  # finite in float64, not in float32
        np.testing.assert_allclose(
            have[~overflowing], want[~overflowing], rtol=8 * target.epsilon, atol=tolerance, equal_nan=True
        )
        assert not np.isfinite(have[overflowing]).any()


def _finite(array: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(array), array, 0.0)


def test_every_op_has_a_row_in_every_table() -> None:
    assert {case.op for case in CASES} == OPS.keys() == KERNELS.keys() == set(_cpu.op_names())


def test_softmax_xent_by_hand() -> None:
    # softmax(0, ln 3) = (1/4, 3/4): losses ln 4 and ln(4/3); gradients of the mean over two rows are halved.
    z = np.array([[0.0, np.log(3.0)], [0.0, np.log(3.0)]])
    y = np.array([0, 1], np.int32)
    case = OpCase("softmax_xent", "hand", (Out((2,)), Out((2, 2)), Out((2,)), In(z), In(y, arena="labels")), {}, 2)
    for target in ALL:
        loss, dz, wrong, *_ = run_op(case, target)
        np.testing.assert_array_equal(wrong, [1, 0])
        np.testing.assert_allclose(loss, [np.log(4), np.log(4 / 3)], rtol=1e-6)
        np.testing.assert_allclose(dz, [[-3 / 8, 3 / 8], [1 / 8, -1 / 8]], rtol=1e-6)


def test_topk_errors_by_hand() -> None:
    # The label's logit is 2.0. Row 0: nobody before it. Row 1: an equal logit of a lower class before it.
    # Row 2: an equal logit of a higher class, not before it. Row 3: its own logit is NaN, so that all come before.
    nan = np.nan
    z = np.array([[1.0, 2.0, 0.0], [2.0, 2.0, 0.0], [1.0, 2.0, 2.0], [1.0, nan, 0.0]])
    y = np.ones(4, np.int32)
    for k, expected in ((1, [0, 1, 0, 1]), (2, [0, 0, 0, 1]), (3, [0, 0, 0, 0])):
        case = OpCase("topk_errors", "hand", (Out((4,)), In(z), In(y, arena="labels")), {"k": k}, 4)
        for target in ALL:
            np.testing.assert_array_equal(run_op(case, target)[0], expected)
