"""What rows may be besides plain arrays: normalised, of every stored type, sparse; and what a network sees of them."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

import capacity
from capacity.data import Dataset, Split, check_dataset, open_dataset, save_dataset
from capacity.data.reading.rows import RowReader
from capacity.errors import InputError

X = np.array([[3, 4, 0], [0, 0, 0], [1, 2, 2], [5, 0, 12]], np.uint8)
Y = np.array([0, 1, 0, 1])


@pytest.mark.parametrize(("norm", "expected"), [("l1", [1 / 7, 1, 1 / 5, 1 / 17]), ("l2", [1 / 5, 1, 1 / 3, 1 / 13])])
def test_normalised_rows_by_hand(tmp_path: Path, norm: str, expected: list[float]) -> None:
    data = save_dataset(tmp_path / "d.h5", X, Y, test=(X[::-1], Y), normalisation=norm)
    assert data.normalisation == norm
    np.testing.assert_array_equal(data.train.row_scale, np.float32(expected))
    assert data.test is not None
    np.testing.assert_array_equal(data.test.row_scale, np.float32(expected[::-1]))
    assert data.train.features.dtype == np.uint8
    plain = save_dataset(tmp_path / "plain.h5", X, Y, test=(X[::-1], Y))
    assert plain.train.row_scale.size == 0
    assert plain.digest != data.digest


def test_factors_of_a_file_that_nobody_vouches_for_are_computed(tmp_path: Path) -> None:
    vouched = save_dataset(tmp_path / "vouched.h5", X, Y, normalisation="l2")
    with h5py.File(tmp_path / "stranger.h5", "w") as file:
        file["train/features"], file["train/labels"] = X, Y.astype(np.int32)
        file["train/row_scale"] = np.full(4, 7, np.float32)  # wrong, and not asked
        file.attrs["normalisation"] = "l2"
    stranger = open_dataset(tmp_path / "stranger.h5")
    np.testing.assert_array_equal(stranger.train.row_scale, vouched.train.row_scale)
    assert stranger.digest == vouched.digest


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        (np.ones(3), r"train row_scale has the shape \(3,\): expected \(4,\)"),
        (np.ones((4, 1)), r"train row_scale has the shape \(4, 1\): expected \(4,\)"),
        (np.array([1, 1, np.nan, 1]), "train row_scale holds nan for row 2"),
        (np.array([1, 1, 1, 1e300]), "train row_scale holds inf for row 3"),
    ],
)
def test_factors_that_do_not_fit_are_refused_and_found(tmp_path: Path, factors: np.ndarray, message: str) -> None:
    # Native code takes as many as there are labels.
    save_dataset(tmp_path / "d.h5", X, Y, normalisation="l2")
    with h5py.File(tmp_path / "d.h5", "r+") as file:
        del file["train/row_scale"]
        file["train/row_scale"] = factors
    with pytest.raises(InputError, match=message):
        open_dataset(tmp_path / "d.h5")
    (error,) = [finding for finding in check_dataset(tmp_path / "d.h5").findings if finding.level == "error"]
    assert re.search(message, error.text)


def test_factors_of_other_rows_are_found_by_a_check(tmp_path: Path) -> None:
    save_dataset(tmp_path / "d.h5", X, Y, normalisation="l2")
    assert check_dataset(tmp_path / "d.h5").usable
    with h5py.File(tmp_path / "d.h5", "r+") as file:
        file["train/row_scale"][2:] = [1 / 3, 2]
    (error,) = [finding for finding in check_dataset(tmp_path / "d.h5").findings if finding.level == "error"]
    assert (error.kind, error.split) == ("factors", "train")
    assert "holds 2 for row 3, whose norm gives 0.0769231, and 0 more like it" in error.text


def test_rows_whose_factor_float32_cannot_hold_stay(tmp_path: Path) -> None:
    tiny = np.float32(2.0**-140)
    data = save_dataset(tmp_path / "d.h5", np.array([[tiny, 0], [1, 0]], np.float32), [0, 1], normalisation="l2")
    np.testing.assert_array_equal(data.train.row_scale, [1, 1])
    with h5py.File(tmp_path / "d.h5") as file:
        assert np.isfinite(file["train/row_scale"][()]).all()


def test_negative_values_have_a_norm_too(tmp_path: Path) -> None:
    values = np.array([[-3.0, 4.0], [-1.0, -1.0]], np.float32)
    data = save_dataset(tmp_path / "d.h5", values, [0, 1], normalisation="l1")
    np.testing.assert_array_equal(data.train.row_scale, np.float32([1 / 7, 1 / 2]))


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_a_network_sees_normalised_rows(tmp_path: Path, norm: str) -> None:
    rng = np.random.default_rng(0)
    counts, labels = rng.integers(0, 9, (200, 11)).astype(np.uint8), rng.integers(0, 3, 200)
    stored = save_dataset(tmp_path / "counts.h5", counts, labels, normalisation=norm, scale=0.5)
    norms = np.linalg.norm(counts.astype(float), ord=int(norm[1]), axis=1, keepdims=True)
    by_hand = save_dataset(tmp_path / "floats.h5", (0.5 * counts / norms).astype(np.float32), labels)
    states = []
    for data in (stored, by_hand):
        trainer = capacity.Trainer(
            capacity.MLP(hidden=(4,)), data, batch=16, lrs=[0.5], seeds=[0], samples=[150], precision="float64"
        )
        trainer.advance(40)
        states.append(trainer.states()[0].parameters)
    assert np.abs(states[0]).max() > 0.1
    np.testing.assert_allclose(states[0], states[1], atol=1e-6)


def test_derived_data_keep_the_factors_of_their_rows(tmp_path: Path) -> None:
    data = save_dataset(tmp_path / "d.h5", X, [0, 1, 2, 2], normalisation="l2")
    np.testing.assert_array_equal(
        capacity.data.derive_dataset(data, labels="random", classes=2).train.row_scale, data.train.row_scale
    )
    chosen = capacity.data.derive_dataset(data, classes=2, selection="select").train
    np.testing.assert_array_equal(chosen.row_scale, data.train.row_scale[[0, 2, 3]])
    noise = capacity.data.derive_dataset(data, labels="random-inputs", classes=2)
    assert (noise.normalisation, noise.train.row_scale.size) == ("none", 0)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float16", "float32"])
def test_every_stored_type_is_trained_on_as_it_is(tmp_path: Path, dtype: str) -> None:
    rng = np.random.default_rng(1)
    values, labels = rng.integers(0, 100, (90, 6)), rng.integers(0, 4, 90)
    data = save_dataset(tmp_path / "d.h5", values.astype(dtype), labels, scale=0.01)
    assert data.train.features.dtype == dtype
    floats = Dataset(
        "d", 4, data.class_names, (), 0.01, Split(values.astype(np.float32), data.train.labels), None, "", {}
    )
    found = []
    for source in (data, floats):
        trainer = capacity.Trainer(capacity.MLP(hidden=(3,)), source, batch=8, lrs=[0.3], seeds=[5])
        trainer.advance(30)
        found.append(trainer.states()[0].parameters)
    np.testing.assert_array_equal(found[0], found[1])


def sparse_file(path: Path, values: np.ndarray, labels: np.ndarray) -> Path:
    rows, columns = np.nonzero(values)
    with h5py.File(path, "w") as file:
        group = file.create_group("train/features")
        group.attrs["shape"] = values.shape
        group["data"], group["indices"] = values[rows, columns], columns.astype(np.int32)
        group["indptr"] = np.r_[0, np.cumsum(np.bincount(rows, minlength=len(values)))]
        file["train/labels"] = labels.astype(np.int32)
    return path


def test_sparse_rows_are_the_same_data(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    values = (rng.integers(0, 60, (500, 40)) * (rng.random((500, 40)) < 0.1)).astype(np.uint8)
    labels = np.arange(500) % 5
    sparse = open_dataset(sparse_file(tmp_path / "sparse.h5", values, labels))
    dense = save_dataset(tmp_path / "dense.h5", values, labels)
    np.testing.assert_array_equal(sparse.train.features, values)
    assert sparse.digest == dense.digest


def test_sparse_rows_that_would_take_for_ever_are_refused(tmp_path: Path) -> None:
    path = sparse_file(tmp_path / "sparse.h5", np.eye(10, 8, dtype=np.uint8), np.arange(10) % 2)
    most = (1 << 26) + 10_000 * path.stat().st_size
    for columns in (most // 10, most // 10 + 1):
        with h5py.File(path, "r+") as file:
            file["train/features"].attrs["shape"] = (10, columns)
        if columns * 10 > most:
            with pytest.raises(InputError, match="nearly all of its values would be zeros"):
                capacity.data.opening.open_unloaded(path)
        else:
            with h5py.File(path) as file:
                assert RowReader(file["train/features"], path, np.dtype("u1")).shape == (10, columns)


def test_a_normalisation_that_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has the normalisation 'l3' \(valid names: l1, l2, none"):
        save_dataset(tmp_path / "d.h5", X, Y, normalisation="l3")
    assert not (tmp_path / "d.h5").exists()
