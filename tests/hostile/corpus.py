"""The table of formats."""

from __future__ import annotations

from collections.abc import Iterator

from tests.hostile import hdf5_seeds, spoil
from tests.hostile.case import Case, Format

_INFO = ("data", "info", hdf5_seeds.FILE)

FORMATS = (
    Format("hdf5", hdf5_seeds.ours, hdf5_seeds.FILE, _INFO, hdf5_seeds.words, hdf5_seeds.metadata, None,
           seal=hdf5_seeds.seal),
    Format("hdf5-oldest", hdf5_seeds.oldest, hdf5_seeds.FILE, _INFO, hdf5_seeds.words, hdf5_seeds.metadata, None,
           seal=hdf5_seeds.seal),
    Format("hdf5-newest", hdf5_seeds.newest, hdf5_seeds.FILE, _INFO, hdf5_seeds.words, hdf5_seeds.metadata, None,
           seal=hdf5_seeds.seal),
)  # fmt: skip


def corpus(*, every: bool = False) -> Iterator[Case]:
    for row in FORMATS:
        yield from spoil.cases(row, every=every)
