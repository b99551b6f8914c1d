"""The MATLAB files of ILSVRC2010: elements within elements, classes that have no place there, ids that do not fit."""

from __future__ import annotations

import functools
import io
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat
from scipy.sparse import csc_matrix

from tests.hostile.case import MEGABYTE, Case, Files
from tests.hostile.hdf5_seeds import FILE, ours
from tests.ilsvrc2010_files import KIT, TRUTH, structs, wnid_of, write_kit, write_sbow

FEATURES, META, GROUND_TRUTH = f"f/train/{wnid_of(1)}.sbow.mat", f"kit/{KIT}", f"kit/{TRUTH}"
IMPORT = ("data", "import", "ilsvrc2010", "f", "out.h5", "--devkit", "kit")
KEPT = "out.h5.parts"

_OTHER, _VALIDATION = f"f/train/{wnid_of(7)}.sbow.mat", "f/val/val.0001.sbow.mat"
_HEADER = 128
_HEAD = b"MATLAB 5.0 MAT-file, of no date".ljust(124) + b"\x00\x01IM"
_CELL, _STRUCT, _CHAR, _DOUBLE = 1, 2, 4, 6
_INT8, _INT32, _UINT32, _FLOAT64, _MATRIX, _COMPRESSED = 1, 5, 6, 9, 14, 15
_DEEP = 2000
_IMAGE = f"{wnid_of(1)}_0"


@functools.cache
def compressed() -> Files:
    return _files(compress=True)


@functools.cache
def plain() -> Files:
    return _files(compress=False)


@functools.cache
def validated() -> Files:
    """With validation images, whose labels are in a text."""
    ids = ("ILSVRC2010_val_00000002", "ILSVRC2010_val_00000001")
    return {**compressed(), _VALIDATION: _sbow(ids, compress=True)}


@functools.cache
def plain_meta() -> Files:
    """With a list of classes that is not compressed, so that what is changed in it is met."""
    meta = _kit()[META]
    assert isinstance(meta, bytes)
    size = struct.unpack_from("<I", meta, _HEADER + 4)[0]
    return {**compressed(), META: _HEAD + zlib.decompress(meta[_HEADER + 8 : _HEADER + 8 + size])}


def _files(*, compress: bool) -> Files:
    one, other = (tuple(f"{wnid_of(number)}_{row}" for row in range(2)) for number in (1, 7))
    return {**_kit(), FEATURES: _sbow(one, compress=compress), _OTHER: _sbow(other, compress=True)}


@functools.cache
def _kit() -> Files:
    with tempfile.TemporaryDirectory() as folder:
        kit = write_kit(Path(folder), truth=(3, 999))
        return {META: _dateless((kit / KIT).read_bytes()), GROUND_TRUTH: (kit / TRUTH).read_bytes()}


def _sbow(ids: tuple[str, ...], *, compress: bool) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        images = {image: [7, 7, 999, row] for row, image in enumerate(ids)}
        return _dateless(write_sbow(Path(folder, "x.mat"), images, compressed=compress).read_bytes())


def _dateless(content: bytes) -> bytes:
    return _HEAD + content[_HEADER:]


def cuts(content: bytes) -> range:
    return range(0, len(content), 8)


def beginning(content: bytes) -> range:
    """Return the offsets of the header, the fields' names, and the first classes."""
    return range(min(len(content), 2000))


def cases() -> Iterator[Case]:
    for name, make in _FEATURES.items():
        yield _case(name, FEATURES, make)
    for field, values in _SYNSETS.items():
        for what, value in values.items():
            yield _case(f"classes: {field} {what}", META, functools.partial(_meta, field, value))
    for what, content in _TRUTHS.items():
        yield _case(f"ground truth: {what}", GROUND_TRUTH, functools.partial(bytes, content))
    for what, files in _folders().items():
        yield Case(f"ilsvrc2010/{what}", IMPORT, lambda files=files: files, "out.h5", kept=KEPT)  # type: ignore[misc]


def _case(name: str, spoiled: str, make: Callable[[], bytes]) -> Case:
    return Case(f"ilsvrc2010/{name}", IMPORT, lambda: {**validated(), spoiled: make()}, "out.h5", kept=KEPT)


def _mat(**arrays: Any) -> bytes:
    memory = io.BytesIO()
    savemat(memory, arrays)
    return _dateless(memory.getvalue())


def _images(word: Any, image: Any = _IMAGE) -> bytes:
    return _mat(image_sbow=structs({"ID": [image], "sbow": [structs({"word": [word]})]}))


def _meta(field: str, value: Any) -> bytes:
    """Return a list of classes in which one field of the third is something else."""
    numbers = range(1, 1001)
    fields: dict[str, list[Any]] = {
        "ILSVRC2010_ID": [float(number) for number in numbers],
        "WNID": [wnid_of(number) for number in numbers],
        "words": [f"thing {number}" for number in numbers],
        "num_train_images": [3.0] * 1000,
    }
    fields[field][2] = value
    return _mat(synsets=structs(fields))


