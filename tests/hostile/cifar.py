"""CIFAR's batches: records, pickles of Python 2 and 3, and archives of them."""

from __future__ import annotations

import functools
import gzip
import io
import pickle
import tarfile
from collections.abc import Callable, Iterator

import numpy as np

from capacity.data.importers.cifar_names import CIFAR100_COARSE, CIFAR100_FINE
from tests.data_files import python2_pickle
from tests.hostile.case import CANARY, MEGABYTE, Case, Files
from tests.hostile.idx import zipped
from tests.hostile.pickles import EVIL, RUN

FOLDER = ("data", "import", "cifar100", "c", "out.h5")
TEN = ("data", "import", "cifar10", "c", "out.h5")
TRAIN, META, ARCHIVE = "c/train", "c/meta", "c"

_PIXELS = 3072
_IMAGES = np.repeat(np.arange(3, dtype=np.uint8), _PIXELS).reshape(3, _PIXELS)
_FINE, _COARSE = [99, 0, 19], [13, 4, 11]
_BATCHES = (*(f"c/data_batch_{number}" for number in range(1, 6)), "c/test_batch")
_BLOCK = 512
_HUNDRED = {"fine_label_names": list(CIFAR100_FINE), "coarse_label_names": list(CIFAR100_COARSE)}


@functools.cache
def records() -> Files:
    """CIFAR-100's binary version: coarse label, fine label, pixels."""
    rows = [bytes([_COARSE[row], _FINE[row]]) + _IMAGES[row].tobytes() for row in range(3)]
    names = "\n".join(CIFAR100_FINE).encode()
    return {"c/train.bin": b"".join(rows[:2]), "c/test.bin": rows[2], "c/fine_label_names.txt": names}


@functools.cache
def records_of_ten() -> Files:
    rows = [bytes([label]) + image.tobytes() for label, image in zip((3, 9, 3), _IMAGES, strict=True)]
    return {f"{name}.bin": rows[number % 3] for number, name in enumerate(_BATCHES)}


@functools.cache
def pickled() -> Files:
    """CIFAR-100's python version."""
    return {TRAIN: python2_pickle(_batch(2)), "c/test": python2_pickle(_batch(1)), META: python2_pickle(_HUNDRED)}


@functools.cache
def pickled_anew() -> Files:
    """The same, by Python 3."""
    return {TRAIN: pickle.dumps(_batch(2), 5), "c/test": pickle.dumps(_batch(1), 4), META: pickle.dumps(_HUNDRED, 3)}


@functools.cache
def pickled_as_text() -> Files:
    """The same, the names in protocol 0."""
    return {**pickled(), META: pickle.dumps(_HUNDRED, 0)}


@functools.cache
def archive() -> Files:
    return {ARCHIVE: gzip.compress(_tar(_members()), mtime=0)}


@functools.cache
def plain_archive() -> Files:
    return {ARCHIVE: _tar(_members())}


def _batch(count: int) -> dict[str, object]:
    labels = {"fine_labels": _FINE[:count], "coarse_labels": _COARSE[:count]}
    return {"filenames": ["a.png"] * count, **labels, "data": _IMAGES[:count]}


def _members() -> dict[str, bytes]:
    return {
        name.replace("c/", "cifar-100/"): content for name, content in records().items() if isinstance(content, bytes)
    }


