"""The product on tensor cores, simulated, computes what NumPy computes of rounded factors; and it compiles."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from capacity.engine.cuda.text import FOLDER
from capacity.engine.ops import SAVED
from capacity.engine.reference import ACTIVATIONS
from tests import cudasim_build
from tests.cudasim_sanitizers import report, runtimes
from tests.nvrtc import compile_text
from tests.tensor_simulated import multiply, tensor_text

pytestmark = pytest.mark.skipif(
    not (FOLDER / "tensor").is_dir() or cudasim_build.compiler() is None,
    reason="needs the sources of a checkout and a C++ compiler",
)

PRECISIONS = ("tf32", "bf16")
SIGNIFICANT = {"tf32": 11, "bf16": 8}
"""Bits of a factor, with the leading one."""
# One element; whole tiles; one past a tile and one short of it, in each of m, n, k; nothing to sum.
SHAPES = [(1, 1, 1), (64, 64, 32), (65, 3, 17), (7, 130, 33), (130, 63, 95), (128, 65, 16), (5, 6, 0)]
both = pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
each = pytest.mark.parametrize("precision", PRECISIONS)

Array = NDArray[np.float32]


def _factors(rng: np.random.Generator, m: int, n: int, k: int, *, backward: bool, whole: bool) -> list[Array]:
    """Return a, b and side for two replicas: whole numbers from -9 to 9, or normal ones."""
    shapes = [(2, m, k), (2, n, k) if backward else (2, k, n), (2, m, n) if backward else (2, 1, n)]
    return [(rng.integers(-9, 10, s) if whole else rng.normal(size=s)).astype(np.float32) for s in shapes]


def _rounded(x: Array, precision: str) -> NDArray[np.float64]:
    """Return x in the bits that tensor cores read: TF32 with ties away from zero, bfloat16 with ties to even."""
    fraction, exponent = np.frexp(x.astype(np.float64))
    scaled = np.ldexp(fraction, SIGNIFICANT[precision])
    nearest = np.rint(scaled) if precision == "bf16" else np.trunc(scaled + np.copysign(0.5, scaled))
    return np.asarray(np.ldexp(nearest, exponent - SIGNIFICANT[precision]), np.float64)


@each
@both
@pytest.mark.parametrize(("m", "n", "k"), SHAPES)
def test_whole_numbers_are_multiplied_exactly(m: int, n: int, k: int, backward: bool, precision: str) -> None:
    a, b, side = _factors(np.random.default_rng(m * n + k), m, n, k, backward=backward, whole=True)
    c, z = multiply(precision, a, b, side, backward=backward)
    if backward:
        np.testing.assert_array_equal(c, a @ b.swapaxes(1, 2))
        assert np.isnan(z).all()  # none was asked for
    else:
        np.testing.assert_array_equal(c, a @ b + side)
        np.testing.assert_array_equal(z, c)


@each
@pytest.mark.parametrize("activation", SAVED)
def test_activation_and_its_derivative(activation: str, precision: str) -> None:
    m, n, k = 66, 21, 70
    rng = np.random.default_rng(1)
    x, w, b = _factors(rng, m, n, k, backward=False, whole=False)
    y, z = multiply(precision, x, w / 4, b, activation=activation)
    sums = _rounded(x, precision) @ _rounded(w / 4, precision) + b.astype(np.float64)
    # Sums of 70 products, in float32; rounding the factors matters 2^12 times as much.
    np.testing.assert_allclose(z, sums, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(y, ACTIVATIONS[activation][0](sums), rtol=1e-5, atol=1e-5)

    dy, w, saved = _factors(rng, m, n, k, backward=True, whole=False)
    dx, _ = multiply(precision, dy, w, saved, backward=True, activation=activation)
    product = _rounded(dy, precision) @ _rounded(w, precision).swapaxes(1, 2)
    slope = ACTIVATIONS[activation][1](saved.astype(np.float64))
    np.testing.assert_allclose(dx, product * slope, rtol=1e-5, atol=2e-5)


@each
def test_factors_are_rounded(precision: str) -> None:
    one, unit = np.ones((1, 1, 1), np.float32), 2.0 ** (1 - SIGNIFICANT[precision])
    # Just above, at and just below the middle between neighbours, the lower one even and odd.
    values = np.array([1, 1 + unit], np.float32)[:, None] + np.float32(unit) * np.array(
        [0.4375, 0.5, 0.5625], np.float32
    )
    to_even = [[1, 1, 1 + unit], [1 + unit, 1 + 2 * unit, 1 + 2 * unit]]
    away = [[1, 1 + unit, 1 + unit], [1 + unit, 1 + 2 * unit, 1 + 2 * unit]]
    expected = np.array(away if precision == "tf32" else to_even).ravel()
    for sign in (1, -1):
        column = (sign * values).astype(np.float32).reshape(1, 6, 1)
        for backward in (False, True):
            got, _ = multiply(precision, column, one, None if backward else 0 * one, backward=backward)
            np.testing.assert_array_equal(got.ravel(), sign * expected)
    largest = np.full((1, 1, 1), np.finfo(np.float32).max, np.float32)
    assert multiply(precision, largest, one, 0 * one)[0].item() == np.inf


@each
@both
def test_nan_stays_in_its_row_and_column(backward: bool, precision: str) -> None:
    m, n, k = 70, 67, 40
    a, b, side = _factors(np.random.default_rng(2), m, n, k, backward=backward, whole=True)
    a[0, 65, 39] = np.nan
    b[(1, 66, 0) if backward else (1, 0, 66)] = np.nan
    side[(0, 3, 4) if backward else (0, 0, 4)] = np.nan
    c, _ = multiply(precision, a, b, side, backward=backward, activation="sigmoid")
    expected = np.zeros((2, m, n), bool)
    expected[0, 65] = expected[1, :, 66] = True
    expected[(0, 3, 4) if backward else (0, slice(None), 4)] = True
    np.testing.assert_array_equal(np.isnan(c), expected)


@both
def test_nothing_depends_on_the_order_of_threads(backward: bool) -> None:
    a, b, side = _factors(np.random.default_rng(3), 70, 66, 50, backward=backward, whole=False)
    runs = [multiply("tf32", a, b, side, backward=backward, activation="tanh", seed=seed)[0] for seed in range(5)]
    for other in runs[1:]:
        np.testing.assert_array_equal(other, runs[0])


def test_without_a_derivative_the_product_is_bare() -> None:
    a, b, _ = _factors(np.random.default_rng(4), 9, 8, 7, backward=True, whole=True)
    c, _ = multiply("tf32", a, b, None, backward=True, activation="sigmoid")
    np.testing.assert_array_equal(c, a @ b.swapaxes(1, 2))


@pytest.mark.slow
@pytest.mark.skipif(runtimes("thread") is None, reason="no thread sanitizer is installed")
@each
@both
def test_there_are_no_races(backward: bool, precision: str) -> None:
    found = report(
        "thread",
        f"""
