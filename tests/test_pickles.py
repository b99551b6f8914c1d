"""Pickles read without executing them: the same values as Python's own unpickler, and nothing that it would do."""

from __future__ import annotations

import contextlib
import os
import pickle
import pickletools
import struct
import time
import tracemalloc
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.data.importers.pickles import OPCODES, read_pickle
from capacity.errors import InputError
from tests.data_files import python2_pickle

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=300),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text() | st.binary(), inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
    ),
)
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


@given(PLAIN, st.sampled_from(PROTOCOLS))
def test_plain_values_are_those_of_pickle(value: Any, protocol: int) -> None:
    assert read_pickle(pickle.dumps(value, protocol), "p") == value


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i4", "<u8", "f2", "<f4", ">f8", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_numbers(protocol: int, dtype: str, order: Any) -> None:
    array = np.array([[0, 1, 2], [3, 127, 5]]).astype(dtype, order=order)
    values = {"a": array, b"b": array[:, :0], "s": np.dtype(dtype).type(1), "n": [1, 2]}
    found = read_pickle(pickle.dumps(values, protocol), "p")
    assert list(found) == ["a", b"b", "s", "n"]
    np.testing.assert_array_equal(found["a"], array)
    assert found["a"].dtype == array.dtype
    assert found[b"b"].shape == (2, 0)
    assert (found["s"], found["n"]) == (1, [1, 2])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the name numpy.core, which Python's unpickler imports
def test_pickles_of_python_2() -> None:
    images = np.arange(12, dtype=np.uint8).reshape(2, 6)
    data = python2_pickle({"data": images, "labels": [3, 300, 70000], "name": "x" * 300})
    found, same = read_pickle(data, "p"), pickle.loads(data, encoding="bytes")
    np.testing.assert_array_equal(found.pop(b"data"), images)
    np.testing.assert_array_equal(same.pop(b"data"), images)
    assert found == same == {b"labels": [3, 300, 70000], b"name": b"x" * 300}
    text = b"(dp1\nS'label_names'\np2\n(lp3\nS'air\\tplane\\x41'\np4\naS\"b'd\"\nas."  # protocol 0, as batches.meta is
    assert read_pickle(text, "p") == pickle.loads(text, encoding="bytes") == {b"label_names": [b"air\tplaneA", b"b'd"]}


