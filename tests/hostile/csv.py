"""Tables of text: what may stand in a cell, between cells and at the ends of lines, and tables of absurd sizes."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator

from tests.hostile.case import MEGABYTE, Case, Files
from tests.hostile.idx import zipped

FILE = "t.csv"
IMPORT = ("data", "import", "csv", FILE, "out.h5")
NO_HEADER = ("data", "import", "csv", FILE, "out.h5", "--no-header")

_TABLE = b'size,colour,"a, b",label\r\n1.5,red,3,yes\r\n-2e3,green,,no\n?,"red",4,yes\n0.25,NA,"5",no\n'
_ROWS = b"1,2,0\n3,4,1\n5,6,0\n"

_ODD = (
    b"\x00",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b'"',
    b'""',
    b'"""',
    b"\r",
    b"\n",
    b"\r\n",
    b"\n\r",
    b",",
    b",,,,,,,,",
    b" ",
    b"\t",
    b"\x1a",
    b"\x1b[2J",
    b"\x0b",
    b"\x0c",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"nan",
    b"inf",
    b"-inf",
    b"1e999",
    b"1e-999",
    b"0x10",
    b"1_000",
    b"1,000",
    b"9" * 400,
    b"-",
    b"+",
    b".",
    b"e",
    b"1e",
    b"--1",
    b"1.2.3",
    b"true",
    b"\xd9\xa1",
    b"=cmd()",
    b"x" * 5000,
    b"\xf0\x9f\x92\xa3",
    b"\xc3\xa4",
    b"NULL",
    b"?",
    b"\\",
    b"'",
    b";",
    b"#",
    b"\x7f",
    b"\x08",
    b"18446744073709551616",
    b"-9223372036854775809",
    b"9007199254740993",
    b"1e18",
    b"2147483647",
    b"-1",
    b"0.5",
)


def table() -> Files:
    return {FILE: _TABLE}


@functools.cache
def gzipped() -> Files:
    return {FILE: zipped(_TABLE)}


def bare() -> Files:
    return {FILE: _ROWS}


def cases() -> Iterator[Case]:
    """Yield odd texts in every place, ragged rows, and sizes."""
    places = {
        "in the header": b"a,b%s,label\n1,2,0\n3,4,1\n",
        "for the header": b"%s\n1,2,0\n3,4,1\n",
        "before the header": b"%sa,b,label\n1,2,0\n3,4,1\n",
        "for a number": b"a,b,label\n1,%s,0\n3,4,1\n",
        "in a number": b"a,b,label\n1,2%s,0\n3,4,1\n",
        "for a label": b"a,b,label\n1,2,%s\n3,4,1\n",
        "in a quoted text": b'a,b,label\n1,"x%s",0\n3,4,1\n',
        "at the end of a line": b"a,b,label\n1,2,0%s\n3,4,1\n",
        "for a line": b"a,b,label\n1,2,0\n%s\n3,4,1\n",
        "at the end": b"a,b,label\n1,2,0\n3,4,1\n%s",
        "everywhere": b"a,b,label%s\n%s1,2,0\n3,%s4,1\n",
        "after many rows": b"a,b,label\n" + _ROWS * 500 + b"1,%s,0\n",
    }
    for (turn, (place, text)), (number, odd) in itertools.product(enumerate(places.items()), enumerate(_ODD)):
        if (number + turn) % 3:  # each text in four places of twelve
            continue
        yield _case(f"text {number} {place}", functools.partial(text.replace, b"%s", odd))
    for columns, rows in itertools.product((0, 1, 2, 3, 4, 5, 7), (1, 2, 700)):
        content = b"a,b,label\n" + _ROWS * rows + b",".join([b"1"] * columns) + b"\n" + _ROWS
        yield _case(f"a row of {columns} columns after {3 * rows}", functools.partial(bytes, content))
    for what, out in (("no UTF-8", "\udcff.h5"), ("control characters", "\x1b[2J\n.h5")):
        yield Case(f"csv/a target of {what}", (*IMPORT[:-1], out), table, out, valid=True)
    yield Case("csv/a name of no UTF-8", (*IMPORT, "--name", "\udcff"), table, "out.h5", valid=True)
    for number, (name, make) in enumerate(_LARGE.items()):
        yield _case(name, make)
        if number % 3:
            yield _case(f"{name}, no header", make, NO_HEADER)
    for option in (
        "--label=nothing",
        "--label=99",
        "--label=-99",
        "--label=",
        "--missing=drop",
        "--missing=error",
        "--standardise",
        "--test-fraction=0.5",
        "--test-fraction=nan",
        "--test-fraction=2",
        "--seed=-1",
    ):
        yield _case(f"with {option}", lambda: _TABLE, (*IMPORT, option))


_LARGE: dict[str, Callable[[], bytes]] = {
    "a million columns": lambda: b"0," * 10**6 + b"1\n" + b"1," * 10**6 + b"0\n",
    "a million columns of nothing": lambda: b"," * 10**6 + b"\n" + b"," * 10**6 + b"\n",
    "a million names": lambda: ",".join(f"{number:x}a" for number in range(10**6)).encode()[: 4 * MEGABYTE],
    "32768 columns and one": lambda: b"0," * 32768 + b"1\n" + b"1," * 32768 + b"0\n",
    "300 columns": lambda: b"0," * 300 + b"1\n" + b"1," * 300 + b"0\n",
    "one line of 8 MB": lambda: b"a" * 8 * MEGABYTE,
    "one cell of 8 MB": lambda: b'a,b\n1,"' + b"x" * 8 * MEGABYTE + b'"\n',
    "a quote never closed": lambda: b'a,b\n1,"' + b"1,2\n" * 2 * MEGABYTE,
    "quotes alone": lambda: b'"' * (MEGABYTE // 4),
    "empty lines": lambda: b"a,b\n" + b"\n" * 4 * MEGABYTE,
    "carriage returns": lambda: b"\r" * 4 * MEGABYTE,
    "NUL alone": lambda: bytes(MEGABYTE),
    "2000 categories": lambda: b"a,b\n" + b"".join(b"text %d,%d\n" % (number, number % 2) for number in range(2000)),
    "20000 classes of text": lambda: b"a,b\n" + b"".join(b"1,text %d\n" % number for number in range(20000)),
    "gzip of 48 MB without a line": lambda: zipped(bytes(MEGABYTE)) * 48,
    "gzip of 48 MB of lines": lambda: zipped(b"\n" * MEGABYTE) * 48,
    "gzip of 48 MB in one quote": lambda: zipped(b'a,b\n1,"') + zipped(b"1,2\n" * (MEGABYTE // 4)) * 48,
    "gzip in gzip": lambda: zipped(zipped(_TABLE)),
    "gzip and rubbish": lambda: zipped(_TABLE) + b"rubbish",
    "gzip, twice": lambda: zipped(_TABLE) + zipped(_ROWS),
    "UTF-16": lambda: _TABLE.decode().encode("utf-16"),
    "Latin-1": lambda: "größe,label\n1,0\n2,1\n".encode("latin-1"),
}


def _case(name: str, make: Callable[[], bytes], arguments: tuple[str, ...] = IMPORT) -> Case:
    return Case(f"csv/{name}", arguments, lambda: {FILE: make()}, "out.h5", memory=768 * MEGABYTE)
