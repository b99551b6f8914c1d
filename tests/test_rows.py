"""Rows of HDF5 arrays are those that h5py reads, whatever their layout and type."""

from __future__ import annotations

import gc
import os
import threading
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.data.reading.rows import RowReader
from capacity.errors import InputError
from tests.row_files import COLUMNS, LAYOUTS, ROWS, STORED, reader, sparse_counts, values, write, write_csr

INDICES = np.array([22, 0, 5, 5, 4, 19, 20, 0, 11], np.int64)


def check(rows: RowReader, expected: np.ndarray) -> None:
    """Require every way to read to give `expected`, in its type and bit by bit."""
    assert (rows.shape, rows.dtype, rows.nbytes, len(rows)) == (
        expected.shape, expected.dtype, expected.nbytes, len(expected)
    )  # fmt: skip
    N = len(expected)
    chosen = INDICES % N
    for begin, end in ((0, N), (0, 0), (N, N), (N // 2, N // 2 + 1), (min(3, N), N), (1 % N, N - 1)):
        np.testing.assert_array_equal(rows[begin:end], expected[begin:end])
        out = np.full((max(0, end - begin), expected.shape[1]), 99, expected.dtype)
        rows.read(begin, begin + len(out), out)
        np.testing.assert_array_equal(out, expected[begin:end])
    for found, wanted in (
        (rows[chosen], expected[chosen]),
        (rows.load(1), expected),
        (rows.load(3), expected),
        (np.asarray(rows), expected),
    ):
        assert found.dtype == expected.dtype
        assert found.flags.c_contiguous
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_and_type(layout: str, tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    types = STORED if layout in ("contiguous", "gzip, split columns") else ("u1", ">u2", "<f4", "?")
    with h5py.File(path, "w") as file:
        for dtype in types:
            file.create_dataset(dtype, data=values(dtype), **LAYOUTS[layout])
    with h5py.File(path) as file:
        stored = {dtype: file[dtype][()] for dtype in types}
    for dtype in types:
        for delivered in ("f4", "i2", dtype) if dtype in ("u1", "<f2") else ("f4",):
            check(reader(path, dtype, delivered), stored[dtype].astype(delivered))


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_chunks_that_were_never_written_hold_the_fill_value(layout: str, libver: str, tmp_path: Path) -> None:
    # A file of the newest format has other indices of its chunks.
    with h5py.File(tmp_path / "x.h5", "w", libver=libver) as file:
        array = file.create_dataset("x", (ROWS, COLUMNS), "<f4", fillvalue=-2.5, **LAYOUTS[layout])
        file.create_dataset("untouched", (ROWS, COLUMNS), "<i2", fillvalue=-3, **LAYOUTS[layout])
        array[6:8] = 4
        array[12, 3] = 1
    with h5py.File(tmp_path / "x.h5") as file:
        stored, untouched = file["x"][()], file["untouched"][()]
    assert stored[6, 0] == 4
    check(reader(tmp_path / "x.h5"), stored)
    check(reader(tmp_path / "x.h5", "untouched", "i2"), untouched)


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 20)),
    chunk=st.tuples(st.integers(1, 40), st.integers(1, 20)),
    compression=st.sampled_from([None, "gzip", "lzf"]),
    shuffle=st.booleans(),
    dtype=st.sampled_from(STORED),
    indices=st.lists(st.integers(0, 39), max_size=20),
)
def test_any_shape(
    shape: tuple[int, int],
    chunk: tuple[int, int],
    compression: str | None,
    shuffle: bool,
    dtype: str,
    indices: list[int],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.h5"
    stored = values(dtype, shape)
    layout: dict[str, Any] = {"chunks": tuple(np.minimum(shape, chunk)), "compression": compression, "shuffle": shuffle}
    write(path, stored, **layout)
    rows = reader(path)
    chosen = np.array(indices, np.int64) % shape[0]
    np.testing.assert_array_equal(rows[chosen], stored[chosen].astype("f4"))
    np.testing.assert_array_equal(rows.load(1), stored.astype("f4"))
    rows.close()


def test_an_array_in_the_header_of_its_object(tmp_path: Path) -> None:
    stored = values(">i2", (3, 4))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((3, 4))
        h5py.h5d.create(file.id, b"x", h5py.h5t.STD_I16BE, space, plist).write(space, space, stored)
    check(reader(tmp_path / "x.h5"), stored.astype("f4"))


@pytest.mark.parametrize("layout", ["contiguous", "chunks", "gzip"])
def test_a_file_with_a_user_block(layout: str, tmp_path: Path) -> None:
    # As MATLAB writes them. The offset that HDF5 gives for what was never written is nonsense there.
    with h5py.File(tmp_path / "x.h5", "w", userblock_size=512) as file:
        file.create_dataset("x", data=values("<f4"), **LAYOUTS[layout])
        file.create_dataset("empty", (4, 3), "<f4", fillvalue=2)
    check(reader(tmp_path / "x.h5"), values("<f4"))
    check(reader(tmp_path / "x.h5", "empty"), np.full((4, 3), 2, "f4"))


@pytest.mark.parametrize("options", [{"compression": "gzip", "shuffle": True}, {"compression": "lzf", "shuffle": True}])
def test_filters_that_a_chunk_went_without(options: dict[str, Any], tmp_path: Path) -> None:
    # Filter 0 is shuffle, 1 the compression. Chunk by chunk: both left out, the first, the second.
    stored = values("<i4", (30, 13))
    path = write(tmp_path / "x.h5", stored, chunks=(5, 13), **options)
    planes = np.ascontiguousarray(stored.view("u1").reshape(30 // 5, 5 * 13, 4).transpose(0, 2, 1))
    with h5py.File(path, "r+") as file:
        array = file["x"].id
        array.write_direct_chunk((0, 0), stored[:5].tobytes(), 3)
        array.write_direct_chunk((5, 0), planes[1].tobytes(), 2)
        if options["compression"] == "gzip":
            import zlib

            array.write_direct_chunk((10, 0), zlib.compress(stored[10:15].tobytes()), 1)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["x"][()], stored)
    check(reader(path, "x", "i4"), stored)


def test_noise_that_lzf_cannot_shrink(tmp_path: Path) -> None:
    stored = np.random.default_rng(0).integers(0, 256, (40, 50), np.uint8)
    stored[20:30] = 1
    check(reader(write(tmp_path / "x.h5", stored, chunks=(10, 50), compression="lzf"), "x", "u1"), stored)


def test_long_runs_of_lzf(tmp_path: Path) -> None:
    # Repetitions at every distance up to 40, and far ones, of every length.
    rng = np.random.default_rng(1)
    pieces = [np.tile(rng.integers(0, 256, n), 40)[: 97 + 13 * n] for n in range(1, 41)]
    flat = np.concatenate([*pieces, *pieces])
    stored = flat[: len(flat) // 100 * 100].reshape(-1, 100).astype("u1")
    check(reader(write(tmp_path / "x.h5", stored, chunks=(len(stored), 100), compression="lzf"), "x", "u1"), stored)


@pytest.mark.parametrize("layout", [{}, {"chunks": (7,), "compression": "gzip"}, {"chunks": (9,), "shuffle": True}])
def test_sparse_rows_are_those_of_scipy(layout: dict[str, Any], tmp_path: Path) -> None:
    counts = sparse_counts()
    check(reader(write_csr(tmp_path / "x.h5", counts, **layout), "x", "i2"), counts.toarray().astype("i2"))
    numbers = scipy.sparse.csr_matrix((counts.data / 8, counts.indices, counts.indptr), counts.shape)
    check(reader(write_csr(tmp_path / "y.h5", numbers, **layout)), numbers.toarray().astype("f4"))


def test_sparse_rows_of_anndata(tmp_path: Path) -> None:
    with h5py.File(write_csr(tmp_path / "x.h5", sparse_counts().astype("f4")), "r+") as file:
        file["x"].attrs["encoding-type"] = "csr_matrix"
        file["x"].attrs["encoding-version"] = "0.1.0"
    check(reader(tmp_path / "x.h5"), sparse_counts().toarray().astype("f4"))


def test_more_entries_than_are_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capacity.data.reading.rows_sparse._ENTRIES", 3)
    counts = sparse_counts()
    check(reader(write_csr(tmp_path / "x.h5", counts), "x", "i4"), counts.toarray())


@pytest.mark.parametrize(
    ("stored", "delivered"),
    [
        ([[1, 2], [3, 70000]], "i4"), ([[1, 2], [3, -5]], "f4"), ([[1.5, -1.5]], "i2"), ([[1e300, -1e300]], "f4"),
        ([[1e5, 2.0]], "f2"), ([[np.nan, np.inf]], "f4"), ([[2**24 + 1, 0]], "f4"), ([[32767.9, -32768.9]], "i2"),
        ([[-0.0, 5e-324]], "f4"),
    ],
)  # fmt: skip
def test_conversions_are_those_of_astype(stored: Any, delivered: str, tmp_path: Path) -> None:
    array = np.array(stored)
    with np.errstate(over="ignore"):
        expected = array.astype(delivered)
    found = reader(write(tmp_path / "x.h5", array), "x", delivered).load(1)
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("dtype", "value", "delivered"),
    [("i8", 70000, "i2"), ("i2", -1, "u1"), ("f8", np.nan, "i4"), ("f4", 2.0**31, "i4"),
     ("f8", -32769.0, "i2"), ("u8", 2**63, "i4"), ("f2", np.inf, "u1")],
)  # fmt: skip
def test_a_number_that_does_not_fit_is_named(dtype: str, value: float, delivered: str, tmp_path: Path) -> None:
    array = np.zeros((9, 3), dtype)
    array[6, 2] = value
    rows = reader(write(tmp_path / "x.h5", array, chunks=(2, 3)), "x", delivered)
    np.testing.assert_array_equal(rows[:6], 0)
    for read in (lambda: rows[5:], lambda: rows[np.array([1, 6])], lambda: rows.load(2)):
        with pytest.raises(InputError, match=r"'/x' holds .* in row 6, column 2: expected -?\d+ to \d+"):
            read()


def test_numbers_that_only_hdf5_knows(tmp_path: Path) -> None:
    # Twelve bits in the upper part of sixteen: HDF5 converts, and a reader that took the bytes would be wrong.
    kind = h5py.h5t.STD_I16LE.copy()
    kind.set_precision(12)
    kind.set_offset(4)
    stored = np.array([[1, -2], [2047, 5]], "i2")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        space = h5py.h5s.create_simple((2, 2))
        h5py.h5d.create(file.id, b"x", kind, space).write(space, space, stored)
    check(reader(tmp_path / "x.h5", "x", "i2"), stored)


def test_what_is_slow_is_said_once(tmp_path: Path) -> None:
    path = write(tmp_path / "x.h5", values("<i4"), chunks=(5, 13), scaleoffset=0)
    with (
        h5py.File(path) as file,
        pytest.warns(UserWarning, match=r"read slowly, through HDF5: .*'scaleoffset'") as said,
    ):
        rows = RowReader(file["x"], path, np.dtype("i4"))
    assert len(said) == 1
    assert said[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(rows, values("<i4"))


def test_several_threads(tmp_path: Path) -> None:
    stored = values("<u2", (400, 50))
    for layout in ({}, {"chunks": (16, 50), "compression": "gzip"}, {"chunks": (16, 20), "fletcher32": True}):
        rows = reader(write(tmp_path / "x.h5", stored, **layout), "x", "i2")
        wrong: list[int] = []

        def work(seed: int, rows: RowReader = rows, wrong: list[int] = wrong) -> None:
            rng = np.random.default_rng(seed)
            for _ in range(20):
                chosen, start = rng.integers(0, 400, 10), int(rng.integers(0, 360))
                same = (rows[chosen] == stored[chosen]).all() and (
                    rows[start : start + 40] == stored[start:][:40]
                ).all()
                if not same:
                    wrong.append(seed)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []


def test_pieces(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = np.zeros((10, 1000), "u1")
        file.create_dataset("c", (1000, 10), "f4", chunks=(7, 5))
    assert reader(tmp_path / "x.h5").piece_rows == 1048  # a MiB as stored
    assert reader(tmp_path / "x.h5", "c").piece_rows == 7


def test_an_array_without_rows(tmp_path: Path) -> None:
    for layout in ({}, {"chunks": (3, 4), "maxshape": (None, 4)}):
        rows = reader(write(tmp_path / "x.h5", np.empty((0, 4), "f4"), **layout))
        assert rows.load(2).shape == rows[:].shape == rows[np.empty(0, np.int64)].shape == (0, 4)


@pytest.mark.parametrize("wrong", [-1, 23, 2**62, -(2**62)])
@pytest.mark.parametrize("layout", ["contiguous", "gzip", "fletcher32"])
def test_rows_that_are_not_there(layout: str, wrong: int, tmp_path: Path) -> None:
    rows = reader(write(tmp_path / "x.h5", values("u1"), **LAYOUTS[layout]))
    with pytest.raises(InputError, match=f"'/x' has no row {wrong}: expected 0 to 22"):
        rows[np.array([0, wrong, 3])]


def test_wrong_requests(tmp_path: Path) -> None:
    rows = reader(write(tmp_path / "x.h5", values("u1")), "x", "u1")
    with pytest.raises(InputError, match="cannot be delivered as int8: expected uint8, int16"):
        reader(tmp_path / "x.h5", "x", "i1")
    for start, stop in ((-1, 3), (0, 24), (5, 4)):
        with pytest.raises(InputError, match=f"no rows {start} to {stop}"):
            rows.read(start, stop, np.empty((max(0, stop - start), 13), "u1"))
    for out in (np.empty((3, 13), "i2"), np.empty((2, 13), "u1"), np.empty((3, 26), "u1")[:, ::2]):
        with pytest.raises(InputError, match=r"out is .*: expected uint8"):
            rows.read(0, 3, out)
    with pytest.raises(InputError, match="with the step 2"):
        rows[::2]
    with pytest.raises(InputError, match="got float64"):
        rows[np.array([0.5])]
    with pytest.raises(ValueError, match="without a copy"):
        np.asarray(rows, copy=False) if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else rows.__array__(copy=False)
    assert not rows.load(1).flags.writeable


def test_files_are_closed(tmp_path: Path) -> None:
    opened = len(os.listdir("/dev/fd"))
    for layout in ("contiguous", "gzip", "fletcher32"):
        path = write(tmp_path / "x.h5", values("u1"), **LAYOUTS[layout])
        rows = reader(path)
        rows.close()
        rows.close()
        assert len(os.listdir("/dev/fd")) == opened
        with pytest.raises(InputError, match="is closed"):
            rows[:3]
        with pytest.raises(InputError, match="is closed"):
            rows[np.array([1])]
        reader(path)  # not closed, and not used again
        gc.collect()
        assert len(os.listdir("/dev/fd")) == opened


@pytest.mark.parametrize(
    ("stored", "message"),
    [(np.zeros(3), "expected two axes"), (np.zeros((3, 2, 2)), "expected two axes"), (np.zeros((3, 0)), "0 columns"),
     (np.array([[b"a"]]), "expected whole or floating"), (np.zeros((2, 2), complex), "expected whole or floating")],
)  # fmt: skip
def test_what_is_no_array_of_rows(stored: np.ndarray, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        reader(write(tmp_path / "x.h5", stored))
