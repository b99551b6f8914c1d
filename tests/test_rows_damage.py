"""Files that are damaged, cut or hostile: rows are right, or there is one sentence; never a crash."""

from __future__ import annotations

import os
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest

from capacity.data import _rows
from capacity.data.reading.chunks import Filter, Pipeline, chunk_table, decodable
from capacity.data.reading.hdf5 import hdf5_file
from capacity.data.reading.rows import RowReader
from capacity.errors import InputError
from tests.row_files import LAYOUTS, reader, sparse_counts, values, write, write_csr

EVERY_ROW = np.arange(22, -1, -1, dtype=np.int64)


def answer(read: Callable[[], np.ndarray]) -> np.ndarray | str:
    """Return what is read, or the sentence instead."""
    try:
        return read()
    except InputError as error:
        sentence = str(error)
    return sentence if "\n" not in sentence else f"more than a line: {sentence}"


def opened(path: Path) -> np.ndarray:
    """Read all rows of 'x' as a user's file is read, both ways, which must agree."""
    with hdf5_file(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if "x" not in file:
            raise InputError("no 'x'")
        rows = RowReader(file["x"], path, np.dtype("f4"))
    loaded = rows.load(1)
    np.testing.assert_array_equal(rows[np.arange(len(rows))], loaded)
    return loaded


@pytest.mark.parametrize(
    "layout", ["contiguous", "chunks", "chunks that split columns", "gzip, shuffled", "lzf", "CSR"]
)
def test_a_file_that_is_cut_after_it_was_opened(layout: str, tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    if layout == "CSR":
        expected = sparse_counts(23, 13).toarray().astype("f4")
        write_csr(path, sparse_counts(23, 13), chunks=(16,))
    else:
        expected = values("f4")
        write(path, expected, **LAYOUTS[layout])
    whole = path.read_bytes()
    sentences = 0
    for size in range(0, len(whole), 97):
        path.write_bytes(whole)
        rows = reader(path)
        if size % 2:
            rows[EVERY_ROW]  # so that the map is there before
        os.truncate(path, size)
        for found, wanted in (
            (answer(lambda rows=rows: rows[:]), expected),
            (answer(lambda rows=rows: rows[EVERY_ROW]), expected[EVERY_ROW]),
            (answer(lambda rows=rows: rows.load(2)), expected),
        ):
            if isinstance(found, str):
                assert "is truncated or damaged: it " in found
                sentences += 1
            else:
                np.testing.assert_array_equal(found, wanted)
        rows.close()
    assert sentences > 20


@pytest.mark.parametrize("layout", ["contiguous", "gzip"])
def test_a_file_that_was_cut_before(layout: str, tmp_path: Path) -> None:
    whole = write(tmp_path / "x.h5", values("f4"), **LAYOUTS[layout]).read_bytes()
    path = tmp_path / "cut.h5"
    for size in range(0, len(whole), 61):
        path.write_bytes(whole[:size])
        assert isinstance(answer(lambda: opened(path)), str)


@pytest.mark.parametrize("layout", ["gzip", "gzip, split columns", "gzip, shuffled"])
def test_flipped_bytes_of_every_chunk(layout: str, tmp_path: Path) -> None:
    # Deflate has a checksum. A flip of the level that its header names changes nothing.
    expected = values("f4")
    path = write(tmp_path / "x.h5", expected, **LAYOUTS[layout])
    chunks: list[Any] = []
    with h5py.File(path) as file:
        file["x"].id.chunk_iter(chunks.append)
    sentences = 0
    for chunk in chunks:
        rows, (first, _) = reader(path), chunk.chunk_offset
        for at in range(chunk.byte_offset, chunk.byte_offset + chunk.size, 7):
            flip(path, at)
            found = answer(lambda rows=rows, first=first: rows[first : first + 5])
            flip(path, at)
            if isinstance(found, str):
                sentences += 1
                assert "'/x' is truncated or damaged: " in found
            else:
                np.testing.assert_array_equal(found, expected[first : first + 5])
    assert sentences > 5 * len(chunks)


def flip(path: Path, at: int) -> None:
    """Turn the bits of one byte around."""
    with path.open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 0xFF]))


