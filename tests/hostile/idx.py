"""IDX files: their short header, gzip round them, bombs."""

from __future__ import annotations

import functools
import gzip
import itertools
import struct
from collections.abc import Iterator

import numpy as np

from tests.hostile.case import MEGABYTE, Case, Files

IMPORT = ("data", "import", "idx", "x", "y", "out.h5")
FOLDER = ("data", "import", "idx", ".", "out.h5")

_SIZES = {0x08: 1, 0x09: 1, 0x0B: 2, 0x0C: 4, 0x0D: 4, 0x0E: 8}
_ZEROS = 32 * MEGABYTE


def idx(code: int, shape: tuple[int, ...], content: bytes) -> bytes:
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape) + content


def zipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


_IMAGES = idx(0x08, (8, 2, 3), np.arange(48, dtype=np.uint8).tobytes())
_LABELS = idx(0x08, (8,), bytes([0, 1, 2, 0, 1, 2, 0, 1]))


def plain() -> Files:
    return {"x": _IMAGES, "y": _LABELS}


@functools.cache
def gzipped() -> Files:
    return {"x": zipped(_IMAGES), "y": zipped(_LABELS)}


@functools.cache
def numbers() -> Files:
    """A file of float32."""
    return {"x": idx(0x0D, (8, 3), np.arange(24, dtype=">f4").tobytes()), "y": _LABELS}


def folder() -> Files:
    stems = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    return dict(zip(stems, (_IMAGES, _LABELS) * 2, strict=True))


def cases() -> Iterator[Case]:
    """Yield magic numbers, shapes and sizes that do not fit."""
    for code, axes in itertools.product(range(0, 256, 5), (0, 1, 2, 3, 255)):
        yield _case(f"type {code}, {axes} axes", idx(code, (8,) * axes, bytes(512)))
    lengths = (0, 1, 3, 2**16, 2**31, 2**32 - 1)
    for code, rows, columns in itertools.product(_SIZES, lengths, lengths):
        yield _case(f"type {code}, {rows} x {columns}", idx(code, (rows, columns), bytes(24)))
        if code in (0x08, 0x0E):
            yield _case(f"type {code}, {rows} x {columns}, gzipped", zipped(idx(code, (rows, columns), bytes(24))))
    for code, rows in itertools.product(_SIZES, lengths):
        labels = idx(code, (rows,), bytes(8 * _SIZES[code]))
        yield _case(f"labels of type {code}, {rows} rows", _IMAGES, labels)
        yield _case(f"labels of type {code}, {rows} rows, as many images", idx(0x08, (rows, 3), bytes(24)), labels)
    for value in (0xFF, 0x80, 0x7F):
        for code, size in _SIZES.items():
            yield _case(
                f"labels of type {code} of bytes {value}", _IMAGES, idx(code, (8,), bytes([value]) * (8 * size))
            )
            yield _case(f"type {code} of bytes {value}", idx(code, (8, 3), bytes([value]) * (24 * size)))
    yield from _bombs()


def _bombs() -> Iterator[Case]:
    bomb, count = _member(_ZEROS), _ZEROS // 4
    yield _case("bomb after the values", zipped(_IMAGES) + bomb)
    yield _case("bomb for a header", bomb)
    yield _case("bomb of labels", _IMAGES, zipped(idx(0x08, (8,), bytes(8))) + bomb)
    yield _case("bomb of images", zipped(idx(0x08, (8, count), b"")) + bomb * 2)
    yield _case("bomb of both", zipped(idx(0x08, (_ZEROS, 1), b"")) + bomb, zipped(idx(0x08, (_ZEROS,), b"")) + bomb)
    yield _case("gzip in gzip", zipped(zipped(_IMAGES)))
    yield _case("gzip of nothing", zipped(b""))
    yield _case("empty gzip members", zipped(b"") * 20000 + zipped(_IMAGES))
    yield _case("gzip and rubbish", zipped(_IMAGES) + b"rubbish")
    yield _case("gzip header alone", b"\x1f\x8b")
    yield _case("gzip with a name without end", b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * MEGABYTE)


@functools.cache
def _member(count: int) -> bytes:
    """Return gzip members that hold `count` zeros: one of a MiB again and again, as compressing takes time."""
    return zipped(bytes(MEGABYTE)) * (count // MEGABYTE)


def _case(name: str, images: bytes, labels: bytes = _LABELS) -> Case:
    return Case(f"idx/{name}", IMPORT, lambda: {"x": images, "y": labels}, "out.h5", memory=512 * MEGABYTE)
