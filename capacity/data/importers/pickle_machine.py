"""The stack that a pickle works on, and the five things a pickle may call, each done here and not by what it names."""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capacity.errors import InputError

_MARK = object()
_CALLS = {
    "_codecs encode": "encode",
    "__builtin__ bytes": "bytes",
    "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
    **{
        f"numpy.{core}.{module} {name}": name
        for core in ("core", "_core")
        for module, name in (("multiarray", "_reconstruct"), ("multiarray", "scalar"), ("numeric", "_frombuffer"))
    },
}
_NUMBERS = re.compile(r"[<>|=]?([iu][1248]|f[248]|b1)")


@dataclass(frozen=True)
class _Call:
    """Stands for something a pickle may call, by its bare name."""

    name: str


@dataclass
class _Type:
    """Stands for a dtype while it is put together."""

    code: str
    order: str = "|"

    def dtype(self) -> np.dtype[Any]:
        made: np.dtype[Any] = np.dtype(self.code).newbyteorder(self.order)  # type: ignore[arg-type]
        return made


@dataclass
class _Array:
    """Stands for an array, which comes into being when its state arrives."""

    values: NDArray[Any] | None = None


class Machine:
    """What the opcodes of a pickle act on.

    Damage shows as an IndexError, KeyError, ValueError, TypeError, OverflowError or struct.error; what a pickle must
    not do, as an InputError.

    Parameters
    ----------
    data : bytes
        The pickle.
    what : str
        Names the file in messages.

    Attributes
    ----------
    position : int
        Of the next byte to read.
    stack, memo
        The values at work, and those remembered by number: a dict, as the numbers are the pickle's choice.
    """

    def __init__(self, data: bytes, what: str) -> None:
        self.data, self.what = data, what
        self.position = 0
        self.stack, self.memo = list[Any](), dict[int, Any]()
        self._made = 0  # bytes that calls have made anew: not more than the file has

    def take(self, count: int) -> bytes:
        """Return the next bytes; a length that the file does not have costs nothing."""
        if not 0 <= count <= len(self.data) - self.position:
            raise IndexError
        self.position += count
        return self.data[self.position - count : self.position]

    def line(self) -> bytes:
        """Return what comes before the next line end."""
        end = self.data.index(b"\n", self.position)
        line = self.take(end - self.position)
        self.position += 1
        return line

    def number(self, code: str) -> int:
        """Return the next number, of a type that `struct` names."""
        (number,) = struct.unpack(code, self.take(struct.calcsize(code)))
        return int(number)

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def mark(self) -> None:
        self.stack.append(_MARK)

    def marked(self) -> list[Any]:
        """Take what lies above the last mark, and the mark."""
        start = len(self.stack) - 1
        while self.stack[start] is not _MARK:
            start -= 1
            if start < 0:
                raise IndexError
        items = self.stack[start + 1 :]
        del self.stack[start:]
        return items

    def gather(self, count: int) -> None:
        """Make the last `count` values a tuple."""
        start = len(self.stack) - count
        if start < 0:
            raise IndexError
        self.stack[start:] = [tuple(self.stack[start:])]

    def extend(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise TypeError
        self.stack[-1].extend(items)

    def update(self, items: list[Any]) -> None:
        """Add keys and values, in turn, to the dict on top. A tuple is no key: its hash may never end."""
        keys = items[::2]
        if type(self.stack[-1]) is not dict or not all(type(key) in (bytes, str, int) for key in keys):
            raise TypeError
        self.stack[-1].update(zip(keys, items[1::2], strict=True))

    def find(self, module: Any, name: Any) -> None:
        """Push the stand-in for what a pickle wants to use, or refuse it."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError
        if f"{module} {name}" not in _CALLS:
            raise InputError(
                f"{self.what} wants to use '{_short(module)}.{_short(name)}': expected arrays of numbers, nothing else "
                "in a pickle is executed; do not open this file with other programs"
            )
        self.push(_Call(_CALLS[f"{module} {name}"]))

    def call(self) -> None:
        """Call the second value from the top with the tuple on top."""
        arguments, call = self.stack.pop(), self.stack.pop()
        if type(arguments) is not tuple or type(call) is not _Call:
            raise TypeError
        match call.name, arguments:
            case "_reconstruct", (_Call("ndarray"), (0,), bytes()):
                self.push(_Array())
            case "dtype", (str() | bytes() as code, *_):
                self.push(_Type(self._number_type(code)))
            case "scalar", (_Type() as kind, bytes() as raw):
                self.push(self._array(raw, kind, (), "C").item())
            case "_frombuffer", (bytes() as raw, _Type() as kind, tuple() as shape, str() as order):
                self.push(_Array(self._array(raw, kind, shape, order)))
            case "encode", (str() as text, "latin1" | "latin-1"):
                self._made += len(text)
                if self._made > len(self.data):
                    raise ValueError
                self.push(text.encode("latin-1"))
            case "bytes", ():  # how Python 3 writes empty ones for Python 2
                self.push(b"")
            case _:
                raise TypeError

    def build(self) -> None:
        """Give the second value from the top, an array or a type in the making, the state on top."""
        state, target = self.stack.pop(), self.stack[-1]
        match target, state:
            case _Array(None), (int(), tuple() as shape, _Type() as kind, bool() | int() as fortran, bytes() as raw):
                target.values = self._array(raw, kind, shape, "F" if fortran else "C")
            case _Type(), (int(), str() | bytes() as order, None, None, None, *_):
                self._number_type(_text(order) + target.code.lstrip("<>|="))
                target.order = _text(order)
            case _:
                raise InputError(f"{self.what} holds an array of structures or objects: expected numbers")

    def result(self) -> Any:
        """Return the value on top, with the arrays in it: they are looked for one level deep, nothing goes deeper."""
        value = self.stack.pop()
        if type(value) is dict:
            return {key: _finished(item) for key, item in value.items()}
        if type(value) in (list, tuple):
            return type(value)(map(_finished, value))
        return _finished(value)

    def _number_type(self, code: str | bytes) -> str:
        if not _NUMBERS.fullmatch(_text(code)):
            raise InputError(f"{self.what} holds an array of type '{_short(_text(code))}': expected numbers")
        return _text(code)

    def _array(self, raw: bytes, kind: _Type, shape: tuple[Any, ...], order: str) -> NDArray[Any]:
        """Return a view of bytes as an array; the shape is believed when it comes to just these bytes."""
        dtype = kind.dtype()
        plain = len(shape) <= 8 and all(type(side) is int and 0 <= side <= len(self.data) for side in shape)
        if not plain or math.prod(shape) * dtype.itemsize != len(raw):
            raise InputError(f"{self.what} holds an array whose shape does not fit its {len(raw)} bytes")
        return np.frombuffer(raw, dtype).reshape(shape, order="F" if order == "F" else "C")


def _finished(value: Any) -> Any:
    if value is _MARK or isinstance(value, (_Call, _Type)) or (isinstance(value, _Array) and value.values is None):
        raise TypeError
    return value.values if isinstance(value, _Array) else value


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _short(text: str) -> str:
    return ascii(text[:60])[1:-1]
