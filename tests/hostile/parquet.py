"""Parquet tables: footers and pages that lie, columns of every type, tables that unpack to more than there is."""

from __future__ import annotations

import functools
import io
import struct
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from tests.hostile.case import MEGABYTE, Case, Files

FILE = "t.parquet"
IMPORT = ("data", "import", "parquet", FILE, "out.h5", "--label", "kind")

_MAGIC = b"PAR1"
_COLUMNS = {
    "size": [1.5, -2.0, None, 0.25, 3.0, 1e30],
    "count": [1, 2, 3, 4, 5, 2**40],
    "colour": ["red", "green", None, "red", "NA", "grün"],
    "kind": ["yes", "no", "yes", "no", "yes", "no"],
}


def written(columns: Any, **options: Any) -> bytes:
    """Return a table as a file."""
    import pyarrow as pa
    from pyarrow import parquet

    memory = io.BytesIO()
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    parquet.write_table(table, memory, **options)
    return memory.getvalue()


@functools.cache
def plain() -> Files:
    """Neither compressed nor encoded, so that what is changed is met."""
    return {
        FILE: written(_COLUMNS, compression="none", use_dictionary=False, store_schema=False, write_statistics=False)
    }


@functools.cache
def packed() -> Files:
    """Dictionaries, Snappy, two groups of rows, pages of version 2, checksums of pages, and an Arrow schema."""
    return {
        FILE: written(
            _COLUMNS, row_group_size=4, data_page_version="2.0", write_page_checksum=True, compression="snappy"
        )
    }


def cuts(content: bytes) -> range:
    return range(0, len(content), 4)


def cases() -> Iterator[Case]:
    for name, make in {**_columns(), **_FILES}.items():
        yield _case(name, make)
    for codec in ("gzip", "brotli", "lz4", "zstd"):
        whole = functools.partial(written, _COLUMNS, compression=codec)
        yield _case(codec, whole)
        for at in range(4, 300, 15):
            yield _case(f"{codec}, ones at {at}", functools.partial(_overwritten, whole, at))
    for option in ("--label=nothing", "--label=99", "--missing=drop", "--missing=error", "--test-fraction=0.5"):
        arguments = ("data", "import", "parquet", FILE, "out.h5", "--label", "kind", option)
        yield Case(f"parquet/with {option}", arguments, plain, "out.h5")


def _case(name: str, make: Callable[[], bytes]) -> Case:
    return Case(f"parquet/{name}", IMPORT, lambda: {FILE: make()}, "out.h5")


def _overwritten(whole: Callable[[], bytes], at: int) -> bytes:
    content = whole()
    return content[:at] + b"\xff" * 4 + content[at + 4 :]


def _columns() -> dict[str, Callable[[], bytes]]:
    """Return tables with one odd column."""
    import pyarrow as pa

    def of(values: Any, kind: Any = None) -> Callable[[], bytes]:
        return lambda: written({"x": pa.array(values, kind), "kind": _COLUMNS["kind"][: len(values)]})

    struct_type = pa.struct([("a", pa.int8())])
    return {
        "nothing but nulls": of([None] * 4),
        "texts of nulls": of([None] * 4, pa.string()),
        "bytes": of([b"a", b"\xff"]),
        "texts that are no UTF-8": lambda: written(
            {"x": pa.array([b"a", b"\xff\xfe"]).view(pa.string()), "kind": ["a", "b"]}, store_schema=False
        ),
        "texts with control characters": of(["\x1b[2J\n\x07", "b\x00c"]),
        "a long text": of(["x" * MEGABYTE, "y"]),
        "lists": of([[1], [2, 3]]),
        "lists of lists": of([[[1]], [[2, 3]]]),
        "lists of a fixed size": of([[1, 2], [3, None]], pa.list_(pa.int8(), 2)),
        "lists of size 0": of([[], []], pa.list_(pa.int8(), 0)),
        "lists of texts": of([["a"], ["b"]], pa.list_(pa.string(), 1)),
        "structures": of([{"a": 1}, {"a": 2}], struct_type),
        "maps": of([[("a", 1)], [("b", 2)]], pa.map_(pa.string(), pa.int8())),
        "dates": of([0, 1], pa.date32()),
        "times": of([0, 1], pa.time64("ns")),
        "timestamps": of([0, 2**62], pa.timestamp("ns", "Europe/Berlin")),
        "timestamps of no zone there is": of([0, 1], pa.timestamp("us", "\x1b[2J")),
        "durations": of([0, 1], pa.duration("s")),
        "decimals": of([Decimal("1.5"), Decimal("-2.25")], pa.decimal128(38, 2)),
        "large decimals": of([Decimal("9" * 70), Decimal(-2)], pa.decimal256(76, 2)),
        "half precision": of([1, 2], pa.float16()),
        "numbers beyond int64": of([2**64 - 1, 0], pa.uint64()),
        "NaN and infinity": of([float("nan"), float("inf")]),
        "truths": of([True, None]),
        "a dictionary of numbers": of([1, 2, None], pa.dictionary(pa.int8(), pa.float64())),
        "a dictionary of bytes": of([b"1", b"2"], pa.dictionary(pa.int8(), pa.binary())),
        "10000 categories": lambda: written(
            {"x": [f"text {number}" for number in range(10000)], "kind": ["a", "b"] * 5000}
        ),
        "labels of nulls": lambda: written({"x": [1, 2, 3], "kind": ["a", None, "b"]}),
        "labels of fractions": lambda: written({"x": [1, 2], "kind": [0.5, 1.5]}),
        "labels of lists": lambda: written({"x": [1, 2], "kind": pa.array([[0], [1]], pa.list_(pa.int8(), 1))}),
        "labels beyond int32": lambda: written({"x": [1, 2], "kind": [0, 2**40]}),
        "negative labels": lambda: written({"x": [1, 2], "kind": [-1, 0]}),
        "labels of one class": lambda: written({"x": [1, 2], "kind": [1, 1]}),
    }


