"""Equal rows with different labels: found exactly, and what they leave to be fitted."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from capacity.data import contradictions, derive_dataset, find_contradictions, import_csv, open_dataset
from capacity.data.equal_rows import row_hashes
from capacity.engine import random
from capacity.errors import InputError
from tests.data_files import SHARED


def by_brute_force(x: NDArray[Any], y: NDArray[Any]) -> tuple[list[int], int]:
    """Return the contradicted rows, pair by pair, and the most rows that one label per distinct row can fit."""
    n = len(x)
    rows = [i for i in range(n) if any((x[i] == x[j]).all() and y[i] != y[j] for j in range(n))]
    of_row: dict[bytes, Counter[int]] = {}
    for row, label in zip(x, y, strict=True):
        of_row.setdefault(row.tobytes(), Counter())[int(label)] += 1
    return rows, sum(max(counts.values()) for counts in of_row.values())


def prefix_by_brute_force(x: NDArray[Any], y: NDArray[Any], order: NDArray[Any]) -> int:
    label: dict[bytes, int] = {}
    for place, row in enumerate(order):
        if label.setdefault(x[row].tobytes(), int(y[row])) != y[row]:
            return place
    return len(order)


def test_by_hand() -> None:
    x = np.array([[1, 2], [3, 4], [1, 2], [1, 2], [3, 4], [5, 6], [1, 2], [7, 8], [7, 8]], np.float32)
    y = [0, 1, 1, 0, 2, 0, 0, 3, 3]
    found = find_contradictions(x, y)
    assert found.rows.tolist() == [0, 1, 2, 3, 4, 6]
    assert found.labels.tolist() == [0, 1, 1, 0, 2, 0]
    assert [found.groups.tolist().count(group) for group in found.groups] == [4, 2, 4, 4, 2, 4]
    assert found.fittable == 7  # all but row 2 and one of rows 1 and 4
    assert repr(found) == "Contradictions(6 of 9 rows, at most 7 can be fitted)"
    assert found.consistent_prefix(range(9)) == 2  # row 2 contradicts row 0
    assert found.consistent_prefix([0, 3, 6, 5, 1, 7, 8, 2, 4]) == 7
    assert found.consistent_prefix([2, 7, 1, 8, 5, 4, 0, 3, 6]) == 5
    assert found.consistent_prefix([4, 5, 2, 8]) == 4
    assert found.consistent_prefix([2]) == 1


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("inputs", [1, 2, 3, 4, 8])
def test_against_brute_force(dtype: str, inputs: int) -> None:
    draw = np.random.default_rng([inputs, ord(dtype[0])])
    for n, values, classes in itertools.product((1, 2, 30), (1, 2, 3), (1, 2, 4)):
        x = draw.integers(0, values, (n, inputs)).astype(dtype) * np.array(3, dtype)
        y = draw.integers(0, classes, n)
        found = find_contradictions(x, y)
        assert (found.rows.tolist(), found.fittable) == by_brute_force(x, y)
        for place, row in enumerate(found.rows):
            same = found.rows[found.groups == found.groups[place]]
            assert same.tolist() == [other for other in found.rows if (x[other] == x[row]).all()]
        order = draw.permutation(n)
        assert found.consistent_prefix(order) == prefix_by_brute_force(x, y, order)


def test_rows_of_the_same_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(1)
    x, y = draw.integers(0, 3, (60, 3)).astype(np.uint8), draw.integers(0, 2, 60)
    expected = find_contradictions(x, y)
    assert 0 < len(expected.rows) < 60
    monkeypatch.setattr(contradictions, "row_hashes", lambda rows: np.zeros(len(rows), np.uint64))
    found = find_contradictions(x, y)
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_array_equal(found.groups, expected.groups)
    assert found.fittable == expected.fittable


@pytest.mark.parametrize("width", [54, 55])
def test_hashes_tell_one_hot_rows_apart(width: int) -> None:
    """Rows of zeros and ones differ in few bits, all of them high; their hashes still do not meet."""
    x = (np.random.default_rng(2).random((20_000, width)) < 0.5).astype(np.float32)
    assert len(np.unique(row_hashes(x))) == len(np.unique(x, axis=0))


def test_more_rows_than_a_block() -> None:
    x = np.arange(10_000, dtype=np.int16)[:, None]
    x[9_999], y = x[1], np.zeros(10_000, int)
    y[9_999] = 1
    found = find_contradictions(x, y)
    assert (found.rows.tolist(), found.fittable) == ([1, 9_999], 9_999)
    assert found.consistent_prefix(np.arange(10_000)) == 9_999


def test_constant_labels_contradict_nothing() -> None:
    found = find_contradictions(np.zeros((5, 3), np.uint8), np.zeros(5, np.int32))
    assert (len(found.rows), found.fittable, found.consistent_prefix(np.arange(5))) == (0, 5, 5)


def test_equal_means_the_same_bits() -> None:
    assert find_contradictions(np.array([[0.0], [-0.0]]), [0, 1]).fittable == 2
    assert find_contradictions(np.array([[0.0], [0.0]]), [0, 1]).fittable == 1


def test_memory_maps_and_strided_features() -> None:
    mapped = derive_dataset(open_dataset("digits"), labels="random").train
    x = np.asarray(mapped.features)
    assert len(find_contradictions(mapped.features, mapped.labels).rows) == 0
    few = np.asfortranarray(x[:, 20:23])
    rows, fittable = by_brute_force(few[:300], mapped.labels[:300])
    found = find_contradictions(few[:300], mapped.labels[:300])
    assert (found.rows.tolist(), found.fittable) == (rows, fittable)
    assert rows


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the original Adult table beside the checkout")
def test_adult(tmp_path: Path) -> None:
    data = import_csv(SHARED / "adult" / "adult.csv.gz", tmp_path / "adult.h5", label="income").train
    found = find_contradictions(data.features, data.labels)
    of_row: dict[bytes, Counter[int]] = {}
    for row, label in zip(data.features, data.labels, strict=True):
        of_row.setdefault(row.tobytes(), Counter())[int(label)] += 1
    mixed = [counts for counts in of_row.values() if len(counts) > 1]
    assert mixed
    assert len(found.rows) == sum(counts.total() for counts in mixed)
    assert found.fittable == len(data.labels) - sum(min(counts.values()) for counts in mixed)
    order = random.permutation(3, random.PURPOSE_SUBSET, 0, len(data.labels), np.arange(len(data.labels)))
    assert found.consistent_prefix(order) == prefix_by_brute_force(data.features, data.labels, order)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1, 2], [0, 1], r"the features have the shape \(2,\)"),
        ([[1], [2]], [0], "the labels have 1 rows, the features 2"),
        ([[1], [2]], [0, -1], r"the labels hold -1 in row 1: expected whole numbers in 0\.\.K-1"),
        ([["a"], ["b"]], [0, 1], "the features have the type <U1: expected whole or floating-point numbers"),
    ],
)
def test_arrays_that_make_no_sense_are_refused(x: Any, y: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_contradictions(x, y)


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ([0, 3], r"order holds 3: expected rows in 0\.\.2"),
        ([-1], "order holds -1"),
        ([[0, 1]], r"shape \(1, 2\): expected one axis of whole numbers"),
        ([0.0, 1.0], "order is an array of float64"),
    ],
)
def test_orders_that_make_no_sense_are_refused(order: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_contradictions([[1], [1], [2]], [0, 1, 0]).consistent_prefix(order)
