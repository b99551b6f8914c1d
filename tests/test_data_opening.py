"""Opening data set files: what is read, what is mapped, and every way in which a file can be wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from capacity.data import open_dataset, save_dataset
from capacity.errors import InputError
from tests.data_files import write_hdf5

X = np.arange(12, dtype=np.uint8).reshape(4, 3)
Y = np.array([0, 1, 1, 2], dtype=np.int32)


def stranger(path: Path, x: Any = X, y: Any = Y, **attributes: Any) -> Path:
    return write_hdf5(path, {"train/features": x, "train/labels": y}, **attributes)


def test_a_file_of_two_arrays_is_enough(tmp_path: Path) -> None:
    data = open_dataset(stranger(tmp_path / "mine.h5"))
    assert (data.name, data.classes, data.class_names, data.scale) == ("mine", 3, ("0", "1", "2"), 1.0)
    assert (data.inputs, data.feature_names, data.test, data.provenance) == (3, (), None, {})
    np.testing.assert_array_equal(data.train.features, X)
    np.testing.assert_array_equal(data.train.labels, Y)


def test_everything_written_is_read_back(tmp_path: Path) -> None:
    written = {
        "name": "three things",
        "class_names": ("a", "b", "ä"),
        "feature_names": ("x", "y", "z"),
        "scale": 0.25,
    }
    save_dataset(tmp_path / "d.h5", X, Y, test=(X[:2], Y[:2]), provenance={"licence": "MIT"}, **written)
    data = open_dataset(str(tmp_path / "d.h5"))
    assert {key: getattr(data, key) for key in written} == written
    assert data.provenance["licence"] == "MIT"
    assert data.provenance["created_by"].startswith("capacity ")
    assert data.path == tmp_path / "d.h5"
    assert data.test is not None
    np.testing.assert_array_equal(data.test.features, X[:2])
    np.testing.assert_array_equal(data.test.labels, Y[:2])


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_our_files_are_mapped_aligned_and_read_only(tmp_path: Path, dtype: str) -> None:
    # 3 x 5 bytes: without alignment every array after the first would lie at an odd address.
    x, y = np.ones((3, 5), dtype), [0, 1, 1]
    data = save_dataset(tmp_path / "d.h5", x, y, test=(x, y))
    assert data.test is not None
    for split in (data.train, data.test):
        assert isinstance(split.features, np.memmap)
        assert split.features.dtype == dtype
        assert split.features.flags.c_contiguous
        assert split.features.ctypes.data % 64 == 0
        assert split.labels.dtype == np.int32
        assert not split.features.flags.writeable
        assert not split.labels.flags.writeable


@pytest.mark.parametrize(
    ("stored", "dtype"),
    [("float64", "float32"), (">i2", "int16"), ("int8", "int16"), ("bool", "uint8"), ("i8", "float32")],
)
def test_other_types_are_converted_in_memory(tmp_path: Path, stored: str, dtype: str) -> None:
    x = np.array([[1, 0], [0, 1], [1, 1]]).astype(stored)
    data = open_dataset(stranger(tmp_path / "d.h5", x, [0, 1, 0]))
    assert data.train.features.dtype == dtype
    np.testing.assert_array_equal(data.train.features, x.astype(dtype))


def test_compressed_features_are_read_into_memory(tmp_path: Path) -> None:
    with h5py.File(stranger(tmp_path / "d.h5"), "r+") as file:
        del file["train/features"]
        file.create_dataset("train/features", data=X, compression="gzip")
    data = open_dataset(tmp_path / "d.h5")
    assert not isinstance(data.train.features, np.memmap)
    np.testing.assert_array_equal(data.train.features, X)


def test_an_open_data_set_is_returned_as_it_is(tmp_path: Path) -> None:
    data = open_dataset(stranger(tmp_path / "d.h5"))
    assert open_dataset(data) is data


def test_values_are_checked_again_only_where_nobody_vouches_for_them(tmp_path: Path) -> None:
    path = tmp_path / "d.h5"
    save_dataset(path, X.astype(np.float32), Y)
    with h5py.File(path, "r+") as file:
        file["train/features"][2, 1] = np.nan
    open_dataset(path)  # vouched for by the marker: not read
    with h5py.File(path, "r+") as file:
        del file.attrs["validated"]
    with pytest.raises(InputError, match="NaN in row 2, column 1"):
        open_dataset(path)


def test_labels_are_checked_always(tmp_path: Path) -> None:
    path = tmp_path / "d.h5"
    save_dataset(path, X, Y)
    with h5py.File(path, "r+") as file:
        file["train/labels"][3] = 3
    with pytest.raises(InputError, match=r"labels hold 3 in row 3: expected whole numbers in 0\.\.2"):
        open_dataset(path)


F = X.astype(np.float32)
NAN, INF = F.copy(), F.copy()
NAN[1, 2], INF[3, 0] = np.nan, -np.inf

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "three axes": ({"x": np.zeros((4, 3, 1), "u1")}, r"features have the shape \(4, 3, 1\): expected two axes"),
    "one axis": ({"x": np.zeros(4, "u1")}, "expected two axes"),
    "labels of two axes": ({"y": Y[:, None]}, r"labels have the shape \(4, 1\): expected one axis"),
    "fewer labels": ({"y": Y[:3]}, "labels have 3 rows, the features 4"),
    "more labels": ({"x": X[:3]}, "labels have 4 rows, the features 3"),
    "no rows": ({"x": X[:0], "y": Y[:0]}, "no rows"),
    "no columns": ({"x": X[:, :0]}, "no columns"),
    "one class": ({"y": np.full(4, 2)}, "all of class 2: expected samples of at least two classes"),
    "negative label": ({"y": [0, 1, -1, 2]}, "labels hold -1 in row 2"),
    "label too large": ({"classes": 2}, r"labels hold 2 in row 3: expected whole numbers in 0\.\.1"),
    "label not whole": ({"y": [0, 1.5, 1, 2]}, r"labels hold 1\.5 in row 1"),
    "label NaN": ({"y": [0, 1, 1, np.nan]}, "labels hold nan in row 3"),
    "label text": ({"y": np.array([b"a", b"b", b"b", b"c"])}, "labels have the type"),
    "NaN": ({"x": NAN}, "features hold NaN in row 1, column 2: expected finite"),
    "NaN in a named column": ({"x": NAN, "feature_names": ["a", "b", "c"]}, r"row 1, column 2 \('c'\)"),
    "infinity": ({"x": INF}, "infinity .* in row 3, column 0"),
    "beyond float32": ({"x": np.where(F == 7, 1e300, F.astype(float))}, "infinity .* in row 2, column 1"),
    "complex": ({"x": X.astype(complex)}, "features have the type complex128"),
    "one class announced": ({"classes": 1, "y": [0, 0, 0, 0]}, "has 1 class: expected at least two"),
    "class names": ({"class_names": ["a", "b"]}, "2 class names for 3 classes"),
    "feature names": ({"feature_names": ["a", "b"]}, "2 feature names for 3 features"),
    "scale zero": ({"scale": 0.0}, r"scale 0\.0: expected a positive finite number"),
    "scale NaN": ({"scale": np.nan}, "scale nan"),
    "classes no number": ({"classes": "three"}, "attribute 'classes' cannot be read"),
    "provenance no JSON": ({"provenance": "{"}, "attribute 'provenance' cannot be read"),
    "provenance no object": ({"provenance": "[]"}, "not a JSON object"),
    "another format": ({"format": "keras"}, "format 'keras': expected 'capacity-dataset'"),
    "a later version": ({"format_version": 3}, "layout version 3, expected at most 2: update"),
}


@pytest.mark.parametrize("case", BAD, ids=str)
def test_a_bad_file_is_refused_with_a_sentence(tmp_path: Path, case: str) -> None:
    settings, message = BAD[case]
    path = stranger(tmp_path / "bad.h5", **settings)
    with pytest.raises(InputError, match=message) as caught:
        open_dataset(path)
    assert "bad.h5" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_test_split_must_agree_with_the_training_split(tmp_path: Path) -> None:
    arrays = {"train/features": X, "train/labels": Y, "test/labels": Y}
    with pytest.raises(InputError, match="2 columns of uint8, training features 3 of uint8"):
        open_dataset(write_hdf5(tmp_path / "a.h5", arrays | {"test/features": X[:, :2]}))
    with pytest.raises(InputError, match="3 columns of float32, training features 3 of uint8"):
        open_dataset(write_hdf5(tmp_path / "b.h5", arrays | {"test/features": F}))
    with pytest.raises(InputError, match="test labels have 4 rows, the features 2"):
        open_dataset(write_hdf5(tmp_path / "c.h5", arrays | {"test/features": X[:2]}))
    with pytest.raises(InputError, match="no array 'test/features'"):
        open_dataset(write_hdf5(tmp_path / "d.h5", arrays))


def test_a_test_split_may_be_of_one_class(tmp_path: Path) -> None:
    assert save_dataset(tmp_path / "d.h5", X, Y, test=(X[:1], Y[:1])).classes == 3


def cut(path: Path, end: int) -> None:
    path.write_bytes(path.read_bytes()[:end])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.unlink(), "not found: expected a file or a built-in name"),
        (lambda path: path.write_bytes(b""), "is not an HDF5 file"),
        (lambda path: path.write_text("a,b\n1,2\n"), "is not an HDF5 file: make one with 'capacity data import"),
        (lambda path: cut(path, -1), "truncated or damaged"),
        (lambda path: cut(path, 700), "truncated or damaged"),
        (lambda path: cut(path, 20), "truncated or damaged"),
        (lambda path: (path.unlink(), path.mkdir()), "is a folder"),
        (lambda path: write_hdf5(path, {"data": X}), "no array 'train/features'"),
        (lambda path: write_hdf5(path, {"train/features/x": X}), "no array 'train/features'"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, spoil: Callable[[Path], object], message: str) -> None:
    path = tmp_path / "d.h5"
    save_dataset(path, X, Y)
    spoil(path)
    with pytest.raises(InputError, match=message):
        open_dataset(path)


@pytest.mark.parametrize("name", ["digit", "Digits", "digitss"])
def test_a_misspelt_name_gets_a_suggestion(name: str) -> None:
    with pytest.raises(InputError, match="did you mean 'digits'"):
        open_dataset(name)


def test_built_in_digits_are_the_uci_test_part() -> None:
    data = open_dataset("digits")
    assert (len(data.train.labels), data.inputs, data.classes, data.scale) == (1437, 64, 10, 1 / 16)
    assert data.test is not None
    assert len(data.test.labels) == 360
    # The class counts that UCI states for optdigits.tes.
    counts = np.bincount(data.train.labels) + np.bincount(data.test.labels)
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert data.train.features.max() == 16
    assert "Alpaydin" in data.provenance["authors"]
    assert data.provenance["licence"] == "CC BY 4.0"
    assert data.path is not None
    assert data.path.stat().st_size < 200_000


def test_built_in_digits_are_those_of_scikit_learn() -> None:
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn carries the same images")
    x, y = datasets.load_digits(return_X_y=True)
    data = open_dataset("digits")
    assert data.test is not None
    np.testing.assert_array_equal(np.concatenate([data.train.features, data.test.features]), x)
    np.testing.assert_array_equal(np.concatenate([data.train.labels, data.test.labels]), y)


def test_provenance_is_plain_json_in_the_file(tmp_path: Path) -> None:
    save_dataset(tmp_path / "d.h5", X, Y, provenance={"source": "here"})
    with h5py.File(tmp_path / "d.h5") as file:
        assert json.loads(file.attrs["provenance"])["source"] == "here"
        assert file.attrs["format"] == "capacity-dataset"
        assert file["train/features"].chunks is None
