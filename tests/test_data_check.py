"""Checking a file: planted problems of every kind are found where they are, and nothing else is."""

from __future__ import annotations

import json
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from capacity.data import (
    DatasetCheck,
    check_dataset,
    find_contradictions,
    open_dataset,
    save_dataset,
)
from capacity.data.checking import duplicates, survey
from capacity.data.checking.check import rows_in
from capacity.errors import InputError
from tests.data_files import SHARED, write_hdf5
from tests.test_data_opening import BAD, X, Y

ROWS = np.random.default_rng(5).integers(1, 200, (60, 7)).astype(np.uint8)
"""Different rows, different columns, no zeros."""


def stranger(path: Path, x: Any = ROWS, y: Any = None, test: Any = None, **attributes: Any) -> Path:
    labels = np.arange(len(x)) % 3 if y is None else y
    arrays = {"train/features": x, "train/labels": labels}
    if test is not None:
        arrays |= {"test/features": test[0], "test/labels": test[1]}
    return write_hdf5(path, arrays, **attributes)


def kinds(check: DatasetCheck, *levels: str) -> set[str]:
    return {finding.kind for finding in check.findings if not levels or finding.level in levels}


def sentence(check: DatasetCheck, kind: str) -> str:
    (text,) = (finding.text for finding in check.findings if finding.kind == kind)
    return text


def test_nothing_is_wrong_with_good_data(tmp_path: Path) -> None:
    save_dataset(tmp_path / "d.h5", ROWS[:50], np.arange(50) % 3, test=(ROWS[50:], [0, 1] * 5))
    check = check_dataset(tmp_path / "d.h5")
    assert (check.verdict, check.usable, check.findings) == ("ok", True, ())
    assert check.train is not None
    assert check.test is not None
    assert (check.train.samples, check.train.inputs, check.train.read, check.test.read) == (50, 7, 50, 10)
    assert (check.train.low, check.train.high) == (ROWS[:50].min(), ROWS[:50].max())
    assert check.labels["train"].counts == ((0, 17), (1, 17), (2, 16))
    assert (check.labels["test"].low, check.labels["test"].high) == (0, 1)
    assert check.digest == check.stored_digest == open_dataset(tmp_path / "d.h5").digest
    assert check.validated
    assert check.train.duplicates.fittable == 50
    assert (check.train.storage.layout, check.train.storage.dtype) == ("contiguous", "uint8")


def test_digits() -> None:
    check = check_dataset("digits")
    assert kinds(check) == {"constant features"}
    assert check.constant_features == ((0, 0.0), (32, 0.0), (39, 0.0))
    assert rows_in("digits") == 1797


@pytest.mark.parametrize("case", BAD, ids=str)
def test_what_is_refused_at_opening_is_an_error(tmp_path: Path, case: str) -> None:
    settings, _ = BAD[case]
    attributes = {key: value for key, value in settings.items() if key not in ("x", "y")}
    path = stranger(tmp_path / "d.h5", settings.get("x", X), settings.get("y", Y), **attributes)
    check = check_dataset(path)
    assert not check.usable
    assert all("\n" not in finding.text for finding in check.findings)
    json.dumps(check.to_dict(), allow_nan=False)


def test_places_of_nan_and_infinity(tmp_path: Path) -> None:
    x = ROWS.astype(np.float64)
    x[[3, 3, 8, 59], [1, 6, 0, 2]] = np.nan
    x[[4, 9], [1, 1]] = np.inf, -1e300
    check = check_dataset(stranger(tmp_path / "d.h5", x, feature_names=list("abcdefg")))
    assert check.train is not None
    assert (check.train.nan.count, check.train.nan.first) == (4, ((3, 1), (3, 6), (8, 0), (59, 2)))
    assert (check.train.infinite.count, check.train.infinite.first) == (2, ((4, 1), (9, 1)))
    assert (check.train.low, check.train.high) == (ROWS.min(), ROWS.max())
    assert kinds(check, "error") == {"nan", "infinity"}
    assert "in 4 places (row 3, column 1 ('b'); row 3, column 6 ('g'); row 8, column 0 ('a'); ...)" in sentence(
        check, "nan"
    )
    assert "numbers too large for float32" in sentence(check, "infinity")


