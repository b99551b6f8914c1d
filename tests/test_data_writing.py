"""Writing data set files: content, digest, and nothing half-written."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from capacity.data import DatasetWriter, open_dataset, save_dataset
from capacity.errors import InputError
from tests.data_files import leftovers, write_hdf5

X = np.arange(12, dtype=np.uint8).reshape(4, 3)
Y = np.array([0, 1, 1, 2], dtype=np.int32)


def sha(array: NDArray[Any]) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()


def test_digest_is_what_the_description_says(tmp_path: Path) -> None:
    data = save_dataset(tmp_path / "d.h5", X, Y, test=(X[:1], Y[:1]), scale=1 / 16)
    content = {
        "classes": 3,
        "dtype": "uint8",
        "inputs": 3,
        "scale": 0.0625,
        "test": {"features": sha(X[:1]), "labels": sha(Y[:1]), "samples": 1},
        "train": {"features": sha(X), "labels": sha(Y), "samples": 4},
    }
    assert data.digest == hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def test_a_missing_digest_is_computed_at_opening(tmp_path: Path) -> None:
    written = save_dataset(tmp_path / "a.h5", X, Y, classes=3)
    arrays = {"train/features": X, "train/labels": Y}
    assert open_dataset(write_hdf5(tmp_path / "b.h5", arrays)).digest == written.digest


def test_digest_changes_with_all_that_matters_to_a_training_and_with_nothing_else(tmp_path: Path) -> None:
    def digest(x: Any = X, y: Any = Y, **options: Any) -> str:
        return save_dataset(tmp_path / "d.h5", x, y, **options).digest

    other = X.copy()
    other[3, 2] += 1
    changed = [
        digest(x=other),
        digest(y=[0, 1, 2, 2]),
        digest(x=X.astype(np.int16)),
        digest(x=X[:, [1, 0, 2]]),
        digest(classes=4),
        digest(scale=0.5),
        digest(test=(X, Y)),
        digest(test=(X[:2], Y[:2])),
    ]
    assert len({digest(), *changed}) == 1 + len(changed)
    assert digest(name="other", class_names=["a", "b", "c"], provenance={"x": 1}) == digest()


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "a.h5", tmp_path / "b.h5"
    for path in (first, second):
        save_dataset(path, X, Y, name="same")
    assert first.read_bytes() == second.read_bytes()


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_arrays_survive_the_file_however_they_are_cut_into_blocks(source: st.DataObject) -> None:
    dtype = source.draw(st.sampled_from(["uint8", "int16", "float32"]))
    n, d = source.draw(st.integers(2, 12)), source.draw(st.integers(1, 5))
    finite = {"allow_nan": False, "allow_infinity": False} if dtype == "float32" else {}
    x = source.draw(hnp.arrays(dtype, (n, d), elements=hnp.from_dtype(np.dtype(dtype), **finite)))
    y = np.arange(n) % 2
    cuts = sorted({0, n, *source.draw(st.lists(st.integers(0, n), max_size=4))})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "d.h5"
        with DatasetWriter(path, inputs=d, dtype=dtype, classes=2, samples=n, test_samples=n) as writer:
            for start, end in itertools.pairwise(cuts):
                writer.append(x[start:end], y[start:end])
                writer.append(x[start:end][::-1], y[start:end], split="test")
        data = open_dataset(path)
        whole = save_dataset(Path(folder) / "e.h5", x, y, test=(data.test.features, data.test.labels), classes=2)
        np.testing.assert_array_equal(data.train.features, x)
        np.testing.assert_array_equal(data.train.labels, y)
        assert data.digest == whole.digest


@pytest.mark.parametrize(
    ("given_dtype", "stored"),
    [
        ("bool", "uint8"),
        ("int8", "int16"),
        ("uint16", "int32"),
        ("int64", "float32"),
        ("float64", "float32"),
        (">f4", "float32"),
    ],
)
def test_types_are_widened_exactly_or_become_float32(tmp_path: Path, given_dtype: str, stored: str) -> None:
    x = np.array([[1, 0], [0, 1]]).astype(given_dtype)
    data = save_dataset(tmp_path / "d.h5", x, [0, 1])
    assert data.train.features.dtype == stored
    np.testing.assert_array_equal(data.train.features, x.astype(stored))


def test_splits_of_two_types_get_one_that_holds_both(tmp_path: Path) -> None:
    data = save_dataset(tmp_path / "d.h5", X, Y, test=(X.astype(np.int8), Y))
    assert data.train.features.dtype == np.int16


def test_non_contiguous_and_nested_list_arrays_are_taken(tmp_path: Path) -> None:
    np.testing.assert_array_equal(save_dataset(tmp_path / "d.h5", X.T[::-1].T, Y).train.features, X[:, ::-1])
    assert save_dataset(tmp_path / "d.h5", [[0.5], [1.5]], [0.0, 1.0]).train.features.tolist() == [[0.5], [1.5]]


def test_many_names_fit(tmp_path: Path) -> None:
    names = [f"feature {index}" for index in range(20_000)]  # beyond HDF5's classic 64 KiB an attribute
    data = save_dataset(tmp_path / "d.h5", np.eye(2, 20_000, dtype=np.uint8), [0, 1], feature_names=names)
    assert data.feature_names == tuple(names)


NAN = X.astype(float)
NAN[2, 1] = np.nan


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (X, Y[:3], {}, "labels have 3 rows, the features 4"),
        (X[0], Y[:1], {}, "expected two axes"),
        (X[:0], Y[:0], {}, "no rows"),
        (X, Y * 0, {}, "has 1 class: expected at least two"),
        (X, Y * 0 + 1, {}, "all of class 1: expected samples of at least two classes"),
        (X, Y, {"classes": 2}, r"labels hold 2 in row 3: expected whole numbers in 0\.\.1"),
        (X, Y - 1, {}, "labels hold -1 in row 0"),
        (X, Y + 0.5, {}, r"labels hold 0\.5 in row 0"),
        (X, ["a", "b", "c", "a"], {}, "labels have the type <U1"),
        (NAN, Y, {}, "NaN in row 2, column 1"),
        (NAN, Y, {"feature_names": "abc"}, r"NaN in row 2, column 1 \('b'\)"),
        (X * 1e300, Y, {}, "infinity"),
        (X.astype(str), Y, {}, "features have the type"),
        (X, Y, {"test": (X[:, :2], Y)}, "2 columns: expected 3"),
        (X, Y, {"scale": -1}, r"scale -1\.0"),
        (X, Y, {"class_names": "ab", "classes": 3}, "2 class names for 3 classes"),
    ],
)
def test_bad_arrays_are_refused_and_leave_nothing(
    tmp_path: Path, x: Any, y: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        save_dataset(tmp_path / "d.h5", x, y, **options)
    assert leftovers(tmp_path) == []


def write(path: Path, *blocks: tuple[Any, Any], split: str = "train", **options: Any) -> None:
    with DatasetWriter(path, **({"inputs": 3, "dtype": "uint8", "classes": 3, "samples": 4} | options)) as writer:
        for x, y in blocks:
            writer.append(x, y, split=split)


def test_an_interruption_keeps_the_old_file(tmp_path: Path) -> None:
    class Interrupted:
        def __array__(self, *_: Any, **__: Any) -> NDArray[Any]:
            raise KeyboardInterrupt

    path = tmp_path / "d.h5"
    save_dataset(path, X, Y)
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        write(path, (X[:2] + 1, Y[:2]), (Interrupted(), Y[2:]))
    assert path.read_bytes() == before
    assert leftovers(tmp_path) == ["d.h5"]


def test_the_number_of_rows_must_be_as_announced(tmp_path: Path) -> None:
    path = tmp_path / "d.h5"
    with pytest.raises(InputError, match="train rows end after 3 of the 4 announced"):
        write(path, (X[:3], Y[:3]))
    with pytest.raises(InputError, match="test rows end after 0 of the 2 announced"):
        write(path, (X, Y), test_samples=2)
    with pytest.raises(InputError, match="more than the 4 announced"):
        write(path, (X, Y), (X[:1], Y[:1]))
    with pytest.raises(InputError, match="no rows were announced for the split 'test'"):
        write(path, (X, Y), split="test")
    for none in ({"samples": 0}, {"test_samples": -1}):
        with pytest.raises(InputError, match="no rows"):
            write(path, **none)
    assert leftovers(tmp_path) == []


def test_rows_are_counted_over_blocks_in_messages(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="labels hold 7 in row 3"):
        write(tmp_path / "d.h5", (X[:2], Y[:2]), (X[2:], [0, 7]))
    with pytest.raises(InputError, match="NaN in row 3, column 1"):
        write(tmp_path / "d.h5", (X[:2], Y[:2]), ([[0, 0, 0], [0, np.nan, 0]], [0, 1]), dtype="float32")


def test_a_block_of_a_wider_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="came as float64 after uint8 was announced"):
        write(tmp_path / "d.h5", (X / 2, Y))


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no folder .*missing"):
        save_dataset(tmp_path / "missing" / "d.h5", X, Y)
    notes = tmp_path / "notes.txt"
    notes.write_text("keep me")
    with pytest.raises(InputError, match="not an HDF5 file and will not be replaced"):
        save_dataset(notes, X, Y)
    assert notes.read_text() == "keep me"
    with pytest.raises(InputError, match="will not be replaced"):
        save_dataset(tmp_path, X, Y)


@pytest.mark.parametrize(("limit", "rows"), [(1_000, 10), (100_000, 50_000)], ids=["header", "arrays"])
def test_no_room_for_the_file_is_one_sentence_and_leaves_nothing(tmp_path: Path, limit: int, rows: int) -> None:
    """A file size limit stands in for the full disk; in a process of its own, which HDF5 might crash at its exit."""
    pytest.importorskip("resource", reason="file size limits are a POSIX feature")
    script = f"""