class Hostile:
    """Pickles as a call of anything."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self._call = call, arguments

    def __reduce__(self) -> Any:
        return self._call


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_calls_are_refused_by_name_and_not_done(tmp_path: Path, protocol: int) -> None:
    victim = tmp_path / "made"
    for call, arguments, name in (
        (os.mkdir, (str(victim),), "posix.mkdir" if os.name == "posix" else "mkdir"),
        (eval, (f"__import__('os').mkdir({str(victim)!r})",), "eval"),
        (np.fromfile, ("/etc/passwd",), "numpy.*fromfile"),
        (OrderedDict, (), "collections.OrderedDict"),
    ):
        with pytest.raises(InputError, match=f"^p wants to use '.*{name}': expected arrays of numbers"):
            read_pickle(pickle.dumps({"data": Hostile(call, *arguments)}, protocol), "p")
    assert not victim.exists()


@pytest.mark.parametrize("value", [{1, 2}, 1j, np.array(["a"]), np.array([1], object), np.zeros(2, "i4,f8"), Path("x")])
def test_other_objects_are_refused(value: Any) -> None:
    for protocol in PROTOCOLS:
        with pytest.raises(InputError):
            read_pickle(pickle.dumps([value], protocol), "p")


ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
BYTE = b"cnumpy\ndtype\n(S'u1'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI0\ntb"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "damaged or truncated pickle"),
        (b".", "damaged"),
        (b"(.", "damaged"),
        (b"I1\n", "damaged"),
        (b"T\xff\xff\xff\x7fabc.", "damaged"),
        (b"T\xff\xff\xff\xffabc.", "damaged"),
        (b"\x8e" + b"\xff" * 8 + b".", "damaged"),
        (b"\x96" + struct.pack("<Q", 2**40) + b".", "damaged"),
        (b"L" + b"9" * 100_000 + b"L\n.", "damaged"),
        (b"\x8b" + struct.pack("<i", 100_000) + b"\xff" * 100_000 + b".", "damaged"),
        (b"}((I1\nttI1\ns.", "damaged"),  # a tuple for a key
        (b"}]I1\ns.", "damaged"),  # a list for a key
        (b"h\x00.", "damaged"),
        (b"I1\nI2\na.", "damaged"),
        (b"U\x01abI1\nR.", "opcode b'b'|damaged|objects"),
        (b"cos\nsystem\n.", "'os.system'"),
        (b"cnumpy\nndarray\n.", "damaged"),
        (b"cnumpy\nndarray\n(I9\ntR.", "damaged"),
        (b"\x8c\x02os\x8c\x06system\x93.", "'os.system'"),
        (b"U\x02osU\x06system\x93.", "damaged"),
        (b"Pid\n.", "opcode b'P'"),
        (b"(S'ls'\nios\nsystem\n.", "opcode b'i'"),
        (b"(cos\nsystem\nS'ls'\no.", "'os.system'"),
        (b"\x82\x01.", "opcode"),
        (b"\x8f.", "opcode"),
        (b"\x97.", "opcode"),
        (ARRAY + b".", "damaged"),
        (ARRAY + b"(I1\n(I3\nt" + BYTE + b"I0\nS'ab'\ntb.", "shape does not fit its 2 bytes"),
        (ARRAY + b"(I1\n(I-1\nI-2\nt" + BYTE + b"I0\nS'ab'\ntb.", "shape does not fit"),
        (ARRAY + b"(I1\n(I1000000\nI1000000\nI0\nt" + BYTE + b"I0\nS''\ntb.", "shape does not fit"),
        (ARRAY + b"(I1\n(I2\nt" + BYTE + b"I0\n]tb.", "structures or objects"),
        (ARRAY + BYTE.replace(b"u1", b"O8"), "type 'O8'"),
        (ARRAY + BYTE.replace(b"'|'", b"'O'"), "type 'Ou1'"),
        (b"\n'\\q'\n.", "opcode"),
    ],
)
def test_damaged_and_hostile_pickles(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_pickle(data, "p")
    assert "\n" not in str(caught.value)


def nested_key() -> bytes:
    """A tuple that holds itself twice, 60 levels deep, as a key: its hash takes 2^60 steps."""
    return b"}I1\n" + b"2\x86" * 60 + b"I1\ns."


def deep(opcode: bytes) -> bytes:
    return b"N" + opcode * 50_000 + b"."


def encodes() -> bytes:
    """One text of 100 kB that is encoded again and again."""
    return (
        b"c_codecs\nencode\np0\nX"
        + struct.pack("<I", 100_000)
        + b"x" * 100_000
        + b"p1\n]"
        + (b"g0\n(g1\nX\x06\x00\x00\x00latin1tRa" * 10_000)
        + b"."
    )


@pytest.mark.parametrize(
    "data",
    [
        nested_key(),
        deep(b"\x85"),  # Python's unpickler makes it, and hashing it as a key overflows the stack
        b"]" + b"2a" * 20_000 + b".",  # a list that holds itself
        b"](" * 20_000 + b"e" * 20_000 + b".",
        b"I1\nr\xff\xff\xff\xff.",  # Python's unpickler makes room for 2^32 values
        encodes(),
    ],
    ids=["key", "deep", "self", "lists", "memo", "encode"],
)
def test_tricks_take_neither_time_nor_memory(data: bytes) -> None:
    began = time.monotonic()
    tracemalloc.start()
    try:
        with contextlib.suppress(InputError):
            read_pickle(data, "p")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 50 << 20
    assert time.monotonic() - began < 20  # the tricks would take for ever


def test_the_number_of_values_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capacity.data.importers.pickles.MAX_OPCODES", 1000)
    with pytest.raises(InputError, match="p holds more than 1000 values"):
        read_pickle(b"N" * 1000 + b".", "p")


@given(st.data())
def test_flipped_bytes_never_escape(data: st.DataObject) -> None:
    protocol = data.draw(st.sampled_from(PROTOCOLS))
    whole = bytearray(pickle.dumps({"data": np.arange(6, dtype="u1"), "labels": [1, 2], "n": ["a", b"b"]}, protocol))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_pickle(bytes(whole[: data.draw(st.integers(1, len(whole)))]), "p")
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017


def test_opcodes_are_those_of_pickle_without_the_makers_of_objects() -> None:
    all_of_them = {code.code.encode("latin-1"): code.name for code in pickletools.opcodes}
    assert {all_of_them[code] for code in all_of_them.keys() - OPCODES.keys()} == {
        "PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX",
        "EMPTY_SET", "ADDITEMS", "FROZENSET", "NEXT_BUFFER", "READONLY_BUFFER", "STOP",
    }  # fmt: skip
    assert OPCODES.keys() <= all_of_them.keys()
