"""Pickles that run programs, eat memory or go on for ever, made of opcodes by hand."""

from __future__ import annotations

import functools
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.hostile.case import CANARY, MEGABYTE

_KILL = f"rm {CANARY}".encode()
_UNLINK = f"__import__('os').unlink('{CANARY}')".encode()


class _Bomb:
    """Calls something when a pickle of it is loaded."""

    def __init__(self, call: Callable[..., Any], *arguments: Any) -> None:
        self._reduced = call, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self._reduced


def _text(text: bytes) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text


def _called(module: bytes, name: bytes, argument: bytes, *, stacked: bool = False) -> bytes:
    """Return a pickle that calls MODULE.NAME with a text."""
    found = _text(module) + _text(name) + b"\x93" if stacked else b"c" + module + b"\n" + name + b"\n"
    return b"\x80\x04" + found + _text(argument) + b"\x85R."


def _array(shape: bytes, *, code: bytes = b"u1", raw: bytes = b"abc", state: bytes = b"") -> bytes:
    """Return an array as NumPy pickles it, with a shape, a type and bytes that need not fit."""
    kind = b"cnumpy\ndtype\nU" + bytes([len(code)]) + code + b"K\x00K\x01\x87R" + state
    made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    return b"\x80\x02" + made + b"(K\x01" + shape + kind + b"\x89U" + bytes([len(raw)]) + raw + b"tb."


def _nested(opening: bytes, closing: bytes, depth: int) -> bytes:
    return b"\x80\x02" + opening * depth + closing * depth + b"."


RUN: dict[str, Callable[[], bytes]] = {
    "os.system": lambda: _called(b"os", b"system", _KILL),
    "posix.system": lambda: _called(b"posix", b"system", _KILL),
    "os.system by STACK_GLOBAL": lambda: _called(b"os", b"system", _KILL, stacked=True),
    "os.unlink": lambda: _called(b"os", b"unlink", str(CANARY).encode()),
    "shutil.rmtree": lambda: _called(b"shutil", b"rmtree", b".."),
    "subprocess.getoutput": lambda: _called(b"subprocess", b"getoutput", _KILL),
    "builtins.eval": lambda: _called(b"builtins", b"eval", _UNLINK),
    "builtins.exec": lambda: _called(b"builtins", b"exec", _UNLINK),
    "__builtin__.eval": lambda: _called(b"__builtin__", b"eval", _UNLINK),
    "builtins.getattr": lambda: _called(b"builtins", b"getattr", b"x"),
    "builtins.__import__": lambda: _called(b"builtins", b"__import__", b"antigravity"),
    "a dotted name": lambda: _called(b"builtins", b"open.__class__", _UNLINK, stacked=True),
    "a name within what may be called": lambda: _called(b"numpy", b"dtype.__class__", b"u1", stacked=True),
    "a method of an array": lambda: _called(b"numpy", b"ndarray.tofile", str(CANARY).encode(), stacked=True),
    "numpy.load": lambda: _called(b"numpy", b"load", str(CANARY).encode()),
    "numpy.fromfile": lambda: _called(b"numpy", b"fromfile", str(CANARY).encode()),
    "numpy.memmap": lambda: _called(b"numpy", b"memmap", str(CANARY).encode()),
    "pickle in a pickle": lambda: _called(b"pickle", b"loads", b"x"),
    "an instance by INST": lambda: b"(" + _text(_KILL) + b"ios\nsystem\n.",
    "an instance by OBJ": lambda: b"(cos\nsystem\n" + _text(_KILL) + b"o.",
    "an instance by NEWOBJ": lambda: b"\x80\x02cos\nsystem\n" + _text(_KILL) + b"\x85\x81.",
    "an instance by NEWOBJ_EX": lambda: b"\x80\x04cos\nsystem\n" + _text(_KILL) + b"\x85}\x92.",
    "an extension": lambda: b"\x80\x02\x82\x01" + _text(_KILL) + b"\x85R.",
    "a persistent name": lambda: b"Pos.system\n.",
    "a persistent value": lambda: _text(_KILL) + b"Q.",
    "a set that is hashed": lambda: b"\x80\x04\x8f(" + _text(_KILL) + b"\x90.",
    "a buffer from outside": lambda: b"\x80\x05\x97.",
    **{
        f"__reduce__ of protocol {protocol}": functools.partial(
            pickle.dumps, _Bomb(os.system, _KILL.decode()), protocol
        )
        for protocol in range(6)
    },
    "__reduce__ in the data": lambda: pickle.dumps({"data": _Bomb(os.unlink, str(CANARY)), "fine_labels": [1]}, 2),
    "__reduce__ for a key": lambda: pickle.dumps({_Bomb(Path.unlink, CANARY): 1}, 2),
}

