"""HDF5 files with sparse rows (CSR) and with factors of rows: arrays that have to fit each other."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from capacity.data import save_dataset
from tests.hostile.case import MEGABYTE, Case, Files
from tests.hostile.hdf5_seeds import FILE, X, Y, made

INFO = ("data", "info", FILE)
CHECK = ("data", "check", FILE)
SHUFFLE = ("data", "shuffle", FILE, "out.h5")

_STARTS = np.array([0, 2, 2, 5, 6, 8, 9, 9, 12])
_COLUMNS = np.array([0, 2, 0, 0, 1, 2, 1, 2, 0, 2, 1, 0])
_VALUES = np.arange(1, 13)
_ABSURD = 10**15


@functools.cache
def packed() -> Files:
    """Sparse rows in chunks: gzip and shuffle, lzf, and neither; the oldest structures."""
    return made(_fill)


@functools.cache
def packed_anew() -> Files:
    """The same in the newest structures."""
    return made(_fill, libver="latest")


@functools.cache
def normalised() -> Files:
    """A file as this package writes it, with a factor for each row."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, FILE)
        save_dataset(path, X, Y, test=(X[:2], Y[:2]), name="d", normalisation="l2")
        return {FILE: path.read_bytes()}


def _fill(file: Any) -> None:
    group = file.create_group("train/features")  # not made on the way to an array: that would hold the time
    group.attrs["shape"] = (8, 3)
    group.create_dataset("data", data=_VALUES.astype("<i4"), chunks=(5,), compression="gzip", shuffle=True)
    group.create_dataset("indices", data=_COLUMNS.astype("<i2"), chunks=(7,), compression="lzf", shuffle=True)
    group.create_dataset("indptr", data=_STARTS.astype("<i8"), chunks=(4,), maxshape=(None,))
    file["train/labels"] = Y


def _sparse(**changed: Any) -> Callable[[Any], None]:
    """Return what fills a file with sparse rows, some parts of which are something else; None leaves a part out."""

    def fill(file: Any) -> None:
        file["train/labels"] = Y
        group = file.create_group("train/features")
        parts = {"data": _VALUES, "indices": _COLUMNS, "indptr": _STARTS, **changed}
        shape, encoding = parts.pop("shape", (8, 3)), parts.pop("encoding", None)
        for name, value in {"shape": shape, "encoding-type": encoding}.items():
            if value is not None:
                group.attrs[name] = value
        for name, values in parts.items():
            if isinstance(values, dict):
                group.create_dataset(name, **values)
            elif values is not None:
                group[name] = values

    return fill


def _starts(*changed: tuple[int, int]) -> Any:
    starts = _STARTS.copy()
    for at, start in changed:
        starts[at] = start
    return starts


def _columns(column: int, kind: str = "i8") -> Any:
    columns = _COLUMNS.astype(kind)
    columns[3] = column
    return columns


def _of_zeros(count: int) -> dict[str, Any]:
    return {"shape": (count,), "dtype": "i8", "chunks": (min(count, MEGABYTE),), "compression": "gzip", "fillvalue": 0}


def _empty_rows(rows: int, columns: int) -> Callable[[Any], None]:
    """Return what fills a small file with rows that are large and empty."""

    def fill(file: Any) -> None:
        _sparse(shape=(rows, columns), indptr=np.zeros(rows + 1, np.uint8))(file)
        del file["train/labels"]
        file["train/labels"] = np.arange(rows) % 2

    return fill


def _factors(factors: Any, *, digest: bool = True, normalisation: Any = "l2") -> Callable[[Any], None]:
    """Return what fills a file with factors of rows, which says that its values have been looked through."""

    def fill(file: Any) -> None:
        file["train/features"], file["train/labels"] = X, Y
        if factors is not None:
            file["train/row_scale"] = factors
        file.attrs["normalisation"] = normalisation
        if digest:
            file.attrs["digest"] = file.attrs["validated"] = "0" * 64

    return fill


def _with_link(key: str, link: Any) -> Callable[[Any], None]:
    def fill(file: Any) -> None:
        _sparse()(file)
        del file[f"train/features/{key}"]
        file[f"train/features/{key}"] = link

    return fill


def _twice(file: Any) -> None:
    _sparse()(file)
    file["test/labels"] = Y
    file["test/features"] = file["train/features"]


def _two_kinds(file: Any) -> None:
    _sparse()(file)
    file["test/labels"], file["test/features"] = Y, X.astype("i4")


