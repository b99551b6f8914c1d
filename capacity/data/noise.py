"""Labels and features that are pure noise: a function of (seed, place) alone, the same on every machine."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.data.layout import FLOAT32, INT32, row_blocks
from capacity.engine.random import PURPOSE_FEATURES, PURPOSE_LABELS, uniform, words

_BYTES_AT_WORK = 64  # a value's share of the working memory of a block, so that a block stays in the cache

# Wichura's PPND7: numerator and denominator, highest power first.
_CENTRE = (59.109374720, 159.29113202, 50.434271938, 3.3871327179), (67.187563600, 78.757757664, 17.895169469, 1.0)
_TAIL = (0.17023821103, 1.3067284816, 2.7568153900, 1.4234372777), (0.12021132975, 0.73700164250, 1.0)
_LN2 = 0.6931471805599453
_LOG_TERMS = 10  # of the series of 2 atanh(s), s <= 1/3: the rest is below 1e-11


def random_labels(seed: int, samples: int, classes: int) -> NDArray[np.int32]:
    """Return labels (N,) drawn independently and uniformly from K classes.

    The label of row i is floor(K u_i), with u_i = w_i / 2^32 and w_i word i of (seed, PURPOSE_LABELS): the N labels are
    the first N of any larger number. No class is likelier than another by more than one part in 2^32 / K. The u_i are
    the same for every K, so that labels of 2 K classes, halved and rounded down, are those of K.
    """
    labels = np.empty(samples, INT32)
    for rows in row_blocks(samples, _BYTES_AT_WORK):
        drawn = words(seed, PURPOSE_LABELS, 0, rows.stop - rows.start, rows.start)
        labels[rows] = drawn * np.uint64(classes) >> np.uint64(32)
    return labels


def random_features(seed: int, samples: int, inputs: int) -> NDArray[np.float32]:
    """Return features (N, D), every one drawn independently from the standard normal distribution.

    Feature j of row i is the quantile of u_k, k = i D + j, with u_k of (seed, PURPOSE_FEATURES): the N rows are the
    first N of any larger number. A u_k has 32 bits, so that no value is beyond 6.4.
    """
    features = np.empty((samples, inputs), FLOAT32)
    for rows in row_blocks(samples, inputs * _BYTES_AT_WORK):
        part = features[rows]
        drawn = uniform(seed, PURPOSE_FEATURES, 0, part.size, rows.start * inputs)
        part[:] = normal_quantile(drawn).reshape(part.shape)
    return features


def normal_quantile(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the quantiles of the standard normal distribution at p (n,), 1e-10 < p < 1 - 1e-10.

    The relative error is below 2e-7, about what rounding to float32 adds. Computed by sums, products, quotients and
    square roots alone, which IEEE 754 rounds the same everywhere; library logarithms and cosines differ in their last
    bits from processor to processor, and so would data sets.

    References
    ----------
    Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied Statistics 37, 1988 (PPND7).
    """
    q = p - 0.5
    quantile = q * _ratio(_CENTRE, 0.180625 - q * q)
    outside = np.flatnonzero(np.abs(q) > 0.425)
    beyond = q[outside]
    r = np.sqrt(_minus_log(0.5 - np.abs(beyond)))
    quantile[outside] = np.copysign(_ratio(_TAIL, r - 1.6), beyond)
    return quantile


def _ratio(polynomials: tuple[tuple[float, ...], tuple[float, ...]], x: NDArray[np.float64]) -> NDArray[np.float64]:
    numerator, denominator = (_polynomial(coefficients, x) for coefficients in polynomials)
    return numerator / denominator


def _polynomial(coefficients: tuple[float, ...], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the polynomial at x (n,); its coefficients, the highest power's first."""
    value = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value *= x
        value += coefficient
    return value


def _minus_log(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return -ln p: with p = m 2^e and 1/2 <= m < 1 it is 2 atanh((1 - m) / (1 + m)) - e ln 2."""
    mantissa, exponent = np.frexp(p)
    s: NDArray[np.float64] = (1.0 - mantissa) / (1.0 + mantissa)
    series = _polynomial(tuple(1.0 / (2 * k + 1) for k in reversed(range(_LOG_TERMS))), s * s)
    found: NDArray[Any] = 2.0 * s * series - exponent * _LN2
    return found