_EAT: dict[str, Callable[[], bytes]] = {
    "memo at 2^32 - 1": lambda: b"\x80\x02Nr\xff\xff\xff\xff.",
    "memo at 2^31": lambda: b"\x80\x02Nr\x00\x00\x00\x80.",
    "memo at a long number": lambda: b"Np" + b"9" * 5000 + b"\n.",
    "memo at -1": lambda: b"Np-1\ng-1\n.",
    "memo of nothing": lambda: b"\x80\x02j\xff\xff\xff\xff.",
    "memo without end": lambda: b"\x80\x04N" + b"\x94" * 10**5 + b".",
    "lists doubled 64 times": lambda: b"\x80\x02]q\x00" + b"(h\x00h\x00lq\x00" * 64 + b".",
    "a list in itself": lambda: b"\x80\x02]q\x00h\x00a.",
    "a dict in itself": lambda: b"\x80\x02}q\x00K\x01h\x00s.",
    "texts doubled": lambda: b"\x80\x02" + _text(b"x" * 1000) + b"q\x00(" + b"h\x00" * 10**5 + b"l.",
    "tuples in each other": lambda: _nested(b")", b"\x85", 10**5),
    "lists in each other": lambda: _nested(b"]", b"a", 10**5),
    "dicts in each other": lambda: b"\x80\x02" + b"}K\x01" * 10**4 + b"N" + b"s" * 10**4 + b".",
    "a tuple for a key": lambda: b"\x80\x02}" + b")" + b"2\x86" * 60 + b"Ns.",
    "a list for a key": lambda: b"\x80\x02}]Ns.",
    "marks": lambda: b"(" * 10**5 + b".",
    "a mark on top": lambda: b"\x80\x02(.",
    "marks popped": lambda: b"(" * 10**5 + b"1" * 10**5 + b".",
    "opcodes without end": lambda: b"\x80\x02" + b"N0" * 501_000 + b".",
    "bytes of 4 GB": lambda: b"\x80\x03B\xff\xff\xff\xff.",
    "bytes of 2^64": lambda: b"\x80\x04\x8e" + b"\xff" * 8 + b".",
    "a bytearray of 2^63": lambda: b"\x80\x05\x96" + b"\xff" * 7 + b"\x7f.",
    "a text of 2^63": lambda: b"\x80\x04\x8d" + b"\xff" * 7 + b"\x7f.",
    "a string of -1": lambda: b"T\xff\xff\xff\xff.",
    "a frame of 2^64": lambda: b"\x80\x04\x95" + b"\xff" * 8 + b"N.",
    "a long of 255 bytes": lambda: b"\x80\x02\x8a\xff" + b"\xff" * 255 + b".",
    "a long of 2 GB": lambda: b"\x80\x02\x8b\xff\xff\xff\x7f.",
    "a long of -1 bytes": lambda: b"\x80\x02\x8b\xff\xff\xff\xff.",
    "digits without end": lambda: b"L" + b"9" * MEGABYTE + b"L\n.",
    "a fraction without end": lambda: b"F" + b"9" * MEGABYTE + b"\n.",
    "an escape without end": lambda: b"S'" + b"\\" * MEGABYTE + b"'\n.",
    "escapes of no character": lambda: b"V\\ud800\\U00110000\n.",
    "lone surrogates for a key": lambda: b"\x80\x02}V\\ud800\nNs.",
    "control characters for a key": lambda: b"\x80\x02}V\x1b[2J\nNs.",
    "an array of 10^18": lambda: _array(b"\x8a\x08" + struct.pack("<q", 10**18) + b"\x85"),
    "an array of -3": lambda: _array(b"J" + struct.pack("<i", -3) + b"\x85"),
    "an array of 2^63 x 2": lambda: _array(b"\x8a\x08" + struct.pack("<q", 2**63 - 1) + b"K\x02\x86"),
    "an array of 0 x 10^9": lambda: _array(b"K\x00J" + struct.pack("<i", 10**9) + b"\x86", raw=b""),
    "an array of 70 axes": lambda: _array(b"(" + b"K\x01" * 70 + b"t"),
    "an array of truths for a shape": lambda: _array(b"\x88\x85", raw=b"a"),
    "an array of objects": lambda: _array(b"K\x03\x85", code=b"O8"),
    "an array of texts": lambda: _array(b"K\x03\x85", code=b"S1"),
    "an array of structures": lambda: _array(b"K\x03\x85", code=b"V1"),
    "an array of a type by words": lambda: _array(b"K\x03\x85", code=b"u1,(1000,1000)f8"),
    "an array of another type": lambda: _array(b"K\x03\x85", code=b"i1"),
    "an array of one axis": lambda: _array(b"K\x03\x85"),
    "an array in the making": lambda: (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R."
    ),
    "a type alone": lambda: b"\x80\x02cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R.",
    "a state for a number": lambda: b"\x80\x02K\x01}b.",
    "a state for a dict": lambda: b"\x80\x02}}b.",
    "a call of a text": lambda: b"\x80\x02" + _text(b"eval") + _text(_UNLINK) + b"\x85R.",
    "texts encoded again and again": lambda: (
        b"\x80\x02"
        + _text(b"x" * 10**5)
        + b"q\x000c_codecs\nencode\nq\x010"
        + b"h\x01h\x00"
        + b"X\x06\x00\x00\x00latin1\x86R0" * 1
        + b"h\x01h\x00X\x06\x00\x00\x00latin1\x86R" * 5000
        + b"."
    ),
}

_ODD: dict[str, Callable[[], bytes]] = {
    "nothing after the protocol": lambda: b"\x80\x02",
    "protocol 255": lambda: b"\x80\xffN.",
    "no end": lambda: b"\x80\x02N",
    "an empty stack": lambda: b"\x80\x02.",
    "a number": lambda: b"\x80\x02K\x01.",
    "None": lambda: b"\x80\x02N.",
    "an empty dict": lambda: b"\x80\x02}.",
    "rubbish after the end": lambda: b"\x80\x02}." + bytes(1000),
    "an unknown opcode": lambda: b"\x80\x02\xff.",
    "an odd number of items": lambda: b"\x80\x02}(K\x01u.",
    "labels of fractions": lambda: pickle.dumps({"data": [], "fine_labels": [0.5]}, 2),
    "a module that is no text": lambda: b"\x80\x04K\x01K\x02\x93.",
    "a name with control characters": lambda: b"cos\x1b[2J\nsystem\x07\n.",
    "a name without end": lambda: b"c" + b"x" * MEGABYTE + b"\nsystem\n.",
    "a name in Latin-1": lambda: b"c\xff\nsystem\n.",
}

EVIL = {**RUN, **_EAT, **_ODD}
"""Name -> the pickle; none of them is a batch of images or names. Those of `RUN` would run something."""