_ONES = np.ones(8, np.float32)
_REFUSED: dict[str, Callable[[Any], None]] = {
    "no data": _sparse(data=None),
    "no indices": _sparse(indices=None),
    "no indptr": _sparse(indptr=None),
    "no shape": _sparse(shape=None),
    "a shape of one": _sparse(shape=(8,)),
    "a shape of three": _sparse(shape=(8, 3, 1)),
    "a shape of texts": _sparse(shape=("8", "x")),
    "a shape of NaN": _sparse(shape=(8, np.nan)),
    "a negative shape": _sparse(shape=(8, -3)),
    "a shape of no columns": _sparse(shape=(8, 0)),
    "a shape of no rows": _sparse(shape=(0, 3)),
    "a shape of more rows": _sparse(shape=(9, 3)),
    "a shape of 10^15 rows": _sparse(shape=(_ABSURD, 3)),
    "a shape of 10^15 columns": _sparse(shape=(8, _ABSURD)),
    "a shape of 2^63 columns": _sparse(shape=np.array([8, 2**63], np.uint64)),
    "10000 empty rows of a MB": _empty_rows(10_000, 200_000),
    "rows of 2 GB": _empty_rows(2, 2**28),
    "by columns": _sparse(encoding="csc_matrix"),
    "another encoding": _sparse(encoding="\x1b[2J\n\x07"),
    "an encoding without end": _sparse(encoding="x" * 60000),
    "an encoding of numbers": _sparse(encoding=7.5),
    "fewer data": _sparse(data=_VALUES[:-1]),
    "fewer indices": _sparse(indices=_COLUMNS[:-1]),
    "more starts": _sparse(indptr=np.zeros(20, "i8")),
    "starts that go back": _sparse(indptr=_starts((3, 1))),
    "starts beyond the data": _sparse(indptr=_starts((8, 13))),
    "starts far beyond the data": _sparse(indptr=_starts((8, 2**62))),
    "negative starts": _sparse(indptr=_starts((0, -1))),
    "starts beyond int64": _sparse(indptr=np.full(9, 2**64 - 1, np.uint64)),
    "starts of fractions": _sparse(indptr=_STARTS / 2),
    "starts in two axes": _sparse(indptr=_STARTS.reshape(3, 3)),
    "absurdly many starts": _sparse(indptr=_of_zeros(_ABSURD), shape=(_ABSURD - 1, 3)),
    "a column outside": _sparse(indices=_columns(3)),
    "a negative column": _sparse(indices=_columns(-1)),
    "a column of 2^62": _sparse(indices=_columns(2**62)),
    "a column of 2^63": _sparse(indices=_columns(2**63, "u8")),
    "columns of fractions": _sparse(indices=_COLUMNS / 2),
    "columns of texts": _sparse(indices=np.array([b"a"] * 12)),
    "data of texts": _sparse(data=np.array([b"a"] * 12)),
    "complex data": _sparse(data=_VALUES * 1j),
    "data in two axes": _sparse(data=_VALUES[:, None]),
    "data of no axis": _sparse(data=3),
    "data without a shape": _sparse(data=h5py.Empty("i4")),
    "data of NaN": _sparse(data=_VALUES * np.nan),
    "data beyond 64 bits": _sparse(data=np.full(12, 2**62), indices=_COLUMNS * 0),
    "absurd data": _sparse(data=_of_zeros(_ABSURD), indices=_of_zeros(_ABSURD)),
    "data that are a group": _sparse(data=None, **{"data/x": X}),
    "data by a soft link": _with_link("data", h5py.SoftLink("/train/labels")),
    "data in another file": _with_link("data", h5py.ExternalLink(FILE, "/train/labels")),
    "indices in another file": _with_link("indices", h5py.ExternalLink("/etc/passwd", "/x")),
    "starts by a link to themselves": _with_link("indptr", h5py.SoftLink("/train/features/indptr")),
    "data in the device": _sparse(data={"shape": (12,), "dtype": "i4", "external": [("/dev/zero", 0, 48)]}),
    "factors that are missing": _factors(None),
    "factors of other rows": _factors(_ONES[:5]),
    "factors in two axes": _factors(np.ones((8, 3), np.float32)),
    "one factor": _factors(np.float32(1)),
    "factors of NaN": _factors(_ONES * np.nan),
    "infinite factors": _factors(_ONES * np.inf),
    "factors of texts": _factors(np.array([b"a"] * 8)),
    "complex factors": _factors(_ONES * 1j),
    "factors too large for float32": _factors(np.full(8, 1e300)),
    "an unknown normalisation": _factors(_ONES, normalisation="l3"),
    "a normalisation of control characters": _factors(_ONES, normalisation="\x1b[2J\n\x07"),
    "a normalisation without end": _factors(_ONES, normalisation="x" * 60000),
    "a normalisation of numbers": _factors(_ONES, normalisation=2),
}

_ALLOWED: dict[str, Callable[[Any], None]] = {
    "sparse": _sparse(),
    "sparse in both splits": _twice,
    "sparse in one split": _two_kinds,
    "sparse with text for its encoding": _sparse(encoding="csr_matrix"),
    "sparse without entries": _sparse(data=_VALUES[:0], indices=_COLUMNS[:0], indptr=_STARTS * 0),
    "sparse of truths": _sparse(data=_VALUES > 3),
    "sparse of half precision": _sparse(data=_VALUES.astype("f2")),
    "sparse, big-endian": _sparse(
        data=_VALUES.astype(">f8"), indices=_COLUMNS.astype(">u4"), indptr=_STARTS.astype(">u2")
    ),
    "sparse, entries again and again": _sparse(indices=_COLUMNS * 0),
    "sparse sums beyond the type": _sparse(data=np.full(12, 200, np.uint8), indices=_COLUMNS * 0),
    "sparse by another filter": _sparse(data={"data": _VALUES, "chunks": (5,), "scaleoffset": 0}),
    "factors": _factors(_ONES),
    "factors of zeros": _factors(_ONES * 0),
    "negative factors": _factors(-_ONES),
    "factors of integers": _factors(np.ones(8, "u8")),
    "factors that are not vouched for": _factors(_ONES[:3], digest=False),
}


def cases() -> Iterator[Case]:
    """Yield each file for `capacity data info`, for checking it, and for shuffling what is odd but good."""
    for known, files in ((True, _REFUSED), (False, _ALLOWED)):
        for number, (name, fill) in enumerate(files.items()):
            make = functools.partial(made, fill, libver="v110")
            yield Case(f"hdf5-sparse/{name}", INFO, make, None, refused=known)
            if number % 2 == 0 or "factors" in name or "without end" in name:
                yield Case(f"hdf5-sparse/{name}, checked", CHECK, make, None)
            if not known or "factors" in name:
                yield Case(f"hdf5-sparse/{name}, shuffled", SHUFFLE, make, "out.h5")
