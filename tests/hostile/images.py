"""Folders of photographs: headers of absurd sizes, pictures that end too soon, links, and what only looks like one."""

from __future__ import annotations

import functools
import io
import itertools
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.hostile.case import CANARY, MEGABYTE, Case, Files

IMPORT = ("data", "import", "images", "i", "out.h5", "--features", "pixels", "--size", "4")
COLOUR = (*IMPORT, "--colour")

_PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
_OTHER = "i/b/1.png"
_LARGE = 2**31 - 1


def _encoded(kind: str, pixels: Any = _PIXELS, **options: Any) -> bytes:
    from PIL import Image

    memory = io.BytesIO()
    Image.fromarray(pixels).save(memory, kind, **options)
    return memory.getvalue()


def spoiled(suffix: str) -> str:
    return f"i/a/1.{suffix}"


@functools.cache
def _folder(suffix: str, kind: str, **options: Any) -> Files:
    return {spoiled(suffix): _encoded(kind, **options), _OTHER: _encoded("PNG")}


def png() -> Files:
    return _folder("png", "PNG")


def jpeg() -> Files:
    return _folder("jpg", "JPEG", quality=30)


def progressive() -> Files:
    return _folder("jpeg", "JPEG", quality=30, progressive=True)


def bmp() -> Files:
    return _folder("bmp", "BMP")


def tiff() -> Files:
    return _folder("tif", "TIFF", compression="tiff_adobe_deflate")


def webp() -> Files:
    return _folder("webp", "WEBP")


def ppm() -> Files:
    return _folder("ppm", "PPM")


def seal(content: bytes, whole: bytes) -> bytes:
    """Put right the checksums of a PNG file's chunks."""
    sealed, at = bytearray(content), 8
    while at + 12 <= min(len(whole), len(content)):
        end = at + 8 + struct.unpack_from(">I", whole, at)[0]
        if end + 4 > len(content):
            break
        struct.pack_into(">I", sealed, end, zlib.crc32(sealed[at + 4 : end]))
        at = end + 4
    return bytes(sealed)


def cases() -> Iterator[Case]:
    for name, make in {**_PNG, **_JPEG, **_OTHERS}.items():
        yield _case(name, "png" if name.startswith("PNG") else "jpg", make)
    for name, files in _FOLDERS.items():
        yield Case(f"images/{name}", IMPORT, functools.partial(_beside, files), "out.h5", memory=1024 * MEGABYTE)
    for option in ("--size=0", "--size=-1", "--size=1025", "--test-fraction=0.5", "--test-fraction=2", "--seed=-1"):
        yield Case(f"images/with {option}", (*IMPORT, option), png, "out.h5")


def _case(name: str, suffix: str, make: Callable[[], bytes]) -> Case:
    return Case(
        f"images/{name}",
        COLOUR,
        lambda: {spoiled(suffix): make(), _OTHER: _encoded("PNG")},
        "out.h5",
        memory=1024 * MEGABYTE,
    )


def _beside(files: Files) -> Files:
    return {**png(), **files}


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _picture(
    width: int,
    height: int,
    *,
    bits: int = 8,
    colours: int = 0,
    interlaced: int = 0,
    data: bytes | None = None,
    more: bytes = b"",
) -> bytes:
    """Return a PNG file by what its header says; its values are zeros, a few of them."""
    head = struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, interlaced)
    packed = zlib.compress(bytes(100)) if data is None else data
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + more + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


@functools.cache
def _zeros(count: int) -> bytes:
    return zlib.compress(bytes(count), 1)