def _tar(members: dict[str, bytes], kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w", format=tarfile.GNU_FORMAT) as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)  # of no date
            info.size, info.type, info.linkname = len(content), kind, link
            file.addfile(info, io.BytesIO(content))
    return memory.getvalue()


def around_labels(content: bytes) -> list[int]:
    """Return the offsets of the labels, and those of some pixels."""
    label_bytes = 1 if len(content) % (1 + _PIXELS) == 0 else 2
    return [at for at in range(len(content)) if at % (label_bytes + _PIXELS) < 4 or at % 512 == 0]


def no_pixels(content: bytes) -> list[int]:
    """Return the offsets of a pickle without those of its pixels, of which one is as good as all."""
    start = content.find(bytes(200))
    return [at for at in range(len(content)) if not start + 8 <= at < start + 2 * _PIXELS - 8]


def headers(content: bytes) -> list[int]:
    """Return the offsets of the headers in an archive, and the ends of its blocks."""
    starts = [at for at in range(0, len(content), _BLOCK) if content[at + 257 : at + 262] == b"ustar"]
    used = [
        start + place for start in starts for place in (*range(0, 40), *range(100, 170), *range(257, 266), 345, 500)
    ]
    return sorted({*used, *range(0, len(content), _BLOCK)})


def seal(content: bytes, whole: bytes) -> bytes:
    """Put right the sums of the headers."""
    sealed = bytearray(content)
    for at in range(0, min(len(whole), len(content)) - _BLOCK + 1, _BLOCK):
        if whole[at + 257 : at + 262] == b"ustar":
            sealed[at : at + _BLOCK] = _summed(bytes(sealed[at : at + _BLOCK]))
    return bytes(sealed)


def _summed(header: bytes) -> bytes:
    total = sum(header[:148]) + sum(header[156:]) + 8 * ord(" ")
    return header[:148] + b"%06o\0 " % total + header[156:]


def _sized(size: bytes, kind: bytes = b"0", name: bytes = b"train.bin") -> bytes:
    """Return an archive whose one header announces a size."""
    header = name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + size.ljust(12, b"\0") + b"0" * 11 + b"\0"
    header += b" " * 8 + kind + bytes(100) + b"ustar\00000"
    return _summed(header.ljust(_BLOCK, b"\0")) + bytes(2 * _BLOCK)


def _linked(name: str, kind: bytes, link: str) -> bytes:
    """Return an archive in which a file of CIFAR is a link, or something else that is no file."""
    rest = {other: content for other, content in _members().items() if other != name}
    return _tar({name: b""}, kind, link)[:_BLOCK] + _tar(rest)


def _renamed(name: str) -> bytes:
    return _tar({name if at == 0 else other: content for at, (other, content) in enumerate(_members().items())})


_NAME = "cifar-100/train.bin"
_ARCHIVES: dict[str, Callable[[], bytes]] = {
    **{
        f"{what} to {link}": functools.partial(_linked, _NAME, kind, link)
        for what, kind in (("a symbolic link", tarfile.SYMTYPE), ("a hard link", tarfile.LNKTYPE))
        for link in ("/etc/passwd", f"../{CANARY}", "train.bin", "cifar-100/test.bin", "/dev/zero")
    },
    **{
        f"a member of type {kind!r}": functools.partial(_linked, _NAME, kind, "")
        for kind in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, tarfile.GNUTYPE_SPARSE)
    },
    **{
        f"a member {name[:20]!r}": functools.partial(_renamed, name)
        for name in (
            "/train.bin",
            "../train.bin",
            f"{CANARY}",
            "cifar-100/../../train.bin",
            "/etc/passwd",
            "..",
            "",
            "train.bin/",
            "\x1b[2J",
            "a/" * 45 + "train.bin",
            "n" * 300,
            "größe",
        )
    },
    **{
        f"a size of {size!r}": functools.partial(_sized, size)
        for size in (
            b"77777777777",
            b"777777777777",
            b"-0000000001",
            b"37777777777",
            b"10000000000",
            b"\x80" + b"\xff" * 11,
            b"\xff" * 12,
            b"\x80" + bytes(10) + b"\x08",
            b"9",
            b"",
            b"0x10",
            b"1_0",
            b"+7",
            b"\xd9\xa1",
        )
    },
    **{
        f"an extended header {kind!r} of a size of {size!r}": functools.partial(_sized, size, kind)
        for kind in (b"x", b"g", b"L", b"K", b"S", b"M", b"V", b"\xff")
        for size in (b"77777777777", b"-0000000001", b"00000000010")
    },
    "two files of one name": lambda: _tar({"a/train.bin": b"", "b/train.bin": b""}),
    "20000 files": lambda: _sized(b"0", name=b"x")[:_BLOCK] * 20000,
    "no files": lambda: bytes(10240),
    "zeros of a MB": lambda: bytes(MEGABYTE),
    "a bomb": lambda: zipped(bytes(MEGABYTE)) * 48,
    "a bomb in a member": lambda: zipped(_sized(b"%011o" % (48 * MEGABYTE))[:_BLOCK]) + zipped(bytes(MEGABYTE)) * 48,
    "a member of 1 GB that is not there": lambda: zipped(_sized(b"%011o" % 10**9)),
    "a member of 600 MB": lambda: _sized(b"%011o" % (600 * MEGABYTE)),
    "gzip in gzip": lambda: zipped(zipped(_tar(_members()))),
    "gzip and rubbish": lambda: zipped(_tar(_members())) + b"rubbish",
    "an archive in two": lambda: zipped(_tar(_members())[:3000]) + zipped(_tar(_members())[3000:]),
    "xz": lambda: b"\xfd7zXZ\0" + bytes(100),
    "zip": lambda: b"PK\x03\x04" + bytes(100),
}

_TEXTS = {
    "no names": b"",
    "99 names": "\n".join(CIFAR100_FINE[1:]).encode(),
    "101 names": "\n".join([*CIFAR100_FINE, "more"]).encode(),
    "names with control characters": b"\x1b[2J\x07\n" * 100,
    "names of the same": b"same\n" * 100,
    "long names": b"\n".join([b"n" * 5000] * 100),
    "names in UTF-16": "\n".join(CIFAR100_FINE).encode("utf-16"),
    "names in one line of 8 MB": b"n" * 8 * MEGABYTE,
    "a million names": b"n\n" * 10**6,
}


def cases() -> Iterator[Case]:
    """Yield pickles for the batch and for the names, archives, and texts of names."""
    for name, make in RUN.items():
        yield _case(f"batch: {name}", TRAIN, make, refused=True)
    for name, make in EVIL.items():
        yield _case(f"names: {name}", META, make, refused=True)
    for name, make in _ARCHIVES.items():
        yield Case(f"cifar/{name}", FOLDER, functools.partial(_one, make), "out.h5", memory=512 * MEGABYTE)
    for name, content in _TEXTS.items():
        yield _case(name, "c/fine_label_names.txt", functools.partial(bytes, content))
    for rows, label in ((0, 0), (1, 100), (1, 255), (3, 0)):
        record = bytes([0, label]) + bytes(_PIXELS)
        yield _case(f"{rows} records of class {label}", "c/train.bin", functools.partial(bytes, record * rows))


def _case(name: str, spoiled: str, make: Callable[[], bytes], *, refused: bool = False) -> Case:
    seed = records if "." in spoiled else pickled
    return Case(
        f"cifar/{name}", FOLDER, lambda: {**seed(), spoiled: make()}, "out.h5", refused=refused, memory=512 * MEGABYTE
    )


def _one(make: Callable[[], bytes]) -> Files:
    return {ARCHIVE: make()}
