"""Pickles of plain values and of NumPy's arrays of numbers, read without executing anything.

Python's own unpickler is not used, not even restricted by `find_class`: a few bytes make it reserve gigabytes (an index
of its memo, a length), hash nested tuples for ever or overflow the stack. Here a loop over the opcodes builds values
of plain types. The opcodes are those of `pickletools`, protocols 0 to 5, without those that make other objects.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Any

from capacity.data.importers.pickle_machine import Machine
from capacity.errors import InputError

MAX_OPCODES = 1_000_000
"""More values than a pickle of a few arrays needs; bounds the time, and the memory that many tiny values take."""

_LONGEST_INTEGER = 8  # bytes
_LONGEST_NUMBER = 21  # characters, with sign and L
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|[\\'\"ntr])")
_ESCAPED = {b"n": b"\n", b"t": b"\t", b"r": b"\r"}


def read_pickle(data: bytes, what: str) -> Any:
    """Return what a pickle holds, when that is plain values and arrays of numbers.

    Parameters
    ----------
    data : bytes
        The pickle, of any protocol, by Python 2 or 3. What follows its end is left alone.
    what : str
        Names the file in messages.

    Returns
    -------
    object
        None, bool, int (of 64 bits), float, bytes (also Python 2's str), str, list, tuple, dict or ndarray; arrays
        are found alone or in the outermost list, tuple or dict.

    Raises
    ------
    InputError
        The pickle is damaged or truncated, would make another object or call anything (named), or takes more than its
        share of time or memory.
    """
    machine = Machine(data, what)
    try:
        for _ in range(MAX_OPCODES):
            opcode = machine.take(1)
            if opcode == b".":
                return machine.result()
            if opcode not in OPCODES:
                raise InputError(
                    f"{what} is no pickle of plain arrays: the opcode {opcode!r} at byte {machine.position - 1} would "
                    "make another object, and nothing in a pickle is executed"
                )
            OPCODES[opcode](machine)
    except InputError:
        raise
    except (IndexError, KeyError, ValueError, TypeError, OverflowError, struct.error) as error:
        raise InputError(
            f"{what} is a damaged or truncated pickle (near byte {machine.position}): fetch it again"
        ) from error
    raise InputError(f"{what} holds more than {MAX_OPCODES} values: expected a pickle of a few arrays")


def _integer(line: bytes) -> int | bool:
    """Read an integer in digits; 00 and 01 are the booleans of protocol 0."""
    if line in (b"00", b"01"):
        return line == b"01"
    if len(line) > _LONGEST_NUMBER:
        raise ValueError
    return int(line.removesuffix(b"L"))


def _long(raw: bytes) -> int:
    if len(raw) > _LONGEST_INTEGER:
        raise ValueError
    return int.from_bytes(raw, "little", signed=True)


def _quoted(line: bytes) -> bytes:
    """Read a Python 2 string in quotes."""
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise ValueError
    return _ESCAPE.sub(_unescaped, line[1:-1])


def _unescaped(match: re.Match[bytes]) -> bytes:
    code = match[1]
    return bytes([int(code[1:], 16)]) if code[:1] == b"x" else _ESCAPED.get(code, code)


def _dict(machine: Machine) -> None:
    items = machine.marked()
    machine.push({})
    machine.update(items)


def _set_item(machine: Machine) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    machine.update([key, value])


def _stack_global(machine: Machine) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    machine.find(module, name)


_Opcode = Callable[[Machine], Any]


def _pushes(read: Callable[[Machine], Any]) -> _Opcode:
    return lambda m: m.push(read(m))


def _counted(code: str, decode: Callable[[bytes], Any] = bytes) -> _Opcode:
    """Return the opcode that pushes a value whose length is given before it."""
    return _pushes(lambda m: decode(m.take(m.number(code))))


def _remembers(index: Callable[[Machine], int]) -> _Opcode:
    return lambda m: m.memo.update({index(m): m.stack[-1]})


def _recalls(index: Callable[[Machine], int]) -> _Opcode:
    return _pushes(lambda m: m.memo[index(m)])


OPCODES: dict[bytes, _Opcode] = {
    b"\x80": lambda m: m.take(1),  # protocol
    b"\x95": lambda m: m.take(8),  # length of a frame
    b"(": lambda m: m.mark(),
    b"0": lambda m: m.stack.pop(),
    b"1": lambda m: m.marked(),
    b"2": _pushes(lambda m: m.stack[-1]),
    b"N": lambda m: m.push(None),
    b"\x88": lambda m: m.push(True),
    b"\x89": lambda m: m.push(False),
    b"I": _pushes(lambda m: _integer(m.line())),
    b"L": _pushes(lambda m: _integer(m.line())),
    b"J": _pushes(lambda m: m.number("<i")),
    b"K": _pushes(lambda m: m.number("<B")),
    b"M": _pushes(lambda m: m.number("<H")),
    b"\x8a": _counted("<B", _long),
    b"\x8b": _counted("<i", _long),
    b"F": _pushes(lambda m: float(m.line())),
    b"G": _pushes(lambda m: struct.unpack(">d", m.take(8))[0]),
    b"S": _pushes(lambda m: _quoted(m.line())),
    b"T": _counted("<i"),
    b"U": _counted("<B"),
    b"B": _counted("<I"),
    b"C": _counted("<B"),
    b"\x8e": _counted("<Q"),
    b"\x96": _counted("<Q"),
    b"V": _pushes(lambda m: m.line().decode("raw-unicode-escape")),
    b"X": _counted("<I", bytes.decode),
    b"\x8c": _counted("<B", bytes.decode),
    b"\x8d": _counted("<Q", bytes.decode),
    b"]": lambda m: m.push([]),
    b"l": _pushes(lambda m: m.marked()),
    b"a": lambda m: m.extend([m.stack.pop()]),
    b"e": lambda m: m.extend(m.marked()),
    b")": lambda m: m.push(()),
    b"t": _pushes(lambda m: tuple(m.marked())),
    b"\x85": lambda m: m.gather(1),
    b"\x86": lambda m: m.gather(2),
    b"\x87": lambda m: m.gather(3),
    b"}": lambda m: m.push({}),
    b"d": _dict,
    b"s": _set_item,
    b"u": lambda m: m.update(m.marked()),
    b"p": _remembers(lambda m: int(m.line())),
    b"q": _remembers(lambda m: m.number("<B")),
    b"r": _remembers(lambda m: m.number("<I")),
    b"\x94": _remembers(lambda m: len(m.memo)),
    b"g": _recalls(lambda m: int(m.line())),
    b"h": _recalls(lambda m: m.number("<B")),
    b"j": _recalls(lambda m: m.number("<I")),
    b"c": lambda m: m.find(m.line().decode(), m.line().decode()),
    b"\x93": _stack_global,
    b"R": lambda m: m.call(),
    b"b": lambda m: m.build(),
}
"""What each opcode does, by its byte."""
