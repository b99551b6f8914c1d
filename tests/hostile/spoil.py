"""Ways to spoil a valid file: cut off, bytes changed, inserted, taken away, and several of them at once."""

from __future__ import annotations

import functools
import itertools
import random
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.hostile.case import Case, Files, Format, Seal

PATTERNS: tuple[Callable[[int], int], ...] = (
    lambda byte: 0x00 if byte else 0x01,
    lambda byte: 0xFF if byte != 0xFF else 0x7F,
    lambda byte: byte ^ 0x01,
    lambda byte: byte ^ 0x80,
)
"""What becomes of a byte; never the byte itself."""

_STORMS, _PLACES = 40, 40


def cases(row: Format, *, every: bool = False) -> Iterator[Case]:
    """Yield the cases of a format: the valid input, spoiled ones, those made by hand.

    With `every`, each byte is changed by every pattern and no case is left out.
    """
    files = row.seed()
    whole = files[row.spoiled]
    assert isinstance(whole, bytes)
    yield Case(f"{row.name}/whole", row.arguments, row.seed, row.target, valid=True, kept=row.kept)
    for what, change in itertools.islice(_spoiled(row, whole, every=every), None, None, 1 if every else row.stride):
        make = functools.partial(_files, files, row.spoiled, change)
        yield Case(f"{row.name}/{what}", row.arguments, make, row.target, kept=row.kept)
    for what, instead in _instead(row.spoiled).items():
        make = functools.partial(_without, files, row.spoiled, instead)
        yield Case(f"{row.name}/{what}", row.arguments, make, row.target, kept=row.kept)
    yield from row.crafted()


def _files(files: Files, name: str, change: Callable[[], bytes]) -> Files:
    return {**files, name: change()}


def _instead(name: str) -> dict[str, Files]:
    """Return what may be in the place of a file."""
    return {
        "not there": {},
        "a link to a device": {name: Path("/dev/zero")},
        "a link to itself": {name: Path(Path(name).name)},
        "a link to nothing": {name: Path("nowhere")},
        "a pipe": {name: None},
        "a folder": {f"{name}/x": b""},
    }


def _without(files: Files, name: str, instead: Files) -> Files:
    return {**{other: content for other, content in files.items() if other != name}, **instead}


def _spoiled(row: Format, whole: bytes, *, every: bool) -> Iterator[tuple[str, Callable[[], bytes]]]:
    for what, change in _changes(row, whole, every=every):
        yield what, change
        if row.seal is not None:
            yield f"{what}, sealed", functools.partial(_sealed, row.seal, change, whole)


def _sealed(seal: Seal, change: Callable[[], bytes], whole: bytes) -> bytes:
    return seal(change(), whole)


def _changes(row: Format, whole: bytes, *, every: bool) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield (what is done, how)."""
    cuts, offsets = sorted(set(row.cuts(whole))), sorted(set(row.bytes(whole)))
    for at in cuts:
        if at < len(whole):
            yield f"cut at {at}", functools.partial(_replaced, whole, at, len(whole), b"")
    for at in offsets:
        for pattern in range(len(PATTERNS)) if every else (at % len(PATTERNS),):
            new = bytes([PATTERNS[pattern](whole[at])])
            yield f"byte {at} pattern {pattern}", functools.partial(_replaced, whole, at, at + 1, new)
    for at in cuts[:: max(1, len(cuts) // _PLACES)]:
        yield f"8 bytes inserted at {at}", functools.partial(_replaced, whole, at, at, bytes(8))
        yield f"8 bytes taken at {at}", functools.partial(_replaced, whole, at, at + 8, b"")
        yield f"ones at {at}", functools.partial(_replaced, whole, at, at + 16, b"\xff" * 16)
    for number in range(_STORMS):
        yield f"storm {number}", functools.partial(_storm, row.name, whole, offsets, number)
    for what, content in (
        ("twice", whole * 2),
        ("nothing", b""),
        ("zeros", bytes(len(whole))),
        ("turned", whole[::-1]),
    ):
        yield what, functools.partial(bytes, content)


def _replaced(whole: bytes, start: int, end: int, new: bytes) -> bytes:
    return whole[:start] + new + whole[end:]


def _storm(name: str, whole: bytes, offsets: list[int], number: int) -> bytes:
    """Change 2 to 16 of the bytes; a pure function of its arguments."""
    draw = random.Random(zlib.crc32(f"{name} {number}".encode()))
    content = bytearray(whole)
    for at in draw.choices(offsets, k=draw.randint(2, 16)):
        content[at] = draw.randrange(256)
    return bytes(content)
