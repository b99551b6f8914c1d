"""NPZ import."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capacity.data import import_npz
from capacity.errors import InputError
from tests.data_files import leftovers

X = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
Y = np.array([0, 1, 2, 1])


def archive(folder: Path, **arrays: Any) -> Path:
    np.savez_compressed(folder / "a.npz", **arrays)
    return folder / "a.npz"


def test_default_names_flattened_images(tmp_path: Path) -> None:
    data = import_npz(archive(tmp_path, X=X, y=Y, X_test=X[:1], y_test=Y[:1]), tmp_path / "d.h5")
    np.testing.assert_array_equal(data.train.features, X.reshape(4, 6))
    np.testing.assert_array_equal(data.train.labels, Y)
    assert data.test is not None
    np.testing.assert_array_equal(data.test.features, X[:1].reshape(1, 6))
    assert (data.scale, data.train.features.dtype, data.name) == (1 / 255, np.uint8, "d")
    assert data.provenance["sources"][0]["file"] == "a.npz"


def test_names_and_scale_can_be_chosen(tmp_path: Path) -> None:
    source = archive(tmp_path, x_train=X / 2, labels=Y, unused=np.ones(2))
    data = import_npz(source, tmp_path / "d.h5", features="x_train", labels="labels", name="halves")
    assert (data.train.features.dtype, data.scale, data.test, data.name) == (np.float32, 1.0, None, "halves")
    assert import_npz(archive(tmp_path, X=X, y=Y), tmp_path / "d.h5", scale=0.5).scale == 0.5


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X, "y": Y}, r"has no array 'X' \(valid names: x, y\)"),
        ({"X": X, "y": Y, "X_test": X}, "has no array 'y_test'"),
        ({"X": X, "y": Y, "y_test": Y}, "has no array 'X_test'"),
        ({"X": X, "y": Y[:3]}, "labels have 3 rows, the features 4"),
        ({"X": X, "y": Y + 0.5}, r"labels hold 0\.5 in row 0"),
        ({"X": X[:0], "y": Y[:0]}, "no rows"),
        ({"X": X, "y": np.array(["a", "b", "c", "a"])}, "labels have the type"),
        ({"X": np.where(X == 7, np.nan, X), "y": Y}, "NaN in row 1, column 1"),
        ({"X": X, "y": np.array([0, 1, None, 1])}, "more than plain arrays"),
    ],
)
def test_bad_archives_leave_nothing(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    source = archive(tmp_path, **arrays)
    with pytest.raises(InputError, match=message):
        import_npz(source, tmp_path / "d.h5")
    assert leftovers(tmp_path) == ["a.npz"]


def test_files_that_are_no_archives(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not found"):
        import_npz(tmp_path / "none.npz", tmp_path / "d.h5")
    source = archive(tmp_path, X=X, y=Y)
    whole = source.read_bytes()
    for content in (b"", b"text", whole[:-10]):
        source.write_bytes(content)
        with pytest.raises(InputError, match=r"is not an \.npz archive, or it is truncated"):
            import_npz(source, tmp_path / "d.h5")
    source.write_bytes(whole[:60] + bytes(20) + whole[80:])
    with pytest.raises(InputError, match="damaged"):
        import_npz(source, tmp_path / "d.h5")
    np.save(tmp_path / "one.npy", X)
    with pytest.raises(InputError, match=r"is not an \.npz archive"):
        import_npz(tmp_path / "one.npy", tmp_path / "d.h5")
    assert leftovers(tmp_path) == ["a.npz", "one.npy"]