def _footed(footer: bytes, body: bytes = b"") -> bytes:
    return _MAGIC + body + footer + struct.pack("<I", len(footer)) + _MAGIC


def _plain() -> bytes:
    content = plain()[FILE]
    assert isinstance(content, bytes)
    return content


def _tail(length: int) -> bytes:
    """Return the table with another length of its footer."""
    return _plain()[:-8] + struct.pack("<I", length) + _MAGIC


def _schema_of(depth: int) -> bytes:
    """Return a footer (compact Thrift) whose schema is so many groups in each other: 2 fields each, the name "g"."""
    groups = b"\x48\x01g\x15\x02\x00" * depth
    varint = bytes([depth & 0x7F | 0x80, depth >> 7 & 0x7F | 0x80, depth >> 14])
    return _footed(b"\x15\x02\x19\xfc" + varint + groups + b"\x16\x00\x19\x0c\x00")


def _bomb(rows: int) -> bytes:
    import pyarrow as pa

    columns = {"x": pa.nulls(rows, pa.int8()), "kind": pa.nulls(rows, pa.string())}
    return written(columns)


def _many_columns(count: int) -> bytes:
    return written({**{f"x{number}": [0, 1] for number in range(count)}, "kind": ["a", "b"]}, compression="none")


def _named(*names: str) -> bytes:
    import pyarrow as pa

    return written(pa.Table.from_arrays([pa.array([1, 2])] * len(names), names=list(names)))


_FILES: dict[str, Callable[[], bytes]] = {
    "the magic alone": lambda: _MAGIC,
    "the magic twice": lambda: _MAGIC * 2,
    "no footer": lambda: _footed(b""),
    "a footer of zeros": lambda: _footed(bytes(100)),
    "a footer of ones": lambda: _footed(b"\xff" * 100),
    "a footer in each other": lambda: _footed(b"\x1c" * 50000),
    "a footer of lists in each other": lambda: _footed(b"\x19" * 50000),
    "a footer that announces 2^32 columns": lambda: _footed(b"\x15\x02\x19\xfc\xff\xff\xff\xff\x0f" + bytes(50)),
    "a footer with a text of 2 GB": lambda: _footed(b"\x15\x02\x19\x1c\x48\xff\xff\xff\xff\x07" + bytes(50)),
    **{
        f"a footer of the length {length}": functools.partial(_tail, length)
        for length in (0, 1, 10**6, 2**31, 2**32 - 1)
    },
    "an encrypted footer": lambda: _plain()[:-4] + b"PARE",
    "encrypted": lambda: b"PARE" + _plain()[4:-4] + b"PARE",
    "a schema of 50 groups in each other": lambda: _schema_of(50),
    "a schema of 20000 groups in each other": lambda: _schema_of(20000),
    "nulls of a million rows": lambda: _bomb(10**6),
    "200 columns": lambda: _many_columns(200),
    "no rows": lambda: written({"x": [], "kind": []}),
    "no columns": lambda: written({}),
    "one column": lambda: _named("kind"),
    "columns of one name": lambda: _named("x", "x", "kind"),
    "labels of one name": lambda: _named("kind", "kind"),
    "a column of no name": lambda: _named("", "kind"),
    "a column with control characters": lambda: _named("\x1b[2J\n\x07", "kind"),
    "a column with NUL": lambda: _named("a\0b", "kind"),
    "a column with a dot": lambda: _named("a.b", "kind"),
    "a column with a long name": lambda: _named("n" * 100_000, "kind"),
    "a column of pandas' index": lambda: _named("__index_level_0__", "kind"),
    "a CSV": lambda: b"x,kind\n1,a\n2,b\n",
    "ORC": lambda: b"ORC" + bytes(100),
    "Arrow": lambda: b"ARROW1\0\0" + bytes(100),
}
