"""NumPy's archives: zip structures, headers that are expressions of Python, pickles, bombs."""

from __future__ import annotations

import functools
import io
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.hostile.case import CANARY, MEGABYTE, Case, Files

FILE = "a.npz"
IMPORT = ("data", "import", "npz", FILE, "out.h5")

_X, _Y = np.arange(24, dtype=np.uint8).reshape(8, 3), np.arange(8) % 3
_SIGNATURES = (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"\x93NUMPY")


class Bomb:
    """Removes the canary when a pickle of it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.unlink, (CANARY,)


def npy(values: Any) -> bytes:
    """Return an .npy file; objects are pickled."""
    memory = io.BytesIO()
    np.save(memory, values, allow_pickle=True)
    return memory.getvalue()


def archive(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as file:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)  # of 1980, so that the bytes are always the same
            info.compress_type = method
            file.writestr(info, content)
    return memory.getvalue()


@functools.cache
def stored() -> Files:
    return {FILE: archive({"X.npy": npy(_X), "y.npy": npy(_Y)})}


@functools.cache
def deflated() -> Files:
    members = {"X.npy": npy(_X / 2), "y.npy": npy(_Y), "X_test.npy": npy(_X[:2] / 2), "y_test.npy": npy(_Y[:2])}
    return {FILE: archive(members, zipfile.ZIP_DEFLATED)}


def cuts(content: bytes) -> list[int]:
    """Return every fourth offset and the ends of the fixed parts of each structure."""
    found = set(range(0, len(content), 4))
    for signature in _SIGNATURES:
        at = content.find(signature)
        while at >= 0:
            found |= {at + size for size in (0, 4, 6, 8, 10, 22, 30, 46, 128) if at + size < len(content)}
            at = content.find(signature, at + 1)
    return sorted(found)


def seal(content: bytes, whole: bytes) -> bytes:
    """Put right the checksums of stored members, so that what was changed in them is met."""
    sealed = bytearray(content)
    if len(content) != len(whole):
        return content
    with zipfile.ZipFile(io.BytesIO(whole)) as file:
        for info in file.infolist():
            start = info.header_offset + 30 + len(info.filename)
            check = zlib.crc32(sealed[start : start + info.compress_size])
            central = whole.rfind(b"PK\x01\x02", 0, whole.rfind(info.filename.encode()))
            struct.pack_into("<I", sealed, info.header_offset + 14, check)
            struct.pack_into("<I", sealed, central + 16, check)
    return bytes(sealed)


def _header(text: str, *, version: bytes = b"\x01\x00", content: bytes = bytes(24)) -> bytes:
    """Return an .npy file with the header `text`."""
    size = struct.pack("<H" if version[0] == 1 else "<I", len(text.encode()) + 1)
    return b"\x93NUMPY" + version + size + text.encode() + b"\n" + content


def _described(descr: str = "'|u1'", order: str = "False", shape: str = "(8, 3)") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


_DESCRS = (
    "'|O'",
    "'O'",
    "object",
    "'|V8'",
    "'<M8[s]'",
    "'<c16'",
    "'|S3'",
    "'<U9'",
    "'<f2'",
    "'>f8'",
    "'<g'",
    "'u3'",
    "'<u9999999999'",
    "''",
    "None",
    "7",
    "['<u1']",
    "[('a', '<u1')]",
    "[('a', '|O')]",
    "('<u1', (3,))",
    "('<u1', (1000000000,))",
    "{'names': ['a'], 'formats': ['O']}",
    "'|b1'",
    "'<i8'",
    "[]",
    "__import__('os')",
    "'\\\\d'",
    "'|S0'",
    "'|V0'",
    "[('a', [('b', '|O')])]",
    "'<f8,<f8'",
    "[('a', '<u1', (10**9,))]",
)
_SHAPES = (
    "(8,)",
    "()",
    "(0, 3)",
    "(8, 0)",
    "(-8, 3)",
    "(-8, -3)",
    "(8, 4)",
    "(7, 3)",
    "(1000000000000000, 3)",
    "(8, 3.0)",
    "(8, 10**9)",
    "(2**63, 1)",
    "(18446744073709551616, 3)",
    "(9223372036854775807, 2)",
    "(4294967296, 4294967296)",
    "(True, True)",
    "[8, 3]",
    "8",
    "None",
    "('8', 3)",
    "(8, 3, 1)",
    "(1,) * 99",
    "(8, (3,))",
    "(1000000000000, 0)",
    f"({'1, ' * 70})",
    f"({'1, ' * 30}24)",
    "(8L, 3L)",
    "(0,) + (8,)",
)
_TEXTS = (
    "",
    "{}",
    "{",
    "[]",
    "()",
    "(" * 300,
    "(" * 9000,
    "[" * 200 + "]" * 200,
    "{'descr': '|u1'}",
    "x",
    "1 + 1",
    "'" * 99,
    "\x00",
    "ä",
    "-" * 5000 + "1",
    "1" * 9000,
    "{'descr': '|u1', 'fortran_order': 0, 'shape': (8, 3), }",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (8, 3), 'more': 1}",
    "__import__('os').unlink('../canary')",
    "{**{}}",
    "lambda: 0",
    "\\",
    "#",
    "\n\n",
    " ",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (8, 3), }" + " " * 20000,
    "  {'descr': '|u1', 'fortran_order': False, 'shape': (8, 3)",
    "0x",
    "1_",
    "é" * 70,
    "True",
    "...",
    "f'{1}'",
)


def members() -> Iterator[tuple[str, bytes]]:
    """Yield (name, an .npy file for the features)."""
    for number, descr in enumerate(_DESCRS):
        yield f"type {number}", _header(_described(descr=descr))
    for number, shape in enumerate(_SHAPES):
        yield f"shape {number}", _header(_described(shape=shape))
        yield f"shape {number} of float64, turned", _header(_described("'<f8'", "True", shape))
    for number, text in enumerate(_TEXTS):
        for version in (1, 2, 3):
            if len(text) < 65000:
                yield f"header {number} version {version}", _header(text, version=bytes([version, 0]))
    for version in (b"\x00\x00", b"\x03\x00", b"\x04\x00", b"\xff\xff", b"\x01\x01"):
        yield f"version {version.hex()}", _header(_described(), version=version)
    yield "pickle in the array", npy(np.array([[Bomb()] * 3] * 8, dtype=object))
    yield "pickle for the array", pickle.dumps(Bomb())
    yield "pickle after the array", npy(_X) + pickle.dumps(Bomb())
    yield "header without end", b"\x93NUMPY\x01\x00\xff\xff{"
    yield "header of 4 GB", b"\x93NUMPY\x02\x00\xff\xff\xff\xff{"


def _bomb(member: str, count: int, *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return an archive in which a few bytes become `count` rows of zeros."""
    head = _header(_described(shape=f"({count}, 3)" if member == "X.npy" else f"({count},)"), content=b"")
    other = {"X.npy": npy(_X), "y.npy": npy(_Y)}
    return archive({**other, member: head + bytes(count * 3 if member == "X.npy" else count)}, method)