_SIZES = ((0, 0), (0, 9), (_LARGE, _LARGE), (2**32 - 1, 1), (_LARGE, 1), (1, _LARGE), (65536, 65536), (10001, 10000))
_PNG: dict[str, Callable[[], bytes]] = {
    **{f"PNG of {width} x {height}": functools.partial(_picture, width, height) for width, height in _SIZES},
    **{
        f"PNG of {bits} bits, colours {colours}": functools.partial(_picture, 8, 6, bits=bits, colours=colours)
        for bits, colours in itertools.product((0, 1, 3, 16, 255), (0, 2, 3, 4, 6, 7))
    },
    "PNG of 100 million pixels that are not there": lambda: _picture(10000, 10000),
    "PNG of 16 million pixels": lambda: _picture(4000, 4000, data=_zeros(16_004_000)),
    "PNG of one row of 16 million": lambda: _picture(16_000_000, 1, data=_zeros(16_000_001)),
    "PNG of one column of a million": lambda: _picture(1, 10**6, data=_zeros(2 * 10**6)),
    "PNG, interlaced": lambda: _picture(8, 6, interlaced=1),
    "PNG, interlaced in another way": lambda: _picture(8, 6, interlaced=7),
    "PNG with more values than pixels": lambda: _picture(8, 6, data=_zeros(16_004_000)),
    "PNG with a bomb of text": lambda: _picture(8, 6, more=_chunk(b"zTXt", b"k\0\0" + _zeros(16_004_000))),
    "PNG with bombs of text": lambda: _picture(8, 6, more=_chunk(b"zTXt", b"k\0\0" + _zeros(10**6)) * 70),
    "PNG with a bomb of international text": lambda: _picture(
        8, 6, more=_chunk(b"iTXt", b"k\0\1\0\0\0" + _zeros(16_004_000))
    ),
    "PNG with a bomb of a profile": lambda: _picture(8, 6, more=_chunk(b"iCCP", b"k\0\0" + _zeros(16_004_000))),
    "PNG with 10000 chunks": lambda: _picture(8, 6, more=_chunk(b"tEXt", b"k\0v") * 10000),
    "PNG with a chunk of 2 GB": lambda: _picture(8, 6, more=struct.pack(">I", _LARGE) + b"tEXt"),
    "PNG with a chunk of -1 bytes": lambda: _picture(8, 6, more=struct.pack(">I", 2**32 - 1) + b"tEXt"),
    "PNG with a palette of 5": lambda: _picture(8, 6, colours=3, more=_chunk(b"PLTE", b"\1\2\3\4\5")),
    "PNG with transparency": lambda: _picture(8, 6, more=_chunk(b"tRNS", b"\0")),
    "PNG with a turn": lambda: _encoded("PNG", exif=_exif(6)),
    "PNG with a turn of 99": lambda: _encoded("PNG", exif=_exif(99)),
    "PNG with metadata of rubbish": lambda: _picture(8, 6, more=_chunk(b"eXIf", b"II*\0\xff\xff\xff\xff")),
    "PNG of many pictures": lambda: _picture(8, 6, more=_chunk(b"acTL", struct.pack(">II", 2**31, 0))),
}


def _exif(turn: int) -> bytes:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = turn
    return exif.tobytes()


def _resized(content: bytes, width: int, height: int) -> bytes:
    """Return a JPEG file whose header says another size."""
    at = max(content.find(b"\xff\xc0"), content.find(b"\xff\xc2"))
    return content[: at + 5] + struct.pack(">HH", height, width) + content[at + 9 :]


def _segment(code: int, content: bytes) -> bytes:
    return b"\xff" + bytes([code]) + struct.pack(">H", len(content) + 2) + content


def _jpeg() -> bytes:
    return _encoded("JPEG", quality=30)


def _cmyk() -> bytes:
    from PIL import Image

    memory = io.BytesIO()
    Image.new("CMYK", (8, 6)).save(memory, "JPEG")
    return memory.getvalue()