def test_places_go_on_from_block_to_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capacity.data.layout._BLOCK_BYTES", 100)  # of 3 rows
    x = ROWS.astype(np.float32)
    x[10:20, 2] = np.nan
    x[:, 4] = x[:, 1]
    x[:, 5] = 3
    x[[5, 41]] = 0
    x[50] = x[0]
    check = check_dataset(stranger(tmp_path / "d.h5", x))
    assert check.train is not None
    assert (check.train.nan.count, check.train.nan.first) == (10, tuple((row, 2) for row in range(10, 15)))
    assert check.train.zero_rows.count == 2
    assert check.train.zero_rows.first == ((5,), (41,))
    assert (check.train.duplicates.first, check.duplicate_features) == (((5, 41), (0, 50)), ((1, 4),))
    assert check.constant_features == ()  # not in the rows of zeros


@pytest.mark.parametrize("dtype", ["i4", "f8", "u1", ">f4"])
def test_labels_out_of_place(tmp_path: Path, dtype: str) -> None:
    y = (np.arange(60) % 3).astype(dtype)
    y[[7, 50]] = 3, 200 if dtype == "u1" else 1e6
    if dtype != "u1":
        y[9] = -1
    if "f" in dtype:
        y[[2, 4, 59]] = 0.5, np.nan, np.inf
    check = check_dataset(stranger(tmp_path / "d.h5", y=y, classes=3))
    found = {wrong.kind: (wrong.count, [row for row, _ in wrong.first]) for wrong in check.labels["train"].wrong}
    expected: dict[str, tuple[int, list[int]]] = {"too large": (2, [7, 50])}
    if dtype != "u1":
        expected["negative"] = (1, [9])
    if "f" in dtype:
        expected |= {"too large": (3, [7, 50, 59]), "fractional": (1, [2]), "NaN": (1, [4])}
    assert found == expected
    assert sum(count for _, count in check.labels["train"].counts) == 60 - sum(count for count, _ in found.values())
    assert kinds(check, "error") == {"labels"}


def test_classes_without_samples_and_unequal_ones(tmp_path: Path) -> None:
    y = np.zeros(60, int)
    y[[3, 4, 5, 6, 7]] = 2
    names = ["none", "never", "some", "other"]
    check = check_dataset(stranger(tmp_path / "d.h5", y=y, test=(ROWS[:4] + 50, [0, 3, 3, 2]), class_names=names))
    assert check.classes == 4
    assert "2 classes of 4 have no training sample ('never'; 'other')" in sentence(check, "absent classes")
    assert "2 test rows are of classes without a training sample ('other')" in sentence(check, "untaught classes")
    assert "55 training samples of 'none' and 5 of 'some': hold errors against 8.3%" in sentence(check, "imbalance")
    assert check.verdict == "warnings"


def test_an_absurd_number_of_classes_takes_no_memory(tmp_path: Path) -> None:
    check = check_dataset(stranger(tmp_path / "d.h5", classes=2**40))
    assert "(3; 4; 5; ...)" in sentence(check, "absent classes")


