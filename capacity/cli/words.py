"""Times, rates and texts of files as people read them."""

from __future__ import annotations

import itertools

_SECONDS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def duration(seconds: float) -> str:
    """Return a time in its two largest units: 43s, 1m 12s, 2h 03m, 3d 04h; below ten seconds 0.4s."""
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    for (unit, size), (small, part) in itertools.pairwise(_SECONDS):
        if whole >= size:
            return f"{whole // size}{unit} {whole % size // part:02d}{small}"
    return f"{whole}s"


def rate(examples_per_second: float) -> str:
    """Return a number of training examples per second: 950 examples/s, 1.2M examples/s."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if examples_per_second >= 0.9995 * size:
            return f"{examples_per_second / size:.3g}{unit} examples/s"
    return f"{examples_per_second:.0f} examples/s"


def plural(count: int, noun: str) -> str:
    """Return "1 trial", "48 trials"."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def printable(text: str) -> str:
    """Return a text with what a terminal would obey, and half characters, written as escapes: it may be of a file."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