@pytest.mark.parametrize("layout", ["lzf", "lzf, shuffled, split columns", "contiguous", "chunks that split columns"])
def test_flipped_bytes_that_no_sum_checks(layout: str, tmp_path: Path) -> None:
    # Rows are those that h5py reads, wrong as they may be; where it fails, there is a sentence.
    path = write(tmp_path / "x.h5", values("u1"), **LAYOUTS[layout])
    rows, agreed = reader(path), 0
    for at in places(path)[::3]:
        flip(path, at)
        with h5py.File(path) as file:
            try:
                expected = file["x"][()].astype("f4")
            except OSError:
                expected = None
        found = answer(lambda: rows[:])
        flip(path, at)
        if isinstance(found, str):
            assert "'/x' is truncated or damaged: its lzf data do not decode to" in found
        else:
            assert expected is not None
            np.testing.assert_array_equal(found, expected)
            agreed += 1
    assert agreed > 20


def places(path: Path) -> list[int]:
    """Return the place of every byte of the values of 'x'."""
    with h5py.File(path) as file:
        array, chunks = file["x"].id, []
        if array.get_offset() is not None:
            return list(range(array.get_offset(), array.get_offset() + array.get_storage_size()))
        array.chunk_iter(chunks.append)
    return [chunk.byte_offset + at for chunk in chunks for at in range(chunk.size)]


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (zlib.compress(bytes(10_000_000)), "gzip data are too long: expected 260 bytes"),
        (zlib.compress(bytes(100)), "gzip data are too short: expected 260 bytes"),
        (zlib.compress(bytes(range(256)))[:-3], "gzip data cannot be decoded .*truncated"),
        (zlib.compress(bytes(260))[:-1] + b"?", "gzip data cannot be decoded .*incorrect data check"),
        (b"nonsense", "gzip data cannot be decoded"),
    ],
)
def test_gzip_that_is_not_a_chunk(block: bytes, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "x.h5", values("f4"), **LAYOUTS["gzip"])
    with h5py.File(path, "r+") as file:
        file["x"].id.write_direct_chunk((5, 0), block)
    rows = reader(path)
    np.testing.assert_array_equal(rows[:5], values("f4")[:5])
    with pytest.raises(InputError, match=message):
        rows[5:6]


@pytest.mark.parametrize("block", [b"", b"\x05abc", b"\x20\x00", b"\xff", b"\xe0\xff", b"\x00a\x20\x00" * 80, b"\x00a"])
def test_lzf_that_is_not_a_chunk(block: bytes) -> None:
    with pytest.raises(_rows.DamageError, match="its lzf data do not decode to 260 bytes"):
        _rows.decode_lzf(np.frombuffer(block, np.uint8), np.empty(260, np.uint8))


def test_a_chunk_that_its_bytes_cannot_hold(tmp_path: Path) -> None:
    # 4 GB of zeros in a file of some KB: refused before any memory is asked for.
    with h5py.File(tmp_path / "x.h5", "w") as file:
        array = file.create_dataset("x", (1 << 20, 1000), "f4", chunks=(1 << 20, 1000), compression="gzip")
        array.id.write_direct_chunk((0, 0), zlib.compress(bytes(1 << 20)))
    with pytest.raises(InputError, match=r"a chunk is stored in 1\d* bytes, which cannot hold its 4194304000"):
        reader(tmp_path / "x.h5")