def test_constant_and_equal_features(tmp_path: Path) -> None:
    x = ROWS.copy()
    x[:, 0] = 7
    x[:, 3] = x[:, 6] = x[:, 1]
    x[:, 5] = x[:, 2]
    x[59, 5] += 1  # in the last row only
    check = check_dataset(stranger(tmp_path / "d.h5", x, test=(ROWS[:2] + 1, [0, 1])))
    assert check.constant_features == ((0, 7.0),)
    assert check.duplicate_features == ((1, 3, 6),)
    assert "2 features repeat another in training (column 3 equals 1; 6 equals 1)" in sentence(
        check, "duplicate features"
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
@pytest.mark.parametrize("block_bytes", [1, 60, 1 << 20])
def test_equal_columns_against_brute_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: type, block_bytes: int
) -> None:
    monkeypatch.setattr("capacity.data.layout._BLOCK_BYTES", block_bytes)
    for seed in range(8):
        draw = np.random.default_rng(seed)
        x = draw.integers(0, 2, (int(draw.integers(1, 9)), 20)).astype(dtype)
        check = check_dataset(stranger(tmp_path / f"{seed}.h5", x, np.arange(len(x)) % 2))
        columns: dict[bytes, list[int]] = {}
        for column in range(20):
            columns.setdefault(x[:, column].tobytes(), []).append(column)
        constant = [column for column in range(20) if len(set(x[:, column].tolist())) == 1]
        expected = [tuple(same) for same in columns.values() if len(same) > 1 and same[0] not in constant]
        assert [column for column, _ in check.constant_features] == constant
        assert list(check.duplicate_features) == expected


def by_brute_force(x: NDArray[Any], y: NDArray[Any]) -> tuple[int, int, int, int, int, int]:
    of_row: dict[bytes, Counter[int]] = {}
    for row, label in zip(x, y, strict=True):
        of_row.setdefault(row.tobytes(), Counter())[int(label)] += 1
    several = [counts for counts in of_row.values() if counts.total() > 1]
    mixed = [counts for counts in several if len(counts) > 1]
    fittable = sum(max(counts.values()) for counts in of_row.values())
    rows = sum(counts.total() for counts in several)
    return len(several), rows, len(x) - len(of_row), len(mixed), sum(c.total() for c in mixed), fittable


@pytest.mark.parametrize("collide", [False, True])
def test_equal_rows_against_brute_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, collide: bool) -> None:
    if collide:  # hashes decide only what is looked at again
        monkeypatch.setattr(survey, "row_hashes", lambda rows: np.zeros(len(rows), np.uint64))
    monkeypatch.setattr(duplicates, "_GAP_BYTES", 8)
    for seed in range(10):
        draw = np.random.default_rng(seed)
        x, y = draw.integers(0, 3, (80, 3)).astype(np.int16), draw.integers(0, 2 + seed % 3, 80)
        train, test = (x[:60], y[:60]), (x[60:], y[60:])
        check = check_dataset(stranger(tmp_path / f"{seed}.h5", *train, test))
        assert check.leakage is not None
        for part, (rows, labels) in ((check.train, train), (check.test, test)):
            assert part is not None
            found = part.duplicates
            counts = (found.groups, found.rows, found.repeats, found.contradictory_groups, found.contradictory_rows)
            assert (*counts, found.fittable) == by_brute_force(rows, labels)
            assert all((rows[i] == rows[j]).all() and i < j for i, j in found.first)
            assert all((rows[i] == rows[j]).all() and labels[i] != labels[j] for i, j in found.first_contradictory)
        assert check.train is not None
        assert check.train.duplicates.fittable == find_contradictions(*train).fittable
        known = {(row.tobytes(), int(label)) for row, label in zip(*train, strict=True)}
        rows_known = {row for row, _ in known}
        leaking = [row for row in range(20) if test[0][row].tobytes() in rows_known]
        same = [row for row in leaking if (test[0][row].tobytes(), int(test[1][row])) in known]
        assert (check.leakage.rows, check.leakage.same_label) == (len(leaking), len(same))
        assert [row for row, _ in check.leakage.first] == leaking[:5]
        assert all((test[0][i] == train[0][j]).all() for i, j in check.leakage.first)


def test_rows_that_are_all_equal(tmp_path: Path) -> None:
    check = check_dataset(stranger(tmp_path / "d.h5", np.full((600, 3), 9, np.uint8)))
    assert check.train is not None
    found = check.train.duplicates
    assert (found.groups, found.rows, found.repeats, found.contradictory_groups) == (1, 600, 599, 1)
    assert (found.contradictory_rows, found.fittable) == (600, 200)
    assert len(check.constant_features) == 3
    assert check.duplicate_features == ()
    assert "no function gets more than 200 of 600 right, an error of 66.67%, which bounds EMC" in sentence(
        check, "contradictions"
    )


