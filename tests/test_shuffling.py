"""A file in a random order: the same rows with their labels, and what is said where they are sorted."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

import capacity
from capacity.data import DatasetWriter, open_dataset, save_dataset, shuffle_dataset
from capacity.data.windows import Stream, Windows, unevenness
from capacity.engine.random import PURPOSE_SHUFFLE, permutation
from capacity.errors import InputError

X = np.arange(5000 * 3, dtype=np.int32).reshape(5000, 3)
Y = np.sort(np.arange(5000) % 10)


def test_rows_keep_their_labels_in_the_order_of_the_seed(tmp_path: Path) -> None:
    source = save_dataset(
        tmp_path / "sorted.h5", X, Y, test=(X[:7], Y[:7]), scale=0.5, normalisation="l1", feature_names=["a", "b", "c"]
    )
    told: list[int] = []
    data = shuffle_dataset(tmp_path / "sorted.h5", tmp_path / "out.h5", seed=3, progress=told.append)
    places = permutation(3, PURPOSE_SHUFFLE, 0, 5000, np.arange(5000))
    np.testing.assert_array_equal(data.train.array[places], X)
    np.testing.assert_array_equal(data.train.labels[places], Y)
    np.testing.assert_array_equal(data.train.row_scale[places], source.train.row_scale)
    assert data.test is not None
    np.testing.assert_array_equal(data.test.array, X[:7])
    assert (data.scale, data.normalisation, data.feature_names) == (0.5, "l1", ("a", "b", "c"))
    assert data.provenance["shuffled"] == {"seed": 3}
    assert data.provenance["source"]["digest"] == source.digest
    assert sum(told) == 5007
    assert (np.diff(data.train.labels) == 0).mean() < 0.13  # of 0.1 by chance


def test_the_digest_is_that_of_the_rows_as_they_lie(tmp_path: Path) -> None:
    save_dataset(tmp_path / "sorted.h5", X, Y, normalisation="l2")
    shuffled = shuffle_dataset(tmp_path / "sorted.h5", tmp_path / "out.h5")
    again = save_dataset(tmp_path / "again.h5", shuffled.train.array, shuffled.train.labels, normalisation="l2")
    assert shuffled.digest == again.digest
    assert capacity.data.check_dataset(tmp_path / "out.h5").usable


def test_how_the_blocks_are_cut_does_not_matter(tmp_path: Path) -> None:
    digests = set()
    for size in (1, 7, 5000):
        count = 50 if size == 1 else 5000
        with DatasetWriter(
            tmp_path / "w.h5", inputs=3, dtype="int32", classes=10, samples=count, shuffle=2**64 - 1
        ) as writer:
            for start in range(0, count, size):
                writer.append(X[start : start + size], (Y * 10 + np.arange(5000))[start : start + size] % 10)
        digests.add((count, open_dataset(tmp_path / "w.h5").digest))
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("out", "seed", "message"),
    [
        ("sorted.h5", 0, r"sorted\.h5 is the file to be shuffled: expected another name"),
        ("out.h5", -1, "seed is -1: expected a whole number"),
        ("no/out.h5", 0, "there is no folder"),
    ],
)
def test_what_cannot_be_done(tmp_path: Path, out: str, seed: int, message: str) -> None:
    save_dataset(tmp_path / "sorted.h5", X, Y)
    with pytest.raises(InputError, match=message):
        shuffle_dataset(tmp_path / "sorted.h5", tmp_path / out, seed=seed)
    assert [path.name for path in tmp_path.iterdir()] == ["sorted.h5"]


def test_windows_of_sorted_rows_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capacity.data.windows.EVALUATION_BYTES", 4096)
    orders = {"sorted": np.arange(5000), "shuffled": np.random.default_rng(0).permutation(5000)}
    found = {}
    for name, order in orders.items():
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file.create_dataset("train/features", data=np.repeat(X[order], 5, axis=1).astype("f4"), chunks=(250, 15))
            file["train/labels"] = Y[order].astype(np.int32)
        data = open_dataset(tmp_path / f"{name}.h5", memory=280_000)
        assert isinstance(data.windows, Windows)
        stream = Stream(data.train.reader, 500, seed=0)
        found[name] = unevenness(stream, data.train.labels)
    assert found["sorted"] == pytest.approx(0.75, abs=0.05)  # 2 of 20 pieces, of at most 2 classes; 0.05 is chance
    assert found["shuffled"] < 0.02
    settings = {"widths": 2, "epochs": 1, "seeds": 1, "lrs": 0.1, "memory": 280_000, "threads": 1}
    with pytest.warns(UserWarning, match="'sorted' are more or less sorted by class: .* differ from the whole in"):
        capacity.sweep(tmp_path / "sorted.h5", out=tmp_path / "a", **settings)
    capacity.sweep(tmp_path / "shuffled.h5", out=tmp_path / "b", **settings)
