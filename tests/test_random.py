"""Counter-based randomness: published test vectors, and the native twin against the NumPy definition."""

from __future__ import annotations

import numpy as np
import pytest

from capacity.engine import _cpu, random


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [  # known answers of Random123 (kat_vectors, philox4x32-10)
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_philox_known_answers(counter: str, key: str, expected: str) -> None:
    words = np.array([[int(w, 16) for w in counter.split()]], np.uint64)
    low, high = (int(w, 16) for w in key.split())
    assert [f"{w:08x}" for w in random.philox4x32(words, high << 32 | low)[0]] == expected.split()


@pytest.mark.parametrize("count", [0, 1, 4, 1001])
def test_uniform_is_the_same_natively(count: int) -> None:
    seed = 0x1234_5678_9ABC_DEF0
    expected = random.uniform(seed, random.PURPOSE_INIT, 3, count)
    np.testing.assert_array_equal(_cpu.uniform(seed, random.PURPOSE_INIT, 3, count), expected)
    assert ((expected > 0) & (expected < 1)).all()


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 31, 32, 33, 1437, 60_000])
def test_permutation_is_a_bijection_and_the_same_natively(n: int) -> None:
    positions = np.arange(n)
    order = random.permutation(7, random.PURPOSE_ORDER, 3, n, positions)
    np.testing.assert_array_equal(np.sort(order), positions)
    np.testing.assert_array_equal(_cpu.permutation(7, random.PURPOSE_ORDER, 3, n, positions), order)


def test_permutation_of_a_large_domain_is_the_same_natively() -> None:
    n = 10_000_000_019  # more than 32 bits
    positions = np.random.default_rng(0).integers(0, n, 1000)
    order = random.permutation(7, random.PURPOSE_ORDER, 3, n, positions)
    np.testing.assert_array_equal(_cpu.permutation(7, random.PURPOSE_ORDER, 3, n, positions), order)
    assert len(np.unique(order)) == len(np.unique(positions))
    assert order.max() < n


def test_every_place_is_equally_likely() -> None:
    # Over many keys, position i must land on each of n places equally often: chi-square with (n - 1)^2 degrees of
    # freedom has mean (n - 1)^2 and standard deviation about sqrt(2) (n - 1).
    n, keys = 10, 4000
    counts = np.zeros((n, n))
    for epoch in range(keys):
        counts[np.arange(n), _cpu.permutation(1, random.PURPOSE_ORDER, epoch, n, np.arange(n))] += 1
    chi_square = ((counts - keys / n) ** 2 / (keys / n)).sum()
    assert abs(chi_square - (n - 1) ** 2) < 5 * np.sqrt(2) * (n - 1)


def test_neighbours_are_not_kept_together() -> None:
    # In a random order of n, the chance that the successor of i follows it is 1/n: about one pair per order.
    n, orders = 1000, 200
    places = np.arange(n)
    drawn = (_cpu.permutation(2, random.PURPOSE_ORDER, epoch, n, places) for epoch in range(orders))
    pairs = sum((np.diff(order) == 1).sum() for order in drawn)
    assert abs(pairs - orders) < 5 * np.sqrt(orders)


def test_orders_differ_between_seeds_purposes_and_epochs() -> None:
    keys = [(seed, purpose, epoch) for seed in range(5) for purpose in range(1, 4) for epoch in range(5)]
    assert len({tuple(random.permutation(*key, 50, np.arange(50))) for key in keys}) == len(keys)
