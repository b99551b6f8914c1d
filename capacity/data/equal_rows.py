"""Which rows are equal: a fast hash to find those that may be, exact numbers for those that are, and their labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK_BYTES = 256 << 10  # rows hashed at a time stay in the cache between the two times they are gone through
_SHIFT = np.uint64(29)  # no multiple of a value's width, so that equal changes in neighbouring values do not cancel


def row_hashes(x: NDArray[Any]) -> NDArray[np.uint64]:
    """Return a 64-bit hash of the bytes of each row of x (n, D), which is C-contiguous.

    A row is taken as words of 64 bits, the last filled up with zeros; each is mixed, times an odd number of its place,
    and the products are added up modulo 2^64. Equal rows have equal hashes, and a row of zeros the hash 0. Different
    rows may share one (with a chance below 2^-30 a pair where rows were not made to): whoever must know compares them.
    """
    row_bytes = x.shape[1] * x.dtype.itemsize
    octets = x.view(np.uint8).reshape(len(x), row_bytes)
    words = -(-row_bytes // 8)
    factors, step = _factors(words), max(1, _BLOCK_BYTES // (8 * words))
    filled, mixed = np.zeros((2, min(step, len(x)), words), np.uint64)
    hashes = np.empty(len(x), np.uint64)
    for start in range(0, len(x), step):
        part = octets[start : start + step]
        if row_bytes % 8 or part.ctypes.data % 8:
            filled.view(np.uint8)[: len(part), :row_bytes] = part
            row_words = filled[: len(part)]
        else:
            row_words = part.view(np.uint64)
        out = mixed[: len(part)]
        np.right_shift(row_words, _SHIFT, out=out)
        out ^= row_words
        hashes[start : start + step] = out @ factors
    return hashes


def _factors(words: int) -> NDArray[np.uint64]:
    """Return an odd number for each place, by the mixing of SplitMix64 (Steele, Lea & Flood 2014)."""
    z = np.arange(1, words + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    factors: NDArray[np.uint64] = (z ^ (z >> np.uint64(31))) | np.uint64(1)
    return factors


def numbered(x: NDArray[Any]) -> NDArray[np.int64]:
    """Return numbers (n,) that are the same for the same rows of x (n, D), compared byte by byte."""
    items = x.view(np.dtype((np.void, x.dtype.itemsize * x.shape[1])))[:, 0]
    return np.unique(items, return_inverse=True)[1]


def repeated(keys: NDArray[Any]) -> NDArray[np.int64]:
    """Return the places, ascending, whose key occurs more than once; keys are (n,)."""
    order, _, sizes = _runs(keys)
    return np.sort(order[np.repeat(sizes > 1, sizes)])


def mixed(keys: NDArray[Any], labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the places, ascending, whose key occurs with more than one label; keys and labels are (n,)."""
    order, starts, sizes = _runs(keys)
    if len(starts) == len(keys):  # no key occurs twice; nor is there anything to reduce when there are no keys
        return np.zeros(0, np.int64)
    in_order = labels[order]
    differ = np.maximum.reduceat(in_order, starts) != np.minimum.reduceat(in_order, starts)
    return np.sort(order[np.repeat(differ, sizes)])


def _runs(keys: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Sort keys (n,): return their order, where in it each key's run begins, and how long it is."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]][: len(keys)])
    return order, starts, np.diff(starts, append=len(keys))


def commonest(groups: NDArray[np.int64], labels: NDArray[np.int32]) -> int:
    """Return how many of the rows (M,) have the commonest label of their group."""
    classes = int(labels.max(initial=0)) + 1
    pairs, counts = np.unique(groups * classes + labels, return_counts=True)
    most = np.zeros(len(groups), np.int64)
    np.maximum.at(most, pairs // classes, counts)
    return int(most.sum())