def _cells(depth: int) -> bytes:
    """Return a variable of so many cells in each other."""
    element = _variable(_DOUBLE, (0, 0), _element(_FLOAT64, b""), b"")
    for level in range(depth):
        element = _variable(_CELL, (1, 1), element, b"image_sbow" if level == depth - 1 else b"")
    return _HEAD + element


def _element(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def _variable(kind: int, dims: tuple[int, ...], content: bytes, name: bytes = b"image_sbow") -> bytes:
    """Return a variable by its parts: class, dimensions, name, and the elements that follow."""
    flags, axes = struct.pack("<II", kind, 0), struct.pack(f"<{len(dims)}i", *dims)
    head = _element(_UINT32, flags) + _element(_INT32, axes) + _element(_INT8, name)
    return _element(_MATRIX, head + content)


def _structs(dims: tuple[int, ...], length: int, names: bytes, content: bytes = b"") -> bytes:
    head = _element(_INT32, struct.pack("<i", length)) + _element(_INT8, names)
    return _HEAD + _variable(_STRUCT, dims, head + content)


def _bomb(size: int) -> bytes:
    packer = zlib.compressobj(9)
    packed = packer.compress(struct.pack("<II", _MATRIX, size))
    packed += b"".join(packer.compress(bytes(MEGABYTE)) for _ in range(size // MEGABYTE)) + packer.flush()
    return _HEAD + struct.pack("<II", _COMPRESSED, len(packed)) + packed


def _packed(element: bytes) -> bytes:
    packed = zlib.compress(element)
    return struct.pack("<II", _COMPRESSED, len(packed)) + packed


def _version_4() -> bytes:
    memory = io.BytesIO()
    savemat(memory, {"image_sbow": np.eye(3)}, format="4")
    return memory.getvalue()


def _hdf5() -> bytes:
    content = ours()[FILE]
    assert isinstance(content, bytes)
    return content


_NUMBERS = _element(_FLOAT64, bytes(24))
_LARGE = 2**31 - 1
_FEATURES: dict[str, Callable[[], bytes]] = {
    "another variable": lambda: _mat(sbow=np.zeros(3)),
    "a variable with control characters": lambda: _HEAD + _variable(_DOUBLE, (1, 3), _NUMBERS, b"\x1b[2J\n\x07"),
    "many variables": lambda: _HEAD + _variable(_DOUBLE, (1, 3), _NUMBERS, b"x") * 5000,
    "many compressed variables": lambda: _HEAD + _packed(_variable(_DOUBLE, (1, 3), _NUMBERS, b"x")) * 5000,
    "numbers": lambda: _mat(image_sbow=np.zeros((3, 3))),
    "text": lambda: _mat(image_sbow="text"),
    "truths": lambda: _mat(image_sbow=np.eye(3) > 0),
    "a sparse matrix": lambda: _mat(image_sbow=csc_matrix(np.eye(3))),
    "no images": lambda: _structs((0, 0), 8, b"ID\0\0\0\0\0\0sbow\0\0\0\0"),
    "no field sbow": lambda: _mat(image_sbow=structs({"ID": ["x"]})),
    "no field word": lambda: _mat(image_sbow=structs({"ID": ["x"], "sbow": [structs({"x": [3]})]})),
    "sbow of numbers": lambda: _mat(image_sbow=structs({"ID": ["x"], "sbow": [np.zeros(3)]})),
    "several sbow": lambda: _mat(image_sbow=structs({"ID": ["x"], "sbow": [structs({"word": [1, 2]})]})),
    "an image's name of numbers": lambda: _images([[1]], image=np.zeros(3)),
    "an image's name of another class": lambda: _images([[1]], image="n99999999_1"),
    "an image's name with control characters": lambda: _images([[1]], image="\x1b[2J\n\x07"),
    "an image's name without end": lambda: _images([[1]], image="n" * 100_000),
    "two images' names in one": lambda: _images([[1]], image=np.array(["ab", "cd"])),
    "no words": lambda: _images(np.zeros((0, 0))),
    "words as text": lambda: _images("text"),
    "words as truths": lambda: _images(np.eye(3) > 0),
    "words in a cell": lambda: _images(structs({"word": [1]})),
    "word NaN": lambda: _images([[np.nan]]),
    "word infinite": lambda: _images([[np.inf]]),
    "word -1": lambda: _images(np.array([[-1]], np.int16)),
    "word 1000": lambda: _images(np.array([[1000]], np.int16)),
    "word 0.5": lambda: _images([[0.5]]),
    "word of 1e300": lambda: _images([[1e300]]),
    "word beyond int64": lambda: _images(np.array([[2**64 - 1]], np.uint64)),
    "word -2^63": lambda: _images(np.array([[-(2**63)]], np.int64)),
    "complex words": lambda: _images(np.array([[1j]])),
    "a million words": lambda: _images(np.full((1, 10**6), 7, np.int16)),
    "MATLAB v4": _version_4,
    "MATLAB v7.3": lambda: _HEAD.ljust(512, b"\0") + _hdf5(),
    "HDF5": _hdf5,
    "a header alone": lambda: _HEAD,
    "half a header": lambda: _HEAD[:100],
    "big-endian, it says": lambda: _HEAD[:124] + b"\x01\x00MI" + _mat(image_sbow=3)[_HEADER:],
    "cells in each other": lambda: _cells(7),
    "cells in each other without end": lambda: _cells(_DEEP),
    "a bomb of 32 MB": lambda: _bomb(32 * MEGABYTE),
    "compressed twice": lambda: _HEAD + _packed(_packed(_variable(_DOUBLE, (1, 3), _NUMBERS))),
    "compressed nothing": lambda: _HEAD + _packed(b""),
    "absurd dimensions": lambda: _HEAD + _variable(_DOUBLE, (_LARGE, _LARGE), _NUMBERS),
    "absurd dimensions of cells": lambda: _HEAD + _variable(_CELL, (_LARGE, _LARGE), b""),
    "absurd dimensions of text": lambda: _HEAD + _variable(_CHAR, (_LARGE, 1), _element(16, b"abc")),
    "absurd structs": lambda: _structs((_LARGE, _LARGE), 8, b"ID\0\0\0\0\0\0"),
    "structs without fields": lambda: _structs((1000, 1000), 8, b""),
    "one struct without fields": lambda: _structs((1, 1), 8, b""),
    "no dimensions": lambda: _HEAD + _variable(_DOUBLE, (), _NUMBERS),
    "32 dimensions": lambda: _HEAD + _variable(_DOUBLE, (1,) * 31 + (3,), _NUMBERS),
    "33 dimensions": lambda: _HEAD + _variable(_DOUBLE, (1,) * 33, _NUMBERS),
    "negative dimensions": lambda: _HEAD + _variable(_DOUBLE, (-1, -3), _NUMBERS),
    "a name of 64 letters": lambda: _HEAD + _variable(_DOUBLE, (1, 3), _NUMBERS, b"n" * 64),
    "a name of nothing": lambda: _HEAD + _variable(_DOUBLE, (1, 3), _NUMBERS, b""),
    "fields' names of length 0": lambda: _structs((1, 1), 0, b"ID"),
    "fields' names of length -1": lambda: _structs((1, 1), -1, b"ID"),
    "fields' names of length 2^31": lambda: _structs((1, 1), _LARGE, b"ID"),
    "fields of one name": lambda: _structs((0, 1), 8, b"ID\0\0\0\0\0\0" * 2),
    "fields' names that are none": lambda: _structs((0, 1), 8, b"\x1b[2J\n\xff\xfe\0"),
    "thousands of fields": lambda: _structs((0, 1), 8, b"".join(b"f%07d" % number for number in range(5000))),
    "words of a missing type": lambda: _HEAD + _variable(_DOUBLE, (1, 3), _element(77, bytes(24))),
    **{
        f"a value of class {kind}": functools.partial(_HEAD.__add__, _variable(kind, (1, 3), _NUMBERS))
        for kind in (0, 3, 5, *range(16, 20), 255)
    },
}

_SYNSETS: Mapping[str, Mapping[str, Any]] = {
    "ILSVRC2010_ID": {"there twice": 2.0, "NaN": np.nan, "of 1e300": 1e300},
    "WNID": {"there twice": wnid_of(2), "of numbers": 3.0, "without end": "n" * 100_000},
    "words": {"with control characters": "\x1b[2J\n\x07", "empty": ""},
    "num_train_images": {"of 1e300": 1e300},
}

_TRUTHS = {
    "empty": b"",
    "of 0": b"0\n0\n",
    "of 1001": b"1001\n3\n",
    "of fractions": b"1.5\n2\n",
    "of control characters": b"\x1b[2J\n\x07\n",
    "of digits without end": b"9" * 10**6,
    "of other digits": "\u0663\n\u0664\n".encode(),
    "in UTF-16": "3\n4\n".encode("utf-16"),
    "of a million lines": b"1\n" * 10**6,
    "of 17 MB": bytes(17 * MEGABYTE),
}


def _folders() -> dict[str, Files]:
    return {
        "no features": {**_kit(), "f/x": b""},
        "validation alone": {name: content for name, content in validated().items() if "train" not in name},
        "features by another name": {**compressed(), "f/train/x.sbow.mat": b""},
        "features of a class that is none": {**compressed(), "f/train/n00000001.sbow.mat": b""},
        "features that are there twice": {**compressed(), f"f/{Path(FEATURES).name}": b""},
        "another class' features": {**compressed(), FEATURES: compressed()[_OTHER]},
        "a part that is none": {**compressed(), f"{KEPT}/{Path(FEATURES).name}.npz": b"x"},
        "parts that are a file": {**compressed(), KEPT: b"x"},
    }