def test_rows_of_zeros_alone(tmp_path: Path) -> None:
    check = check_dataset(stranger(tmp_path / "d.h5", np.zeros((4, 3), np.float32), [0, 1, 0, 1]))
    assert check.train is not None
    assert check.train.zero_rows.count == 4
    assert [value for _, value in check.constant_features] == [0, 0, 0]


def test_what_a_network_cannot_tell_apart_is_equal(tmp_path: Path) -> None:
    x = np.array([[0.0, 1], [-0.0, 1], [np.nan, 2], [-np.nan, 2], [-0.0, -0.0], [1e-50, 0]])
    check = check_dataset(stranger(tmp_path / "d.h5", x, [0, 1, 0, 0, 1, 1]))
    assert check.train is not None
    assert check.train.duplicates.first == ((0, 1), (2, 3), (4, 5))  # 1e-50 is 0 as float32
    assert check.train.duplicates.first_contradictory == ((0, 1),)
    assert check.train.zero_rows.first == ((4,), (5,))


def test_without_usable_labels_rows_are_still_compared(tmp_path: Path) -> None:
    x = np.r_[ROWS, ROWS[:2]]
    check = check_dataset(stranger(tmp_path / "d.h5", x, [b"a"] * 62, (ROWS[:3], [0, 1, 2])))
    assert check.train is not None
    assert (check.train.duplicates.repeats, check.train.duplicates.fittable) == (2, None)
    assert check.leakage is not None
    assert (check.leakage.rows, check.leakage.same_label) == (3, None)
    assert kinds(check, "error") == {"unreadable"}
    assert check.digest == ""


@pytest.mark.parametrize(
    ("options", "layout", "filters"),
    [
        ({"chunks": (16, 3)}, "chunked", ()),
        ({"chunks": (7, 7), "compression": "gzip", "shuffle": True}, "chunked", ("shuffle", "gzip")),
        ({"chunks": (60, 7), "compression": "lzf", "fletcher32": True}, "chunked", ("lzf", "fletcher32")),
    ],
)
@pytest.mark.filterwarnings("ignore:.*is read slowly:UserWarning")
def test_other_layouts(tmp_path: Path, options: Any, layout: str, filters: tuple[str, ...]) -> None:
    path = stranger(tmp_path / "d.h5")
    with h5py.File(path, "r+") as file:
        del file["train/features"]
        file.create_dataset("train/features", data=np.r_[ROWS[:-1], ROWS[:1]].astype(">i2"), **options)
    check = check_dataset(path)
    assert check.train is not None
    storage = check.train.storage
    assert (storage.layout, storage.chunks, set(storage.filters)) == (layout, options["chunks"], set(filters))
    assert (storage.dtype, storage.used_as) == ("big-endian int16", "int16")
    assert check.train.duplicates.first == ((0, 59),)
    assert check.digest == open_dataset(path).digest


def test_a_change_after_writing_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "d.h5"
    save_dataset(path, ROWS, np.arange(60) % 3)
    with h5py.File(path, "r+") as file:
        file["train/features"][30, 3] ^= 1
    check = check_dataset(path)
    assert kinds(check, "error") == {"digest"}
    assert check.digest != check.stored_digest
    with h5py.File(path, "r+") as file:
        del file.attrs["digest"], file.attrs["validated"]
    assert kinds(check_dataset(path)) == {"digest"}
    assert check_dataset(path).verdict == "ok"


