"""HDF5 files that are whole, and hostile by what they say."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import h5py
import numpy as np

from tests.hostile.case import CANARY, Case, Files
from tests.hostile.hdf5_seeds import FILE, X, Y, made

SWEEP = tuple(f"sweep --widths 2 --epochs 1 --seeds 1 --batch 4 --quiet --out study {FILE}".split())
ABSURD = 10**15
_OTHER = "other.h5"


def _with_features(**storage: Any) -> Callable[[Any], None]:
    """Return what fills a file with good labels and odd features."""

    def fill(file: Any) -> None:
        file["train/labels"] = Y
        file.create_dataset("train/features", **storage)

    return fill


def _with_labels(**storage: Any) -> Callable[[Any], None]:
    def fill(file: Any) -> None:
        file["train/features"] = X
        file.create_dataset("train/labels", **storage)

    return fill


def _good(file: Any) -> None:
    file["train/features"], file["train/labels"] = X, Y


def _with_attribute(key: str, value: Any, **kind: Any) -> Callable[[Any], None]:
    def fill(file: Any) -> None:
        _good(file)
        file.attrs.create(key, value, **kind)

    return fill


def _with_link(key: str, link: Any) -> Callable[[Any], None]:
    def fill(file: Any) -> None:
        _good(file)
        file["else"] = Y
        if key in file:
            del file[key]
        file[key] = link

    return fill


def _cycle(file: Any) -> None:
    group = file.create_group("train")
    group["features"] = group
    group["labels"] = file["/"]


def _deep_cycle(file: Any) -> None:
    _good(file)
    for name in ("a", "b", "c"):
        file["train"][name] = file["/"]
    file["test"] = file["train"]


def _committed(file: Any) -> None:
    file["train/labels"] = Y
    file["kind"] = np.dtype("u1")
    file.create_dataset("train/features", data=X, dtype=file["kind"])


def _type_for_array(file: Any) -> None:
    file["train/labels"] = Y
    file["train/features"] = np.dtype("u1")


def _references(file: Any) -> None:
    _good(file)
    del file["train/labels"]
    file.create_dataset("train/labels", data=[file["train"].ref] * 8, dtype=h5py.ref_dtype)


def _regions(file: Any) -> None:
    _good(file)
    region = file["train/features"].regionref[:2]
    del file["train/labels"]
    file.create_dataset("train/labels", data=[region] * 8, dtype=h5py.regionref_dtype)


def _virtual(file: Any) -> None:
    file["train/labels"] = Y
    layout = h5py.VirtualLayout((8, 3), "u1")
    layout[:] = h5py.VirtualSource(_OTHER, "train/features", (8, 3))
    file.create_virtual_dataset("train/features", layout)


def _virtual_here(file: Any) -> None:
    file["x"], file["train/labels"] = X, Y
    layout = h5py.VirtualLayout((8, 3), "u1")
    layout[:] = h5py.VirtualSource(".", "x", (8, 3))
    file.create_virtual_dataset("train/features", layout)


def _raw_type(kind: Any, key: str = "train/features") -> Callable[[Any], None]:
    """Return what fills a file with an array of a type that only HDF5 has."""

    def fill(file: Any) -> None:
        _good(file)
        del file[key]
        shape = (8, 3) if key.endswith("features") else (8,)
        h5py.h5d.create(file.id, key.encode(), kind, h5py.h5s.create_simple(shape))

    return fill


def _ragged_names(file: Any) -> None:
    _good(file)
    names = np.empty(3, object)
    names[:] = [np.zeros(count, "u1") for count in (1, 2, 3)]
    file.attrs.create("class_names", names, dtype=_NUMBERS)


def _wide_group(file: Any) -> None:
    _good(file)
    for number in range(500):
        file.create_group(f"train/group {number}")


def _names(count: int) -> list[str]:
    return [f"{number}" for number in range(count)]


_TEXT, _NUMBERS = h5py.string_dtype(), h5py.vlen_dtype(np.dtype("u1"))
_PAIRS = np.dtype([("a", "u1"), ("b", "i4")])
_CHUNKS = {"chunks": (1024, 3), "dtype": "u1"}

_REFUSED: dict[str, Callable[[Any], None]] = {
    "external link": _with_link("train/features", h5py.ExternalLink(_OTHER, "/train/features")),
    "external link to a device": _with_link("train/features", h5py.ExternalLink("/dev/zero", "/x")),
    "external link of a group": _with_link("train", h5py.ExternalLink(f"../{CANARY}", "/")),
    "external link of the test split": _with_link("test", h5py.ExternalLink(_OTHER, "/train")),
    "external link of labels": _with_link("train/labels", h5py.ExternalLink("/etc/passwd", "/")),
    "soft link": _with_link("train/labels", h5py.SoftLink("/else")),
    "soft link to itself": _with_link("train/features", h5py.SoftLink("/train/features")),
    "soft link to nothing": _with_link("train/features", h5py.SoftLink("/nowhere")),
    "group cycle": _cycle,
    "group for an array": lambda file: file.create_group("train/features/x"),
    "array for a group": lambda file: file.create_dataset("train", data=X),
    "type for an array": _type_for_array,
    "object references": _references,
    "region references": _regions,
    "virtual": _virtual,
    "virtual of itself": _virtual_here,
    "external storage": _with_features(shape=(8, 3), dtype="u1", external=[("/etc/passwd", 0, 24)]),
    "external storage of labels": _with_labels(shape=(8,), dtype="i4", external=[(FILE, 0, 32)]),
    "texts": _with_features(data=np.full((8, 3), b"x")),
    "texts of any length": _with_labels(data=["a"] * 8, dtype=_TEXT),
    "rows of any length": _with_labels(shape=(8,), dtype=_NUMBERS),
    "rows of any length as features": _with_features(shape=(8, 3), dtype=_NUMBERS),
    "compound features": _with_features(data=np.zeros((8, 3), _PAIRS)),
    "compound labels": _with_labels(data=np.zeros(8, _PAIRS)),
    "arrays for elements": _with_features(shape=(8,), dtype=np.dtype(("u1", (3,)))),
    "opaque": _with_features(data=np.zeros((8, 3), "V16")),
    "complex": _with_features(data=np.zeros((8, 3), "c8")),
    "bit field": _raw_type(h5py.h5t.STD_B8LE),
    "bit field labels": _raw_type(h5py.h5t.STD_B32LE, "train/labels"),
    "time": _raw_type(h5py.h5t.UNIX_D32LE),
    "no shape": _with_features(dtype="u1", shape=None, data=h5py.Empty("u1")),
    "no shape of labels": _with_labels(dtype="u1", shape=None, data=h5py.Empty("i4")),
    "one number": _with_features(data=3),
    "one label": _with_labels(data=3),
    "three axes": _with_features(data=np.zeros((8, 3, 1))),
    "32 axes": _with_features(data=np.zeros((1,) * 32)),
    "no rows": _with_features(shape=(0, 3), dtype="u1"),
    "no columns": _with_features(shape=(8, 0), dtype="u1"),
    "no labels": _with_labels(shape=(0,), dtype="i4"),
    "absurd rows": _with_features(shape=(ABSURD, 3), **_CHUNKS),
    "absurd rows of float64": _with_features(shape=(ABSURD, 3), chunks=(1024, 3), dtype="f8"),
    "absurd rows, filled": _with_features(shape=(ABSURD, 3), fillvalue=1, compression="gzip", **_CHUNKS),
    "absurd columns": _with_features(shape=(8, ABSURD), chunks=(8, 1024), dtype="u1"),
    "absurd rows not in chunks": _with_features(shape=(10**9, 3), dtype="u1"),
    "absurd labels": _with_labels(shape=(ABSURD,), chunks=(1024,), dtype="i4"),
    "absurd labels not in chunks": _with_labels(shape=(10**12,), dtype="i4"),
    "absurd chunk": _with_features(shape=(8, 3), maxshape=(None, None), chunks=(10**6, 2000), dtype="u1"),
    "labels beyond int32": _with_labels(data=np.full(8, 2**63, np.uint64)),
    "labels of a million classes": _with_labels(data=np.array([0, 2**31 - 2] * 4)),
    "negative labels": _with_labels(data=-Y),
    "NaN": _with_features(data=np.full((8, 3), np.nan)),
    "infinity": _with_features(data=np.full((8, 3), 1e300)),
    "one class": _with_labels(data=Y * 0),
    "fewer labels": _with_labels(data=Y[:5]),
    "half the test split": lambda file: (_good(file), file.create_dataset("test/labels", data=Y)),
    "absurd classes": _with_attribute("classes", 2**31),
    "more classes than numbers": _with_attribute("classes", 2**63, dtype="u8"),
    "negative classes": _with_attribute("classes", -1),
    "classes as text": _with_attribute("classes", "three"),
    "classes as numbers": _with_attribute("classes", [3, 3]),
    "classes without shape": _with_attribute("classes", h5py.Empty("i4")),
    "classes as fraction": _with_attribute("classes", 3.5),
    "classes as a pair": _with_attribute("classes", np.zeros((), _PAIRS)),
    "scale as text": _with_attribute("scale", "large"),
    "scale infinite": _with_attribute("scale", np.inf),
    "scale as numbers": _with_attribute("scale", np.ones(2)),
    "class names as numbers": _with_attribute("class_names", 7),
    "too many class names": _with_attribute("class_names", _names(1000)),
    "class names of any length of bytes": _ragged_names,
    "feature names without shape": _with_attribute("feature_names", h5py.Empty(_TEXT)),
    "name of bytes": _with_attribute("name", np.bytes_(b"\xff\xfe")),
    "another format": _with_attribute("format", "\x1b[2Jhostile\n" * 3),
    "a long format": _with_attribute("format", "x" * 60000),
    "a later version": _with_attribute("format_version", 2**40),
    "provenance deep": _with_attribute("provenance", "[" * 50000),
    "provenance deep object": _with_attribute("provenance", '{"a":' * 12000 + "1" + "}" * 12000),
    "provenance number": _with_attribute("provenance", "9" * 60000),
    "provenance long number": _with_attribute("provenance", '{"a": ' + "9" * 60000 + "}"),
    "nothing in it": lambda file: None,
}

_ALLOWED: dict[str, Callable[[Any], None]] = {
    "groups that hold the root": _deep_cycle,
    "committed type": _committed,
    "500 groups": _wide_group,
    "truths": _with_features(data=X > 3),
    "half precision": _with_features(data=X.astype("f2")),
    "quadruple precision": _with_features(data=X.astype("g")),
    "big-endian": _with_features(data=X.astype(">f8")),
    "enumeration": _with_features(data=X, dtype=h5py.enum_dtype({"a": 0, "b": 1}, "u1")),
    "lzf": _with_features(data=X, chunks=True, compression="lzf"),
    "scale-offset": _with_features(data=X, chunks=True, scaleoffset=0),
    "chunk larger than the array": _with_features(data=X, maxshape=(None, None), chunks=(64, 64)),
    "hard link": lambda file: (_good(file), file.__setitem__("test", file["train"])),
    "name with control characters": _with_attribute("name", "\x1b[2J\x07 bell"),
    "a digest with control characters": _with_attribute("digest", "\x1b[2J\x07"),
    "a digest without end": _with_attribute("digest", "x" * 60000),
    "a name without end": _with_attribute("name", "x" * 60000),
    "name of no length": _with_attribute("name", ""),
    "class names with control characters": _with_attribute("class_names", ["\x1b[2J", "\n", "\r"]),
    "a strange attribute": _with_attribute("mine", np.zeros(3, _PAIRS)),
    "classes in an array of one": _with_attribute("classes", [3]),
}


def cases() -> Iterator[Case]:
    """Yield each file for `capacity data info` and `capacity data check`, and the refused ones for `capacity sweep`."""
    info, check = ("data", "info", FILE), ("data", "check", FILE)
    for number, (name, fill) in enumerate(_REFUSED.items()):
        make = functools.partial(_files, fill)
        yield Case(f"hdf5/{name}", info, make, None, refused=True)
        if number % 4 == 0:
            yield Case(f"hdf5/{name}, sweep", SWEEP, make, "study", refused=True)
        if number % 2 == 0:
            yield Case(f"hdf5/{name}, checked", check, make, None)
    for name, fill in _ALLOWED.items():
        yield Case(f"hdf5/{name}", info, functools.partial(_files, fill), None)
        yield Case(f"hdf5/{name}, as JSON", (*info, "--json"), functools.partial(_files, fill), None)
        yield Case(f"hdf5/{name}, checked", check, functools.partial(_files, fill), None)

    name = "\x1b[2J\n.h5"  # what is read slowly is said, with the name of the file
    slow = functools.partial(made, _ALLOWED["scale-offset"])
    yield Case(
        "hdf5/read slowly, name of control characters", ("data", "info", name), lambda: {name: slow()[FILE]}, None
    )


def _files(fill: Callable[[Any], None]) -> Files:
    return {**made(fill, libver="v110"), _OTHER: made(_good)[FILE]}