import numpy as np
from tests.tensor_simulated import multiply
a, b, side = (np.ones(s, np.float32) for s in ((1, 65, 50), (1, 50, 50), (1, {65 if backward else 1}, 50)))
c, _ = multiply({precision!r}, a, b, side, backward={backward}, engine="threads")
np.testing.assert_array_equal(c, np.full((1, 65, 50), 50 if {backward} else 51))
""",
    )
    assert found is None, found


@each
@both
def test_nvrtc_compiles_it_without_spills(backward: bool, precision: str) -> None:
    text = tensor_text(precision, backward=backward)
    for architecture in (80, 90, 100, 120):
        compiled = compile_text(text, architecture)
        assert compiled.complaints == ""
        usage = compiled.usage["cap_tensor"]
        assert (usage.stack, usage.spills) == (0, 0)
        assert usage.shared <= 48 << 10  # what a kernel may have that does not ask for more
        assert usage.registers <= 168  # three blocks of 128 threads on a multiprocessor


def test_only_the_wrappers_are_in_ptx() -> None:
    def code(path: Path) -> str:
        return re.sub(r"//.*", "", path.read_text("utf-8"))

    assert [p.name for p in sorted((FOLDER / "tensor").iterdir()) if re.search(r"\basm\b", code(p))] == [
        "tensor_core.h"
    ]
