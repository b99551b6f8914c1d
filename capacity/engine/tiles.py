"""The tiles that Shampoo cuts a matrix into: each has statistics of its own."""

from __future__ import annotations

from collections.abc import Iterator

TILE = 64
"""Most rows and columns of a tile; as in csrc/common/shampoo.h."""


def tiles(rows: int, columns: int) -> Iterator[tuple[slice, slice]]:
    """Yield the tiles of a matrix, row by row; those at its right and lower edge have what is left."""
    for row in range(0, rows, TILE):
        for column in range(0, columns, TILE):
            yield slice(row, min(row + TILE, rows)), slice(column, min(column + TILE, columns))


def factor_elements(rows: int, columns: int) -> int:
    """Return the elements of the two factors of all tiles: for one of m x n, m^2 and n^2."""
    return sum((r.stop - r.start) ** 2 + (c.stop - c.start) ** 2 for r, c in tiles(rows, columns))