import resource, signal, sys
import numpy as np
from capacity.data import save_dataset
from capacity.errors import InputError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    save_dataset("d.h5", np.ones(({rows}, 4), np.uint8), np.arange({rows}) % 2)
except InputError as error:
    sys.exit(str(error))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "cannot write d.h5: File too large\n")
    assert leftovers(tmp_path) == []


def test_a_disk_that_fills_up_while_rows_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: Any, offset: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    unfinished = DatasetWriter(tmp_path / "d.h5", inputs=3, dtype="uint8", classes=3, samples=4)
    unfinished.__enter__()
    monkeypatch.setattr("os.pwrite", full)
    with pytest.raises(InputError, match=r"cannot write .*d\.h5: No space left on device$") as caught:
        unfinished.append(X, Y)
    unfinished.__exit__(InputError, caught.value, None)
    assert leftovers(tmp_path) == []


def test_file_has_the_users_permissions(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    save_dataset(tmp_path / "d.h5", X, Y)
    assert (tmp_path / "d.h5").stat().st_mode == plain.stat().st_mode


def test_arrays_are_contiguous_for_other_readers(tmp_path: Path) -> None:
    save_dataset(tmp_path / "d.h5", X, Y)
    with h5py.File(tmp_path / "d.h5") as file:
        np.testing.assert_array_equal(file["train/features"], X)
        np.testing.assert_array_equal(file["train/labels"], Y)
        assert file["train/labels"].dtype == np.int32


def test_a_file_that_was_just_written_is_opened_without_a_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> int:
        raise AssertionError("a child is made")

    monkeypatch.setattr(os, "fork", refuse)
    save_dataset(tmp_path / "d.h5", [[1], [2]], [0, 1])
    os.utime(tmp_path / "d.h5", (0, 0))
    with pytest.raises(AssertionError, match="a child is made"):
        open_dataset(tmp_path / "d.h5")


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    data = save_dataset(tmp_path / "\udcff.h5", [[1], [2]], [0, 1])
    assert (data.name, open_dataset(data.path or "").name) == ("\\udcff", "\\udcff")
    with pytest.raises(InputError, match=r"a name .* that is not UTF-8 \('.udcff'\)"):
        save_dataset(tmp_path / "d.h5", [[1], [2]], [0, 1], class_names=("a", "\udcff"))
    assert leftovers(tmp_path) == ["\udcff.h5"]