def test_damage_within_the_features(tmp_path: Path) -> None:
    path = stranger(tmp_path / "d.h5", y=np.arange(6000) % 3, x=np.zeros((1, 1), np.uint8))
    x = np.random.default_rng(1).integers(0, 255, (6000, 1000)).astype(np.uint8)
    with h5py.File(path, "r+") as file:
        del file["train/features"]
        stored = file.create_dataset("train/features", data=x, chunks=(1000, 1000), compression="gzip")
        chunk = stored.id.get_chunk_info(5)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + 64] = bytes(64)
    path.write_bytes(content)
    check = check_dataset(path)
    assert kinds(check, "error") == {"damaged"}
    assert "training features cannot be read in rows 4000 to 5999: " in sentence(check, "damaged")
    assert check.train is not None
    assert (check.train.read, check.train.samples, check.digest) == (4000, 6000, "")


def test_splits_that_disagree(tmp_path: Path) -> None:
    check = check_dataset(stranger(tmp_path / "d.h5", test=(ROWS[:2, :6], [0, 1])))
    assert kinds(check, "error") == {"disagreement"}
    assert check.leakage is None


def test_a_missing_split_does_not_hide_the_other(tmp_path: Path) -> None:
    arrays = {"test/features": np.r_[ROWS, ROWS[:1]], "train/labels": [0, 1]}
    check = check_dataset(write_hdf5(tmp_path / "d.h5", arrays))
    assert [finding.text for finding in check.findings if finding.level == "error"] == [
        f"{tmp_path / 'd.h5'} has no array 'train/features': expected train/features (N, D) and train/labels (N,)",
        f"{tmp_path / 'd.h5'} has no array 'test/labels': expected train/features (N, D) and train/labels (N,)",
    ]
    assert check.train is None
    assert check.test is not None
    assert check.test.duplicates.first == ((0, 60),)
    assert check.labels["train"].counts == ((0, 1), (1, 1))


def test_an_absurd_shape_is_refused_before_room_is_made(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file.create_dataset("train/features", (10**12, 100), "f4", chunks=(100, 100))
        file.create_dataset("train/labels", (10**12,), "i4", chunks=(100,))
    check = check_dataset(tmp_path / "d.h5")
    assert len([finding for finding in check.findings if "truncated, damaged or not filled" in finding.text]) == 2


def test_progress_counts_all_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capacity.data.layout._BLOCK_BYTES", 70)
    path, steps = stranger(tmp_path / "d.h5", test=(ROWS[:25] + 1, [0] * 25)), []
    check_dataset(path, progress=steps.append)
    assert steps == [10] * 8 + [5]
    assert rows_in(path) == 85


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "is not an HDF5 file"), (None, "not found"), (b"\x89HDF\r\n\x1a\n" * 9, "damaged")]
)
def test_no_data_set_at_all(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "d.h5").write_bytes(content)
    with pytest.raises(InputError, match=message):
        check_dataset(tmp_path / "d.h5")


def test_memory_does_not_grow_with_the_rows_width(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of 16 MB that holds everything twice: to compare the rows themselves would take half of that."""
    monkeypatch.setattr("capacity.data.layout._BLOCK_BYTES", 128 << 10)
    half = np.random.default_rng(3).integers(0, 256, (1600, 5000)).astype(np.uint8)
    path = stranger(tmp_path / "d.h5", np.r_[half, half])
    del half
    tracemalloc.start()
    try:
        check = check_dataset(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert check.train is not None
    assert check.train.duplicates.repeats == 1600
    assert peak < 4 << 20


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the original Adult table beside the checkout")
def test_adult(tmp_path: Path) -> None:
    from capacity.data import import_csv

    data = import_csv(SHARED / "adult" / "adult.csv.gz", tmp_path / "a.h5", label="income", test_fraction=0.2)
    assert data.test is not None
    check = check_dataset(tmp_path / "a.h5")
    assert check.train is not None
    assert check.leakage is not None
    found = check.train.duplicates
    counts = (found.groups, found.rows, found.repeats, found.contradictory_groups, found.contradictory_rows)
    assert (*counts, found.fittable) == by_brute_force(data.train.features, data.train.labels)
    known = {row.tobytes() for row in data.train.features}
    assert check.leakage.rows == sum(row.tobytes() in known for row in data.test.features)
    assert found.contradictory_rows > 0
    assert check.verdict == "warnings"