def _scans(side: int, count: int) -> bytes:
    """Return a grey progressive JPEG file of so many scans, each of which goes over all blocks and changes nothing.

    Each says "nothing more" of runs of 16384 blocks, by the one code of its table.
    """
    blocks = (-(-side // 8)) ** 2
    frame = _segment(0xC2, struct.pack(">BHHB", 8, side, side, 1) + b"\x01\x11\x00")
    tables = _segment(0xDB, b"\x00" + b"\x01" * 64)
    tables += _segment(0xC4, b"\x00" + b"\x01" + bytes(15) + b"\x00") + _segment(
        0xC4, b"\x10" + b"\x01" + bytes(15) + b"\xe0"
    )
    first = _segment(0xDA, b"\x01\x01\x00\x00\x00\x00") + bytes(-(-blocks // 8))
    bits = "".join("0" + "0" * 14 for _ in range(-(-blocks // 16384)))
    packed = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    scan = _segment(0xDA, b"\x01\x01\x00\x01\x3f\x00") + packed
    return b"\xff\xd8" + tables + frame + first + scan * count + b"\xff\xd9"


_JPEG: dict[str, Callable[[], bytes]] = {
    **{
        f"JPEG of {width} x {height}": lambda width=width, height=height: _resized(_jpeg(), width, height)  # type: ignore[misc]
        for width, height in ((0, 0), (0, 9), (65535, 65535), (65500, 1), (1, 65535), (10001, 10000), (9999, 9999))
    },
    "JPEG of a size, progressive": lambda: _resized(_encoded("JPEG", progressive=True), 9999, 9999),
    "JPEG with a turn": lambda: _encoded("JPEG", exif=_exif(5)),
    "JPEG with metadata of rubbish": lambda: (
        _jpeg()[:2] + _segment(0xE1, b"Exif\0\0II*\0" + b"\xff" * 60) + _jpeg()[2:]
    ),
    "JPEG with metadata in a circle": lambda: (
        _jpeg()[:2]
        + _segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0")
        + _jpeg()[2:]
    ),
    "JPEG with 2000 segments": lambda: _jpeg()[:2] + _segment(0xE2, b"x" * 1000) * 2000 + _jpeg()[2:],
    "JPEG with a picture list of rubbish": lambda: (
        _jpeg()[:2] + _segment(0xE2, b"MPF\0II*\0" + b"\xff" * 60) + _jpeg()[2:]
    ),
    "JPEG in four colours": _cmyk,
    "JPEG of 12 bits": lambda: _jpeg().replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c"),
    "JPEG, lossless": lambda: _jpeg().replace(b"\xff\xc0", b"\xff\xc3"),
    "JPEG by arithmetic": lambda: _jpeg().replace(b"\xff\xc0", b"\xff\xc9"),
    "JPEG, begun again and again": lambda: b"\xff\xd8" * (MEGABYTE // 8),
    "JPEG of filling": lambda: b"\xff\xd8" + b"\xff" * (MEGABYTE // 8),
    "JPEG of 10 scans": lambda: _scans(1000, 9),
    "JPEG of 1000 scans": lambda: _scans(9999, 1000),
}


def _bitmap(width: int, height: int, bits: int = 24, packing: int = 0, colours: int = 0, start: int = 54) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, packing, 0, 0, 0, colours, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 200, 0, 0, start) + head + bytes(200)


def _tagged(*tags: tuple[int, int, int, int], order: bytes = b"II*\0") -> bytes:
    """Return a TIFF file with the tags: (number, type, count, value)."""
    packed = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return order + struct.pack("<IH", 8, len(tags)) + packed + struct.pack("<I", 0) + bytes(200)


_GREY = (
    (258, 3, 1, 8),
    (259, 3, 1, 1),
    (262, 3, 1, 1),
    (273, 4, 1, 100),
    (277, 3, 1, 1),
    (278, 4, 1, 6),
    (279, 4, 1, 48),
)


def _tiff(width: int, height: int, *more: tuple[int, int, int, int]) -> bytes:
    tags = {tag[0]: tag for tag in ((256, 4, 1, width), (257, 4, 1, height), *_GREY, *more)}
    return _tagged(*(tags[number] for number in sorted(tags)))


_OTHERS: dict[str, Callable[[], bytes]] = {
    **{
        f"BMP of {width} x {height}": functools.partial(_bitmap, width, height)
        for width, height in ((0, 0), (-8, 6), (8, -6), (_LARGE, _LARGE), (10000, 10000), (8, -(2**31)))
    },
    **{f"BMP of {bits} bits": functools.partial(_bitmap, 8, 6, bits) for bits in (0, 1, 2, 7, 8, 16, 32, 65535)},
    **{
        f"BMP packed by {packing}": functools.partial(_bitmap, 8, 6, 8, packing)
        for packing in (1, 2, 3, 4, 5, 6, 2**31)
    },
    "BMP of 2^31 colours": lambda: _bitmap(8, 6, 8, 0, 2**31),
    "BMP that begins elsewhere": lambda: _bitmap(8, 6, start=2**31),
    "BMP packed, of 10000 x 10000": lambda: _bitmap(10000, 10000, 8, 1),
    **{
        f"TIFF of {width} x {height}": functools.partial(_tiff, width, height)
        for width, height in ((8, 6), (0, 0), (2**32 - 1, 2**32 - 1), (10000, 10000))
    },
    **{
        f"TIFF packed by {code}": functools.partial(_tiff, 8, 6, (259, 3, 1, code))
        for code in (2, 5, 7, 8, 34712, 50000)
    },
    "TIFF in a circle": lambda: _tiff(8, 6)[:-204] + struct.pack("<I", 8) + bytes(200),
    "TIFF with a tag of 2^32": lambda: _tiff(8, 6, (305, 2, 2**32 - 1, 8)),
    "TIFF with 2^32 strips": lambda: _tiff(8, 6, (273, 4, 2**32 - 1, 100)),
    "TIFF of tiles": lambda: _tiff(8, 6, (322, 4, 1, _LARGE), (323, 4, 1, _LARGE), (324, 4, 1, 100)),
    "TIFF of 65535 samples": lambda: _tiff(8, 6, (277, 3, 1, 65535)),
    "TIFF of fractions": lambda: _tiff(8, 6, (258, 3, 1, 32), (339, 3, 1, 3)),
    "TIFF, large": lambda: b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) + b"\xff" * 100,
    **{
        f"PPM {number}": functools.partial(bytes, content)
        for number, content in enumerate(
            (
                b"P6 10000 10000 255\n",
                b"P6 99999999999999999999 1 255\n",
                b"P6 -8 6 255\n",
                b"P5 8 6 65535\n" + bytes(96),
                b"P5 8 6 0\n" + bytes(48),
                b"P2 8 6 255\n" + b"9 " * 48,
                b"P2 8 6 255\n" + b"9" * 5000,
                b"P2 2 2 255\n#" + b"c" * MEGABYTE,
                b"P1 8 6\n" + b"1" * 48,
                b"P3 1000 1000 255\n" + b"1 " * 10**5,
                b"P6" + b"#\n" * 10**5 + b" 8 6 255\n" + bytes(144),
                b"Pf 8 6 -1.0\n" + b"\xff" * 192,
                b"P7\nWIDTH 8\n",
            )
        )
    },
    "EPS": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 6\n%%EndComments\n(x) run\n",
    "EPS in DOS": lambda: b"\xc5\xd0\xd3\xc6" + struct.pack("<II", 32, 60) + bytes(20) + b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "PDF": lambda: b"%PDF-1.4\n" + bytes(100),
    "GIF": lambda: b"GIF89a\xff\xff\xff\xff\x00\x00\x00;",
    "ICO": lambda: b"\0\0\1\0\1\0\x08\x06\0\0\1\0\x20\0" + struct.pack("<II", 2**31, 22),
    "a script": lambda: b"#!/bin/sh\nrm ../canary\n",
    "SVG": lambda: b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><svg>&a;</svg>',
}

_FOLDERS: dict[str, Files] = {
    "a link to a file elsewhere": {"i/a/2.png": Path("/etc/passwd")},
    "a link to the canary": {"i/a/2.png": Path("..", "..", CANARY)},
    "a link within": {"i/a/2.png": Path("1.png")},
    "a link to another class": {"i/a/2.png": Path("../b/1.png")},
    "a link to a folder": {"i/a/2.png": Path()},
    "a class that is a link out": {"i/c": Path("/dev")},
    "a class that is a link to the folder above": {"i/c": Path("..")},
    "a class that is a link to the folder": {"i/c": Path()},
    "a class that is a link to another": {"i/c": Path("a")},
    "a class that is a link to itself": {"i/c": Path("c")},
    "a folder in a class": {"i/a/x/1.png": b""},
    "a class without images": {"i/c/notes.txt": b""},
    "a file beside the classes": {"i/1.png": b""},
    "a class with control characters": {"i/\x1b[2J\n\x07/1.png": _OTHER.encode()},
    "an image with control characters": {"i/a/\x1b[2J\n\x07.png": b""},
    "a class that is not UTF-8": {"i/\udcff/1.png": Path("../a/1.png")},
    "an image that is not UTF-8": {"i/a/\udcff.png": Path("1.png")},
    "a broken image that is not UTF-8": {"i/a/\udcff.png": b"x"},
    "a long name": {f"i/{'c' * 250}/{'n' * 250}.png": b"x"},
    "a class that is called train": {"i/train/1.png": Path("../a/1.png")},
    "100 classes": {f"i/c{number}/1.png": Path("../a/1.png") for number in range(100)},
}
