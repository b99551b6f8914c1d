"""What tables in Markdown have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def line(cells: Sequence[str]) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(cells)} |"


def rule(columns: int) -> str:
    """Return the row below the head: the first column of text, the others of numbers."""
    return line(["---"] + ["---:"] * (columns - 1))


def time(us: Mapping[str, float]) -> str:
    """Return a median with its quartiles in brackets, all with the digits that the median deserves."""
    digits = 2 if us["median"] < 100 else 0
    return f"{us['median']:.{digits}f} [{us['q1']:.{digits}f}, {us['q3']:.{digits}f}]"
