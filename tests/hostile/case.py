"""What a case is, and what a format gives to the table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

Files = Mapping[str, bytes | Path | None]
"""The files of a case: name in its folder -> content, or where a link leads, or None for a pipe."""

Seal = Callable[[bytes, bytes], bytes]
"""Puts sizes and checksums of a spoiled file right: (spoiled, whole) -> spoiled but plausible."""

CANARY = Path("..", "canary")
"""A file beside the folder in which a case runs: what would run if a pickle were loaded removes it."""

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Case:
    """A command line and the files it meets.

    Attributes
    ----------
    name : str
        FORMAT/what was done to it; the same at every run.
    arguments : tuple of str
        What follows `capacity`; it is run in the folder of the files.
    make : callable
        Gives the files; called only for the cases that are run.
    target : str or None
        The file or folder that the command makes.
    valid : bool
        Whether the command has to succeed; otherwise it may succeed or refuse.
    refused : bool
        Whether the command has to refuse.
    memory : int
        Address space in bytes that the command may take beside what the warmed process has.
    kept : str or None
        What may lie beside the target after a refusal, for the next try.
    """

    name: str
    arguments: tuple[str, ...]
    make: Callable[[], Files]
    target: str | None
    valid: bool = False
    refused: bool = False
    memory: int = 1536 * MEGABYTE
    kept: str | None = None


def _nothing() -> Iterator[Case]:
    return iter(())


def every_byte(content: bytes) -> range:
    return range(len(content))


@dataclass(frozen=True)
class Format:
    """A row of the table: a valid input, where its structures begin, and the command that reads it.

    Attributes
    ----------
    name : str
    seed : callable
        Makes the files of a valid input.
    spoiled : str
        The one of them that is spoiled.
    arguments : tuple of str
        The command line; it must succeed on the seed.
    target : str or None
        What the command makes.
    cuts : callable
        Offsets of the spoiled file at which it is cut off, and bytes are inserted and taken away.
    bytes : callable
        Offsets of the bytes that are changed one by one.
    seal : callable, optional
        Every spoiled file comes a second time with its sizes and checksums put right, so that it is met deeper inside.
    stride : int
        One of so many spoiled files is taken, where not every one is asked for.
    crafted : callable
        Cases made by hand.
    kept : str or None
        What may lie beside the target after a refusal.
    """

    name: str
    seed: Callable[[], Files]
    spoiled: str
    arguments: tuple[str, ...]
    target: str | None = "out.h5"
    cuts: Callable[[bytes], Iterable[int]] = every_byte
    bytes: Callable[[bytes], Iterable[int]] = every_byte
    seal: Seal | None = None
    stride: int = 1
    crafted: Callable[[], Iterator[Case]] = _nothing
    kept: str | None = None
