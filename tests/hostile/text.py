"""Plain text: what is no UTF-8, what has no words or no lines, and lengths that do not fit."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

from tests.hostile.case import MEGABYTE, Case, Files
from tests.hostile.idx import zipped

FILE = "t.txt"
CHARACTERS = ("data", "import", "text", FILE, "out.h5", "--unit", "char", "--context", "5")
WORDS = ("data", "import", "text", FILE, "out.h5", "--unit", "word", "--context", "2", "--test-fraction", "0")

_TEXT = "\ufeffThe cat's mat; the größe of\r\nthe \U0001f4a3 caf\u00e9, the cat.\nOne two three four five.\r".encode()

_ODD = (
    b"\x00",
    b"\xff",
    b"\xc3",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xed\xb0\x80",
    b"\xf4\x90\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xef\xbf\xbe",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\x1b[2J",
    b"\x7f",
    b"\x08" * 9,
    b"\x85",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"\xe2\x80\xae",
    b"\xf3\xa0\x80\x81",
    b"\xcc\x81" * 300,
    b"'" * 300,
    b"_" * 999,
    b"_" * 1001,
    b"\r" * 99,
    b"\n\r" * 99,
    "\u0130".encode() * 99,
    "\ufdfa".encode() * 99,
    "\U0010ffff".encode(),
    "".join(map(chr, range(0x4E00, 0x5800))).encode(),
)
_PLACES = {
    "first": b"%sone two one two one two one two one two one two ",
    "within": b"one two one two one t%swo one two one two one two ",
    "last": b"one two one two one two one two one two one two%s",
}
_TWO_READS = b"a b " * (MEGABYTE // 4 - 1) + b"a c%s one two one two"


def plain() -> Files:
    return {FILE: _TEXT}


@functools.cache
def gzipped() -> Files:
    return {FILE: zipped(_TEXT)}


def cases() -> Iterator[Case]:
    """Yield odd characters in every place, and texts without characters, words, lines or ends."""
    for place, text in _PLACES.items():
        for number, odd in enumerate(_ODD):
            make = functools.partial(text.replace, b"%s", odd)
            yield _case(f"text {number} {place}", make, (CHARACTERS, WORDS)[number % 2])
    for number, odd in enumerate(_ODD[:10]):
        yield _case(f"text {number} across two reads", functools.partial(_TWO_READS.replace, b"%s", odd), CHARACTERS)
    for name, make in _TEXTS.items():
        yield _case(name, make, CHARACTERS)
        yield _case(f"{name}, words", make, WORDS)
    for option in (
        "--context=0",
        "--context=-1",
        "--context=65537",
        "--context=65536",
        "--test-fraction=0",
        "--test-fraction=1",
        "--test-fraction=nan",
        "--vocabulary-size=0",
        "--vocabulary-size=1",
        "--vocabulary-size=99999999999999999999",
    ):
        yield _case(f"with {option}", lambda: _TEXT, (*WORDS, option))
    yield Case("text/twice the same", (*CHARACTERS[:4], *CHARACTERS[3:]), plain, "out.h5")
    yield Case("text/not there, too", (*CHARACTERS[:3], "x", *CHARACTERS[3:]), plain, "out.h5", refused=True)


_TEXTS: dict[str, Callable[[], bytes]] = {
    "nothing but a mark": lambda: b"\xef\xbb\xbf",
    "one character": lambda: b"a",
    "one word again and again": lambda: b"word " * 1000,
    "one character again and again": lambda: b"a" * 1000,
    "white space": lambda: b" \n\t\r" * 1000,
    "one line of 4 MB": lambda: b"a" * 4 * MEGABYTE,
    "lines of 4 MB": lambda: b"\n" * 4 * MEGABYTE,
    "words of 1000 letters": lambda: (b"a" * 1000 + b" ") * 99,
    "40000 words": lambda: b" ".join(b"w%d" % number for number in range(40000)),
    "every character of many scripts": lambda: "".join(map(chr, (*range(1, 0x4000), *range(0xE000, 0x11000)))).encode(),
    "random bytes": lambda: bytes(range(1, 256)) * 99,
    "NUL alone": lambda: bytes(MEGABYTE),
    "UTF-16": lambda: _TEXT.decode().encode("utf-16"),
    "UTF-16 without a mark": lambda: _TEXT.decode().encode("utf-16-le"),
    "UTF-32": lambda: _TEXT.decode().encode("utf-32"),
    "UTF-7": lambda: "größe und größe und größe".encode("utf-7"),
    "Latin-1": lambda: "größe und größe und größe".encode("latin-1"),
    "gzip of 32 MB of zeros": lambda: zipped(bytes(MEGABYTE)) * 32,
    "gzip of 16 MB in one line": lambda: zipped(b"a" * MEGABYTE) * 16,
    "gzip of a MB of words": lambda: zipped(b"one two " * (MEGABYTE // 8)),
    "gzip in gzip": lambda: zipped(zipped(_TEXT)),
    "gzip and rubbish": lambda: zipped(_TEXT) + b"rubbish",
    "gzip that ends too soon": lambda: zipped(_TEXT)[:-9],
}


def _case(name: str, make: Callable[[], bytes], arguments: tuple[str, ...]) -> Case:
    return Case(f"text/{name}", arguments, lambda: {FILE: make()}, "out.h5", memory=512 * MEGABYTE)