def _said_larger(count: int) -> bytes:
    """Return an archive whose headers say that the features are `count` bytes, and their zip header agrees."""
    content = bytearray(archive({"X.npy": _header(_described(shape=f"({count // 3}, 3)")), "y.npy": npy(_Y)}))
    for at, place in ((0, 22), (content.find(b"PK\x01\x02"), 24)):
        struct.pack_into("<I", content, at + place, min(count + 128, 2**32 - 2))
    return bytes(content)


def _flagged(flags: int) -> bytes:
    """Return an archive whose members have the flags (1: encrypted)."""
    content = bytearray(stored()[FILE])
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(signature)
        while at >= 0:
            struct.pack_into("<H", content, at + place, flags)
            at = content.find(signature, at + 1)
    return bytes(content)


_ARCHIVES: dict[str, Callable[[], bytes]] = {
    "an .npy file": lambda: npy(_X),
    "a pickle": lambda: pickle.dumps(Bomb()),
    "no members": lambda: archive({}),
    "names that leave the folder": lambda: archive(
        {"../X.npy": npy(_X), "/y.npy": npy(_Y), f"../{CANARY.name}": b"dead"}
    ),
    "a name of 60000 characters": lambda: archive({"n" * 60000: npy(_X)}),
    "names with control characters": lambda: archive({"\x1b[2J.npy": npy(_X), "\r\n": npy(_Y)}),
    "many names": lambda: archive({f"array {number}.npy": b"" for number in range(3000)}),
    "members that are no arrays": lambda: archive({"X": b"text", "y": b"text"}),
    "bomb of features": lambda: _bomb("X.npy", 8 * MEGABYTE),
    "bomb of labels": lambda: _bomb("y.npy", 8 * MEGABYTE),
    "bomb by bzip2": lambda: _bomb("X.npy", 2 * MEGABYTE, method=zipfile.ZIP_BZIP2),
    "bomb by LZMA": lambda: _bomb("X.npy", 2 * MEGABYTE, method=zipfile.ZIP_LZMA),
    "4 GB said": lambda: _said_larger(2**32),
    "1 GB said": lambda: _said_larger(10**9),
    "encrypted": lambda: _flagged(1),
    "patched data": lambda: _flagged(0x20),
    "strong encryption": lambda: _flagged(0x41),
    "names in UTF-8": lambda: _flagged(0x800),
    "stored twice": lambda: stored()[FILE] + stored()[FILE],
    "after other bytes": lambda: bytes(1000) + stored()[FILE],
}


def cases() -> Iterator[Case]:
    for name, member in members():
        yield _case(name, functools.partial(archive, {"X.npy": member, "y.npy": npy(_Y)}))
    for name, make in _ARCHIVES.items():
        yield _case(name, make)
    labels: Sequence[tuple[str, Any]] = (
        ("texts", np.array(list("abcabcab"))),
        ("fractions", _Y / 2),
        ("NaN", _Y * np.nan),
        ("two axes", _X),
        ("negative", -_Y),
        ("of a million classes", _Y * 2**30),
        ("beyond int64", np.array([2**64 - 1] * 8, np.uint64)),
        ("truths", _Y > 1),
        ("dates", _Y.astype("M8[s]")),
        ("complex", _Y * 1j),
        ("one class", _Y * 0),
        ("none", _Y[:0]),
        ("a number", np.array(3)),
    )
    for name, values in labels:
        yield _case(f"labels: {name}", functools.partial(archive, {"X.npy": npy(_X), "y.npy": npy(values)}))


def _case(name: str, make: Callable[[], bytes]) -> Case:
    return Case(f"npz/{name}", IMPORT, lambda: {FILE: make()}, "out.h5", memory=512 * MEGABYTE)
