"""Counter-based randomness in NumPy: the definition, and the twin of csrc/common/philox.h and permutation.h.

Every random number is a pure function of (seed, purpose, stream, index), so nothing depends on the order in which
numbers are drawn, on threads or on devices, and nothing has to be stored.

References
----------
Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011 (Philox4x32-10).
Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002 (Feistel network with cycle walking).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PURPOSE_INIT = 1
PURPOSE_ORDER = 2
PURPOSE_SUBSET = 3
PURPOSE_LABELS = 4
PURPOSE_FEATURES = 5
PURPOSE_WINDOW = 6
PURPOSE_PIECES = 7
PURPOSE_SHUFFLE = 8

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_LOW = np.uint64(0xFFFFFFFF)
_FEISTEL_ROUNDS = 8


def philox4x32(counter: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Philox4x32-10 of counters of shape (n, 4), 32-bit words held in uint64; `seed` is the 64-bit key."""
    c0, c1, c2, c3 = (counter[:, i].copy() for i in range(4))
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF
    for _ in range(10):
        p0, p1 = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (
            (p1 >> np.uint64(32)) ^ c1 ^ np.uint64(k0),
            p1 & _LOW,
            (p0 >> np.uint64(32)) ^ c3 ^ np.uint64(k1),
            p0 & _LOW,
        )
        k0, k1 = (k0 + _W0) & 0xFFFFFFFF, (k1 + _W1) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=1)


def words(seed: int, purpose: int, stream: int, count: int, first: int = 0) -> NDArray[np.uint64]:
    """Return 32-bit words (as uint64), from the word `first` on: word i is word i % 4 of (i // 4, stream, purpose)."""
    begin, end = first // 4, -(-(first + count) // 4)
    index = np.arange(begin, end, dtype=np.uint64)
    counter = np.zeros((end - begin, 4), np.uint64)
    counter[:, 0], counter[:, 1] = index & _LOW, index >> np.uint64(32)
    counter[:, 2], counter[:, 3] = stream, purpose
    flat: NDArray[np.uint64] = philox4x32(counter, seed).reshape(-1)
    return flat[first % 4 : first % 4 + count]


def uniform(seed: int, purpose: int, stream: int, count: int, first: int = 0) -> NDArray[np.float64]:
    """Return `count` numbers uniform in the open interval (0, 1), from `first` on: (word + 1/2) / 2**32."""
    return (words(seed, purpose, stream, count, first).astype(np.float64) + 0.5) * 2.0**-32


def permutation(seed: int, purpose: int, stream: int, n: int, positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Map positions in [0, n) through the bijection of [0, n) keyed by (seed, purpose, stream).

    An alternating Feistel network on the smallest power of two that holds n, walked until it falls inside [0, n).
    """
    keys = words(seed, purpose, stream, _FEISTEL_ROUNDS)
    bits = max(n - 1, 0).bit_length()
    right_bits = (bits + 1) // 2
    left_mask, right_mask = np.uint64((1 << (bits - right_bits)) - 1), np.uint64((1 << right_bits) - 1)
    result = positions.astype(np.uint64)
    outside = np.ones(result.shape, bool)
    while outside.any():
        value = result[outside]
        left, right = value >> np.uint64(right_bits), value & right_mask
        for round_, key in enumerate(keys):
            if round_ % 2 == 0:
                right ^= _mix(left, key) & right_mask
            else:
                left ^= _mix(right, key) & left_mask
        result[outside] = left << np.uint64(right_bits) | right
        outside = result >= np.uint64(n)
    return result.astype(np.int64)


def _mix(value: NDArray[np.uint64], key: np.uint64) -> NDArray[np.uint64]:
    """A keyed 32-bit hash (the finaliser of MurmurHash3)."""
    h = (value ^ key) & _LOW
    h = ((h ^ (h >> np.uint64(16))) * np.uint64(0x85EBCA6B)) & _LOW
    h = ((h ^ (h >> np.uint64(13))) * np.uint64(0xC2B2AE35)) & _LOW
    mixed: NDArray[np.uint64] = h ^ (h >> np.uint64(16))
    return mixed