def test_a_size_that_nothing_fills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", (10**12, 1000), "f4", chunks=(1, 1000))
        file.create_dataset("y", (10**9, 10**9), "u1", chunks=(10**4, 10**4))
        file.create_dataset("wide", (1, 10**12), "u1", chunks=(1, 10**9))
        file.create_dataset("long", (10**15, 1000), "u1")  # nothing is wrong with it: it holds the fill value
    with pytest.raises(InputError, match="should have 1000000000000 chunks, of which the file has 0"):
        reader(tmp_path / "x.h5")
    with pytest.raises(InputError, match="should have 10000000000 chunks"):
        reader(tmp_path / "x.h5", "y")
    with pytest.raises(InputError, match="less than 2 GiB in a row"):
        reader(tmp_path / "x.h5", "wide")
    rows = reader(tmp_path / "x.h5", "long")
    assert rows[10**15 - 2 :].tolist() == [[0] * 1000] * 2

    def refuse(shape: tuple[int, int], dtype: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("capacity.data.reading.rows.np.empty", refuse)
    with pytest.raises(InputError, match="has 4000000000000000000 bytes as float32, more than memory holds"):
        rows.load(2)


def table(*infos: tuple[tuple[int, int], int, int]) -> Any:
    """Return the table of a (10, 6) array in chunks of (5, 3), 60 bytes each, in a file of 1000."""
    chunks = [SimpleNamespace(chunk_offset=at, byte_offset=to, size=size, filter_mask=0) for at, to, size in infos]
    stored = SimpleNamespace(name="/x", id=SimpleNamespace(chunk_iter=lambda take: [take(each) for each in chunks]))
    return chunk_table(stored, (10, 6), (5, 3), chunk_bytes=60, filtered=False, file_size=1000)


def test_where_chunks_lie() -> None:
    found = table(((5, 3), 100, 60), ((0, 0), 940, 60))
    assert found.cells.tolist() == [[1, -1], [-1, 0]]


@pytest.mark.parametrize(
    ("infos", "message"),
    [
        ([((0, 0), 941, 60)], "beyond the end of the file"),
        ([((0, 0), 2**63 - 10, 60)], "beyond the end of the file"),
        ([((0, 0), 2**64 - 10, 60)], "is no number of bytes"),
        ([((0, 0), 0, 59)], "stored in 59 bytes, which cannot hold its 60"),
        ([((1, 0), 0, 60)], "outside the array"),
        ([((10, 0), 0, 60)], "outside the array"),
        ([((0, 6), 0, 60)], "outside the array"),
        ([((0, 0), 0, 60), ((0, 0), 60, 60)], "comes twice"),
    ],
)
def test_where_chunks_cannot_lie(infos: list[Any], message: str) -> None:
    with pytest.raises(_rows.DamageError, match=message):
        table(*infos)


def test_an_older_hdf5_that_cannot_go_through_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x.h5", values("u1"), chunks=(5, 6))
    with h5py.File(path) as file:
        array = file["x"].id
        older = SimpleNamespace(get_num_chunks=array.get_num_chunks, get_chunk_info=array.get_chunk_info)
        stored = SimpleNamespace(name="/x", id=older)
        size = path.stat().st_size
        found, wanted = (
            chunk_table(each, (23, 13), (5, 6), chunk_bytes=30, filtered=False, file_size=size)
            for each in (stored, file["x"])
        )
    np.testing.assert_array_equal(found.offsets[found.cells], wanted.offsets[wanted.cells])


def test_filters_that_we_undo() -> None:
    deflate, shuffle, lzf, other = (Filter(number, "", (4,)) for number in (1, 2, 32000, 3))
    assert decodable([])
    assert decodable([shuffle, deflate])
    assert decodable([lzf, shuffle])
    assert not decodable([lzf, deflate])
    assert not decodable([shuffle, other])
    # The other way round than usual: the compressed bytes were shuffled.
    data = np.arange(60, dtype=np.uint8)
    packed = np.frombuffer(zlib.compress(data.tobytes()), np.uint8)
    count = len(packed) // 4
    shuffled = np.concatenate([packed[: 4 * count].reshape(count, 4).T.ravel(), packed[4 * count :]])
    out = np.empty(60, np.uint8)
    Pipeline([deflate, shuffle], 60).decode(shuffled, 0, out)
    np.testing.assert_array_equal(out, data)
    for values_of_shuffle in ((), (0,)):
        with pytest.raises(_rows.DamageError, match="how large an element is"):
            Pipeline([Filter(2, "shuffle", values_of_shuffle)], 60)


def test_a_filter_that_is_not_installed(tmp_path: Path) -> None:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((5, 13))
    plist.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (3,))  # Zstandard
    with h5py.File(tmp_path / "x.h5", "w") as file:
        h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_UINT8, h5py.h5s.create_simple((23, 13)), plist)
    with pytest.raises(InputError, match=r"stored with the filter '.*', which is not installed: store it with gzip"):
        reader(tmp_path / "x.h5")


def test_a_file_that_is_replaced(tmp_path: Path) -> None:
    path = write(tmp_path / "x.h5", values("u1"))
    other = write(tmp_path / "y.h5", values("u1", seed=1))
    rows = reader(path)
    with h5py.File(path) as file:
        os.replace(other, path)
        with pytest.raises(InputError, match="was replaced by another file while it was opened"):
            RowReader(file["x"], path, np.dtype("u1"))
    np.testing.assert_array_equal(rows[:], values("u1"))  # the file that was opened


