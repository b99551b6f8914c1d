"""The tables of UCI: CoverType and Adult in their own layouts."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from tests.hostile.case import MEGABYTE, Case, Files
from tests.hostile.idx import zipped

COVER, ADULT = "covtype.data", "a/adult.data"
IMPORT_COVER = ("data", "import", "covtype", COVER, "out.h5")
IMPORT_ADULT = ("data", "import", "adult", "a", "out.h5")

_PERSON = b"39, %s, 77516, Bachelors, 13, Never-married, Sales, Husband, White, Male, 2174, 0, 40, Peru, %s\n"
_TEST = b"a/adult.test"


def _cover(first: bytes, kind: bytes) -> bytes:
    return first + b",2,3,4,5,6,7,8,9,10,1,0,0,0," + b"0," * 39 + b"1," + kind + b"\n"


def cover() -> Files:
    return {COVER: _cover(b"2596", b"5") + _cover(b"-2590", b"2") + _cover(b"2804", b"2")}


@functools.cache
def cover_gzipped() -> Files:
    return {COVER: zipped(b"".join(content for content in cover().values() if isinstance(content, bytes)))}


def adult() -> Files:
    train = _PERSON % (b"State-gov", b"<=50K") + _PERSON % (b"?", b">50K") + b"\n"
    test = b"|1x3 Cross validator\n" + _PERSON % (b"Private", b"<=50K.") + _PERSON % (b"Other", b">50K.") + b"\n"
    return {ADULT: train, _TEST.decode(): test}


def cases() -> Iterator[Case]:
    for kind in (b"0", b"8", b"1.5", b"", b"?", b"x", b"-1", b"9" * 400, b"\x00", b"\xff", b"\x1b[2J"):
        first = _cover(b"1", b"1")
        yield _case(f"covtype/a class of {kind[:9]!r}", IMPORT_COVER, {COVER: first + _cover(b"1", kind)})
        yield _case(f"covtype/a number of {kind[:9]!r}", IMPORT_COVER, {COVER: first + _cover(kind, b"2")})
    for name, content in {
        "a header": b"a,b\n" + _cover(b"1", b"1"),
        "54 columns": _cover(b"1", b"1").replace(b",10,", b","),
        "56 columns": _cover(b"1,1", b"1"),
        "one row": _cover(b"1", b"1"),
        "one class": _cover(b"1", b"1") * 9,
        "20000 rows": (_cover(b"1", b"1") + _cover(b"2", b"7")) * 10000,
        "UTF-16": _cover(b"1", b"1").decode().encode("utf-16"),
        "gzip of 48 MB": zipped(b"1," * (MEGABYTE // 2)) * 48,
    }.items():
        yield _case(f"covtype/{name}", IMPORT_COVER, {COVER: content})
    for income in (b"0", b"<=50K.", b">50K..", b"", b"?", b".", b"\x00", b"\xff", b"\x1b[2J", b"<=50K\xc2\xa0"):
        first = _PERSON % (b"x", b">50K")
        for what, row in (("an income", _PERSON % (b"x", income)), ("work", _PERSON % (income, b"<=50K"))):
            yield _case(f"adult/{what} of {income!r}", IMPORT_ADULT, {**adult(), ADULT: first + row})
    for name, files in {
        "no test": {ADULT: adult()[ADULT]},
        "files that are twice there": {**adult(), f"{ADULT}.gz": zipped(b"x")},
        "comments alone": {**adult(), _TEST.decode(): b"|" * 5000},
        "a comment of 8 MB": {**adult(), _TEST.decode(): b"|" + b"x" * 8 * MEGABYTE},
        "2000 kinds of work": {
            **adult(),
            ADULT: b"".join(_PERSON % (b"w%d" % number, b">50K") for number in range(2000)),
        },
    }.items():
        yield _case(f"adult/{name}", IMPORT_ADULT, files)


def _case(name: str, arguments: tuple[str, ...], files: Files) -> Case:
    return Case(name, arguments, lambda: files, "out.h5", memory=768 * MEGABYTE)