def test_values_in_other_files(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(bytes(100))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", (10, 10), "u1", external=[(str(tmp_path / "raw"), 0, 100)])
        virtual = h5py.VirtualLayout((3, 3), "u1")
        file.create_virtual_dataset("v", virtual)
    for key in "xv":
        with pytest.raises(InputError, match="has its values in other files"):
            reader(tmp_path / "x.h5", key)


def csr(path: Path, **wrong: Any) -> Path:
    """Write the rows [1 2 .], [. . .], [. . 3] as CSR, with one part exchanged."""
    parts = {"data": [1, 2, 3], "indices": [0, 1, 2], "indptr": [0, 2, 2, 3]} | wrong
    with h5py.File(path, "w") as file:
        group = file.create_group("x")
        group.attrs["shape"] = parts.pop("shape", (3, 3))
        for name, values_of in parts.items():
            if values_of is not None:
                group[name] = np.asarray(values_of)
    return path


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"indptr": [0, 2, 1, 3]}, "row 1 has the entries 2 to 1 of 3: expected indptr to ascend"),
        ({"indptr": [0, 2, 2, 4]}, "row 2 has the entries 2 to 4 of 3"),
        ({"indptr": [-1, 2, 2, 3]}, "row 0 has the entries -1 to 2 of 3"),
        ({"indptr": [0, 2, 3]}, "3 indptr for 3 rows"),
        ({"indptr": [0.0, 2, 2, 3]}, "int64 and float64: expected integers"),
        ({"indices": [0, 1]}, "3 data, 2 indices"),
        ({"indices": None}, "no array 'indices'"),
        ({"data": [[1, 2, 3]]}, "expected one axis"),
        ({"data": [b"a", b"b", b"c"]}, "expected whole or floating-point numbers"),
        ({"shape": (3,)}, r"without an attribute 'shape' \(N, D\)"),
        ({"shape": (3, 0)}, "has 0 columns"),
        ({"shape": (3, 2**40)}, "less than 2 GiB in a row"),
        ({"shape": "abc"}, "attribute 'shape' cannot be read"),
    ],
)
def test_groups_that_are_not_csr(wrong: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        reader(csr(tmp_path / "x.h5", **wrong))


@pytest.mark.parametrize(
    ("wrong", "row", "message"),
    [
        ({"indices": [0, 1, 3]}, 2, "row 2 has an entry outside its 3 columns"),
        ({"indices": [0, -1, 2]}, 0, "row 0 has an entry outside its 3 columns"),
        ({"data": [2**63 - 1, 1, 3], "indices": [0, 0, 2]}, 0, "row 0 add up to more than 64 bits hold"),
        ({"data": [32767, 1, 3], "indices": [1, 1, 2]}, 0, "holds 32768 in row 0, column 1: expected -32768 to 32767"),
    ],
)
def test_sparse_rows_that_are_wrong_are_named(wrong: dict[str, Any], row: int, message: str, tmp_path: Path) -> None:
    rows = reader(csr(tmp_path / "x.h5", **wrong), "x", "i2")
    np.testing.assert_array_equal(rows[1:2], [[0, 0, 0]])
    for read in (lambda: rows[row : row + 1], lambda: rows[np.array([1, row, 1])], lambda: rows.load(1)):
        with pytest.raises(InputError, match=message):
            read()


def test_sparse_by_columns_and_links_that_leave_the_file(tmp_path: Path) -> None:
    path = csr(tmp_path / "x.h5")
    with h5py.File(path, "r+") as file:
        file["x"].attrs["encoding-type"] = "csc_matrix"
    with pytest.raises(InputError, match="encoding 'csc_matrix': expected 'csr_matrix'"):
        reader(path)
    with h5py.File(csr(path, data=None), "r+") as file:
        file["x/data"] = h5py.ExternalLink("other.h5", "/data")
    with pytest.raises(InputError, match=r"'data' is a link to the file 'other\.h5'"):
        reader(path)
    with h5py.File(path, "w") as file:
        for name in ("data", "indices", "indptr", "shape"):
            file[f"x/{name}"] = np.zeros(3, int)
    with pytest.raises(InputError, match="10x Genomics are sparse by columns"):
        reader(path)
